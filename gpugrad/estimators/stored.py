"""Fitted estimators as safetensors, in and out, and as NumPy arrays; no pickle is involved."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from ..engine.device import Device
from ..engine.files import write_whole
from ..errors import ArgumentError, CheckpointError
from ..export.estimator import is_multilabel
from ..export.exportable import ESTIMATORS, check_estimator
from ..export.paths import check_suffix
from ..training.checkpoint import as_json, read_file, write_file
from ..training.history import History
from .network import OUTPUTS
from .scikit_learn import KEPT, check_params, restore_classes

KIND = "estimator"


def to_safetensors(model: Any, path: str | Path) -> None:
    """Write a fitted estimator to a .safetensors file, for `load_safetensors`.

    The file has arrays `coefs_0` (n_in, n_out), `intercepts_0` (n_out,), …, and the rest in its JSON header. Parameters
    that are objects (callbacks, the function of a schedule, a generator for random_state), `checkpoint`, and the
    averages of the solver are not kept; the former load as their defaults.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Fitted estimator.
    path : str or path
        File to write, ending in .safetensors.

    Raises
    ------
    ArgumentError
        If the model is not an estimator of gpugrad, or the path has another ending.
    NotFittedError
        scikit-learn's, if the model is not fitted.
    StorageError
        If the file cannot be written.
    """
    check_suffix(path, ".safetensors")
    arrays, header = _described(model)
    write_file(path, arrays, header)


def load_safetensors(path: str | Path, *, device: str | Device | None = None) -> Any:
    """Load the estimator that `to_safetensors` wrote, to predict with or to train on.

    Parameters
    ----------
    path : str or path
        File of `to_safetensors`.
    device : str or Device, default None
        Device instead of the one in the file.

    Returns
    -------
    MLPClassifier or MLPRegressor
        The fitted estimator.

    Raises
    ------
    CheckpointError
        If the file cannot be read or has other content.
    """
    arrays, header = read_file(path)
    if header.get("kind") != KIND:
        raise CheckpointError(
            f"{path} has no estimator, expected a file of to_safetensors: load a model with gg.load_model"
        )
    try:
        model = _restored(arrays, header)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path} does not describe an estimator of this gpugrad ({error!r}): it is damaged, or of a newer version"
        ) from error
    if device is not None:
        model.device = device
    return model


def to_numpy(model: Any, path: str | Path) -> None:
    """Write a fitted estimator to a .npz file that `numpy.load` reads without pickles.

    The file has arrays `coefs_0` (n_in, n_out), `intercepts_0` (n_out,), …, `classes` of a classifier, and `metadata`,
    a JSON text with the parameters, the activations and the names of the features.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Fitted estimator.
    path : str or path
        File to write, ending in .npz.

    Raises
    ------
    ArgumentError
        If the model is not an estimator of gpugrad, or the path has another ending.
    NotFittedError
        scikit-learn's, if the model is not fitted.
    StorageError
        If the file cannot be written.
    """
    check_suffix(path, ".npz")
    arrays, header = _described(model)
    if hasattr(model, "classes_"):
        classes = model.classes_
        arrays["classes"] = classes.astype(np.str_) if classes.dtype.kind in "OT" else classes
    arrays["metadata"] = np.array(json.dumps(as_json(header)))
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    write_whole(path, content.getvalue())


def _described(model: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    check_estimator(model)
    arrays: dict[str, np.ndarray] = {}
    for i, (weight, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        arrays |= {f"coefs_{i}": weight, f"intercepts_{i}": bias}
    names = getattr(model, "feature_names_in_", None)
    header = {
        "kind": KIND,
        "class": "MLPClassifier" if hasattr(model, "classes_") else "MLPRegressor",
        "params": _kept_params(model),
        "layers": len(model.coefs_),
        "out_activation": model.out_activation_,
        "feature_names": None if names is None else names.tolist(),
        "progress": {name: getattr(model, name) for name in KEPT if hasattr(model, name)},
        "history": model.history_.records if hasattr(model, "history_") else None,
    }
    if hasattr(model, "classes_"):
        header["classes"] = model.classes_.tolist()
        header["classes_dtype"] = model.classes_.dtype.str
        header["multilabel"] = is_multilabel(model)
    return arrays, header


def _kept_params(model: Any) -> dict[str, Any]:
    """Return the parameters that JSON can hold."""
    params = {}
    for name, value in model.get_params(deep=False).items():
        if isinstance(value, Device):
            value = value.name
        elif isinstance(value, dict):  # class_weight: JSON keys are texts, labels may be numbers
            value = {"items": list(value.items())}
        with contextlib.suppress(ArgumentError):
            params[name] = as_json(value)
    params.pop("checkpoint", None)  # a path on the machine that trained
    return params


def _restored(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> Any:
    params = dict(header["params"])
    if isinstance(params["hidden_layer_sizes"], list):
        params["hidden_layer_sizes"] = tuple(params["hidden_layer_sizes"])
    if isinstance(params.get("class_weight"), dict):
        params["class_weight"] = dict(params["class_weight"]["items"])
    model = {cls.__name__: cls for cls in ESTIMATORS}[header["class"]](**params)
    check_params(model)
    layers = range(header["layers"])
    if not layers or len(arrays) != 2 * len(layers):
        raise ValueError(f"{len(arrays)} arrays do not go with {len(layers)} layers")
    model.coefs_ = [arrays[f"coefs_{i}"] for i in layers]
    model.intercepts_ = [arrays[f"intercepts_{i}"] for i in layers]
    _check_shapes(model.coefs_, model.intercepts_)
    model.n_features_in_, model.n_outputs_ = model.coefs_[0].shape[0], model.coefs_[-1].shape[1]
    model.n_layers_, model.out_activation_ = len(layers) + 1, header["out_activation"]
    if model.out_activation_ not in OUTPUTS:
        raise ValueError(f"there is no activation {model.out_activation_!r} of outputs")
    if header["feature_names"] is not None:
        model.feature_names_in_ = np.array(header["feature_names"], object)
    if is_classifier(model):
        _restore_classes(model, header)
    for name in KEPT:
        if name in header["progress"]:
            setattr(model, name, header["progress"][name])
    model.history_ = History(header["history"])
    return model


def _check_shapes(weights: list[np.ndarray], intercepts: list[np.ndarray]) -> None:
    sizes = [weights[0].shape[0], *(b.shape[0] for b in intercepts)]
    expected = list(itertools.pairwise(sizes))
    if [w.shape for w in weights] != expected or any(w.dtype.kind != "f" for w in (*weights, *intercepts)):
        raise ValueError(f"the weights have the shapes {[w.shape for w in weights]}, expected floats of {expected}")


def _restore_classes(model: Any, header: dict[str, Any]) -> None:
    classes = np.array(header["classes"], header["classes_dtype"])
    restore_classes(model, classes, header["multilabel"])
    expected = 1 if len(classes) <= 2 and not header["multilabel"] else len(classes)
    if model.n_outputs_ != expected:
        raise ValueError(f"{len(classes)} classes do not go with {model.n_outputs_} outputs")
