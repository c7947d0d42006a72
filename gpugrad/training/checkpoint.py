"""Weights and checkpoints: safetensors files with a JSON header, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.files import write_whole
from ..errors import ArgumentError, CheckpointError

if TYPE_CHECKING:
    from ..nn import Module

VERSION = 1  # raised when a file of this version could not be read by an older gpugrad
HEADER = "gpugrad"  # the key of the JSON header in the file's metadata


def write_file(path: str | Path, arrays: Mapping[str, np.ndarray], header: dict[str, Any]) -> None:
    """Write named arrays and a JSON-able header to a safetensors file."""
    from safetensors.numpy import save

    metadata = {HEADER: json.dumps({"version": VERSION, **header}, default=_plain)}
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_whole(path, save(contiguous, metadata))


def as_json(value: Any) -> Any:
    """What JSON makes of a value: tuples become lists, NumPy's numbers Python's. Raises ArgumentError if it cannot."""
    return json.loads(json.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise ArgumentError(
        f"JSON, in which headers and records are kept, cannot hold {value!r} of type {type(value).__name__}: "
        "keep to numbers, texts, lists and dicts of them"
    )


def read_file(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_file` wrote.

    Raises CheckpointError for a file that is missing, truncated, of another origin or of a newer version.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}: pass the path of a model or checkpoint that gpugrad wrote")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}): it is truncated or not a safetensors file, use an earlier one"
        ) from None
    try:
        header = json.loads(metadata[HEADER])
        version = int(header["version"])
    except (KeyError, ValueError, TypeError):
        raise CheckpointError(
            f"{path} has no gpugrad header, it was written by another program: "
            "read weights of PyTorch with nn.load_pytorch"
        ) from None
    if version > VERSION:
        raise CheckpointError(
            f"{path} has format version {version}, this gpugrad reads up to {VERSION}: upgrade gpugrad"
        )
    return arrays, header


def check_settings(path: str | Path, written: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise CheckpointError, which names the first that differs, unless a training goes on with the same settings."""
    for name in (*now, *written):
        if written.get(name) != now.get(name):
            raise CheckpointError(
                f"{path} was written with {name} {written.get(name)}, this training has {now.get(name)}: "
                "resume with the same settings"
            )


def save_model(path: str | Path, model: Module, **header: Any) -> None:
    """Write a model's weights, and its configuration where it has one (`nn.MLP`), to a safetensors file.

    header: JSON-able values to keep with it, such as the names of the classes.
    """
    write_file(path, model.state_dict(), {"model": describe_model(model), **header})


def load_model(path: str | Path, model: Module | None = None) -> tuple[Module, dict[str, Any]]:
    """Read a model; returns (model, header).

    model: where to load the weights, for a model that is not an `nn.MLP`; None builds the one that the file describes.
    Raises CheckpointError for a file that cannot be read or does not fit.
    """
    arrays, header = read_file(path)
    if header.get("kind") == "checkpoint":
        arrays = split(arrays)["model"]
    if model is None:
        model = build_model(header.get("model") or {}, path)
    try:
        model.load_state_dict(with_layouts(arrays, header.get("model") or {}))
    except CheckpointError as error:
        raise CheckpointError(f"{path} does not fit the model: {error}") from None
    return model, header


def describe_model(model: Module) -> dict[str, Any]:
    """Return the name of a model's class, the config of an `nn.MLP`, and which weights have PyTorch's layout."""
    from .. import nn

    description = {"class": type(model).__name__, "config": model.config if isinstance(model, nn.MLP) else None}
    transposed = [name for name, layout in model.weight_layouts().items() if layout == "out_in"]
    return {**description, "out_in": transposed} if transposed else description


def with_layouts(arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
    """Return the weights of a file with the layouts that `describe_model` noted."""
    from .. import nn

    transposed = description.get("out_in") or ()
    return nn.StateDict(arrays, {name: "out_in" if name in transposed else "in_out" for name in arrays})


def build_model(description: dict[str, Any], path: str | Path) -> Module:
    from .. import nn

    if description.get("class") != "MLP" or not isinstance(description.get("config"), dict):
        raise CheckpointError(
            f"{path} holds a {description.get('class')}, which only its own code can build: pass the model to load into"
        )
    try:
        return nn.MLP.from_config(description["config"])
    except (TypeError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} describes a model that cannot be built ({error}): the header is damaged"
        ) from None


# A checkpoint holds several sets of arrays side by side: "model/0.weight", "optimizer/m", "callback0/0.weight".


def join(sets: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {f"{group}/{name}": array for group, arrays in sets.items() for name, array in arrays.items()}


def split(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    sets: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        group, _, name = key.partition("/")
        sets.setdefault(group, {})[name] = array
    return sets
