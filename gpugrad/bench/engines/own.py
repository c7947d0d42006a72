"""gpugrad as its Trainer runs it: a recorded step, uint8 data on the device, batches gathered by a kernel."""

from __future__ import annotations

import numpy as np

from ...engine.device import device as get_device
from ...optim import Adam
from ...training.epoch import run_epoch
from ...training.minibatches import Minibatches
from ...training.trainer import Trainer
from ..measure.networks import Problem, Weights, weights_of


class Own:
    """A network trained by gpugrad."""

    def __init__(self, problem: Problem, device: str, toolchain: str | None = None) -> None:
        target = get_device(device, toolchain)
        model = problem.model()
        optimizer = Adam(model.parameters(), lr=problem.lr)
        self.trainer = Trainer(model, optimizer=optimizer, device=target, seed=problem.seed)
        self.trainer.data = Minibatches(
            target, problem.x, problem.y, batch_size=problem.batch, scale=problem.scale, seed=problem.seed
        )
        self._step = self.trainer.make_step(recorded=True)

    def train(self, epoch: int) -> None:
        """Train up to and including `epoch`, counted from 0."""
        while self.trainer.epoch <= epoch:
            record = run_epoch(self.trainer, self._step)  # reads the loss, so the device is done
            self.trainer.history.records.append(record)

    def weights(self) -> Weights:
        """Return (w, b) of each layer."""
        return weights_of(self.trainer.model)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the classes of rows."""
        return self.trainer.predict(x)


make = Own
