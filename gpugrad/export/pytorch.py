"""PyTorch: the weights as the state_dict of `torch.nn.Sequential(Linear, activation, Linear, …)`."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn
from ..engine.files import write_whole
from ..errors import ArgumentError
from ..training.scale import resolve_scale
from . import steps
from .exportable import check_estimator
from .paths import check_suffix

logger = logging.getLogger("gpugrad")


def to_pytorch(model: Any, path: str | Path | None = None) -> dict[str, np.ndarray]:
    """Convert the weights of a model to a state_dict of PyTorch.

    Names are those of `torch.nn.Sequential`, where each layer and each activation has a number, and dropout none:
    "0.weight" (out_features, in_features), "0.bias", "2.weight" … The outputs are logits, or logarithms of counts:
    PyTorch applies the activation of the output in its loss. A state_dict cannot hold the scale of features that the
    model was trained with (`model.input_scale`): a scale other than 1 is logged as a warning.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor, nn.MLP or nn.Sequential
        Fitted estimator, or network.
    path : str or path, default None
        File to write: .pt or .pth, for `torch.load`, written with PyTorch; or .safetensors, without it.

    Returns
    -------
    dict of str to ndarray
        The state_dict.

    Raises
    ------
    ArgumentError
        If the model is not such a sequence, the path has another ending, or PyTorch is missing.
    NotFittedError
        scikit-learn's, if the model is not fitted.
    StorageError
        If the file cannot be written.
    """
    suffix = None if path is None else check_suffix(path, ".pt", ".pth", ".safetensors")
    if isinstance(model, nn.Module):
        network = steps.of_module(model)
        if (scale := resolve_scale(model)) != 1:
            logger.warning("the weights expect features multiplied by %g, the scale used in training", scale)
    else:
        check_estimator(model)
        network = steps.of_estimator(model)
    state = {}
    for i, step in enumerate(network):
        if isinstance(step, steps.Product):
            state[f"{i}.weight"] = np.ascontiguousarray(step.weight.T)
            if step.bias is not None:
                state[f"{i}.bias"] = np.ascontiguousarray(step.bias)
    if path is not None:
        write_whole(path, _safetensors(state) if suffix == ".safetensors" else _torch(state))
    return state


def _safetensors(state: dict[str, np.ndarray]) -> bytes:
    from safetensors.numpy import save

    return save(state, {"format": "pt"})


def _torch(state: dict[str, np.ndarray]) -> bytes:
    try:
        import torch
    except ImportError:
        raise ArgumentError(
            "PyTorch, which writes these files, is not installed: pip install torch, or write .safetensors"
        ) from None
    content = io.BytesIO()
    torch.save({name: torch.tensor(array) for name, array in state.items()}, content)
    return content.getvalue()
