"""Weights of PyTorch's Linear layers, in and out. Needs no PyTorch: a safetensors file or a dict of arrays will do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, CheckpointError
from .layers import Dense
from .module import Module

FLOATS = {"F16": np.float16, "F32": np.float32, "F64": np.float64}  # of safetensors; BF16 is widened by hand


def load_pytorch(model: Module, source: str | Path | Mapping[str, Any], *, names: Sequence[str] | None = None) -> None:
    """Overwrite the weights of a model's Dense layers with those of PyTorch's Linear layers.

    source: a safetensors file, or a state_dict: `<layer>.weight` (out_features, in_features), which is transposed, and
        `<layer>.bias`; arrays or PyTorch tensors of float16, bfloat16, float32 or float64, cast to the model's dtype.
    names: PyTorch's names of the layers, in the order of the model's Dense layers, such as ["fc1", "head"]. None finds
        it: by name where the layers are called the same; else by number where the names differ in numbers alone
        ("fc1", "fc2", …); else by shape where only one order fits. A file does not keep the order of its entries.

    Raises CheckpointError for a file that cannot be read, layers whose order cannot be told, and all that is missing,
    unexpected or of the wrong shape, by name; then nothing was changed.
    """
    entries = _read(Path(source)) if isinstance(source, str | Path) else {k: _host(v) for k, v in source.items()}
    layers = _dense_layers(model)
    where = f"{source}" if isinstance(source, str | Path) else "the state_dict"
    matrices = [key for key, array in entries.items() if array.ndim == 2]
    linear = [key.removesuffix("weight").rstrip(".") for key in matrices if f".{key}".endswith(".weight")]
    order = list(names) if names is not None else _match(layers, linear, entries, where)
    if len(order) != len(layers):
        raise CheckpointError(
            f"{where} has {len(order)} Linear layers ({_listed(order)}), the model has {len(layers)} Dense layers: "
            "build the model with the layers that were saved"
        )
    state: dict[str, np.ndarray] = {}
    problems = []
    known = set()
    first: dict[int, np.ndarray] = {}  # the values of a parameter that several layers share
    for name, (target, layer) in zip(order, layers.items(), strict=True):
        wanted: dict[str, tuple[int, ...]] = {"weight": (layer.out_features, layer.in_features)}
        if layer.bias is not None:
            wanted["bias"] = (layer.out_features,)
        for part, shape in wanted.items():
            key = _join(name, part)
            known.add(key)
            if key not in entries:
                problems.append(f"missing {key} {shape} of {layer!r}")
            elif entries[key].shape != shape:
                problems.append(f"{key} has shape {entries[key].shape}, expected {shape} of {layer!r}")
            elif entries[key].dtype.kind != "f":
                problems.append(f"{key} has dtype {entries[key].dtype}, expected floats")
            elif not np.array_equal(
                first.setdefault(id(getattr(layer, part)), entries[key]), entries[key], equal_nan=True
            ):
                problems.append(f"{key} differs from the entry of a layer that shares its {part}")
            else:
                state[_join(target, part)] = entries[key].T
    problems += [f"unexpected {key} {array.shape}" for key, array in entries.items() if key not in known]
    problems += [f"no Linear layer holds {key}" for key in _other_parameters(model, layers)]
    if problems:
        raise CheckpointError(
            f"the weights of {where} do not fit {type(model).__name__} ({'; '.join(problems)}): "
            "build the model with the layers that were saved, or pass their names= in order"
        )
    model.load_state_dict(state, strict=False)  # a parameter that two layers share has one name


def to_pytorch(model: Module, *, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The weights of a model's Dense layers as PyTorch's Linear layers have them: for `load_state_dict` after
    `torch.from_numpy`, or `safetensors.numpy.save_file`.

    names: what the layers are called there, in order; None keeps the names they have here. Activations inside a Dense
    layer are modules of their own in PyTorch, so that the numbers differ.

    Raises ArgumentError for a model with parameters outside of Dense layers, and for another number of names.
    """
    layers = _dense_layers(model)
    others = _other_parameters(model, layers)
    if others:
        raise ArgumentError(f"{_listed(others)} are in no Dense layer and have no counterpart: export state_dict()")
    if names is None:
        names = list(layers)
    if len(names) != len(layers):
        raise ArgumentError(f"got {len(names)} names for {len(layers)} Dense layers ({_listed(layers)}): give one each")
    state = {}
    for name, layer in zip(names, layers.values(), strict=True):
        state[_join(name, "weight")] = np.ascontiguousarray(layer.weight.numpy().T)
        if layer.bias is not None:
            state[_join(name, "bias")] = layer.bias.numpy()
    return state


def _dense_layers(model: Module) -> dict[str, Dense]:
    return {name: module for name, module in model.named_modules() if isinstance(module, Dense)}


def _other_parameters(model: Module, layers: Iterable[str]) -> list[str]:
    inside = {_join(layer, part) for layer in layers for part in ("weight", "bias")}
    return [name for name, _ in model.named_parameters() if name not in inside]


def _match(layers: Mapping[str, Dense], linear: list[str], entries: Mapping[str, np.ndarray], where: str) -> list[str]:
    """The names in `linear` in the order of `layers`; raises CheckpointError where it cannot be told."""
    if set(linear) == set(layers):
        return list(layers)
    if len({re.sub(r"\d+", "0", name) for name in linear}) <= 1:
        return sorted(linear, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
    shapes = [(layer.out_features, layer.in_features) for layer in layers.values()]
    by_shape = {entries[_join(name, "weight")].shape: name for name in linear}
    if len(by_shape) == len(linear) and sorted(shapes) == sorted(by_shape):
        return [by_shape[shape] for shape in shapes]
    found = [f"{name} {entries[_join(name, 'weight')].shape}" for name in linear]
    raise CheckpointError(
        f"the order of the Linear layers in {where} ({_listed(found)}) cannot be told for Dense layers of (out, in) "
        f"{_listed(map(str, shapes))}: pass their names= in order"
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError, deserialize

    if not path.is_file():
        raise CheckpointError(f"there is no file {path}: pass the path of a safetensors file")
    try:
        tensors = deserialize(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}): write it in PyTorch with "
            "safetensors.torch.save_file(model.state_dict(), path)"
        ) from None
    return {name: _decode(name, tensor, path) for name, tensor in tensors}


def _decode(name: str, tensor: Mapping[str, Any], path: Path) -> np.ndarray:
    dtype, data = tensor["dtype"], tensor["data"]
    if dtype == "BF16":  # the upper half of a float32
        array = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    elif dtype in FLOATS:
        array = np.frombuffer(data, np.dtype(FLOATS[dtype]).newbyteorder("<"))
    else:
        raise CheckpointError(f"{name} in {path} has dtype {dtype}, expected F16, BF16, F32 or F64")
    return array.reshape(tensor["shape"])


def _host(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):  # a PyTorch tensor; float64 holds every float of theirs, bfloat16 too
        value = value.detach().cpu()
        value = value.double().numpy() if value.is_floating_point() else value.numpy()
    return np.asarray(value)


def _join(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
