"""Loss of a network on a plane through its parameters, as drawn by Li et al."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np

from .. import nn, optim
from ..engine.creation import tensor
from ..engine.recording import record
from ..engine.sharing import Turns
from ..engine.tape import no_grad
from ..engine.tensor import Tensor
from ..errors import ArgumentError, GpugradError

SPAN = 1.5  # half the width of the view, in units of the directions, each as long as the parameters
GRID = 15  # points per side of the grid that the levels of the contour lines are computed from
LEVELS = 14


class NetworkLoss:
    """Loss of a network at θ + a·d₁ + b·d₂, a function of the points (a, b). Created by `network_loss`.

    Called with an array (n, 2) it returns the losses (n,). It also has the attributes of a `Surface` that pictures
    need.

    Parameters
    ----------
    model : Module
        The network, in float64 on the CPU; its parameters are overwritten.
    x, y : Tensor
        Inputs and targets.
    loss : callable
        The loss of outputs and targets.
    seed : int
        Seed of the directions.

    Attributes
    ----------
    directions : list
        The directions d₁ and d₂, each a list of arrays with the shapes of the parameters.
    """

    name = "network loss"
    about = "A small network's real loss, on a plane through its parameters; the origin is where training ended."
    formula = None  # no arithmetic of x and y
    equation = "f(x, y) = L(θ + x·d₁ + y·d₂), L the mean loss over the data"
    dim = 2
    batched = True  # called with (n, 2)
    resolution = 60  # points per side of a picture: each one is a pass of the network over its data
    lr = 0.1
    bounds = ((-SPAN, SPAN), (-SPAN, SPAN))
    starts = ((-1.2, 1.2), (1.2, 1.1), (-1.0, -1.3))
    minima = saddles = maxima = ()

    def __init__(self, model: nn.Module, x: Tensor, y: Tensor, loss: Any, seed: int) -> None:
        self._model, self._x, self._y, self._loss = model, x, y, loss
        self._turns = Turns()  # of threads, at the parameters
        self._parameters = list(model.parameters())
        self._centre = [p.numpy() for p in self._parameters]
        generator = np.random.default_rng(seed)
        self.directions = [[filter_normalised(w, generator) for w in self._centre] for _ in range(2)]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the losses at points (n, 2)."""
        return np.array([self._height(point) for point in points], float)

    def grad(self, points: np.ndarray) -> np.ndarray:
        """Return the gradients of the tape, projected onto the directions.

        Parameters
        ----------
        points : ndarray, (n, 2)
            The points.

        Returns
        -------
        ndarray, (n, 2)
            The gradients.
        """
        return np.array([self._slope(point) for point in points])

    @property
    def network(self) -> dict[str, Any]:
        """Data, parameters at the centre and directions, as lists of numbers: what the loss is computed from."""
        return {
            "x": self._x.tolist(),
            "y": self._y.tolist(),
            "centre": [w.ravel().tolist() for w in self._centre],
            "directions": [[w.ravel().tolist() for w in way] for way in self.directions],
        }

    def rate(self, optimizer: str) -> float:
        """Return a learning rate that suits an optimizer on this plane.

        Parameters
        ----------
        optimizer : str
            A name of ``optim.NAMES``.

        Returns
        -------
        float
            The learning rate.
        """
        rate = optim.RULES[optimizer].plane_rate
        return self.lr if rate is None else rate

    @functools.cached_property
    def levels(self) -> tuple[float, ...]:
        """Levels of the contour lines: quantiles of the values over the view."""
        side = np.linspace(-SPAN, SPAN, GRID)
        values = self(np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2))
        return tuple(np.unique(np.quantile(values, np.linspace(0.01, 0.99, LEVELS))).tolist())

    def _at(self, point: np.ndarray) -> Tensor:
        for p, centre, first, second in zip(self._parameters, self._centre, *self.directions, strict=True):
            p.device.write(p.data, centre + point[0] * first + point[1] * second)
            p.changed_in_place()
        return self._loss(self._model(self._x), self._y)

    def _height(self, point: np.ndarray) -> float:
        with self._turns, no_grad():
            return self._at(point).item()

    def _slope(self, point: np.ndarray) -> list[float]:
        with self._turns:
            self._model.zero_grad()
            self._at(point).backward()
            gradients = [0.0 if p.grad is None else p.grad.numpy() for p in self._parameters]
        return [sum(float(np.sum(g * d)) for g, d in zip(gradients, way, strict=True)) for way in self.directions]


def filter_normalised(weights: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw a random direction whose part for each unit is as long as the weights of the unit.

    The picture then does not depend on how weights are scaled between layers. The direction of biases is 0.

    Parameters
    ----------
    weights : ndarray, (n_in, n_out) or (n_out,)
        Weights or biases of a layer.
    generator : numpy.random.Generator
        Source of the direction.

    Returns
    -------
    ndarray
        The direction, of the shape of the weights.

    References
    ----------
    Li et al., "Visualizing the loss landscape of neural nets", arXiv:1712.09913.
    """
    direction = generator.normal(size=weights.shape)
    if weights.ndim < 2:
        return np.zeros(weights.shape)
    return direction * np.linalg.norm(weights, axis=0) / np.linalg.norm(direction, axis=0)


def network_loss(
    model: nn.Module | None = None, x: Any = None, y: Any = None, *, loss: Any = None, seed: int = 0
) -> NetworkLoss:
    """Return the loss of a model over x and y as a function on a plane through its parameters.

    Parameters
    ----------
    model : Module, optional
        A trained network; it is copied, and the copy computes in float64 on the CPU. By default, a network of 2-8-8-2
        units that is trained here to separate two moons.
    x, y : array_like, optional
        The data it was trained on.
    loss : callable, optional
        The loss of outputs and targets. By default, the cross-entropy.
    seed : int, default 0
        Seed of the directions.

    Returns
    -------
    NetworkLoss
        The function.

    Raises
    ------
    ArgumentError
        If the model has no data or no parameters, or does not accept the data.
    """
    if model is None:
        return _moons(seed)
    if x is None or y is None:
        raise ArgumentError("network_loss got a model without its data: pass x and y too")
    model = copy.deepcopy(model).to("cpu").eval()
    for p in model.parameters():
        p.data = p.device.upload(p.numpy().astype(np.float64))
    if model.device is None:
        raise ArgumentError(f"{type(model).__name__} has no parameters, expected a network with some")
    y = y.numpy() if isinstance(y, Tensor) else np.asarray(y)
    targets = tensor(y.astype(np.int32 if y.dtype.kind in "iu" else np.float64))
    inputs = tensor(np.asarray(x.numpy() if isinstance(x, Tensor) else x, np.float64))
    made = NetworkLoss(model, inputs, targets, loss or nn.CrossEntropyLoss(), seed)
    try:
        value = made(np.zeros((1, 2)))
    except GpugradError as error:
        raise ArgumentError(f"the model's loss cannot be computed on this x and y: {error}") from error
    if not np.isfinite(value[0]):
        raise ArgumentError(f"the model's loss is {value[0]} on this x and y, expected a finite one: train it first")
    return made


N_MOONS, HIDDEN, TRAINING_STEPS = 200, (8, 8), 400


@functools.cache
def _moons(seed: int) -> NetworkLoss:
    x, y = moons()
    model = nn.MLP(2, HIDDEN, 2, activation="tanh", seed=0, dtype=np.float64)
    criterion, optimizer = nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.02)
    rows, labels = tensor(x), tensor(y)

    def step() -> Tensor:
        loss = criterion(model(rows), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    recorded = record(step)
    for _ in range(TRAINING_STEPS):
        recorded()
    return network_loss(model, x, y, seed=seed)


def moons() -> tuple[np.ndarray, np.ndarray]:
    """Return two interleaved half moons.

    Returns
    -------
    ndarray, (200, 2)
        The points, float64.
    ndarray, (200,)
        The moon of each point, 0 or 1, int32.
    """
    generator = np.random.default_rng(0)
    y = np.arange(N_MOONS, dtype=np.int32) % 2
    angle = generator.uniform(0, np.pi, N_MOONS)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    return np.where(y[:, None] == 0, upper, lower) + generator.normal(scale=0.15, size=(N_MOONS, 2)), y
