"""StateDict: parameters by name, with the layout of every weight matrix; conversion of states from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from ..engine.tensor import Tensor
from ..errors import ArgumentError, CheckpointError, a_or_an, choose

# Axes of a weight matrix: (in_features, out_features) in Dense, (out_features, in_features) in Linear and PyTorch.
IN_OUT: str = "in_out"
OUT_IN: str = "out_in"
LAYOUTS = ("own", IN_OUT, OUT_IN)


class StateDict(dict[str, np.ndarray]):
    """Parameters by name, as `Module.state_dict` returns them, with the layout of every weight matrix.

    An entry that is replaced by another array loses its layout, and so does a plain dict made from the state, such as
    ``{name: 2 * array for name, array in state.items()}``.

    Parameters
    ----------
    arrays : mapping of str to numpy.ndarray
        Parameters by name, on the host.
    layouts : mapping of str to {"in_out", "out_in"}, optional
        Order of the axes of each weight matrix, by name.

    Attributes
    ----------
    layouts : dict
        Layouts of the entries that still have one.
    """

    def __init__(
        self, arrays: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), layouts: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(arrays)
        self.layouts = dict(layouts or {})

    def __setitem__(self, name: str, array: np.ndarray) -> None:
        """Set an entry; another array has no known layout."""
        if array is not self.get(name):
            self.layouts.pop(name, None)
        super().__setitem__(name, array)

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc]
        """Set several entries."""
        self.update(other)
        return self

    def __reduce__(self) -> tuple:
        """Copy and pickle the entries together with the layouts."""
        return StateDict, (dict(self), self.layouts)

    def update(self, *arguments: Any, **entries: Any) -> None:
        """Set several entries; other arrays have no known layout.

        Parameters
        ----------
        *arguments : mapping or iterable
            Entries, as for `dict.update`.
        **entries : array_like
            Entries by name.
        """
        for name, array in dict(*arguments, **entries).items():
            self[name] = array

    def copy(self) -> StateDict:
        """Return a shallow copy that keeps the layouts.

        Returns
        -------
        StateDict
            The same arrays under the same names.
        """
        return StateDict(self, self.layouts)


def check_state(name: str, state: Any) -> None:
    """Refuse a state that is not a mapping; a model's own module is a likely mistake."""
    if not isinstance(state, Mapping):
        remedy = "pass its state_dict()" if hasattr(state, "state_dict") else "pass the result of state_dict()"
        raise ArgumentError(f"{name} is {a_or_an(type(state))}, expected arrays by name: {remedy}")


def arrange(
    state: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], own: Mapping[str, str], layout: str | None
) -> dict[str, np.ndarray]:
    """Copy the entries of a state to the host, each weight matrix in the layout of the module that loads it.

    Parameters
    ----------
    state : mapping
        Arrays or tensors by name.
    shapes : mapping
        Shape of each parameter of the module; other entries are left out.
    own : mapping
        Layout of each weight matrix of the module.
    layout : {"own", "in_out", "out_in"} or None
        Layout of every weight matrix in the state; None reads it from a `StateDict`, or decides by the shapes.
    """
    if layout is not None:
        choose("layout", layout, LAYOUTS)
    arrays = {name: to_host(state[name]) for name in shapes if name in state}
    matrices = {name: own[name] for name in arrays if name in own and arrays[name].ndim == 2}
    marks = getattr(state, "layouts", {})
    unmarked = [name for name in matrices if layout is None and name not in marks]
    for torch in (False, True):
        _check_decidable([n for n in unmarked if _is_torch(state[n]) is torch], arrays, shapes, matrices)
    for name, wanted in matrices.items():
        found = wanted if name in unmarked or layout == "own" else layout or marks[name]
        if found != wanted:
            arrays[name] = arrays[name].T
    return arrays


def _check_decidable(
    names: list[str],
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    own: Mapping[str, str],
) -> None:
    """Refuse weights with no known layout that fit Dense layers both ways; one that is not square decides for all.

    Linear layers expect PyTorch's layout, so any weights with no known layout fit them.
    """
    dense = [name for name in names if own[name] == IN_OUT]
    if any(shapes[name][0] != shapes[name][1] for name in dense):
        return
    for name in dense:
        array = arrays[name]
        if array.shape == shapes[name] and not np.array_equal(array, array.T, equal_nan=array.dtype.kind == "f"):
            raise CheckpointError(
                f"{name} is square {array.shape} with no known layout, so it may be transposed: "
                'pass layout="in_out" if it comes from a Dense layer, layout="out_in" if it comes from PyTorch, '
                "or load PyTorch's weights with nn.load_pytorch"
            )


def to_host(value: Any) -> np.ndarray:
    """Copy an array or tensor to the host; PyTorch's floats become float64, which holds every one of them."""
    if isinstance(value, Tensor):
        return value.numpy()
    if _is_torch(value):
        value = value.detach().cpu()
        value = value.double().numpy() if value.is_floating_point() else value.numpy()
    return np.asarray(value)


def _is_torch(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "torch"
