//! The device `gpu`: compute shaders through Vulkan, Metal or Direct3D 12.
