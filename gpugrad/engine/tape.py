"""The tape: how each tensor was computed from others; a walk in reverse applies the chain rule."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from ..errors import GraphError
from .device import Device

_grad_enabled = contextvars.ContextVar("grad_enabled", default=True)

Gradients = Sequence[Any]  # one array or None for each parent


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Keep operations off the tape within the block, or the decorated function.

    Yields
    ------
    None
        The block.

    Examples
    --------
    >>> with no_grad():
    ...     y = model(x)
    """
    token = _grad_enabled.set(False)
    try:
        yield
    finally:
        _grad_enabled.reset(token)


grad_enabled: Callable[[], bool] = _grad_enabled.get  # whether operations go onto the tape in this context


class Version:
    """Count of in-place changes of one piece of memory; shared by every tensor that views it."""

    count = 0  # on the class, since every tensor creates a version and most memory never changes

    def bump(self) -> None:
        """Count one more change."""
        self.count += 1


class ReadOnlyVersion(Version):
    """Version of memory that another library lent for reading only; shared by every tensor that views it."""


class OnTape(Protocol):
    """The interface of a tensor that the tape uses."""

    data: Any
    device: Device
    version: Version
    node: Node | None
    retains_grad: bool

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def requires_grad(self) -> bool: ...
    def add_gradient(self, gradient: Any) -> None: ...
    def in_own_dtype(self, gradient: Any) -> Any: ...


class Node:
    """Node of the tape: a tensor's parents, the function from its gradient to theirs, the tensors that it reads.

    Parameters
    ----------
    name : str
        The operation, for messages.
    parents : tuple of OnTape
        The tensors it was computed from.
    backward : function
        From the gradient of the tensor to an array or None per parent.
    saved : tuple of OnTape
        The tensors whose values `backward` reads.
    """

    __slots__ = ("backward", "name", "parents", "saved")

    def __init__(
        self, name: str, parents: tuple[OnTape, ...], backward: Callable[[Any], Gradients], saved: tuple[OnTape, ...]
    ):
        self.name = name
        self.parents = parents
        self.backward: Callable[[Any], Gradients] | None = backward
        # One sequence: the garbage collector looks at every object that a node keeps.
        self.saved: Sequence[Any] = ()
        if saved:
            found: list[Any] = []
            self.saved = found
            for tensor in saved:
                version = tensor.version
                found += version, version.count, tensor.data

    def check(self) -> None:
        """Refuse a backward pass through this node if it cannot be right.

        Raises
        ------
        GraphError
            If the graph was freed, or an array that the gradient needs was changed in place.
        """
        if self.backward is None:
            raise GraphError(
                f"the graph behind {self.name} was freed by an earlier backward(): "
                "run the forward pass again, or call backward(retain_graph=True) the first time"
            )
        saved = iter(self.saved)
        for version, count, array in zip(saved, saved, saved, strict=True):
            if version.count != count:
                raise GraphError(
                    f"an array of shape {array.shape} that {self.name} needs for its gradient was changed in place "
                    "after the forward pass: change it after backward(), or run the forward pass again"
                )

    def free(self) -> None:
        """Let go of the parents and of the backward function."""
        self.backward = None
        self.saved = ()
        self.parents = ()


def walk_back(root: OnTape, start: Any, retain_graph: bool) -> None:
    """Add the gradient of every leaf that `root` was computed from.

    Parameters
    ----------
    root : OnTape
        The tensor to differentiate.
    start : array
        The gradient of `root`.
    retain_graph : bool
        Whether to keep the graph for another pass.

    Raises
    ------
    GraphError
        If the graph was freed by an earlier pass, or an array that it needs was changed in place.
    """
    order = _reverse_topological(root)
    for tensor in order:
        if tensor.node is not None:
            tensor.node.check()
    device = root.device
    gradients = {id(root): start}
    for tensor in order:
        gradient = gradients.pop(id(tensor), None)
        if gradient is None:
            continue
        node = tensor.node
        if node is None or tensor.retains_grad:
            tensor.add_gradient(gradient)
        if node is None:
            continue
        assert node.backward is not None
        for parent, term in zip(node.parents, node.backward(gradient), strict=True):
            if term is not None and parent.requires_grad:
                if term.dtype != parent.dtype:
                    term = parent.in_own_dtype(term)
                # Out of place: a term may be the gradient of several tensors.
                known = gradients.get(id(parent))
                gradients[id(parent)] = term if known is None else device.call(device.xp.add, known, term)
        if not retain_graph:
            node.free()


def _reverse_topological(root: OnTape) -> list[OnTape]:
    """Return every tensor that requires a gradient, each after all tensors computed from it."""
    order: list[OnTape] = []
    seen: set[int] = set()
    stack: list[tuple[OnTape, bool]] = [(root, False)]
    while stack:
        tensor, parents_done = stack.pop()
        if parents_done:
            order.append(tensor)
        elif id(tensor) not in seen:
            seen.add(id(tensor))
            node = tensor.node
            if node is None:
                order.append(tensor)
                continue
            stack.append((tensor, True))
            for parent in node.parents:
                if parent.requires_grad:
                    stack.append((parent, False))
    order.reverse()
    return order
