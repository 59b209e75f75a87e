"""Feed-forward networks as lists of layers: run and trained with JAX, written as ONNX."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from jax import lax

from onnx_graph import Graph

EPSILON = 1e-5


@dataclass(frozen=True)
class Layer:
    """One layer. `shape` is the weight's: outputs x inputs for `gemm`, O x I x H x W for `conv`, channels for `norm`."""

    kind: str
    name: str
    shape: tuple[int, ...] = ()
    pad: int = 0


@dataclass
class Network:
    """A network with its parameters, by layer name: `weight` and `bias`, for `norm` also `mean` and `var`."""

    name: str
    input_shape: tuple[int, ...]
    layers: list[Layer]
    params: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def initialise(self, seed: int, bias_scale: float = 0.0) -> None:
        """He-scaled normal weights; normal biases of standard deviation `bias_scale`."""
        rng = np.random.default_rng(seed)
        for layer in self.layers:
            if layer.kind == "norm":
                zero, one = np.zeros(layer.shape, np.float32), np.ones(layer.shape, np.float32)
                self.params[layer.name] = {"weight": one, "bias": zero, "mean": zero, "var": one}
            elif layer.shape:
                scale = np.sqrt(2 / np.prod(layer.shape[1:]))
                weight = rng.standard_normal(layer.shape, np.float32) * np.float32(scale)
                bias = rng.standard_normal(layer.shape[0], np.float32) * np.float32(bias_scale)
                self.params[layer.name] = {"weight": weight, "bias": bias}

    def parameter_count(self) -> int:
        """Trained parameters: weights and biases, not the statistics of a `norm`."""
        return sum(arrays[key].size for arrays in self.params.values() for key in ("weight", "bias"))

    def forward(self, params, x, batch_statistics: bool = False):
        """Outputs for a batch `x`. With `batch_statistics`, `norm` uses the batch's mean and variance."""
        for layer in self.layers:
            x = apply(layer, params.get(layer.name), x, batch_statistics)
        return x

    def measure_statistics(self, images: np.ndarray) -> None:
        """Sets mean and variance of every `norm` to those over `images`."""
        x = images
        for layer in self.layers:
            if layer.kind == "norm":
                mean, var = channel_statistics(x)
                self.params[layer.name] |= {"mean": np.asarray(mean), "var": np.asarray(var)}
            x = apply(layer, self.params.get(layer.name), x, False)

    def to_onnx(self, opset: int = 13) -> onnx.ModelProto:
        """The network at batch size 1."""
        graph = Graph(self.name, {"input": [1, *self.input_shape]}, opset)
        value = "input"
        for layer in self.layers:
            value = add_node(graph, layer, self.params.get(layer.name), value)
        outputs = self.layers[-1].shape[0]
        return graph.model(value, [1, outputs])


def channel_statistics(x):
    """Mean and variance per channel."""
    return x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))


def apply(layer: Layer, params, x, batch_statistics: bool):
    """One layer on a batch."""
    match layer.kind:
        case "gemm":
            return x @ params["weight"].T + params["bias"]
        case "conv":
            pads = [(layer.pad, layer.pad)] * 2
            y = lax.conv_general_dilated(x, params["weight"], (1, 1), pads, dimension_numbers=("NCHW", "OIHW", "NCHW"))
            return y + params["bias"][:, None, None]
        case "norm":
            mean, var = channel_statistics(x) if batch_statistics else (params["mean"], params["var"])
            scale = params["weight"] / jnp.sqrt(var + EPSILON)
            return (x - mean[:, None, None]) * scale[:, None, None] + params["bias"][:, None, None]
        case "relu":
            return jnp.maximum(x, 0)
        case "pool":
            n, c, h, w = x.shape
            return x.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))
        case "flatten":
            return x.reshape(x.shape[0], -1)
    raise ValueError(layer.kind)


def add_node(graph: Graph, layer: Layer, params, value: str) -> str:
    """The layer's ONNX node."""
    name = layer.name

    def weights(*keys: str) -> list[str]:
        return [value] + [graph.weight(f"{name}.{key}", params[key]) for key in keys]

    match layer.kind:
        case "gemm":
            return graph.node("Gemm", weights("weight", "bias"), name, transB=1)
        case "conv":
            kernel = list(layer.shape[2:])
            return graph.node("Conv", weights("weight", "bias"), name, kernel_shape=kernel, pads=[layer.pad] * 4)
        case "norm":
            inputs = weights("weight", "bias", "mean", "var")
            return graph.node("BatchNormalization", inputs, name, epsilon=EPSILON)
        case "relu":
            return graph.node("Relu", [value], name)
        case "pool":
            return graph.node("MaxPool", [value], name, kernel_shape=[2, 2], strides=[2, 2])
        case "flatten":
            return graph.node("Flatten", [value], name, axis=1)
    raise ValueError(layer.kind)


def cross_entropy(network: Network, params, images, labels):
    """Mean negative log-likelihood of the labels."""
    logits = network.forward(params, images, batch_statistics=True)
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()


def train(network: Network, images, labels, *, seed: int, epochs: int, batch: int, rate: float, augment) -> None:
    """Adam with a cosine schedule and decoupled weight decay. `augment(rng, images)` changes each batch's images."""
    rng = np.random.default_rng(seed)
    params = network.params
    first, second = (jax.tree.map(jnp.zeros_like, params) for _ in range(2))
    steps = epochs * (len(images) // batch)

    @jax.jit
    def update(params, first, second, step, images, labels):
        gradient = jax.grad(lambda p: cross_entropy(network, p, images, labels))(params)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        now = rate * 0.5 * (1 + jnp.cos(jnp.pi * step / steps))

        def moved(p, m, v):
            unbiased = (m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1)))
            return p - now * (unbiased[0] / (jnp.sqrt(unbiased[1]) + 1e-8) + 1e-2 * p)

        return jax.tree.map(moved, params, first, second), first, second

    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(images))[: steps // epochs * batch]
        for chosen in order.reshape(-1, batch):
            inputs = augment(rng, images[chosen])
            params, first, second = update(params, first, second, step, inputs, labels[chosen])
            step += 1
    network.params = jax.tree.map(np.asarray, params)
    network.measure_statistics(images)
