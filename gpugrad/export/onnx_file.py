"""ONNX: the whole model, from raw rows to labels, for any runtime that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn
from ..data.preprocessing import Preprocessing
from ..engine.files import write_whole
from ..errors import ArgumentError
from ..training.scale import resolve_scale
from . import estimator, pipeline, table
from .exportable import is_estimator
from .paths import check_suffix


def to_onnx(
    model: Any,
    path: str | Path | None = None,
    *,
    dtype: Any = None,
    sample: Any = None,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[Any] | None = None,
    scale: float | None = None,
) -> Any:
    """The model as an onnx.ModelProto, written to `path` (.onnx) if given. onnxruntime 1.20 and later read it.

    A fitted MLPClassifier or MLPRegressor
        input X (rows, n_features) float32; outputs as in skl2onnx: `label` (rows,), int64 or texts, or (rows, labels)
        of a multi-label model, and `probabilities` (rows, classes); or `variable` (rows, outputs).
    A pipeline, search or other model of scikit-learn's with such an estimator in it, through skl2onnx
        the same outputs. sample: some rows of what it was fitted on; a frame makes an input (rows, 1) of each column
        that is used, with its name: texts, or numbers and booleans as `dtype`. Without one there is one input X.
    An `nn.MLP` or `nn.Sequential`
        input X (rows, in_features), multiplied by `scale`; output `variable`. scale: None is the one that the model was
        trained with, and no other is accepted where there is one. With `classes`, a label for each output,
        outputs `label` and `probabilities`, which are the softmax. With `preprocessing`, raw columns go in: as one
        input X where all are numbers, else each as an input (rows, 1) of its name; `variable` is then in the target's
        units, float64. A category that was not there in training ends the run with an error.

    dtype: float32 or float64, of the numbers in the input. What an estimator or a pipeline computes is of it too, by
    default float32; the numbers of a table are float64 by default, others have the dtype of the weights.
    Raises ArgumentError for a model that has no counterpart in ONNX, scikit-learn's NotFittedError, and StorageError
    for a file that cannot be written.
    """
    if path is not None:
        check_suffix(path, ".onnx")
    kind = None if dtype is None else _float(dtype)
    engine = {"preprocessing": preprocessing, "classes": classes, "scale": scale}
    given = [name for name, value in engine.items() if value is not None and not (name == "scale" and value == 1)]
    is_engine = isinstance(model, nn.Module)
    if (given and not is_engine) or (sample is not None and is_engine):
        name = "sample" if is_engine else given[0]
        raise ArgumentError(f"{name}= does not apply to a {type(model).__name__}: leave it out")
    _check_installed()
    if is_engine:
        scale = resolve_scale(model, scale)
        proto = table.model_of(model, kind, preprocessing=preprocessing, classes=classes, scale=scale)
    else:
        proto = _of_sklearn(model, kind or np.dtype(np.float32), sample)
    if path is not None:
        write_whole(path, proto.SerializeToString())
    return proto


def _of_sklearn(model: Any, dtype: np.dtype, sample: Any) -> Any:
    from sklearn.base import BaseEstimator
    from sklearn.utils.validation import check_is_fitted

    if not isinstance(model, BaseEstimator):
        raise ArgumentError(
            f"model is a {type(model).__name__}, expected an estimator, a pipeline or an nn.MLP: load it first"
        )
    check_is_fitted(model)
    if is_estimator(model):
        if sample is not None:
            raise ArgumentError(f"sample= does not apply to a {type(model).__name__}, of numbers: leave it out")
        return estimator.model_of(model, dtype)
    return pipeline.model_of(model, dtype, sample)


def _float(dtype: Any) -> np.dtype:
    try:
        value = np.dtype(dtype)
    except TypeError:
        value = np.dtype(object)
    if value not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ArgumentError(f"dtype is {dtype!r}, expected float32 or float64")
    return value


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise ArgumentError('onnx is not installed, which writes these files: pip install "gpugrad[onnx]"') from None
