//! Adapters: which there are, which can be used, which is taken.

use wgpu::{Adapter, Backend, DeviceType, DownlevelFlags, Features};

/// An adapter that a driver offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The adapter as its driver names it.
    pub name: String,
    /// The interface to it: `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// Driver and version.
    pub driver: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `software` or `other`.
    pub kind: String,
    /// Largest range that one shader binding can have, in bytes.
    pub max_binding: u64,
    /// Largest buffer, in bytes.
    pub max_buffer: u64,
    /// True if shaders can compute in 64-bit integers.
    pub int64: bool,
    /// Why it cannot be used, if it cannot.
    pub usable: Result<(), String>,
}

impl Found {
    /// True if it is a program on the host's own cores.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }

    /// The better, the smaller.
    pub(crate) fn rank(&self) -> usize {
        ["discrete GPU", "integrated GPU", "virtual GPU", "other", "software"]
            .iter()
            .position(|&kind| kind == self.kind)
            .unwrap_or(usize::MAX)
    }
}

/// Why there is no device `gpu`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// No driver offers an adapter.
    #[error(
        "no GPU adapter was found: install the GPU's Vulkan driver (Linux: the vendor's package and libvulkan1); for \
         tests without a GPU, Mesa's lavapipe (Debian: libvulkan1 mesa-vulkan-drivers)"
    )]
    NoAdapter,
    /// No adapter matches, or none that does can be used.
    #[error(
        "no adapter {wanted} can be used; found: {found}; set ZKML_GPU_ADAPTER to a part of one's name, or update the driver"
    )]
    NoneUsable {
        /// What was looked for.
        wanted: String,
        /// What there was, and why it was not taken.
        found: String,
    },
    /// The driver refuses to open the adapter.
    #[error(
        "the adapter {adapter} does not open: {reason}; check that its driver is up to date and not in exclusive use"
    )]
    Refused {
        /// The adapter.
        adapter: String,
        /// The driver's reason.
        reason: String,
    },
    /// The self-test failed with every prelude.
    #[error(
        "the adapter {adapter} fails the self-test: {reason}; its results cannot be trusted: update the driver, or use `device: cpu`"
    )]
    SelfTest {
        /// The adapter.
        adapter: String,
        /// What failed, by prelude.
        reason: String,
    },
}

/// All adapters that drivers offer, usable or not. The environment variable `WGPU_BACKEND` restricts the interfaces.
pub fn discover() -> Vec<Found> {
    adapters().iter().map(describe).collect()
}

pub(crate) fn adapters() -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    // Validation layers only where the environment asks for them, in debug builds too.
    descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    let instance = wgpu::Instance::new(descriptor);
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY))
}

pub(crate) fn describe(adapter: &Adapter) -> Found {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let kind = match info.device_type {
        DeviceType::DiscreteGpu => "discrete GPU",
        DeviceType::IntegratedGpu => "integrated GPU",
        DeviceType::VirtualGpu => "virtual GPU",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    };
    Found {
        name: info.name,
        backend: info.backend.to_str().to_owned(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        kind: kind.to_owned(),
        max_binding: limits.max_storage_buffer_binding_size,
        max_buffer: limits.max_buffer_size,
        int64: int64(adapter),
        usable: usable(adapter),
    }
}

/// 64-bit integers in shaders. Direct3D 12 has them, but its compilers are not trusted with them.
pub(crate) fn int64(adapter: &Adapter) -> bool {
    adapter.features().contains(Features::SHADER_INT64) && adapter.get_info().backend != Backend::Dx12
}

fn usable(adapter: &Adapter) -> Result<(), String> {
    let limits = adapter.limits();
    let at_least = |what: &str, has: u64, needs: u64| {
        if has < needs { Err(format!("{what}: it has {has}, {needs} are needed")) } else { Ok(()) }
    };
    if !adapter.get_downlevel_capabilities().flags.contains(DownlevelFlags::COMPUTE_SHADERS) {
        return Err("it has no compute shaders".to_owned());
    }
    if cfg!(target_endian = "big") {
        return Err("the host's words are big-endian".to_owned());
    }
    at_least("threads of a workgroup", u64::from(limits.max_compute_invocations_per_workgroup), 256)?;
    at_least("bytes shared by a workgroup", u64::from(limits.max_compute_workgroup_storage_size), 8192)?;
    at_least("storage buffers of a shader", u64::from(limits.max_storage_buffers_per_shader_stage), 8)?;
    at_least("bytes of a binding", limits.max_storage_buffer_binding_size, 1 << 20)
}

/// The adapters to try, best first: those whose name contains `wanted`.
pub(crate) fn choose(wanted: Option<&str>) -> Result<(Adapter, Found), Unavailable> {
    let mut all: Vec<(Adapter, Found)> = adapters().into_iter().map(|a| (a.clone(), describe(&a))).collect();
    if all.is_empty() {
        return Err(Unavailable::NoAdapter);
    }
    all.sort_by_key(|(_, found)| found.rank());
    let position = position(all.iter().map(|(_, found)| found), wanted)?;
    Ok(all.swap_remove(position))
}

fn position<'a>(all: impl Iterator<Item = &'a Found> + Clone, wanted: Option<&str>) -> Result<usize, Unavailable> {
    let matches = |found: &Found| wanted.is_none_or(|w| found.name.to_lowercase().contains(&w.to_lowercase()));
    all.clone().position(|found| found.usable.is_ok() && matches(found)).ok_or_else(|| {
        let reason = |found: &Found| found.usable.clone().err().unwrap_or_else(|| "the name does not match".to_owned());
        let list: Vec<String> = all.map(|f| format!("{} ({}: {})", f.name, f.backend, reason(f))).collect();
        Unavailable::NoneUsable { wanted: format!("named {:?}", wanted.unwrap_or("")), found: list.join(", ") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, kind: &str, usable: Result<(), String>) -> Found {
        Found {
            name: name.to_owned(),
            backend: "vulkan".to_owned(),
            driver: String::new(),
            kind: kind.to_owned(),
            max_binding: 1 << 30,
            max_buffer: 1 << 30,
            int64: true,
            usable,
        }
    }

    #[test]
    fn the_first_usable_match_is_taken_and_errors_say_what_there_was() {
        let all = [
            found("Old Card", "discrete GPU", Err("too few threads".to_owned())),
            found("Chip", "integrated GPU", Ok(())),
            found("llvmpipe", "software", Ok(())),
        ];
        assert!(all.is_sorted_by_key(Found::rank));
        assert_eq!(position(all.iter(), None), Ok(1));
        assert_eq!(position(all.iter(), Some("LLVM")), Ok(2));
        let error = position(all.iter(), Some("old")).unwrap_err().to_string();
        assert!(error.contains("too few threads") && error.contains("llvmpipe"), "{error}");
    }
}
