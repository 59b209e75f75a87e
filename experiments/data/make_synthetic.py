"""Writes networks of two standard sizes with generated weights, as ONNX, with generated inputs."""

import numpy as np
import onnx
from safetensors.numpy import save_file

from networks import Layer, Network
from onnx_graph import HERE, flat, run, save_json

SEED = 264
IMAGES = 16
CALIBRATION_IMAGES = 64

CNN = Network(
    "cnn-264k",
    (3, 32, 32),
    [
        Layer("conv", "conv1", (12, 3, 5, 5)),
        Layer("relu", "relu1"),
        Layer("pool", "pool1"),
        Layer("conv", "conv2", (32, 12, 5, 5)),
        Layer("relu", "relu2"),
        Layer("pool", "pool2"),
        Layer("flatten", "flatten"),
        Layer("gemm", "dense1", (256, 800)),
        Layer("relu", "relu3"),
        Layer("gemm", "dense2", (180, 256)),
        Layer("relu", "relu4"),
        Layer("gemm", "dense3", (10, 180)),
    ],
)

MLP = Network(
    "dense-4m",
    (784,),
    [
        Layer("gemm", "dense1", (1536, 784)),
        Layer("relu", "relu1"),
        Layer("gemm", "dense2", (1280, 1536)),
        Layer("relu", "relu2"),
        Layer("gemm", "dense3", (640, 1280)),
        Layer("relu", "relu3"),
        Layer("gemm", "dense4", (10, 640)),
    ],
)


def make(network: Network, parameters: int, seed: int) -> None:
    """Writes `NAME.onnx`, `NAME-inputs.safetensors` and `NAME-input.json`; checks the size within 1 %."""
    network.initialise(seed, bias_scale=0.1)
    assert abs(network.parameter_count() - parameters) < 0.01 * parameters
    model = network.to_onnx()
    onnx.save(model, HERE / f"{network.name}.onnx")

    rng = np.random.default_rng(seed + 1)
    inputs, calibration = (
        rng.standard_normal((count, *network.input_shape), np.float32).astype(np.float16)
        for count in (IMAGES, CALIBRATION_IMAGES)
    )
    save_file({"input": inputs, "calibration": calibration}, HERE / f"{network.name}-inputs.safetensors")
    save_json(HERE / f"{network.name}-input.json", input_data=[flat(inputs[0])])

    images = inputs.astype(np.float32)
    expected = np.asarray(network.forward(network.params, images))
    actual = np.concatenate([run(model, image[None]) for image in images])
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3)
    print(
        f"{network.name}: {network.parameter_count()} parameters, outputs have standard deviation {actual.std():.2f}, "
        f"largest difference from JAX {np.abs(actual - expected).max():.1e}"
    )


if __name__ == "__main__":
    make(CNN, 264_000, SEED)
    make(MLP, 4_000_000, SEED + 2)
