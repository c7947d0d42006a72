"""ONNX: the whole model, from raw rows to labels, for any runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn
from ..data.preprocessing import Preprocessing
from ..engine.files import write_whole
from ..errors import ArgumentError, a_or_an
from ..training.scale import resolve_scale
from . import estimator, pipeline, table
from .exportable import is_estimator
from .paths import check_suffix


def to_onnx(
    model: Any,
    path: str | Path | None = None,
    sample: Any = None,
    *,
    dtype: Any = None,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[Any] | None = None,
    scale: float | None = None,
) -> Any:
    """Convert a model to ONNX, for onnxruntime 1.20 and later.

    Parameters
    ----------
    model : estimator, pipeline or Module
        One of these:

        - A fitted MLPClassifier or MLPRegressor: input X (n_rows, n_features); outputs as in skl2onnx: `label`
          (n_rows,), int64 or texts, or (n_rows, n_labels) for several labels, and `probabilities` (n_rows, n_classes);
          or `variable` (n_rows, n_outputs).
        - A pipeline, search or other model of scikit-learn with such an estimator in it, through skl2onnx: the same
          outputs.
        - An `nn.MLP` or `nn.Sequential`: input X (n_rows, in_features), output `variable`.
    path : str or path, default None
        File to write, ending in .onnx.
    sample : array_like, default None
        For a pipeline, some rows of the data that it was fitted on. A frame makes an input (n_rows, 1) of each column
        in use, with its name: texts, or numbers and booleans as ``dtype``. Without a sample there is one input X.
    dtype : {"float32", "float64"}, default None
        Type of the numbers in the input. An estimator or a pipeline computes in it too, by default float32. The numbers
        of a table are float64 by default; other networks have the dtype of their weights.
    preprocessing : Preprocessing, default None
        For a network, that of its data set: raw columns are the input, as one X if all are numbers, else each as an
        input (n_rows, 1) of its name. `variable` is then in the units of the target, float64. A category that did not
        occur in training ends the run with an error.
    classes : sequence, default None
        For a network, a label of each output: the outputs are `label` and `probabilities`, the softmax.
    scale : float, default None
        For a network, factor of the input; None is the one that the model was trained with, and no other is accepted
        where there is one.

    Returns
    -------
    onnx.ModelProto
        The model.

    Raises
    ------
    ArgumentError
        If the model has no counterpart in ONNX, or an argument does not apply to it.
    NotFittedError
        scikit-learn's, if the model is not fitted.
    StorageError
        If the file cannot be written.
    """
    if path is not None:
        check_suffix(path, ".onnx")
    kind = None if dtype is None else _float(dtype)
    engine = {"preprocessing": preprocessing, "classes": classes, "scale": scale}
    given = [name for name, value in engine.items() if value is not None and not (name == "scale" and value == 1)]
    is_engine = isinstance(model, nn.Module)
    if (given and not is_engine) or (sample is not None and is_engine):
        name = "sample" if is_engine else given[0]
        raise ArgumentError(f"{name}= does not apply to {a_or_an(type(model))}: leave it out")
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
            f"model is {a_or_an(type(model))}, expected an estimator, a pipeline or an nn.MLP: load the model first"
        )
    check_is_fitted(model)
    if is_estimator(model):
        if sample is not None:
            raise ArgumentError(f"sample= does not apply to {a_or_an(type(model))}, whose input is X: leave it out")
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
        raise ArgumentError('onnx, which writes these files, is not installed: pip install "gpugrad[onnx]"') from None
