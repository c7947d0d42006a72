"""Network of the engine as an ONNX graph, with a table's preprocessing before it and classes after it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.preprocessing import Column, Preprocessing
from ..errors import ArgumentError, counted
from . import graph as graphs
from . import steps


def model_of(
    model: Any,
    dtype: np.dtype | None,
    *,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[Any] | None = None,
    scale: float = 1.0,
) -> Any:
    """Return an `nn.MLP` or `nn.Sequential` as an onnx.ModelProto; `to_onnx` describes its inputs and outputs.

    The network computes in the dtype of its weights. `dtype` is that of numbers in the input; None is float64 for a
    table, like its statistics, else that of the weights.
    """
    network = steps.of_module(model)
    own = steps.dtype(network)
    graph = graphs.Graph()
    features: list[str] | None = None
    if preprocessing is None:
        x = graph.input("X", dtype or own, steps.n_in(network))
        x = x if dtype in (None, own) else graphs.cast(graph, x, own)
    else:
        if preprocessing.n_features != steps.n_in(network):
            raise ArgumentError(
                f"preprocessing makes {counted(preprocessing.n_features, 'feature')}, the model takes "
                f"{steps.n_in(network)}: pass the one of its training data"
            )
        features = [column.name for column in preprocessing.columns]
        x = _features(graph, preprocessing.columns, dtype or np.dtype(np.float64), own)
    if scale != 1:
        x = graph.add("Mul", x, graph.constant(np.array(scale, own)))
    out, n_out = graphs.network(graph, x, network, own), steps.n_out(network)
    named = None if classes is None else class_array(classes)
    if named is not None:
        if len(named) != n_out:
            got, outputs = counted(len(named), "class", "classes"), counted(n_out, "output")
            raise ArgumentError(f"got {got} for {outputs} of the model: pass one for each")
        out = graph.add("Softmax", out, axis=1)
        graph.output("label", graphs.labels(graph, graphs.largest(graph, out), named), named.dtype, [None])
        graph.output("probabilities", out, own, [None, n_out])
    elif preprocessing is not None:  # in float64: a large mean would swallow float32's digits
        mean, spread = np.array(preprocessing.target_mean), np.array(preprocessing.target_scale)
        out = graph.add("Mul", graphs.cast(graph, out, np.float64), graph.constant(spread))
        graph.output("variable", graph.add("Add", out, graph.constant(mean)), np.float64, [None, n_out])
    else:
        graph.output("variable", out, own, [None, n_out])
    return graph.model({"features": features, "classes": None if named is None else named.tolist()})


def class_array(classes: Sequence[Any]) -> np.ndarray:
    """Return labels as int64 if all are whole numbers, as texts if all are texts; else raise ArgumentError."""
    array = np.asarray(classes)
    if array.ndim == 1 and array.dtype.kind in "iu":
        return graphs.whole_labels(array)
    if array.ndim == 1 and all(isinstance(label, str) for label in classes):
        return np.array([str(label) for label in classes], object)
    raise ArgumentError(f"classes are {list(classes)!r}, expected whole numbers or texts: pass one for each class")


def _features(graph: graphs.Graph, columns: Sequence[Column], dtype: np.dtype, own: np.dtype) -> str:
    """Add the features of a table, as `Preprocessing.transform` computes them.

    Numbers alone are one input X; with texts among them each column is an input (rows, 1) of its name.
    """
    if not any(column.categories for column in columns):
        return _numbers(graph, graph.input("X", dtype, len(columns)), columns, dtype, own)
    for column in columns:
        graph.input(column.name, object if column.categories else dtype, 1)
    parts: list[str] = []
    for categorical, group in itertools.groupby(columns, lambda column: bool(column.categories)):
        if categorical:
            parts += [_one_hot(graph, column, own) for column in group]
        else:
            found = list(group)
            parts.append(_numbers(graph, _side_by_side(graph, [c.name for c in found]), found, dtype, own))
    return _side_by_side(graph, parts)


def _side_by_side(graph: graphs.Graph, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _numbers(graph: graphs.Graph, x: str, columns: Sequence[Column], dtype: np.dtype, own: np.dtype) -> str:
    x = x if dtype == np.float64 else graphs.cast(graph, x, np.float64)
    mean, scale = (np.array([getattr(column, name) for column in columns]) for name in ("mean", "scale"))
    x = graph.add("Div", graph.add("Sub", x, graph.constant(mean)), graph.constant(scale))
    return graphs.cast(graph, x, np.float32) if own == np.float32 else x


def _one_hot(graph: graphs.Graph, column: Column, own: np.dtype) -> str:
    """Add a one-hot encoding; another text than the categories ends the run with an error, as in `transform`."""
    one_hot = graph.add(
        "OneHotEncoder", column.name, domain=graphs.ML, cats_strings=list(column.categories), zeros=0
    )  # (rows, 1, categories), float32
    x = graph.add("Squeeze", one_hot, graph.constant(np.array([1])))
    return x if own == np.float32 else graphs.cast(graph, x, own)
