"""Pipelines, searches and other models of scikit-learn with estimators of gpugrad in them, through skl2onnx."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..estimators.scikit_learn import stack_level
from . import estimator
from . import graph as graphs
from .exportable import ESTIMATORS


class _Conversion:
    """Receiver of nodes while skl2onnx converts: its scope finds names, its container takes nodes."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def add(self, op: str, *inputs: str, out: str | None = None, domain: str = "", **attributes: Any) -> str:
        out = out or self._scope.get_unique_variable_name(op)
        name = self._scope.get_unique_operator_name(op)
        self._container.add_node(op, list(inputs), [out], op_domain=domain, name=name, **attributes)
        return out

    def constant(self, array: np.ndarray) -> str:
        from onnx import helper, numpy_helper

        name = self._scope.get_unique_variable_name("constant")
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        texts = array.dtype == object  # skl2onnx does not accept texts as a tensor of onnx
        content = array.ravel().tolist() if texts else numpy_helper.from_array(array, name)
        self._container.add_initializer(name, kind, array.shape, content)
        return name


def _shapes(operator: Any) -> None:
    """Set the dtype and shape of each output for skl2onnx."""
    from skl2onnx.common import data_types

    model, rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    numbers = data_types.DoubleTensorType if _is_double(operator) else data_types.FloatTensorType
    if not hasattr(model, "classes_"):
        operator.outputs[0].type = numbers([rows, model.n_outputs_])
    elif estimator.is_multilabel(model):
        operator.outputs[0].type = data_types.Int64TensorType([rows, model.n_outputs_])
        operator.outputs[1].type = numbers([rows, model.n_outputs_])
    else:
        texts = estimator.classes_of(model).dtype == object
        operator.outputs[0].type = (data_types.StringTensorType if texts else data_types.Int64TensorType)([rows])
        operator.outputs[1].type = numbers([rows, max(2, model.n_outputs_)])


def _is_double(operator: Any) -> bool:
    from skl2onnx.common.data_types import DoubleTensorType

    return isinstance(operator.inputs[0].type, DoubleTensorType)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    graph = _Conversion(scope, container)
    dtype = np.dtype(np.float64 if _is_double(operator) else np.float32)
    x = graphs.cast(graph, operator.inputs[0].full_name, dtype)
    values = estimator.outputs(graph, operator.raw_operator, x, dtype).values()
    for (value, _, _), variable in zip(values, operator.outputs, strict=True):
        graph.add("Identity", value, out=variable.full_name)


def register() -> None:
    """Register the estimators with skl2onnx, for its own `to_onnx` and `convert_sklearn`."""
    try:
        from skl2onnx import update_registered_converter
    except ImportError:
        raise ArgumentError(
            'skl2onnx, which exports pipelines, is not installed: pip install "gpugrad[onnx]"'
        ) from None
    for cls in ESTIMATORS:
        if cls not in _taught:
            of_classifier = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True]}
            options = of_classifier if hasattr(cls, "predict_proba") else None
            update_registered_converter(cls, f"Gpugrad{cls.__name__}", _shapes, _convert, options=options)
            _taught.add(cls)


_taught: set[type] = set()


def model_of(model: Any, dtype: np.dtype, sample: Any) -> Any:
    """Return a fitted model of scikit-learn as an onnx.ModelProto; `to_onnx` describes its inputs.

    Raise ArgumentError if its inputs are unknown without a sample, or skl2onnx does not convert it.
    """
    register()
    from skl2onnx import convert_sklearn

    inputs = _inputs(model, dtype, sample)
    options = {"zipmap": False} if hasattr(model, "classes_") else None
    opset = {"": graphs.OPSET, graphs.ML: graphs.ML_OPSET}
    try:
        proto = convert_sklearn(model, "gpugrad", inputs, target_opset=opset, options=options)
    except ArgumentError:
        raise
    except Exception as error:  # it raises bare Exception too
        reason = " ".join(str(error).split())[:150]
        remedy = "export the estimator at its end"
        if sample is None:
            remedy = f"pass sample= with rows that it was fitted on, or {remedy}"
        raise ArgumentError(f"skl2onnx cannot convert this {type(model).__name__} ({reason}): {remedy}") from error
    _rename_inputs(proto.graph, [name for name, _ in inputs])
    used = {name for node in proto.graph.node for name in node.input}
    for value in [value for value in proto.graph.input if value.name not in used]:  # dropped columns
        proto.graph.input.remove(value)
    if dtype == np.float32:
        _warn_of_rounding(model)
    return proto


def _rename_inputs(graph: Any, names: list[str]) -> None:
    """Give the inputs the names of the columns: skl2onnx makes "a_b" of "a b", and "a_b1" of a column "a_b" then."""
    new = {value.name: name for value, name in zip(graph.input, names, strict=True) if value.name != name}
    if clash := {value.name for value in graph.output} & {*new.values()}:
        raise ArgumentError(f"column {min(clash)!r} has the name of an output of the model: rename it and fit again")
    for node in graph.node:  # what the model computes gives way
        for name in {*node.output} & {*new.values()}:
            new.setdefault(name, f"{name}'")
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for value in graph.input:
        value.name = new.get(value.name, value.name)


# The center and the spread of each column, in scikit-learn's scalers.
CENTERED = (("mean_", "scale_"), ("center_", "scale_"), ("data_max_", "data_range_"))
ROUNDED = 1e-3  # of the spread: a larger rounding error can change predictions


def _warn_of_rounding(model: Any) -> None:
    """Warn of a column whose spread is so small beside its values that float32 loses it."""
    for part in _parts(model, set()):
        for center, spread in CENTERED:
            values, spreads = getattr(part, center, None), getattr(part, spread, None)
            if values is None or spreads is None:
                continue
            errors = np.abs(values) * 2.0**-24 / np.where(spreads == 0, np.inf, spreads)
            i = int(np.argmax(errors))
            if errors[i] > ROUNDED:
                column = repr(part.feature_names_in_[i]) if hasattr(part, "feature_names_in_") else f"{i}"
                warnings.warn(
                    f"float32 rounds column {column} by {errors[i]:.1g} of its spread ({values[i]:.3g} ± "
                    f"{spreads[i]:.3g}): predictions may differ, so pass dtype='float64'",
                    UserWarning,
                    stacklevel=stack_level(),
                )


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the estimators within a fitted one, as it keeps them."""
    from sklearn.base import BaseEstimator

    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator):
        yield value
        value = list(vars(value).values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item, seen)


def _inputs(model: Any, dtype: np.dtype, sample: Any) -> list[tuple[str, Any]]:
    """Return skl2onnx's initial types: one matrix X, or one column per input if the sample is a frame."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    if sample is None:
        if not hasattr(model, "n_features_in_") or _by_column(model):
            raise ArgumentError(
                f"the inputs of this {type(model).__name__} are unknown: pass sample= with some rows that it "
                "was fitted on"
            )
        numbers = DoubleTensorType if dtype == np.float64 else FloatTensorType
        return [("X", numbers([None, model.n_features_in_]))]
    if hasattr(sample, "toarray"):
        raise ArgumentError("sample is sparse, expected a dense one, as ONNX inputs are: pass sample.toarray()")
    if hasattr(sample, "columns"):
        return [(str(name), _type(str(name), np.asarray(sample[name]), dtype, 1)) for name in sample.columns]
    array = np.asarray(sample)
    if array.ndim != 2:
        raise ArgumentError(f"sample has {array.ndim} axes, expected a frame, or an array (rows, columns)")
    return [("X", _type("X", array, dtype, array.shape[1]))]


def _by_column(model: Any) -> bool:
    """Return whether some part selects columns of a frame by name."""
    from sklearn.compose import ColumnTransformer

    parts = [model, *model.get_params(deep=True).values()]
    return hasattr(model, "feature_names_in_") and any(isinstance(part, ColumnTransformer) for part in parts)


def _type(name: str, values: np.ndarray, dtype: np.dtype, columns: int) -> Any:
    from skl2onnx.common import data_types

    kind = values.dtype.kind
    if kind in "OUT":
        if not all(isinstance(value, str) for value in values.ravel().tolist()):
            raise ArgumentError(f"{name} in sample has mixed values, expected numbers, booleans or texts: convert it")
        return data_types.StringTensorType([None, columns])
    if kind in "fiub":  # one dtype for all: onnxruntime does not always load a mix
        return (data_types.DoubleTensorType if dtype == np.float64 else data_types.FloatTensorType)([None, columns])
    raise ArgumentError(f"{name} in sample is of dtype {values.dtype}, expected numbers, booleans or texts: convert it")
