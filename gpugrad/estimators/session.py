"""The training of an estimator on a device: parameters, optimizer and data, stepped through a whole epoch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import optim
from ..device import Device
from ..minibatches import Minibatches
from ..parameter import Parameter
from ..precision import precision
from ..recording import record
from . import network

SOLVERS = {
    "sgd": lambda e: (
        optim.SGD,
        {
            "momentum": e.momentum,
            "nesterov": e.nesterovs_momentum and e.momentum > 0,
            "lr_in_buffer": True,
        },
    ),
    "adam": lambda e: (optim.Adam, {"betas": (e.beta_1, e.beta_2), "eps": e.epsilon, "eps_hat": True}),
    "lbfgs": lambda e: (optim.SGD, {}),  # its steps are SciPy's
}


class Session:
    """The parameters of an estimator on a device, and the optimizer that its solver asks for.

    estimator: with `coefs_`, `intercepts_` and `out_activation_`. The penalty alpha is on the weights, divided by the
    weight of a minibatch's rows, as in scikit-learn.
    """

    def __init__(self, estimator: Any, device: Device) -> None:
        self.device, self._estimator = device, estimator
        self.dtype = estimator.coefs_[0].dtype if device.kind == "cpu" else np.dtype(np.float32)
        self._weights, self._intercepts = (
            [Parameter(np.asarray(array, self.dtype), device) for array in arrays]
            for arrays in (estimator.coefs_, estimator.intercepts_)
        )
        rule, options = SOLVERS[estimator.solver](estimator)
        groups = [{"params": self._weights}, {"params": self._intercepts}]
        self.optimizer: optim.Optimizer = rule(groups, lr=estimator.learning_rate_init, **options)
        self._sums = device.zeros(2, self.dtype)  # of an epoch: the losses, and the squares of the weights

    def load(self, x: Any, y: np.ndarray, weight: np.ndarray | None, batch_size: int) -> None:
        """Take the rows to train on: x and y as scikit-learn has checked them, y (rows, n_outputs)."""
        e = self._estimator
        regression = e.loss != "log_loss"
        self._kind = e.loss if regression else e.out_activation_
        # scikit-learn halves a squared error; what it reports is the mean over the outputs, what it descends their sum.
        self._factor = 0.5 if self._kind == "squared_error" else 1.0
        self._reported = self._factor / (y.shape[1] if self._kind == "squared_error" else 1)
        x = np.ascontiguousarray(network.dense(x), self.dtype)
        y = y.argmax(1).astype(np.int32) if self._kind == "softmax" else np.ascontiguousarray(y, self.dtype)
        self._weighted = weight is not None
        self._mean_weight = 1.0 if weight is None else float(np.mean(weight))
        self._data = Minibatches(self.device, x, y, weight, batch_size=batch_size, shuffle=False, dtype=self.dtype)
        self._step = record(self._run_step, self.device)

    def epoch(self, order: np.ndarray, rate: float) -> float:
        """Train on the rows in this order; returns the mean loss of the minibatches, each as it was before its step."""
        device, alpha = self.device, self._estimator.alpha
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._data.begin_epoch(0, order.astype(np.int32))
        device.write(self._sums, 0)
        weighted = self._weighted
        with precision(self._estimator.precision), np.errstate(all="ignore"):
            for (size,) in self._data.groups:
                self._data.prepare(size)
                self.optimizer.param_groups[0]["weight_decay"] = 0.0 if weighted else alpha / size
                self._step(size)
        losses, squares = device.download(self._sums)
        return float(losses + (0.0 if weighted else 0.5 * alpha * squares)) / self._data.rows

    def loss_and_gradient(self, packed: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss over all rows, in one minibatch, and its gradient, for parameters packed one after the other."""
        flat = self.optimizer.flat
        flat.write(flat.values, packed.astype(self.dtype))
        self.optimizer.param_groups[0]["weight_decay"] = 0.0
        rows = self._data.rows
        self._data.begin_epoch(0)
        self._data.prepare(rows)
        with precision(self._estimator.precision), np.errstate(all="ignore"):
            objective, reported = self._objective(rows, penalty=True)
            self.optimizer.zero_grad()
            objective.backward()
        return float(reported), flat.download(flat.gradients).astype(np.float64)

    def _objective(self, size: int, penalty: bool) -> tuple[Any, Any]:
        """(what is descended, what is reported) for the next rows; the penalty is in both if asked for."""
        x, y, weight = self._data.next(size)
        out = network.forward(x, self._weights, self._intercepts, self._estimator.activation)
        loss = network.summed_loss(self._kind, out, y, weight)
        total: Any = size if weight is None else weight.sum() * self._mean_weight
        objective = loss * (self._factor * self._mean_weight) / total
        reported = loss.detach() * (self._reported * self._mean_weight) / total
        if penalty and self._estimator.alpha:
            squares = sum(((w * w).sum() for w in self._weights[1:]), (self._weights[0] * self._weights[0]).sum())
            term = squares * (0.5 * self._estimator.alpha) / total
            objective, reported = objective + term, reported + term.detach()
        return objective, reported

    def _run_step(self, size: int) -> None:
        device, flat = self.device, self.optimizer.flat
        weighted = self._weighted
        objective, reported = self._objective(size, penalty=weighted)
        self.optimizer.zero_grad()
        objective.backward()
        partials = device.partials(self.dtype)
        arrays = reported.data.reshape(1), self._sums[:1], partials
        device.run(device.kernels.sum_elements, *arrays, scale=size, accumulate=True)
        if not weighted:
            weights = flat.values[flat.slices[0]]
            device.run(device.kernels.adagrad_norm_accumulate, weights, None, weights, self._sums[1:], partials)
        self.optimizer.step()

    def release(self) -> None:
        """Let go of the data."""
        del self._data, self._step

    def write(self, weights: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> None:
        flat = self.optimizer.flat
        flat.write(flat.values, np.concatenate([np.ravel(a) for a in (*weights, *intercepts)]).astype(self.dtype))

    def read(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Copies of the weights and the intercepts on the host, in the dtype of the estimator."""
        dtype = self._estimator.coefs_[0].dtype
        kinds: Sequence[Any] = (self._weights, self._intercepts)
        weights, intercepts = ([p.numpy().astype(dtype) for p in kind] for kind in kinds)
        return weights, intercepts
