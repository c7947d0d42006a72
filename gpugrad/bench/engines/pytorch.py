"""PyTorch with data resident on the device: eager, or forward, loss and backward in one torch.compile."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch

from ..measure.networks import Problem, Weights


class PyTorch:
    """A network trained by PyTorch."""

    def __init__(self, problem: Problem, device: str, *, fused: bool = False, compiled: bool = False) -> None:
        self.problem, self.device = problem, device
        layers: list[torch.nn.Module] = []
        for n_in, n_out in itertools.pairwise(problem.sizes):
            layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1]).to(device)
        self.linear = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
        with torch.no_grad():
            for layer, (w, b) in zip(self.linear, problem.weights(), strict=True):
                layer.weight.copy_(torch.from_numpy(w.T))
                layer.bias.copy_(torch.from_numpy(b))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=problem.lr, fused=fused)
        self.x = torch.from_numpy(problem.x.astype(np.float32) * np.float32(problem.scale)).to(device)
        self.y = torch.from_numpy(problem.y).long().to(device)
        self._loss: Any = self._forward
        if compiled:
            self._loss = torch.compile(self._forward, mode="reduce-overhead")

    def _forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(self.model(x), y)

    def train(self, epoch: int) -> None:
        """Train an epoch."""
        self.model.train()
        for rows in torch.from_numpy(self.problem.order(epoch)).to(self.device):
            self.optimizer.zero_grad()
            self._loss(self.x[rows], self.y[rows]).backward()
            self.optimizer.step()
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)

    def weights(self) -> Weights:
        """Return (w, b) of each layer."""
        return [(p.weight.detach().cpu().numpy().T.copy(), p.bias.detach().cpu().numpy().copy()) for p in self.linear]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the classes of rows."""
        with torch.inference_mode():
            return self.model(torch.from_numpy(x).to(self.device)).argmax(1).cpu().numpy()


make = PyTorch
