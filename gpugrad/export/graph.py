"""ONNX graphs, built node by node: a network, the meaning of its outputs, and the whole as a model.

Only nodes that onnxruntime computes in float32 and float64 are used, except erf.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..engine.version import __version__
from ..errors import ArgumentError
from ..kernels.activation import ACTIVATIONS
from .steps import Activation, Product, Step

# Versions that onnxruntime 1.20 reads; the version of the file follows from that of the operators.
OPSET, ML_OPSET, IR_VERSION = 18, 3, 8
ML = "ai.onnx.ml"
LARGEST = 2**31 - 2**24  # maximum bytes of weights: a protobuf message has at most 2 GiB in all


class Builder(Protocol):
    """Receiver of nodes: a `Graph`, or the graph that skl2onnx builds."""

    def add(self, op: str, *inputs: str, out: str | None = None, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; return the name of the output, `out` if given."""

    def constant(self, array: np.ndarray) -> str:
        """Add an array of numbers or texts; return its name."""


class Graph:
    """A complete graph with named inputs and outputs, which becomes a model."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._names: set[str] = set()

    def input(self, name: str, dtype: Any, columns: int) -> str:
        """Declare an input (rows, columns); dtype object is text."""
        self._inputs.append(_value_info(self._take(name), dtype, [None, columns]))
        return name

    def output(self, name: str, value: str, dtype: Any, shape: Sequence[int | None]) -> None:
        """Declare a value as an output; a name that an input has too gets an underscore."""
        while name in self._names:
            name += "_"
        self._outputs.append(_value_info(self._take(name), dtype, shape))
        self.add("Identity", value, out=name)

    def add(self, op: str, *inputs: str, out: str | None = None, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; return the name of the output."""
        from onnx import helper

        out = out or self._fresh(op)
        self._nodes.append(helper.make_node(op, list(inputs), [out], domain=domain, **attributes))
        return out

    def constant(self, array: np.ndarray) -> str:
        """Add an array; return its name."""
        from onnx import numpy_helper

        name = self._fresh("constant")
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def model(self, properties: Mapping[str, Any]) -> Any:
        """Return the onnx.ModelProto with `properties` that JSON can hold as metadata; None is left out."""
        from onnx import helper

        graph = helper.make_graph(self._nodes, "gpugrad", self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        model.producer_name, model.producer_version = "gpugrad", __version__
        helper.set_model_props(model, {k: json.dumps(v) for k, v in properties.items() if v is not None})
        return model

    def _fresh(self, what: str) -> str:
        return self._take(f"{what}:{len(self._names)}")

    def _take(self, name: str) -> str:
        while name in self._names:
            name += ":"
        self._names.add(name)
        return name


def _value_info(name: str, dtype: Any, shape: Sequence[int | None]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))


def cast(graph: Builder, x: str, dtype: Any) -> str:
    from onnx import helper

    return graph.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def network(graph: Builder, x: str, steps: Sequence[Step], dtype: np.dtype) -> str:
    """Add the steps for rows x of that dtype; return the outputs of the last.

    Raise ArgumentError for more weights than a file can hold, for weights that are not finite in the dtype, and for an
    activation without a counterpart in ONNX.
    """
    weights = sum(step.weight.size for step in steps if isinstance(step, Product)) * dtype.itemsize
    if weights > LARGEST:
        raise ArgumentError(
            f"the weights take {weights / 2**30:.3g} GiB, and an ONNX file holds at most 2: export to safetensors"
        )
    for step in steps:
        if isinstance(step, Product):
            arrays = [step.weight] if step.bias is None else [step.weight, step.bias]
            x = graph.add("Gemm", x, *(graph.constant(_finite(array, dtype)) for array in arrays))
        else:
            x = _activation(graph, x, step, dtype)
    return x


def _finite(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype)
    if not np.isfinite(array).all():
        raise ArgumentError(f"the weights are not all finite in {dtype}, expected numbers: train the model again")
    return array


def whole_labels(classes: np.ndarray) -> np.ndarray:
    """Return whole numbers as int64, the integers of ONNX; raise ArgumentError for those that it cannot hold."""
    for label in map(int, classes):
        if not -(2**63) <= label < 2**63:
            raise ArgumentError(f"the class {label} is beyond int64, the integers of ONNX: train on smaller labels")
    return classes.astype(np.int64)


def _activation(graph: Builder, z: str, step: Activation, dtype: np.dtype) -> str:
    if step.name == "identity":
        return z
    if step.name in COMPOSED:
        return COMPOSED[step.name](graph, z, step, dtype)
    operator = ACTIVATIONS[step.name].onnx
    if operator is None:
        raise ArgumentError(f"the activation {step.name!r} has no counterpart in ONNX: train with another one")
    return graph.add(operator, z)


def has_counterpart(activation: str) -> bool:
    """Return whether an activation can be written as ONNX."""
    return activation == "identity" or activation in COMPOSED or ACTIVATIONS[activation].onnx is not None


def _number(graph: Builder, value: float, dtype: np.dtype) -> str:
    return graph.constant(np.array(value, dtype))


def _gelu(graph: Builder, z: str, step: Activation, dtype: np.dtype) -> str:
    half, one = _number(graph, 0.5, dtype), _number(graph, 1, dtype)
    erf = graph.add("Mul", z, _number(graph, np.sqrt(0.5), dtype))
    if dtype == np.float64:  # onnxruntime has erf in float32 only
        erf = cast(graph, graph.add("Erf", cast(graph, erf, np.float32)), dtype)
    else:
        erf = graph.add("Erf", erf)
    return graph.add("Mul", graph.add("Mul", z, half), graph.add("Add", erf, one))


def _silu(graph: Builder, z: str, step: Activation, dtype: np.dtype) -> str:
    """Add z / (1 + exp(−z)), not z·σ(z): some float32 sigmoids are never 0, and z may be huge."""
    powers = graph.add("Exp", graph.add("Neg", z))
    return graph.add("Div", z, graph.add("Add", powers, _number(graph, 1, dtype)))


def _leaky_relu(graph: Builder, z: str, step: Activation, dtype: np.dtype) -> str:
    """Add PRelu, since the slope of LeakyRelu is float32."""
    return graph.add("PRelu", z, _number(graph, step.negative_slope, dtype))


# Activations that need several operators, or are more exact as several.
COMPOSED = {"gelu": _gelu, "silu": _silu, "leaky_relu": _leaky_relu}


def labels(graph: Builder, index: str, classes: np.ndarray) -> str:
    """Return the class of each index."""
    return graph.add("Gather", graph.constant(classes), index)


def largest(graph: Builder, probabilities: str) -> str:
    """Return the index of the first largest probability of each row."""
    return graph.add("ArgMax", probabilities, axis=1, keepdims=0)
