"""Objective: a function of many points at once, with its gradients, from the tape or from a method of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.device import Device
from ..engine.tape import no_grad
from ..engine.tensor import Tensor
from ..errors import ArgumentError


class Objective:
    """Values and gradients of f at points (n, dim) of the host, in float64.

    f: in tape operations, from a tensor (…, dim) to (…); or an object with a method `grad`, where both take an array
        (n, dim) of NumPy and return (n,) and (n, dim). With dim 1 a value of shape (…, 1) will do.
    device, dtype: where, and in what, tape operations are computed. called: what messages call it.

    Attributes: `f`, `dim`, `device`, `dtype`.
    """

    def __init__(self, f: Any, dim: int, device: Device, dtype: Any, called: str = "f") -> None:
        if not callable(f):
            raise ArgumentError(
                f"f is {f!r}, expected a function of a tensor (…, dim) or the name of a surface: "
                "lambda x: (x**2).sum(axis=-1), for instance"
            )
        wanted = getattr(f, "dim", None)
        if wanted not in (None, dim):
            raise ArgumentError(
                f"a start has {dim} number{'s' * (dim > 1)}, {getattr(f, 'name', 'f')} is a function of {wanted}: "
                f"give x0 the shape ({wanted},), or (n_starts, {wanted}) for several"
            )
        self._called = called
        self.f, self.dim, self.device, self.dtype = f, dim, device, np.dtype(dtype)
        own = getattr(f, "grad", None)
        self._own: Callable[[np.ndarray], Any] | None = own if callable(own) else None

    def values(self, points: np.ndarray) -> np.ndarray:
        """f at points (n, dim): (n,)."""
        with np.errstate(all="ignore"):
            if self._own:
                return self._checked(np.asarray(self.f(points), float), len(points))
            with no_grad():
                return self._on_tape(points)[1].numpy().astype(float)

    def gradients(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f and its gradient at points (n, dim): (n,) and (n, dim)."""
        with np.errstate(all="ignore"):
            if self._own:
                gradient = np.asarray(self._own(points), float)
                if gradient.shape != points.shape:
                    raise ArgumentError(
                        f"grad returned the shape {gradient.shape} for points of shape {points.shape}, "
                        "expected the same: one derivative for each number"
                    )
                return self.values(points), gradient
            x, y = self._on_tape(points)
            if not y.requires_grad:
                raise ArgumentError(
                    f"{self._called} has no gradient, since its value was not computed from x on the tape: "
                    "use the tensor's own methods and gg.sin, gg.exp, …, or give it a method grad"
                )
            ones = self.device.full(y.shape, 1.0, y.dtype)
            y.backward(Tensor(ones, self.device))
            assert x.grad is not None
            return y.numpy().astype(float), x.grad.numpy().astype(float)

    def check(self, starts: np.ndarray) -> None:
        """Refuse a function that does not give each start one value.

        It is asked for one start more than there are: a function that takes the first axis for that of the numbers
        may by chance return the right shape for as many starts as numbers, but not for both.
        """
        self.values(starts)
        self.values(np.concatenate([starts, starts[:1]]))

    def _on_tape(self, points: np.ndarray) -> tuple[Tensor, Tensor]:
        x = Tensor(self.device.upload(points, self.dtype), self.device, requires_grad=True)
        y = self.f(x)
        if not isinstance(y, Tensor):
            raise ArgumentError(
                f"{self._called} returned a {type(y).__name__}, expected a tensor: write it in operations of the tape, "
                "x[..., 0]**2 for instance, or give it a method grad"
            )
        return x, self._checked(y, len(points))

    def _checked(self, y: Any, n: int) -> Any:
        if self.dim == 1 and y.shape == (n, 1):
            return y.reshape((n,))
        if y.shape != (n,):
            raise ArgumentError(
                f"{self._called} returned the shape {y.shape} for points of shape {(n, self.dim)}, "
                f"expected {(n,)}, one value for each start: pick numbers by x[..., 0] and add up by sum(axis=-1)"
            )
        return y
