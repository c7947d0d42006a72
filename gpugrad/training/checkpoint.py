"""Weights and checkpoints: safetensors files with a JSON header, written whole or not at all."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn
from ..engine.files import write_whole
from ..errors import ArgumentError, CheckpointError, a_or_an
from .scale import kept_scale, resolve_scale
from .values import check_path, describe, is_number

VERSION = 1  # raised when an older gpugrad could not read a file of this version
HEADER = "gpugrad"  # the key of the JSON header in the file's metadata
CHECKSUM = "gpugrad.sha256"  # that of the SHA-256 of header and arrays; files of an earlier gpugrad have none

MOST_OF_A_REASON = 120  # characters

# Keys of the header that the format keeps for itself. "scale" is null where the scale is not known.
OWN_KEYS = frozenset(
    (
        *("version", "kind", "run", "model", "scale", "epoch", "steps", "history"),
        *("param_groups", "schedule", "callbacks", "dropout_calls"),
    )
)


def write_file(path: str | Path, arrays: Mapping[str, np.ndarray], header: dict[str, Any]) -> None:
    """Write named arrays and a header of JSON-able values to a safetensors file."""
    from safetensors.numpy import save

    text = json.dumps({**header, "version": VERSION}, default=_plain)
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_whole(path, save(contiguous, {HEADER: text, CHECKSUM: _checksum(text, contiguous)}))


def _checksum(header: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of a header and named arrays, whatever their order."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def damaged(path: str | Path, why: str) -> CheckpointError:
    """Return the error for a file whose content cannot be what was written."""
    return CheckpointError(f"{path} is damaged ({why[:MOST_OF_A_REASON]}): use an earlier one, or write it again")


def as_json(value: Any) -> Any:
    """Return a value after a round trip through JSON: tuples become lists, NumPy's numbers Python's.

    Raises ArgumentError for a value that JSON cannot hold.
    """
    return json.loads(json.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise ArgumentError(
        f"headers and records are stored as JSON, which cannot hold {value!r} of type {type(value).__name__}: "
        "use numbers, strings, lists and dicts"
    )


def check_header(name: str, header: Mapping[Any, Any], scale: float | None) -> None:
    """Raise ArgumentError for a header of the user's that JSON cannot hold or that has a key of the format.

    "scale" passes with the value that the file keeps anyway.
    """
    for key in header:
        if not isinstance(key, str):
            raise ArgumentError(f"{name} has the key {key!r}, expected strings as keys")
        if key in OWN_KEYS and not (key == "scale" and is_number(header[key]) and header[key] == scale):
            raise ArgumentError(f"{name} has the key {key!r}, which the file format uses itself: choose another name")
    try:
        as_json(dict(header))
    except ArgumentError:
        raise
    except (TypeError, ValueError) as error:  # a key within a value, or a circle
        remedy = "use numbers, strings, lists and dicts"
        raise ArgumentError(f"{name} cannot be stored as JSON ({error}): {remedy}") from None


def read_file(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays and the header of a file that `write_file` wrote.

    Raises CheckpointError for a file that is missing, truncated, from another program or of a newer version.
    """
    arrays, metadata = _read(path, with_arrays=True)
    return arrays, _parse_header(path, metadata)


def read_header(path: str | Path) -> dict[str, Any]:
    """Read the header alone; raise CheckpointError as `read_file` does."""
    return _parse_header(path, _read(path, with_arrays=False)[1])


def _read(path: str | Path, *, with_arrays: bool) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, expected a file: pass {path / 'model.safetensors'}")
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}: pass the path of a model or checkpoint that gpugrad wrote")
    try:
        with safe_open(path, framework="np") as file:
            names, metadata = (file.keys() if with_arrays else ()), file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({str(error)[:MOST_OF_A_REASON]}): it is truncated or not a safetensors file, "
            "use an earlier one"
        ) from None
    if with_arrays and CHECKSUM in metadata and metadata[CHECKSUM] != _checksum(metadata.get(HEADER, ""), arrays):
        raise damaged(path, "its content differs from its checksum")
    return arrays, metadata


def _parse_header(path: str | Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        header = json.loads(metadata[HEADER])
        version = operator.index(header["version"])
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError):
        raise CheckpointError(
            f"{path} has no gpugrad header, another program wrote it: read weights of PyTorch with nn.load_pytorch"
        ) from None
    if version > VERSION:
        raise CheckpointError(
            f"{path} has format version {str(version)[:MOST_OF_A_REASON]}, this gpugrad reads up to {VERSION}: "
            "upgrade gpugrad"
        )
    return header


def check_settings(path: str | Path, written: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise CheckpointError, naming the first setting that differs, unless a run resumes with the same settings."""
    for name in (*now, *written):
        if written.get(name) != now.get(name):
            raise CheckpointError(
                f"{path} was written with {name} {_brief(written.get(name))}, this run has {_brief(now.get(name))}: "
                "resume with the same settings"
            )


def _brief(value: Any) -> str:
    """Return the text of a setting, a long one without its middle."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:40]}…{text[-19:]}"


def save_model(model: nn.Module, path: str | Path, *, scale: float | None = None, **header: Any) -> None:
    """Write a model's weights to a safetensors file.

    The file also keeps the scale of its features and, of an `nn.MLP`, the configuration to build it again.

    Parameters
    ----------
    model : nn.Module
        The model to write.
    path : str or Path
        The file. Its folder is created if it does not exist.
    scale : float, optional
        The factor of stored features, for a model that no Trainer has trained. By default `model.input_scale`, which
        `Trainer.fit` sets.
    **header
        JSON-able values to keep with the model, such as the names of the classes.

    Raises
    ------
    ArgumentError
        If the arguments are in another order, `scale` differs from the one that the model was trained with, or a
        value of the header cannot be kept.
    StorageError
        If the file cannot be written.
    """
    if not isinstance(model, nn.Module):
        raise ArgumentError(_wrong_model(model, path))
    _check_path("save_model", path)
    kept = kept_scale(model) if scale is None else resolve_scale(model, scale)
    check_header("header", header, kept)
    write_file(path, model.state_dict(), {"model": describe_model(model), **header, "scale": kept})


def _wrong_model(model: Any, path: Any) -> str:
    if isinstance(path, nn.Module):
        return "save_model got the path first, expected the model first: write gg.save_model(model, path)"
    if isinstance(getattr(model, "model", None), nn.Module):
        remedy = "pass trainer.model, or call trainer.save(path)"
    elif hasattr(model, "export_safetensors"):
        remedy = "call its export_safetensors(path)"
    else:
        remedy = "write gg.save_model(model, path)"
    return f"model is {describe(model)}, expected an nn.Module: {remedy}"


def _check_path(function: str, path: Any) -> None:
    swapped = isinstance(path, nn.Module)
    remedy = f"write gg.{function}(path, model)" if swapped else "pass one such as 'model.safetensors'"
    check_path("path", path, remedy=remedy)


def load_model(path: str | Path, model: nn.Module | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """Read a model from a file of `save_model`, or from a checkpoint.

    The scale that the model was trained with becomes its `input_scale`, so that a Trainer of it and exports use it.

    Parameters
    ----------
    path : str or Path
        The file.
    model : nn.Module, optional
        The module to load the weights into, needed for a model that is not an `nn.MLP`. By default a new `nn.MLP` with
        the configuration in the file.

    Returns
    -------
    model : nn.Module
        The model, on the CPU if it is new.
    header : dict
        The header of the file, with the values given to `save_model`.

    Raises
    ------
    CheckpointError
        If the file cannot be read or does not fit the model.
    """
    _check_path("load_model", path)
    if model is not None and not isinstance(model, nn.Module):
        raise ArgumentError(f"model is {describe(model)}, expected an nn.Module to load into, or None")
    arrays, header = read_file(path)
    if header.get("kind") == "checkpoint":
        arrays = split(arrays).get("model", {})
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise damaged(path, f"{name} holds numbers that are not finite")
    description = header.get("model") or {}
    if not isinstance(description, dict):
        raise damaged(path, f"its header describes the model by {a_or_an(type(description))}")
    if model is None:
        model = build_model(description, path, arrays)
    try:
        model.load_state_dict(with_layouts(arrays, description))
    except CheckpointError as error:
        raise CheckpointError(f"{path} does not fit the model: {str(error)[: 2 * MOST_OF_A_REASON]}") from None
    if (scale := scale_in(header)) is not None:
        model.input_scale = scale
    return model, header


def scale_in(header: Mapping[str, Any]) -> float | None:
    """Return the scale that a header keeps; None in a file of an earlier gpugrad, where "scale" was the user's key."""
    scale: Any = header.get("scale")
    return float(scale) if is_number(scale) and 0 < scale < math.inf else None


def describe_model(model: nn.Module) -> dict[str, Any]:
    """Return the name of a model's class, the config of an `nn.MLP`, and which weights have PyTorch's layout."""
    description = {"class": type(model).__name__, "config": model.config if isinstance(model, nn.MLP) else None}
    transposed = [name for name, layout in model.weight_layouts().items() if layout == "out_in"]
    return {**description, "out_in": transposed} if transposed else description


def with_layouts(arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
    """Return the weights of a file with the layouts that `describe_model` noted."""
    transposed = description.get("out_in") or ()
    if not isinstance(transposed, list | tuple):
        raise CheckpointError(f"its header lists transposed weights by {a_or_an(type(transposed))}, expected a list")
    return nn.StateDict(arrays, {name: "out_in" if name in transposed else "in_out" for name in arrays})


def build_model(description: dict[str, Any], path: str | Path, arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """Build the `nn.MLP` that a header describes; raise CheckpointError for another class or a damaged header.

    Nothing is built if its sizes are not those of the arrays.
    """
    config = description.get("config")
    if description.get("class") != "MLP" or not isinstance(config, dict):
        raise CheckpointError(
            f"{path} holds a {str(description.get('class'))[:MOST_OF_A_REASON]}, which only its own code can build: "
            "pass the model to load into"
        )
    try:
        sizes = [config["in_features"], *config["hidden"], config["out_features"]]
        claimed = sum(n_in * n_out for n_in, n_out in itertools.pairwise(sizes))
        held = sum(array.size for array in arrays.values() if array.ndim == 2)
        if claimed != held:
            raise damaged(path, f"its header describes {claimed} weights, it holds {held}")
        return nn.MLP.from_config(config)
    except CheckpointError:
        raise
    except Exception as error:  # values of wrong kinds can raise anything
        raise damaged(path, f"its header describes a model that cannot be built: {error}") from None


# A checkpoint holds several sets of arrays under joined names: "model/0.weight", "optimizer/m", "callback0/0.weight".


def join(sets: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return sets of named arrays as one set with names "set/array"."""
    return {f"{group}/{name}": array for group, arrays in sets.items() for name, array in arrays.items()}


def split(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Return the sets that `join` joined."""
    sets: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        group, _, name = key.partition("/")
        sets.setdefault(group, {})[name] = array
    return sets
