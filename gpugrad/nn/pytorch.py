"""Import and export of the weights of PyTorch's Linear layers, with no need of PyTorch itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, CheckpointError, a_or_an, counted
from .layers import Dense
from .linear import Linear
from .module import Module
from .state import OUT_IN, StateDict, check_state, to_host

# Float dtypes in a safetensors file; NumPy has no bfloat16 (BF16), which `_decode` widens.
FLOATS = {"F16": np.float16, "F32": np.float32, "F64": np.float64}


def load_pytorch(model: Module, source: str | Path | Mapping[str, Any], *, names: Sequence[str] | None = None) -> None:
    """Overwrite the weights of a model's Dense and Linear layers with those of PyTorch's Linear layers.

    Parameters
    ----------
    model : Module
        Model whose parameters all belong to Dense or Linear layers.
    source : str, Path or mapping
        A safetensors file, or a PyTorch state_dict: ``<layer>.weight`` (out_features, in_features) and
        ``<layer>.bias``, arrays or PyTorch tensors of float16, bfloat16, float32 or float64. They are cast to the dtype
        of the model, and transposed for Dense layers.
    names : sequence of str, optional
        PyTorch's names of the layers, in the order of the model's layers, such as ``["fc1", "head"]``. None matches
        them by name if both sides use the same names, else by number if the names differ only in numbers ("fc1",
        "fc2", …), else by shape if only one order fits. A file does not keep the order of its entries.

    Raises
    ------
    ArgumentError
        If `model` is not a module, or `source` is neither a path nor a mapping.
    CheckpointError
        If the file cannot be read, the order of the layers is ambiguous, or entries are missing, unexpected or of the
        wrong shape; the message names all of them. No parameter was changed.
    """
    if not isinstance(model, Module):
        raise ArgumentError(
            f"model is {a_or_an(type(model))}, expected an nn.Module: write nn.load_pytorch(model, source)"
        )
    if not isinstance(source, str | Path):
        check_state("source", source)
    entries = _read(Path(source)) if isinstance(source, str | Path) else {k: to_host(v) for k, v in source.items()}
    layers = _layers(model)
    where = f"{source}" if isinstance(source, str | Path) else "the state_dict"
    matrices = [key for key, array in entries.items() if array.ndim == 2]
    linear = [key.removesuffix("weight").rstrip(".") for key in matrices if f".{key}".endswith(".weight")]
    order = list(names) if names is not None else _match(layers, linear, entries, where)
    if len(order) != len(layers):
        kinds = " and ".join(sorted({type(layer).__name__ for layer in layers.values()})) or "Dense"
        raise CheckpointError(
            f"{where} has {counted(len(order), 'Linear layer')} ({_listed(order)}), the model has "
            f"{counted(len(layers), f'{kinds} layer')}: build the model with the layers that were saved"
        )
    state: dict[str, np.ndarray] = {}
    problems = []
    known = set()
    first: dict[int, np.ndarray] = {}  # values of a parameter that several layers share
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
                state[_join(target, part)] = entries[key]
    problems += [f"unexpected {key} {array.shape}" for key, array in entries.items() if key not in known]
    problems += [f"no Linear layer holds {key}" for key in _other_parameters(model, layers)]
    if problems:
        raise CheckpointError(
            f"the weights of {where} do not fit {type(model).__name__} ({'; '.join(problems)}): "
            "build the model with the layers that were saved, or pass their names= in order"
        )
    # Not strict: a parameter that two layers share has one name.
    model.load_state_dict(state, strict=False, layout=OUT_IN)


def to_pytorch(model: Module, *, names: Sequence[str] | None = None) -> StateDict:
    """Return the weights of a model's Dense and Linear layers as the state_dict of PyTorch's Linear layers.

    Pass them through ``torch.from_numpy`` to PyTorch's ``load_state_dict``, or to ``safetensors.numpy.save_file``.

    Parameters
    ----------
    model : Module
        Model whose parameters all belong to Dense or Linear layers.
    names : sequence of str, optional
        Names of the layers in PyTorch, in order; None keeps the model's. PyTorch's activations are modules of their
        own, so the numbers of its layers differ from those of Dense layers.

    Returns
    -------
    StateDict
        Arrays by name, each weight (out_features, in_features).

    Raises
    ------
    ArgumentError
        If a parameter belongs to no Dense or Linear layer, or the number of names is not the number of layers.
    """
    layers = _layers(model)
    others = _other_parameters(model, layers)
    if others:
        raise ArgumentError(
            f"{_listed(others)} are in no Dense or Linear layer and have no counterpart: export state_dict()"
        )
    if names is None:
        names = list(layers)
    if len(names) != len(layers):
        given, known = counted(len(names), "name"), counted(len(layers), "Dense layer")
        raise ArgumentError(f"got {given} for {known} ({_listed(layers)}): pass one each")
    state, layouts = {}, {}
    for name, layer in zip(names, layers.values(), strict=True):
        key, weight = _join(name, "weight"), layer.weight.numpy()
        state[key] = np.ascontiguousarray(weight.T) if isinstance(layer, Dense) else weight
        layouts[key] = OUT_IN
        if layer.bias is not None:
            state[_join(name, "bias")] = layer.bias.numpy()
    return StateDict(state, layouts)


def _layers(model: Module) -> dict[str, Dense | Linear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, Dense | Linear)}


def _other_parameters(model: Module, layers: Iterable[str]) -> list[str]:
    """List the parameters that are in none of these layers, by name."""
    inside = {_join(layer, part) for layer in layers for part in ("weight", "bias")}
    return [name for name, _ in model.named_parameters() if name not in inside]


def _match(
    layers: Mapping[str, Dense | Linear], linear: list[str], entries: Mapping[str, np.ndarray], where: str
) -> list[str]:
    """Sort the names in `linear` in the order of `layers`; raise CheckpointError if it is ambiguous."""
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
        f"the order of the Linear layers in {where} ({_listed(found)}) is ambiguous for layers of (out, in) "
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


def _join(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
