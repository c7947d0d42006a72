"""Objective: a function with its gradients at many points, from the tape or from a supplied gradient."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.device import Device, automatic
from ..engine.tape import no_grad
from ..engine.tensor import Tensor
from ..errors import ArgumentError, a_or_an, counted

PROBES = 5  # random points at which one batch is compared with calls for each point
SAME = {"float64": 1e-9, "float32": 1e-3}  # relative difference up to which the two agree
DIFFERENCE, WRONG = 6e-6, 1e-3  # relative step of a difference quotient; relative error of a wrong gradient


class Objective:
    """Values and gradients of f at points (n, dim) of the host, in float64.

    Parameters
    ----------
    f : callable
        Function in tape operations, from one point (dim,) to one number or from a batch (n, dim) to (n,). A function of
        ``dim`` >= 2 required arguments gets the coordinates one by one. An object with a method ``grad`` gets NumPy
        arrays instead, and ``grad`` returns an array of the same shape. With ``dim`` 1 a value may have a last axis of
        size 1.
    dim : int
        Coordinates of a point.
    device : Device
        Device of the tape operations.
    dtype : dtype
        Floating-point type of the tape operations.
    called : str, default "f"
        Name of the function in messages.
    pointwise : bool, default False
        Call f for each point instead of once per batch; `check` decides it.

    Attributes
    ----------
    f, dim, device, dtype, pointwise
        The parameters.
    reads : int
        Values that f has copied to the host so far: its result may depend on them in ways that the tape does not see.

    Raises
    ------
    ArgumentError
        If f is not callable, or is a function of another number of coordinates.
    """

    def __init__(
        self, f: Any, dim: int, device: Device, dtype: Any, called: str = "f", *, pointwise: bool = False
    ) -> None:
        if not callable(f):
            raise ArgumentError(
                f"f is {f!r}, expected a function of a tensor or the name of a surface: "
                "lambda x: (x**2).sum(), for instance"
            )
        wanted = getattr(f, "dim", None)
        if wanted not in (None, dim):
            raise ArgumentError(
                f"a start has {counted(dim, 'number')}, {getattr(f, 'name', 'f')} is a function of {wanted}: "
                f"give x0 the shape ({wanted},), or (n_starts, {wanted}) for several"
            )
        self._called = called
        own = getattr(f, "grad", None)
        self._own: Callable[[np.ndarray], Any] | None = own if callable(own) else None
        self.f = f if self._own else unpacked(f, dim)
        self._batched = bool(getattr(f, "batched", False))
        self.dim, self.device, self.dtype, self.pointwise = dim, device, np.dtype(dtype), pointwise
        self.reads = 0

    def values(self, points: np.ndarray) -> np.ndarray:
        """Return f at several points.

        Parameters
        ----------
        points : ndarray, (n, dim)
            The points.

        Returns
        -------
        ndarray, (n,)
            The values, float64.
        """
        if not self.pointwise:
            return self._values(points)
        return np.array([self._values(point) for point in points]).reshape(len(points))

    def gradients(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return f and its gradient at several points.

        Parameters
        ----------
        points : ndarray, (n, dim)
            The points.

        Returns
        -------
        ndarray, (n,)
            The values, float64.
        ndarray, (n, dim)
            The gradients, float64.
        """
        if not self.pointwise:
            return self._gradients(points)
        found = [self._gradients(point) for point in points]
        values, gradients = (np.array(part) for part in zip(*found, strict=True))
        return values.reshape(len(points)), gradients

    def check(self, starts: np.ndarray, *, rows: int | None = None) -> None:
        """Decide how to call f, before any step.

        f is called for each point if it returns one number for a point (dim,), unless a batch gives the same values and
        gradients, which is faster. A function that takes only batches is called with batches.

        Parameters
        ----------
        starts : ndarray, (n, dim)
            Points at which f is called.
        rows : int, optional
            Rows of every later batch. One row is the same point alone, so nothing is compared.

        Raises
        ------
        ArgumentError
            If f returns neither one number for a point nor one value per row of a batch, or if its gradient is wrong
            because a value left the tape.
        """
        # One row more: a function that takes axis 0 for the coordinates may return the right shape for n rows by
        # chance, but not for n + 1 as well.
        together = self._failure(starts) or self._failure(np.concatenate([starts, starts[:1]]))
        if self._batched or (rows == 1 and together is None):
            if together is not None:
                raise together
            return
        alone = self._failure(starts[0])
        if alone is not None and together is not None:
            raise self._explained(alone, together)
        self.pointwise = alone is None and (together is not None or not self._same(starts))
        if self.reads:
            self._check_slope(starts[:1])

    def _values(self, points: np.ndarray) -> np.ndarray:
        """Return f at one point (dim,) or a batch (n, dim), called once."""
        with np.errstate(all="ignore"):
            if self._own:
                return self._checked(np.asarray(self.f(points), float), points.shape)
            with no_grad():
                return self._on_tape(points)[1].numpy().astype(float)

    def _gradients(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return f and its gradient at one point (dim,) or a batch (n, dim)."""
        with np.errstate(all="ignore"):
            if self._own:
                gradient = np.asarray(self._own(points), float)
                if gradient.shape != points.shape:
                    raise ArgumentError(
                        f"grad returned the shape {gradient.shape} for points of shape {points.shape}, "
                        "expected the same: one derivative for each number"
                    )
                return self._values(points), gradient
            x, y = self._on_tape(points)
            if not y.requires_grad:
                raise ArgumentError(
                    f"{self._called} has no gradient, since its value was not computed from x on the tape: "
                    "use the tensor's own methods and gg.sin, gg.exp, …, or pass grad="
                )
            ones = self.device.full(y.shape, 1.0, y.dtype)
            y.backward(Tensor(ones, self.device))
            assert x.grad is not None
            return y.numpy().astype(float), x.grad.numpy().astype(float)

    def _on_tape(self, points: np.ndarray) -> tuple[Tensor, Tensor]:
        x = Tensor(self.device.upload(points, self.dtype), self.device, requires_grad=True)
        before = self.device.downloads
        with automatic(self.device):
            y = self.f(x)
        self.reads += self.device.downloads - before
        if not isinstance(y, Tensor):
            raise ArgumentError(
                f"{self._called} returned {a_or_an(type(y))}, expected a tensor: math.sin, float() and numpy() leave "
                "the tape, so use the tensor's own methods and gg.sin, gg.exp, …, or pass grad="
            )
        return x, self._checked(y, points.shape)

    def _checked(self, y: Any, shape: tuple[int, ...]) -> Any:
        """Return y as one number per point, or refuse it."""
        lead = shape[:-1]
        if self.dim == 1 and y.shape == (*lead, 1):
            return y.reshape(lead)
        if y.shape == lead:
            return y
        if lead:
            raise ArgumentError(
                f"{self._called} returned the shape {y.shape} for points of shape {shape}, "
                f"expected {lead}, one value for each start: pick numbers by x[..., 0] and add up by sum(axis=-1)"
            )
        raise ArgumentError(
            f"{self._called} returned the shape {y.shape} for a point of shape {shape}, expected one number: "
            "add up by sum(), or pick one by x[0]"
        )

    def _failure(self, points: np.ndarray) -> Exception | None:
        """Return the error of f at one point or a batch, or None."""
        try:
            self._values(points)
            if self._own and points.ndim == 1:
                self._gradients(points)
        except Exception as error:
            return error
        return None

    def _explained(self, alone: Exception, together: Exception) -> Exception:
        """Return the error to raise for a function that takes neither a point nor a batch."""
        if "too many indices" in str(alone) or "axis" in str(alone).split(" out of bounds ")[0]:
            return together  # f is written for batches
        if isinstance(alone, IndexError):
            made = ArgumentError(
                f"{self._called} cannot be computed at a start of {counted(self.dim, 'number')} ({alone}): "
                "give x0 as many numbers as it reads"
            )
            made.__cause__ = alone
            return made
        return alone

    def _same(self, starts: np.ndarray) -> bool:
        """Return whether one batch gives the values and gradients of each point alone.

        A function that reads values on the host may branch on them, and a branch is right for one point only.
        """
        scale = 1 + np.abs(starts[0])
        around = starts[0] + scale * np.random.default_rng(0).normal(size=(PROBES, self.dim))
        points = np.concatenate([starts[:PROBES], around])
        before = self.reads
        try:
            together = _joined(self._gradients(points))
            again = _joined(self._gradients(points))
            if not np.array_equal(together, again, equal_nan=True):
                return True  # f draws random numbers: there is nothing to compare
            alone = np.array([_joined(self._gradients(point)) for point in points])
        except Exception:
            return False
        if self.reads > before:
            return False
        tolerance = SAME[self.dtype.name]
        size = np.abs(alone[np.isfinite(alone)]).max(initial=1.0)
        return np.allclose(together, alone, rtol=tolerance, atol=tolerance * size, equal_nan=True)

    def _check_slope(self, point: np.ndarray) -> None:
        """Refuse a gradient that differs from the slope of the values, at a point (1, dim) without a kink."""
        if self.dtype != np.float64 or self._own:
            return
        (value,), (gradient,) = self.gradients(point)
        steps = DIFFERENCE * np.maximum(1.0, np.abs(point[0]))
        ahead, behind = (self.values(point + sign * np.diag(steps)) for sign in (1, -1))
        sides = np.array([ahead - value, value - behind]) / steps
        scale = np.abs(gradient) + np.abs(sides).max(axis=0) + DIFFERENCE * (1 + abs(value))
        smooth = np.abs(sides[0] - sides[1]) < WRONG * scale
        if (smooth & (np.abs(sides.mean(axis=0) - gradient) > 2 * WRONG * scale)).any():
            raise ArgumentError(
                f"{self._called} has a wrong gradient, since its value depends on numbers that left the tape, through "
                "math.sin, float() or numpy() for instance: use the tensor's own methods and gg.sin, gg.exp, …"
            )


class Supplied:
    """A function of NumPy arrays with a gradient that the caller supplies.

    Parameters
    ----------
    f : callable
        Function from a point (dim,) to a number, or from a batch (n, dim) to (n,).
    grad : callable
        Gradient of f: takes the same arguments, returns the shape of the point or batch.
    dim : int
        Coordinates of a point.
    """

    def __init__(self, f: Callable[..., Any], grad: Callable[..., Any], dim: int) -> None:
        self._f, self.grad = unpacked(f, dim), unpacked(grad, dim, "grad")

    def __call__(self, x: np.ndarray) -> Any:
        return self._f(x)


def unpacked(f: Callable[..., Any], dim: int, called: str = "f", extra: tuple[str, ...] = ()) -> Callable[..., Any]:
    """Return f as a function of a point or batch, and of extra arguments.

    Parameters
    ----------
    f : callable
        A function of a point; or with as many required positional arguments as a point has coordinates.
    dim : int
        Coordinates of a point.
    called : str, default "f"
        Name of the function in messages.
    extra : tuple of str
        Names of the arguments after the point.

    Returns
    -------
    callable
        The function (x, *extra).

    Raises
    ------
    ArgumentError
        If f requires another number of arguments.
    """
    required = _required(f)
    if required is None or required == 1 + len(extra):
        return f
    if required == dim + len(extra):
        return lambda x, *rest: f(*(x[..., i] for i in range(dim)), *rest)
    numbers = required - len(extra)
    wanted = " and ".join(("x", *extra))
    if numbers < 1:
        raise ArgumentError(f"{called} takes {counted(required, 'argument')}, expected {wanted}: add what is missing")
    taken = counted(numbers, "number")
    raise ArgumentError(
        f"{called} takes {taken}, a start has {dim}: give x0 {taken}, or write {called} as a "
        "function of one point x and pick its numbers by x[0], x[1], …"
    )


def _required(f: Callable[..., Any]) -> int | None:
    """Return the number of required positional arguments; None if it is unknown or any number is accepted."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = sum(p.default is p.empty for p in positional)
    takes_any = any(p.kind == p.VAR_POSITIONAL for p in parameters)
    return None if required == 0 and (positional or takes_any) else required


def _joined(found: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return values and gradients in one array."""
    return np.concatenate([np.asarray(found[0])[..., None], found[1]], axis=-1)
