"""Estimator as an ONNX graph: its network, and scikit-learn's results from the outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from . import graph as graphs
from . import steps
from .exportable import check_not_overridden

OUT_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "softmax": ("Softmax", {"axis": 1}),
    "logistic": ("Sigmoid", {}),
    "exp": ("Exp", {}),
}


def is_multilabel(model: Any) -> bool:
    """Return whether a fitted classifier predicts several labels per row."""
    return model.out_activation_ == "logistic" and model.n_outputs_ > 1


def classes_of(model: Any) -> np.ndarray:
    """Return the classes for ONNX: int64, or texts as objects; raise ArgumentError for others."""
    classes = model.classes_
    if classes.dtype.kind in "biuf":  # scikit-learn accepts whole floats as classes
        return graphs.whole_labels(classes)
    if all(isinstance(label, str) for label in classes.tolist()):
        return classes.astype(object)
    raise ArgumentError(
        f"the classes are of type {type(classes.tolist()[0]).__name__}, expected whole numbers or texts, the labels of "
        "ONNX: train on such labels"
    )


def outputs(graph: graphs.Builder, model: Any, x: str, dtype: np.dtype) -> dict[str, tuple[str, Any, list[int | None]]]:
    """Add a fitted estimator for rows x of that dtype; return value, dtype and shape of each output by name.

    The names are skl2onnx's: "label" and "probabilities" of a classifier, "variable" of a regressor. The label is that
    of `predict`, the probabilities are those of `predict_proba`.
    """
    check_not_overridden(model)
    out = graphs.network(graph, x, steps.of_estimator(model), dtype)
    if model.out_activation_ != "identity":
        op, attributes = OUT_ACTIVATIONS[model.out_activation_]
        out = graph.add(op, out, **attributes)
    if not hasattr(model, "classes_"):
        return {"variable": (out, dtype, [None, model.n_outputs_])}
    if is_multilabel(model):
        half = graph.constant(np.array(0.5, dtype))
        label = graphs.cast(graph, graph.add("Greater", out, half), np.int64)
        shape: list[int | None] = [None, model.n_outputs_]
        return {"label": (label, np.int64, shape), "probabilities": (out, dtype, shape)}
    classes = classes_of(model)
    if model.n_outputs_ == 1:  # the probability of the second class; a single class counts as both
        classes = np.resize(classes, 2)
        out = graph.add("Concat", graph.add("Sub", graph.constant(np.array(1, dtype)), out), out, axis=1)
    label = graphs.labels(graph, graphs.largest(graph, out), classes)
    return {"label": (label, classes.dtype, [None]), "probabilities": (out, dtype, [None, len(classes)])}


def model_of(model: Any, dtype: np.dtype) -> Any:
    """Return a fitted estimator as an onnx.ModelProto, with the input X (rows, n_features_in_) of that dtype."""
    graph = graphs.Graph()
    x = graph.input("X", dtype, model.n_features_in_)
    for name, (value, kind, shape) in outputs(graph, model, x, dtype).items():
        graph.output(name, value, kind, shape)
    names = getattr(model, "feature_names_in_", None)
    return graph.model({"features": None if names is None else names.tolist()})
