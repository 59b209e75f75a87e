"""Writes the ONNX files of the importer's tests: small graphs in opsets 12 to 17, and files that must be refused.

Every good file comes with an input and ONNX Runtime's output in `NAME.json`.
"""

from math import prod, sqrt

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper, helper

from onnx_graph import HERE, Graph, flat, run, save_json

FIXTURES = HERE.parents[1] / "kernels" / "import" / "tests" / "fixtures"
SIZE_LIMIT = 20_000


class Block(Graph):
    """A graph whose weights are drawn from a generator seeded by its name."""

    def __init__(self, name: str, opset: int, input_shape: list):
        super().__init__(name, {"input": input_shape}, opset)
        self.rng = np.random.default_rng(list(name.encode()))

    def normal(self, name: str, *shape: int, scale: float | None = None) -> str:
        """A normal weight; He-scaled for rows of outputs unless `scale` is given."""
        scale = sqrt(2 / prod(shape[1:])) if scale is None else scale
        return self.weight(name, self.rng.standard_normal(shape) * scale)

    def dense(self, value: str, name: str, outputs: int, inputs: int) -> str:
        """Gemm with a weight of rows of outputs, and a bias."""
        weight = self.normal(f"{name}.weight", outputs, inputs)
        return self.node("Gemm", [value, weight, self.normal(f"{name}.bias", outputs, scale=0.1)], name, transB=1)

    def matmul(self, value: str, name: str, inputs: int, outputs: int) -> str:
        """MatMul with a weight of rows of inputs, then Add."""
        weight = self.normal(f"{name}.weight", inputs, outputs, scale=sqrt(2 / inputs))
        product = self.node("MatMul", [value, weight], f"{name}.matmul")
        return self.node("Add", [product, self.normal(f"{name}.bias", outputs, scale=0.1)], name)

    def conv(self, value: str, name: str, *shape: int, bias: bool = True, **attributes) -> str:
        """Conv with a weight of `shape`: outputs, inputs per group, height, width."""
        inputs = [value, self.normal(f"{name}.weight", *shape)]
        if bias:
            inputs.append(self.normal(f"{name}.bias", shape[0], scale=0.1))
        return self.node("Conv", inputs, name, **attributes)

    def relu(self, value: str, name: str) -> str:
        return self.node("Relu", [value], name)

    def batchnorm(self, value: str, name: str, channels: int) -> str:
        """BatchNormalization with statistics that are not trivial."""
        gain = self.weight(f"{name}.weight", 1 + 0.2 * self.rng.standard_normal(channels))
        bias, mean = (self.normal(f"{name}.{part}", channels, scale=0.3) for part in ("bias", "mean"))
        var = self.weight(f"{name}.var", self.rng.uniform(0.5, 1.5, channels))
        return self.node("BatchNormalization", [value, gain, bias, mean, var], name, epsilon=1e-5)


def gemm_transb0_alpha_beta():
    g = Block("gemm-transb0-alpha-beta", 12, [3, 6])
    weight, bias = g.normal("dense.weight", 6, 5, scale=0.6), g.normal("dense.bias", 5, scale=0.3)
    return g.model(g.node("Gemm", ["input", weight, bias], "dense", alpha=0.5, beta=2.0, transB=0), [3, 5])


def gemm_transb1():
    g = Block("gemm-transb1", 13, [1, 12])
    hidden = g.relu(g.dense("input", "dense1", 9, 12), "relu1")
    return g.model(g.dense(hidden, "dense2", 4, 9), [1, 4])


def gemm_without_bias():
    g = Block("gemm-without-bias", 17, [2, 7])
    return g.model(g.node("Gemm", ["input", g.normal("dense.weight", 3, 7)], "dense", transB=1), [2, 3])


def matmul_add():
    g = Block("matmul-add", 13, [4, 8])
    hidden = g.relu(g.matmul("input", "dense1", 8, 6), "relu1")
    return g.model(g.matmul(hidden, "dense2", 6, 3), [4, 3])


def matmul_three_axes():
    g = Block("matmul-three-axes", 15, [1, 5, 8])
    return g.model(g.relu(g.matmul("input", "dense1", 8, 6), "relu1"), [1, 5, 6])


def conv_stride_asymmetric_pads():
    g = Block("conv-stride-asymmetric-pads", 12, [1, 2, 9, 7])
    value = g.conv("input", "conv1", 3, 2, 3, 3, bias=False, strides=[2, 2], pads=[0, 1, 2, 1])
    return g.model(g.relu(value, "relu1"), [1, 3, 5, 4])


def conv_dilation():
    g = Block("conv-dilation", 13, [1, 2, 8, 8])
    value = g.conv("input", "conv1", 4, 2, 3, 3, kernel_shape=[3, 3], dilations=[2, 2], pads=[2, 2, 2, 2])
    return g.model(g.relu(value, "relu1"), [1, 4, 8, 8])


def conv_groups():
    g = Block("conv-groups", 15, [1, 4, 6, 6])
    value = g.relu(g.conv("input", "conv1", 6, 2, 3, 3, group=2, pads=[1, 1, 1, 1]), "relu1")
    return g.model(g.conv(value, "depthwise", 6, 1, 3, 3, group=6), [1, 6, 4, 4])


def conv_auto_pad():
    g = Block("conv-auto-pad", 15, [1, 2, 7, 8])
    value = g.relu(g.conv("input", "same", 3, 2, 3, 3, auto_pad="SAME_UPPER", strides=[2, 2]), "relu1")
    return g.model(g.conv(value, "valid", 2, 3, 2, 2, auto_pad="VALID"), [1, 2, 3, 3])


def conv_rectangular():
    g = Block("conv-rectangular", 17, [2, 1, 5, 10])
    return g.model(g.conv("input", "conv1", 3, 1, 1, 4, strides=[1, 3], dilations=[1, 2]), [2, 3, 5, 2])


def pools():
    g = Block("pools", 13, [1, 2, 12, 12])
    value = g.relu(g.conv("input", "conv1", 3, 2, 3, 3, pads=[1, 1, 1, 1]), "relu1")
    value = g.node("MaxPool", [value], "maxpool", kernel_shape=[2, 2], strides=[2, 2])
    return g.model(g.node("AveragePool", [value], "avgpool", kernel_shape=[2, 2], strides=[2, 2]), [1, 3, 3, 3])


def maxpool_overlapping():
    g = Block("maxpool-overlapping", 12, [1, 2, 9, 9])
    value = g.node("MaxPool", ["input"], "maxpool1", kernel_shape=[3, 3], strides=[2, 2])
    return g.model(g.node("MaxPool", [value], "maxpool2", kernel_shape=[2, 3], strides=[1, 1]), [1, 2, 3, 2])


def maxpool_padded():
    g = Block("maxpool-padded", 13, [1, 2, 7, 7])
    value = g.node("MaxPool", ["input"], "maxpool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    return g.model(value, [1, 2, 4, 4])


def avgpool_padded(include: int):
    g = Block(f"avgpool-count-include-pad-{include}", 13, [1, 2, 6, 6])
    window = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 0]}
    return g.model(g.node("AveragePool", ["input"], "avgpool", count_include_pad=include, **window), [1, 2, 3, 3])


def global_average_pool():
    g = Block("global-average-pool", 15, [1, 2, 6, 6])
    value = g.relu(g.conv("input", "conv1", 4, 2, 3, 3), "relu1")
    value = g.node("Flatten", [g.node("GlobalAveragePool", [value], "pool")], "flatten")
    return g.model(g.dense(value, "dense", 3, 4), [1, 3])


def reshape_initializer():
    g = Block("reshape-initializer", 12, [2, 3, 4])
    shape = g.weight("reshape.shape", np.array([0, -1], np.int64))
    return g.model(g.dense(g.node("Reshape", ["input", shape], "reshape"), "dense", 5, 12), [2, 5])


def reshape_constant_transpose():
    g = Block("reshape-constant-transpose", 13, [1, 3, 4, 4])
    value = g.node("Transpose", [g.conv("input", "conv1", 2, 3, 2, 2)], "channels-last", perm=[0, 2, 3, 1])
    shape = g.node("Constant", [], "shape", value=onnx.numpy_helper.from_array(np.array([1, 18], np.int64)))
    return g.model(g.dense(g.node("Reshape", [value, shape], "reshape"), "dense", 4, 18), [1, 4])


def residual_add():
    g = Block("residual-add", 13, [1, 3, 6, 6])
    pads = {"pads": [1, 1, 1, 1]}
    stem = g.relu(g.conv("input", "stem", 4, 3, 3, 3, **pads), "stem.relu")
    hidden = g.relu(g.conv(stem, "conv1", 4, 4, 3, 3, **pads), "relu1")
    value = g.node("Add", [g.conv(hidden, "conv2", 4, 4, 3, 3, **pads), stem], "residual")
    return g.model(g.relu(value, "relu2"), [1, 4, 6, 6])


def mul_gate():
    g = Block("mul-gate", 15, [2, 8])
    gate = g.node("Sigmoid", [g.dense("input", "gate", 6, 8)], "sigmoid")
    return g.model(g.node("Mul", [gate, g.dense("input", "up", 6, 8)], "mul"), [2, 6])


def clip():
    g = Block("clip", 13, [2, 8])
    bounds = [g.weight(f"clip.{side}", np.float32(value)) for side, value in (("min", 0.0), ("max", 6.0))]
    value = g.node("Clip", [g.dense("input", "dense1", 6, 8), *bounds], "relu6")
    low, high = (
        g.node("Constant", [], f"bound{i}", value=onnx.numpy_helper.from_array(np.float32(v)))
        for i, v in enumerate((-0.75, 0.5))
    )
    return g.model(g.node("Clip", [g.dense(value, "dense2", 4, 6), low, high], "clamp"), [2, 4])


def sigmoid_tanh():
    g = Block("sigmoid-tanh", 12, [2, 8])
    value = g.node("Sigmoid", [g.dense("input", "dense1", 6, 8)], "sigmoid")
    return g.model(g.node("Tanh", [g.dense(value, "dense2", 4, 6)], "tanh"), [2, 4])


def add_gelu(g: Block, x: str) -> str:
    """GELU as PyTorch writes it below opset 20: 0.5 * (x * (1 + erf(x / sqrt 2)))."""
    erf = g.node("Erf", [g.node("Div", [x, g.weight("gelu.sqrt2", np.float32(sqrt(2)))], "gelu.div")], "gelu.erf")
    product = g.node("Mul", [x, g.node("Add", [erf, g.weight("gelu.one", np.float32(1))], "gelu.add")], "gelu.mul")
    return g.node("Mul", [product, g.weight("gelu.half", np.float32(0.5))], "gelu.halve")


def gelu_erf():
    g = Block("gelu-erf", 13, [2, 8])
    return g.model(g.dense(add_gelu(g, g.dense("input", "dense1", 6, 8)), "dense2", 4, 6), [2, 4])


def silu():
    g = Block("silu", 15, [2, 8])
    x = g.dense("input", "dense1", 6, 8)
    return g.model(g.node("Mul", [x, g.node("Sigmoid", [x], "silu.sigmoid")], "silu.mul"), [2, 6])


def layernorm():
    g = Block("layernorm", 17, [1, 4, 12])
    gain, bias = g.weight("norm.weight", 1 + 0.2 * g.rng.standard_normal(12)), g.normal("norm.bias", 12, scale=0.1)
    value = g.node("LayerNormalization", ["input", gain, bias], "norm", axis=-1, epsilon=1e-5)
    return g.model(g.matmul(value, "dense", 12, 5), [1, 4, 5])


def layernorm_primitives():
    g = Block("layernorm-primitives", 13, [4, 12])
    mean = g.node("ReduceMean", ["input"], "norm.mean", axes=[-1], keepdims=1)
    centred = g.node("Sub", ["input", mean], "norm.sub")
    square = g.node("Pow", [centred, g.weight("norm.two", np.float32(2))], "norm.pow")
    variance = g.node("ReduceMean", [square], "norm.variance", axes=[-1], keepdims=1)
    shifted = g.node("Add", [variance, g.weight("norm.eps", np.float32(1e-5))], "norm.add_eps")
    value = g.node("Div", [centred, g.node("Sqrt", [shifted], "norm.sqrt")], "norm.div")
    value = g.node("Mul", [value, g.weight("norm.weight", 1 + 0.2 * g.rng.standard_normal(12))], "norm.mul")
    return g.model(g.node("Add", [value, g.normal("norm.bias", 12, scale=0.1)], "norm.add"), [4, 12])


def add_rmsnorm(g: Block, x: str, width: int, square: str, divide: str) -> str:
    """RMSNorm as primitive nodes. The square is `Pow` or `Mul`; `divide` says how x meets the root."""
    if square == "Pow":
        squared = g.node("Pow", [x, g.weight("rms.two", np.float32(2))], "rms.square")
    else:
        squared = g.node("Mul", [x, x], "rms.square")
    mean = g.node("ReduceMean", [squared], "rms.mean", axes=[-1], keepdims=1)
    root = g.node("Sqrt", [g.node("Add", [mean, g.weight("rms.eps", np.float32(1e-5))], "rms.add_eps")], "rms.sqrt")
    if divide == "x / root":
        value = g.node("Div", [x, root], "rms.div")
    elif divide == "x * (1 / root)":
        value = g.node("Mul", [x, g.node("Div", [g.weight("rms.one", np.float32(1)), root], "rms.div")], "rms.scale")
    else:
        value = g.node("Mul", [x, g.node("Reciprocal", [root], "rms.reciprocal")], "rms.scale")
    return g.node("Mul", [g.weight("rms.weight", 1 + 0.2 * g.rng.standard_normal(width)), value], "rms.mul")


def rmsnorm_primitives(name: str, opset: int, square: str, divide: str):
    g = Block(f"rmsnorm-{name}", opset, [4, 12])
    return g.model(add_rmsnorm(g, "input", 12, square, divide), [4, 12])


def transformer_block():
    g = Block("transformer-ffn", 15, [5, 12])
    normed = add_rmsnorm(g, "input", 12, "Pow", "x / root")
    value = g.matmul(add_gelu(g, g.matmul(normed, "up", 12, 20)), "down", 20, 12)
    return g.model(g.node("Add", ["input", value], "residual"), [5, 12])


def batchnorm_conv():
    g = Block("batchnorm-conv", 13, [1, 2, 6, 6])
    value = g.relu(g.batchnorm(g.conv("input", "conv1", 4, 2, 3, 3, bias=False), "norm1", 4), "relu1")
    return g.model(g.batchnorm(g.conv(value, "conv2", 3, 4, 3, 3), "norm2", 3), [1, 3, 2, 2])


def batchnorm_gemm():
    g = Block("batchnorm-gemm", 15, [2, 8])
    value = g.relu(g.batchnorm(g.dense("input", "dense1", 6, 8), "norm1", 6), "relu1")
    return g.model(g.dense(value, "dense2", 3, 6), [2, 3])


def sklearn_models() -> list[onnx.ModelProto]:
    """Written by skl2onnx: an MLP regressor, and a classifier with operators that only classifiers have."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.datasets import make_classification
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    x, label = make_classification(200, 8, random_state=0)
    shape = [("input", FloatTensorType([1, 8]))]
    regressor = MLPRegressor(hidden_layer_sizes=(10, 6), max_iter=300, random_state=0).fit(x, np.tanh(x[:, 0] - x[:, 1]))
    classifier = MLPClassifier(hidden_layer_sizes=(10,), max_iter=300, random_state=0).fit(x, label)
    models = []
    for name, estimator in (("sklearn-mlp-regressor", regressor), ("bad-sklearn-classifier", classifier)):
        model = to_onnx(estimator, initial_types=shape, target_opset={"": 15, "ai.onnx.ml": 1}, name=name)
        model.graph.name = name
        models.append(model)
    return models


def flax_models() -> list[onnx.ModelProto]:
    """Written by jax2onnx: an MLP and a CNN of Flax modules."""
    import jax
    from flax import nnx
    from jax2onnx import to_onnx

    class Mlp(nnx.Module):
        def __init__(self, rngs):
            self.dense1, self.dense2 = nnx.Linear(8, 12, rngs=rngs), nnx.Linear(12, 4, rngs=rngs)

        def __call__(self, x):
            return self.dense2(nnx.relu(self.dense1(x)))

    class Cnn(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(2, 4, (3, 3), padding="SAME", rngs=rngs)
            self.dense = nnx.Linear(36, 3, rngs=rngs)

        def __call__(self, x):
            x = nnx.max_pool(nnx.relu(self.conv(x)), window_shape=(2, 2), strides=(2, 2))
            return self.dense(x.reshape(1, 36))

    def export(name, module, shape):
        inputs = [jax.ShapeDtypeStruct(shape, "float32")]
        return to_onnx(module, inputs, model_name=name, opset=17, input_names=["input"])

    return [
        export("flax-mlp", Mlp(nnx.Rngs(0)), (1, 8)),
        export("flax-cnn", Cnn(nnx.Rngs(1)), (1, 6, 6, 2)),
    ]


def good_models() -> list[onnx.ModelProto]:
    """Files that import, or that use a variant which an importer may refuse but must not get wrong."""
    return [
        gemm_transb0_alpha_beta(),
        gemm_transb1(),
        gemm_without_bias(),
        matmul_add(),
        matmul_three_axes(),
        conv_stride_asymmetric_pads(),
        conv_dilation(),
        conv_groups(),
        conv_auto_pad(),
        conv_rectangular(),
        pools(),
        maxpool_overlapping(),
        maxpool_padded(),
        avgpool_padded(0),
        avgpool_padded(1),
        global_average_pool(),
        reshape_initializer(),
        reshape_constant_transpose(),
        residual_add(),
        mul_gate(),
        clip(),
        sigmoid_tanh(),
        gelu_erf(),
        silu(),
        layernorm(),
        layernorm_primitives(),
        rmsnorm_primitives("pow-div", 15, "Pow", "x / root"),
        rmsnorm_primitives("mul-inverse", 12, "Mul", "x * (1 / root)"),
        rmsnorm_primitives("pow-reciprocal", 17, "Pow", "reciprocal"),
        transformer_block(),
        batchnorm_conv(),
        batchnorm_gemm(),
        *flax_models(),
    ]


def small_dense(name: str, input_shape: list | None = None) -> Block:
    """A block whose only node is a dense layer from `input` to `dense.out`."""
    g = Block(name, 13, input_shape or [1, 8])
    g.dense("input", "dense", 4, 8)
    return g


def bad_einsum():
    g = Block("bad-operator-einsum", 13, [2, 8])
    value = g.node("Einsum", ["input", g.normal("weight", 4, 8)], "contract", equation="bi,oi->bo")
    return g.model(value, [2, 4])


def bad_lstm():
    g = Block("bad-operator-lstm", 13, [3, 1, 4])
    weights = [g.normal("W", 1, 20, 4), g.normal("R", 1, 20, 5)]
    value = g.node("LSTM", ["input", *weights], "recurrent", hidden_size=5)
    return g.model(value, [3, 1, 1, 5])


def bad_custom_domain():
    g = Block("bad-operator-custom-domain", 13, [1, 8])
    value = g.node("Relu", ["input"], "foreign", domain="com.example")
    model = g.model(value, [1, 8], check=False)
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model


def bad_dynamic_batch():
    return small_dense("bad-dynamic-batch", ["N", 8]).model("dense.out", ["N", 4])


def bad_weight(name: str, value: float):
    """A weight with one value that is not finite."""
    g = Block(name, 13, [1, 8])
    weight = g.rng.standard_normal((4, 8))
    weight[2, 5] = value
    return g.model(g.node("Gemm", ["input", g.weight("dense.weight", weight)], "dense", transB=1), [1, 4])


def bad_missing_input():
    g = small_dense("bad-missing-input")
    return g.model(g.node("Add", ["dense.out", "nowhere"], "sum"), [1, 4], check=False)


def bad_missing_output():
    g = small_dense("bad-missing-output")
    return g.model("nowhere", [1, 4], check=False)


def bad_cycle():
    g = small_dense("bad-cycle")
    g.node("Add", ["dense.out", "second.out"], "first")
    return g.model(g.node("Relu", ["first.out"], "second"), [1, 4], name="second.out", check=False)


def bad_shape_mismatch():
    g = Block("bad-shape-mismatch", 13, [1, 8])
    return g.model(g.dense("input", "dense", 4, 9), [1, 4], check=False)


def bad_huge_tensor():
    """A weight that claims 2^80 values and brings four bytes."""
    model = small_dense("bad-huge-tensor").model("dense.out", [1, 4])
    weight = model.graph.initializer[0]
    weight.dims[:], weight.raw_data = [1 << 40, 1 << 40], b"\0\0\0\0"
    return model


def bad_short_tensor():
    """A weight with fewer bytes than its shape needs."""
    model = small_dense("bad-short-tensor").model("dense.out", [1, 4])
    weight = model.graph.initializer[0]
    weight.raw_data = weight.raw_data[:-8]
    return model


def bad_axis():
    """A LayerNormalization over an axis that does not exist."""
    g = Block("bad-axis", 17, [1, 12])
    value = g.node("LayerNormalization", ["input", g.normal("gain", 12), g.normal("bias", 12)], "norm", axis=-128)
    return g.model(value, [1, 12], check=False)


def bad_integer_input():
    model = small_dense("bad-integer-input").model("dense.out", [1, 4])
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    return model


def bad_opset(version: int):
    model = small_dense(f"bad-opset-{version}").model("dense.out", [1, 4])
    model.opset_import[0].version = version
    return model


def bad_external_data():
    """A weight in a second file, which exists."""
    model = small_dense("bad-external-data").model("dense.out", [1, 4])
    weight, location = model.graph.initializer[0], "bad-external-data.bin"
    (FIXTURES / location).write_bytes(weight.raw_data)
    external_data_helper.set_external_data(weight, location)
    weight.ClearField("raw_data")
    return model


def bad_models() -> list[onnx.ModelProto]:
    """Files that decode as ONNX and must be refused."""
    return [
        bad_einsum(),
        bad_lstm(),
        bad_custom_domain(),
        bad_dynamic_batch(),
        bad_weight("bad-nan-weight", np.nan),
        bad_weight("bad-infinite-weight", -np.inf),
        bad_missing_input(),
        bad_missing_output(),
        bad_cycle(),
        bad_shape_mismatch(),
        bad_huge_tensor(),
        bad_short_tensor(),
        bad_axis(),
        bad_integer_input(),
        bad_opset(99),
        bad_external_data(),
    ]


def write(name: str, content: bytes) -> None:
    """Writes NAME.onnx, which must be small."""
    assert len(content) < SIZE_LIMIT, name
    (FIXTURES / f"{name}.onnx").write_bytes(content)


def write_good(model: onnx.ModelProto) -> None:
    """Writes a good model with an input and its output."""
    name = model.graph.name
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    values = np.random.default_rng(list(f"{name} input".encode())).standard_normal(shape, np.float32)
    output = run(model, values)
    assert np.isfinite(output).all() and not np.array_equal(output, run(model, 0 * values)), name
    write(name, model.SerializeToString())
    arrays = {"input_data": [flat(values)], "input_shapes": [shape], "output_data": [flat(output)]}
    save_json(FIXTURES / f"{name}.json", **arrays)
    operators = " ".join(node.op_type for node in model.graph.node)
    print(f"{name}: opset {model.opset_import[0].version}, {shape} -> {list(output.shape)}: {operators}")


def main() -> None:
    FIXTURES.mkdir(parents=True, exist_ok=True)
    regressor, classifier = sklearn_models()
    for model in [*good_models(), regressor]:
        write_good(model)
    for model in [*bad_models(), classifier]:
        write(model.graph.name, model.SerializeToString())
        print(f"{model.graph.name}: to be refused")
    whole = gemm_transb1().SerializeToString()
    write("bad-truncated", whole[: len(whole) * 3 // 5])
    write("bad-empty", b"")
    write("bad-not-onnx", b"This is not an ONNX file.\n")


if __name__ == "__main__":
    main()
