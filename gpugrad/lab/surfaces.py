"""Catalogue of surfaces: functions that can be plotted, with their gradients, minima and saddles, and a useful view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..engine import arithmetic
from ..engine.tensor import Tensor
from ..errors import choose
from ..optim import RULES
from .expression import typeset

Point = tuple[float, ...]
Bounds = tuple[tuple[float, float], tuple[float, float]]

REACH = 1 / 20  # first step of rules whose steps have the size of lr, as a share of the view's width


@dataclass(frozen=True)
class Surface:
    """Function of points with everything that pictures need; call it with a tensor (…, dim) for its values (…).

    Parameters
    ----------
    name : str
        Name in the catalogue.
    about : str
        Description in one sentence.
    formula : str
        The function of x and y, as `expression.parse` accepts it.
    function : callable
        The function, in tape operations.
    gradient : callable
        Gradient in closed form, from an array (…, dim) to an array of the same shape.
    bounds : tuple
        Limits of the view, ((low, high), (low, high)).
    starts : tuple of points
        Interesting starts, the usual one first.
    levels : tuple of float
        Levels of the contour lines.
    lr : float
        Learning rate that suits gradient descent.
    minima, saddles, maxima : tuple of points
        Stationary points in the plane, as far as they are known.
    dim : int or None
        Coordinates of a point; None accepts any number.
    """

    name: str
    about: str
    formula: str
    function: Callable[[Tensor], Tensor] = field(repr=False)
    gradient: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    bounds: Bounds
    starts: tuple[Point, ...]
    levels: tuple[float, ...] = field(repr=False)
    lr: float
    minima: tuple[Point, ...] = ()
    saddles: tuple[Point, ...] = ()
    maxima: tuple[Point, ...] = ()
    dim: int | None = 2
    batched: ClassVar[bool] = True  # minimize calls it once per batch, without a comparison

    def __call__(self, x: Tensor) -> Tensor:
        """Return the values (…) at points (…, dim)."""
        return self.function(x)

    @property
    def equation(self) -> str:
        """The formula for reading: f(x, y) = x² − y²."""
        return f"f(x, y) = {typeset(self.formula)}"

    def rate(self, optimizer: str) -> float:
        """Return a learning rate that suits an optimizer in this view.

        Parameters
        ----------
        optimizer : str
            A name of ``optim.NAMES``.

        Returns
        -------
        float
            The learning rate.
        """
        width = self.bounds[0][1] - self.bounds[0][0]
        return RULES[optimizer].lab_rate(self.lr, REACH * width)


def surface(name: str) -> Any:
    """Return a surface of the catalogue.

    Parameters
    ----------
    name : str
        A name of `NAMES`.

    Returns
    -------
    Surface or NetworkLoss
        The surface. "network loss" is a `NetworkLoss`, which is called with NumPy arrays.

    Raises
    ------
    ArgumentError
        If the name is unknown.
    """
    if choose("surface", name, NAMES) == NETWORK_LOSS:
        from .network_loss import network_loss

        return network_loss()
    return SURFACES[name]


def _powers(low: float, high: float, n: int) -> tuple[float, ...]:
    """Return levels that are close together near the minimum."""
    return tuple(float(level) for level in np.geomspace(low, high, n))


def _even(low: float, high: float, n: int) -> tuple[float, ...]:
    return tuple(float(level) for level in np.linspace(low, high, n))


def _pair(x: Any) -> tuple[Any, Any]:
    return x[..., 0], x[..., 1]


def _stack(*parts: np.ndarray) -> np.ndarray:
    return np.stack(parts, axis=-1)


# ---- quadratic ----


def _parabola(x: Tensor) -> Tensor:
    return (x**2).sum(axis=-1)


def _ravine(x: Tensor) -> Tensor:
    a, b = _pair(x)
    return a**2 / 2 + 20 * b**2


def _ravine_gradient(x: np.ndarray) -> np.ndarray:
    return x * np.array([1.0, 40.0])


def _saddle(x: Tensor) -> Tensor:
    return (x**2).sum(axis=-1) - 2 * x[..., -1] ** 2


def _saddle_gradient(x: np.ndarray) -> np.ndarray:
    return 2 * x * np.where(np.arange(x.shape[-1]) == x.shape[-1] - 1, -1.0, 1.0)


# ---- polynomials ----

TILT = 0.125  # first coordinate of the saddle between the wells; the right well is higher by 16/3 · TILT


def _double_well(x: Tensor) -> Tensor:
    """Compute the double well, whose derivative along the first coordinate is 4·(a² − 1)·(a − TILT)."""
    a = x[..., 0]
    well = a**4 - (4 * TILT / 3) * a**3 - 2 * a**2 + 4 * TILT * a + (1 + 8 * TILT / 3)
    return well + (x**2).sum(axis=-1) - a**2


def _double_well_gradient(x: np.ndarray) -> np.ndarray:
    gradient = 2 * x
    a = x[..., 0]
    gradient[..., 0] = 4 * (a**2 - 1) * (a - TILT)
    return gradient


def _monkey(x: Tensor) -> Tensor:
    a, b = _pair(x)
    return a**3 - 3 * a * b**2


def _monkey_gradient(x: np.ndarray) -> np.ndarray:
    a, b = _pair(x)
    return _stack(3 * a**2 - 3 * b**2, -6 * a * b)


def _rosenbrock(x: Tensor) -> Tensor:
    a, b = _pair(x)
    return (1 - a) ** 2 + 100 * (b - a**2) ** 2


def _rosenbrock_gradient(x: np.ndarray) -> np.ndarray:
    a, b = _pair(x)
    return _stack(-2 * (1 - a) - 400 * a * (b - a**2), 200 * (b - a**2))


BEALE = ((1, 1.5), (2, 2.25), (3, 2.625))


def _beale(x: Tensor) -> Tensor:
    a, b = _pair(x)
    first, second, third = ((c - a + a * b**i) ** 2 for i, c in BEALE)
    return first + second + third


def _beale_gradient(x: np.ndarray) -> np.ndarray:
    a, b = _pair(x)
    terms = [(c - a + a * b**i, i) for i, c in BEALE]
    return _stack(sum(2 * t * (b**i - 1) for t, i in terms), sum(2 * t * a * i * b ** (i - 1) for t, i in terms))


def _himmelblau(x: Tensor) -> Tensor:
    a, b = _pair(x)
    return (a**2 + b - 11) ** 2 + (a + b**2 - 7) ** 2


def _himmelblau_gradient(x: np.ndarray) -> np.ndarray:
    a, b = _pair(x)
    p, q = a**2 + b - 11, a + b**2 - 7
    return _stack(4 * a * p + 2 * q, 2 * p + 4 * b * q)


# ---- many minima ----


def _rastrigin(x: Tensor) -> Tensor:
    return (x**2 - 10 * (2 * np.pi * x).cos() + 10).sum(axis=-1)


def _rastrigin_gradient(x: np.ndarray) -> np.ndarray:
    return 2 * x + 20 * np.pi * np.sin(2 * np.pi * x)


NOWHERE = 1e-24  # squared distance below which Ackley's tip is reached: the root has no derivative at 0


def _ackley(x: Tensor) -> Tensor:
    distance = arithmetic.clip((x**2).mean(axis=-1), NOWHERE).sqrt()
    waves = (2 * np.pi * x).cos().mean(axis=-1)
    return 20 - 20 * (-0.2 * distance).exp() + np.e - waves.exp()


def _ackley_gradient(x: np.ndarray) -> np.ndarray:
    square = (x**2).mean(axis=-1, keepdims=True)
    distance = np.sqrt(np.maximum(square, NOWHERE))
    tip = np.where(square >= NOWHERE, 4 * np.exp(-0.2 * distance) * x / distance, 0.0)
    waves = np.exp(np.cos(2 * np.pi * x).mean(axis=-1, keepdims=True))
    return (tip + 2 * np.pi * np.sin(2 * np.pi * x) * waves) / x.shape[-1]


def _plateau(x: Tensor) -> Tensor:
    return 1 - ((x**2).sum(axis=-1) / -2).exp()


def _plateau_gradient(x: np.ndarray) -> np.ndarray:
    return x * np.exp(-(x**2).sum(axis=-1, keepdims=True) / 2)


_HILL, _PIT = 0.5025460365546747, 0.9949586376523348  # the first zeros of Rastrigin's derivative
_TIP_SADDLE, _TIP_PIT = 0.6257806168564638, 0.9684776587077244  # those of Ackley's, on an axis and a diagonal

SURFACES: dict[str, Surface] = {
    made.name: made
    for made in (
        Surface(
            "parabola", "The simplest of all: in any dimension the sum of squares.",
            "x**2 + y**2",
            _parabola, lambda x: 2 * x,
            bounds=((-2.5, 2.5), (-2.5, 2.5)), starts=((2.0, 1.5), (-1.8, 2.0), (-2.0, -1.0)),
            levels=_powers(0.05, 12, 12), lr=0.1, minima=((0.0, 0.0),), dim=None,
        ),
        Surface(
            "double well", "Two minima of different depth: the start decides which one is reached.",
            "x**4 - x**3/6 - 2*x**2 + x/2 + 4/3 + y**2",
            _double_well, _double_well_gradient,
            bounds=((-1.8, 1.8), (-1.4, 1.4)), starts=((0.3, 1.2), (0.05, 1.2), (1.6, -1.0), (-1.6, -1.0)),
            levels=_powers(0.05, 6, 14), lr=0.05, minima=((-1.0, 0.0), (1.0, 0.0)), saddles=((TILT, 0.0),), dim=None,
        ),
        Surface(
            "ravine", "Forty times steeper across than along: gradient descent zigzags or creeps.",
            "x**2/2 + 20*y**2",
            _ravine, _ravine_gradient,
            bounds=((-6.0, 2.0), (-1.5, 1.5)), starts=((-5.0, 1.0), (-5.0, -0.5)),
            levels=_powers(0.1, 60, 12), lr=0.045, minima=((0.0, 0.0),),
        ),
        Surface(
            "saddle", "Up in one direction, down in the other, without end.",
            "x**2 - y**2",
            _saddle, _saddle_gradient,
            bounds=((-1.2, 1.2), (-1.2, 1.2)), starts=((-1.0, 1e-3), (-1.0, 0.0), (-1.0, 0.1)),
            levels=_even(-1.4, 1.4, 15), lr=0.05, saddles=((0.0, 0.0),), dim=None,
        ),
        Surface(
            "monkey saddle", "Three ways down and three up; the Hessian at the middle is zero.",
            "x**3 - 3*x*y**2",
            _monkey, _monkey_gradient,
            bounds=((-1.2, 1.2), (-1.2, 1.2)), starts=((1.0, 1e-2), (1.0, 0.0), (0.6, -0.2)),
            levels=_even(-2.0, 2.0, 17), lr=0.02, saddles=((0.0, 0.0),),
        ),
        Surface(
            "rosenbrock", "A curved valley that is easy to find and slow to follow.",
            "(1 - x)**2 + 100*(y - x**2)**2",
            _rosenbrock, _rosenbrock_gradient,
            bounds=((-2.0, 2.0), (-1.0, 3.0)), starts=((-1.5, 2.0), (-0.5, -0.5), (1.5, 2.8)),
            levels=_powers(0.5, 2500, 13), lr=1e-3, minima=((1.0, 1.0),),
        ),
        Surface(
            "beale", "A flat basin between steep walls, and a saddle on the way.",
            "(1.5 - x + x*y)**2 + (2.25 - x + x*y**2)**2 + (2.625 - x + x*y**3)**2",
            _beale, _beale_gradient,
            bounds=((-1.0, 4.5), (-1.0, 1.5)), starts=((1.0, 1.3), (0.3, 1.4), (4.0, -0.8)),
            levels=_powers(0.1, 1500, 16), lr=3e-3, minima=((3.0, 0.5),), saddles=((0.0, 1.0),),
        ),
        Surface(
            "himmelblau", "Four equal minima, four saddles and a hill between them.",
            "(x**2 + y - 11)**2 + (x + y**2 - 7)**2",
            _himmelblau, _himmelblau_gradient,
            bounds=((-5.0, 5.0), (-5.0, 5.0)), starts=((0.0, -0.5), (-0.5, -1.2), (0.5, 3.5), (-4.5, 4.5)),
            levels=_powers(2, 800, 14), lr=5e-3,
            minima=(
                (3.0, 2.0),
                (-2.805118086952745, 3.131312518250573),
                (-3.779310253377747, -3.2831859912861696),
                (3.5844283403304917, -1.8481265269644036),
            ),
            saddles=(
                (-3.0730257507643897, -0.08135304428796751),
                (0.08667750455539634, 2.884254701174776),
                (3.385154183607021, 0.0738518798377493),
                (-0.12796134673068005, -1.9537149802445766),
            ),
            maxima=((-0.2708445906673476, -0.9230385564799815),),
        ),
        Surface(
            "rastrigin", "A local minimum near every pair of whole numbers.",
            "20 + x**2 + y**2 - 10*cos(2*pi*x) - 10*cos(2*pi*y)",
            _rastrigin, _rastrigin_gradient,
            bounds=((-2.6, 2.6), (-2.6, 2.6)), starts=((0.4, 0.3), (2.2, 1.7), (-1.4, 1.9)),
            levels=_even(2, 46, 12), lr=2e-3,
            minima=((0.0, 0.0), *((a * _PIT, b * _PIT) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b)),
            saddles=tuple(point for a in (-_HILL, _HILL) for point in ((a, 0.0), (0.0, a))),
            maxima=tuple((a, b) for a in (-_HILL, _HILL) for b in (-_HILL, _HILL)),
            dim=None,
        ),
        Surface(
            "ackley", "Shallow waves around a sharp tip, where the slope does not fade.",
            "20 + e - 20*exp(-0.2*sqrt((x**2 + y**2)/2)) - exp((cos(2*pi*x) + cos(2*pi*y))/2)",
            _ackley, _ackley_gradient,
            bounds=((-3.0, 3.0), (-3.0, 3.0)), starts=((0.4, 0.45), (2.2, 1.6), (-2.5, 0.8)),
            levels=_even(0.5, 11, 14), lr=0.02,
            minima=((0.0, 0.0), *((a * _TIP_PIT, b * _TIP_PIT) for a in (-1, 1) for b in (-1, 1))),
            saddles=tuple(point for a in (-_TIP_SADDLE, _TIP_SADDLE) for point in ((a, 0.0), (0.0, a))),
            dim=None,
        ),
        Surface(
            "plateau", "A pit in a plain: far from it there is next to no slope, as on a saturated unit.",
            "1 - exp(-(x**2 + y**2)/2)",
            _plateau, _plateau_gradient,
            bounds=((-4.5, 4.5), (-4.5, 4.5)), starts=((3.0, 2.0), (1.5, -1.0), (-3.0, 3.0)),
            levels=(0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.995, 0.9999), lr=0.5, minima=((0.0, 0.0),),
            dim=None,
        ),
    )
}  # fmt: skip
NETWORK_LOSS = "network loss"  # its network is trained at the first use
NAMES = (*SURFACES, NETWORK_LOSS)
