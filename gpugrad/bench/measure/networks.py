"""Networks and data of the training measurements: sizes, batch sizes, initial weights and the order of the rows."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...data import load
from ...errors import DataError
from ...nn import MLP, Dense
from ...training.minibatches import epoch_order

Weights = list[tuple[np.ndarray, np.ndarray]]

FEATURES = 784
CLASSES = 10
TRAIN_ROWS = 59_904  # a part of MNIST's 60,000, so that every batch is full for every batch size and engine
DRAWN = "drawn, in the shape of mnist"
NETWORKS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((128,), 64),
    ((128,), 128),
    ((512, 256), 128),
    ((1024, 1024), 512),
)


@dataclass(frozen=True)
class Problem:
    """One network on one data set: x (rows, features) uint8, y (rows,) int32, pixels multiplied by `scale`.

    Training minimizes the mean cross-entropy of batches of `batch` rows with Adam and its default constants.
    """

    hidden: tuple[int, ...]
    batch: int
    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    data: str  # name of the data
    scale: float = 1 / 255
    lr: float = 1e-3
    seed: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the input, hidden and output layers."""
        return (self.x.shape[1], *self.hidden, CLASSES)

    @property
    def network(self) -> str:
        """The layer sizes as text: "784-128-10"."""
        return "-".join(map(str, self.sizes))

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(n_in * n_out + n_out for n_in, n_out in itertools.pairwise(self.sizes))

    @property
    def operations(self) -> int:
        """Operations of the matrix products of a step: y, dw and dx of each layer, except dx of the first."""
        weights = [n_in * n_out for n_in, n_out in itertools.pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(weights) - weights[0])

    @property
    def steps(self) -> int:
        """Steps per epoch; all batches are full."""
        return len(self.x) // self.batch

    def model(self) -> MLP:
        """Return the network with its initial weights."""
        return MLP(self.sizes[0], self.hidden, CLASSES, seed=self.seed)

    def weights(self) -> Weights:
        """Return gpugrad's initial (w, b) of each layer, w (n_in, n_out)."""
        return weights_of(self.model())

    def order(self, epoch: int) -> np.ndarray:
        """Return the row numbers of an epoch's batches, (steps, batch) int32."""
        return epoch_order(self.seed, epoch, len(self.x)).astype(np.int32).reshape(self.steps, self.batch)

    def first(self, steps: int) -> Problem:
        """Return the same problem with at most `steps` steps per epoch."""
        rows = min(steps, self.steps) * self.batch
        return replace(self, x=self.x[:rows], y=self.y[:rows])


def weights_of(model: Any) -> Weights:
    """Return copies of (w, b) of each dense layer."""
    layers: list[Any] = [module for module in model.modules() if isinstance(module, Dense)]
    return [(layer.weight.numpy().copy(), layer.bias.numpy().copy()) for layer in layers]


def test_scores(problem: Problem, weights: Weights) -> tuple[float, float]:
    """Return the mean cross-entropy and accuracy on the test rows, computed with NumPy for every engine."""
    out = problem.x_test.astype(np.float32) * np.float32(problem.scale)
    for i, (w, b) in enumerate(weights):
        out = out @ w + b
        if i < len(weights) - 1:
            np.maximum(out, 0, out=out)
    out -= out.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(out).sum(axis=1))
    losses = log_total - out[np.arange(len(out)), problem.y_test]
    return float(losses.mean()), float((out.argmax(axis=1) == problem.y_test).mean())


def problems(
    networks: Sequence[tuple[tuple[int, ...], int]] = NETWORKS, *, data_dir: str | Path | None = None, seed: int = 0
) -> list[Problem]:
    """Return the networks on MNIST if its files are in `data_dir`, GPUGRAD_DATA or the cache, else on random data.

    Nothing is downloaded. Random data has MNIST's shape, sparsity and number of classes: the same work, but accuracies
    are useful only for comparison. Raise DataError for a folder without the files.
    """
    try:
        found = load("mnist", data_dir=data_dir, download=False)
        arrays: dict[str, Any] = {
            "x": found.x_train,
            "y": found.y_train,
            "x_test": found.x_test,
            "y_test": found.y_test,
        }
        name = "mnist"
    except DataError:
        if data_dir is not None or os.environ.get("GPUGRAD_DATA"):
            raise
        arrays, name = _drawn(), DRAWN
    arrays["x"], arrays["y"] = arrays["x"][:TRAIN_ROWS], arrays["y"][:TRAIN_ROWS].astype(np.int32)
    return [Problem(hidden, batch, **arrays, data=name, seed=seed) for hidden, batch in networks]


def random_problem(hidden: Sequence[int], batch: int, steps: int, seed: int = 0) -> Problem:
    """Return a network on random bytes with `steps` steps per epoch, for timing only: there is nothing to learn."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (batch * steps, FEATURES), np.uint8)
    y = rng.integers(0, CLASSES, batch * steps, np.int32)
    return Problem(tuple(hidden), batch, x, y, x[:1], y[:1], "random bytes", seed=seed)


def _drawn() -> dict[str, Any]:
    """Draw rows that show half the pixels of one of ten prototypes; a fifth of the pixels is nonzero, as in MNIST."""
    rng = np.random.default_rng(0)
    prototypes = (rng.integers(1, 256, (CLASSES, FEATURES)) * (rng.random((CLASSES, FEATURES)) < 0.38)).astype(np.uint8)
    parts = {}
    for suffix, rows in (("", TRAIN_ROWS), ("_test", 10_000)):
        y = rng.integers(0, CLASSES, rows).astype(np.int32)
        shown = rng.integers(0, 2, (rows, FEATURES), np.uint8)
        parts[f"x{suffix}"], parts[f"y{suffix}"] = prototypes[y] * shown, y
    return parts
