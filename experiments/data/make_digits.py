"""Trains three classifiers of scikit-learn's handwritten digits and writes them as ONNX, with held-out images."""

import numpy as np
import onnx
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from networks import Layer, Network, train
from onnx_graph import HERE, flat, run, save_json

SEED = 20240
TEST_IMAGES = 360
LENET_TEST_IMAGES = 200
CALIBRATION_IMAGES = 64
LENET_SIDE = 28

MLP = Network(
    "digits-mlp",
    (64,),
    [
        Layer("gemm", "dense1", (128, 64)),
        Layer("relu", "relu1"),
        Layer("gemm", "dense2", (32, 128)),
        Layer("relu", "relu2"),
        Layer("gemm", "dense3", (10, 32)),
    ],
)

CNN = Network(
    "digits-cnn",
    (1, 8, 8),
    [
        Layer("conv", "conv1", (8, 1, 3, 3), pad=1),
        Layer("norm", "norm1", (8,)),
        Layer("relu", "relu1"),
        Layer("pool", "pool1"),
        Layer("conv", "conv2", (16, 8, 3, 3), pad=1),
        Layer("relu", "relu2"),
        Layer("pool", "pool2"),
        Layer("flatten", "flatten"),
        Layer("gemm", "dense1", (32, 64)),
        Layer("relu", "relu3"),
        Layer("gemm", "dense2", (10, 32)),
    ],
)

LENET = Network(
    "lenet5",
    (1, LENET_SIDE, LENET_SIDE),
    [
        Layer("conv", "conv1", (6, 1, 5, 5), pad=2),
        Layer("relu", "relu1"),
        Layer("pool", "pool1"),
        Layer("conv", "conv2", (16, 6, 5, 5)),
        Layer("relu", "relu2"),
        Layer("pool", "pool2"),
        Layer("flatten", "flatten"),
        Layer("gemm", "dense1", (120, 400)),
        Layer("relu", "relu3"),
        Layer("gemm", "dense2", (84, 120)),
        Layer("relu", "relu4"),
        Layer("gemm", "dense3", (10, 84)),
    ],
)


def upscale(images: np.ndarray) -> np.ndarray:
    """Bilinear interpolation to 28 x 28, pixel centres aligned, edges repeated; rounded to f16."""
    side = images.shape[-1]
    centre = np.clip((np.arange(LENET_SIDE) + 0.5) * side / LENET_SIDE - 0.5, 0, side - 1)
    rows = np.maximum(0, 1 - np.abs(centre[:, None] - np.arange(side)))
    return (rows @ images @ rows.T).astype(np.float16).astype(np.float32)


def unchanged(_rng, images):
    """No augmentation."""
    return images


def shifted(distance: int):
    """Augmentation: moves each batch's images by up to `distance` pixels per axis, filling with zeros."""

    def augment(rng, images):
        down, right = rng.integers(0, 2 * distance + 1, 2)
        height, width = images.shape[2:]
        padded = np.pad(images, [(0, 0), (0, 0), (distance, distance), (distance, distance)])
        return padded[:, :, down : down + height, right : right + width]

    return augment


def finish(network: Network, images: np.ndarray, labels: np.ndarray) -> None:
    """Writes the network and its sample input, compares the file with the training framework, prints the accuracy."""
    model = network.to_onnx()
    onnx.save(model, HERE / f"{network.name}.onnx")
    expected = np.asarray(network.forward(network.params, images))
    actual = np.concatenate([run(model, image[None]) for image in images])
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)
    correct = int((actual.argmax(1) == labels).sum())
    assert correct > 0.97 * len(labels), f"{network.name}: {correct} of {len(labels)}"
    save_json(HERE / f"{network.name}-input.json", input_data=[flat(images[0])])
    error = np.abs(actual - expected).max()
    print(
        f"{network.name}: {network.parameter_count()} parameters, {correct} of {len(labels)} held-out images correct "
        f"({100 * correct / len(labels):.2f} %), largest difference from JAX {error:.1e}; "
        f"sample input: label {labels[0]}, answer {actual[0].argmax()}"
    )


def main() -> None:
    digits = load_digits()
    images, labels = (digits.images / 16).astype(np.float32), digits.target.astype(np.int32)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=TEST_IMAGES, random_state=SEED, stratify=labels
    )

    MLP.initialise(SEED)
    train(MLP, train_x.reshape(-1, 64), train_y, seed=1, epochs=60, batch=32, rate=3e-3, augment=unchanged)
    finish(MLP, test_x.reshape(-1, 64), test_y)

    CNN.initialise(SEED)
    train(CNN, train_x[:, None], train_y, seed=2, epochs=120, batch=32, rate=1e-2, augment=unchanged)
    finish(CNN, test_x[:, None], test_y)

    large_train, large_test = upscale(train_x), upscale(test_x[:LENET_TEST_IMAGES])
    LENET.initialise(SEED)
    train(LENET, large_train[:, None], train_y, seed=3, epochs=20, batch=32, rate=2e-3, augment=shifted(2))
    finish(LENET, upscale(test_x)[:, None], test_y)

    calibration, large_calibration = train_x[:CALIBRATION_IMAGES], large_train[:CALIBRATION_IMAGES]
    tensors = {
        "labels": test_y,
        "mlp.images": test_x.reshape(-1, 64),
        "mlp.calibration": calibration.reshape(-1, 64),
        "cnn.images": test_x[:, None],
        "cnn.calibration": calibration[:, None],
        "lenet.images": large_test[:, None].astype(np.float16),
        "lenet.calibration": large_calibration[:, None].astype(np.float16),
    }
    save_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, HERE / "digits-test.safetensors")
    save_json(HERE / "digits-cnn-calibration.json", input_data=[flat(calibration)])


if __name__ == "__main__":
    main()
