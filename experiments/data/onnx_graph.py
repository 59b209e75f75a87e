"""Writing ONNX files, and the inputs that go with them."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent


class Graph:
    """An ONNX graph under construction. Values are named by strings, as in the file."""

    def __init__(self, name: str, inputs: dict[str, list], opset: int):
        self.name, self.inputs, self.opset = name, inputs, opset
        self.nodes, self.initializers = [], []

    def weight(self, name: str, values) -> str:
        """A constant, stored as an initializer. Floating-point values become f32."""
        values = np.asarray(values)
        if values.dtype.kind == "f":
            values = values.astype(np.float32)
        self.initializers.append(numpy_helper.from_array(values, name))
        return name

    def node(self, operator: str, inputs: list[str], name: str, **attributes) -> str:
        """A node with one output, which gets the node's name with `.out` behind it."""
        output = f"{name}.out"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, **attributes))
        return output

    def model(self, output: str, shape: list, name: str = "output", check: bool = True) -> onnx.ModelProto:
        """The finished model. `output` is the value that the graph returns, under the name `name`."""
        for node in self.nodes:
            node.output[:] = [name if value == output else value for value in node.output]
            node.input[:] = [name if value == output else value for value in node.input]
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in self.inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        ir_version = helper.find_min_ir_version_for(opsets)
        model = helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, producer_name="zkml-workbench")
        if check:
            onnx.checker.check_model(model, full_check=True)
        return model


def run(model: onnx.ModelProto, *inputs: np.ndarray) -> np.ndarray:
    """The model's first output, computed by ONNX Runtime without graph optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))[0]


def flat(values: np.ndarray) -> list[float]:
    """Row-major values, each with as few digits as give the same f32 back."""
    return [float(str(v)) for v in np.asarray(values, dtype=np.float32).ravel()]


def save_json(path: Path, **arrays) -> None:
    """EZKL's input format: `input_data` has one flat list per model input."""
    path.write_text(json.dumps(arrays, separators=(",", ":")) + "\n")
