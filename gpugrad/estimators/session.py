"""Training of an estimator on a device: parameters, optimizer, data, and the step through a minibatch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..data.maps import parts
from ..engine.arithmetic import where
from ..engine.device import Device
from ..engine.parameter import Parameter
from ..engine.precision import precision
from ..engine.random import Generator
from ..engine.recording import record
from ..engine.tape import no_grad
from ..engine.tensor import Tensor
from ..errors import DataError
from ..training.evaluation import ROWS_AT_ONCE
from ..training.minibatches import Minibatches
from ..training.task import Step
from . import network
from .options import decay, make_optimizer, make_schedule
from .rows import Rows
from .scikit_learn import FitState


class Session:
    """Parameters of an estimator on a device, with its optimizer and schedule.

    The estimator has `coefs_`, `intercepts_` and `out_activation_`. The penalty alpha applies to the weights, divided
    by the weight of a minibatch's rows, as in scikit-learn; decoupled decay applies to the weights too. With the
    `state_dict` of another session it continues that one; CheckpointError for that of another solver or schedule.

    Attributes: `device`, `optimizer`, `schedule` (or None), `generator` (of dropout, or None); after `load`, `data`.
    """

    data: Minibatches

    def __init__(self, estimator: Any, device: Device, state: Mapping[str, Any] | None = None) -> None:
        self.device, self._estimator = device, estimator
        self.dtype = estimator.coefs_[0].dtype if device.kind == "cpu" else np.dtype(np.float32)
        self._weights, self._intercepts = (
            [Parameter(np.asarray(array, self.dtype), device) for array in arrays]
            for arrays in (estimator.coefs_, estimator.intercepts_)
        )
        self.optimizer = make_optimizer(estimator, [{"params": self._weights}, {"params": self._intercepts}])
        for group in self.optimizer.param_groups:
            group["weight_decay"] = 0.0  # the session decays the weights, not the intercepts
        self.schedule = make_schedule(estimator, self.optimizer)
        self._decay = decay(estimator)
        self._kept = device.zeros(1, self.dtype)  # 1 − lr·decay: factor of each weight in a step
        self._decayed_at: float | None = None
        self.generator: Generator | None = None
        if estimator.dropout:
            kept = None if state is None else state["dropout"]
            # Seeded by random_state, like all randomness; what continues another session draws nothing from it.
            seed = kept[0] if kept else int(FitState(estimator).random_state.randint(2**31 - 1))
            self.generator = Generator(seed, device)
        self._evaluate: Any = None  # the loss over all rows, recorded
        self._sums = device.zeros(2, self.dtype)  # sums over an epoch: losses, squares of the weights
        if state is not None:
            self._load(state)

    def load(self, rows: Rows, batch_size: int, accumulation_steps: int = 1) -> None:
        """Set the rows to train on."""
        e, y, weight = self._estimator, rows.y, rows.weight
        self._kind = e.loss if e.loss != "log_loss" else e.out_activation_
        # scikit-learn halves a squared error; it reports the mean over the outputs and descends their sum.
        self._factor = 0.5 if self._kind == "squared_error" else 1.0
        over_outputs = self._kind in ("squared_error", "absolute_error", "huber")
        self._reported = self._factor / (y.shape[1] if over_outputs else 1)
        # The penalty is the optimizer's weight decay, divided by the rows, if rows are not weighted and weight decay is
        # part of the gradient; otherwise it is a term of the loss.
        self._penalty_in_loss = weight is not None or self.optimizer.decoupled
        if weight is not None and not weight.any():
            raise DataError(
                "all rows to train on have the weight 0, expected one above 0: check sample_weight and class_weight"
            )
        self._may_weigh_nothing = weight is not None and not weight.all()
        self._mean_weight = 1.0 if weight is None else float(np.mean(weight))
        self.data = Minibatches(
            self.device,
            *self._encode(rows.x, y),
            weight,
            batch_size=batch_size,
            accumulation_steps=accumulation_steps,
            shuffle=False,
            dtype=self.dtype,
        )

    def _encode(self, x: Any, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = np.ascontiguousarray(network.dense(x), self.dtype)
        y = y.argmax(1).astype(np.int32) if self._kind == "softmax" else np.ascontiguousarray(y, self.dtype)
        return x, y

    # ---- an epoch ----

    @property
    def rate(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    @rate.setter
    def rate(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value

    def begin_epoch(self, order: np.ndarray) -> None:
        """Start an epoch over the rows in this order."""
        self.data.begin_epoch(0, order.astype(np.int32))
        self.device.write(self._sums, 0)

    def make_step(self, recorded: bool) -> Step:
        """Return the step over the next minibatch of an epoch; the last one of a group updates the parameters."""
        e, group = self._estimator, self.optimizer.param_groups[0]
        run = record(self._run_step, self.device) if recorded else self._run_step

        def step(size: int, group_rows: int, first: bool, last: bool) -> None:
            if self._decay and self._decayed_at != self.rate:
                self.device.write(self._kept, 1.0 - self.rate * self._decay)
                self._decayed_at = self.rate
            group["weight_decay"] = 0.0 if self._penalty_in_loss else e.alpha / group_rows
            with precision(e.precision):
                run(size, group_rows, first, last)

        return step

    def running_loss(self) -> float:
        """Return the sum of the losses of the epoch's rows so far, each before its step."""
        losses, squares = self.device.download(self._sums)
        alpha = 0.0 if self._penalty_in_loss else self._estimator.alpha
        return float(losses + 0.5 * alpha * squares)

    def epoch_loss(self) -> float:
        """Return the mean loss of the epoch's rows."""
        return self.running_loss() / self.data.rows

    def _run_step(self, size: int, group_rows: int, first: bool, last: bool) -> None:
        e, device, flat = self._estimator, self.device, self.optimizer.flat
        objective, reported = self._objective(size, group_rows, penalty=self._penalty_in_loss and first)
        if first:
            self.optimizer.zero_grad()
        objective.backward()
        partials = device.partials(self.dtype)
        arrays = reported.data.reshape(1), self._sums[:1], partials
        device.run(device.kernels.sum_elements, *arrays, scale=size, accumulate=True)
        if not last:
            return
        weights = flat.values[flat.slices[0]]
        if not self._penalty_in_loss:
            device.run(device.kernels.adagrad_norm_accumulate, weights, None, weights, self._sums[1:], partials)
        if e.clip_value is not None:
            self.optimizer.clip_grad_value(e.clip_value)
        if e.clip_norm is not None:
            self.optimizer.clip_grad_norm(e.clip_norm)
        if self._decay:
            device.run(device.xp.multiply, weights, self._kept, out=weights)
        self.optimizer.step()

    def _objective(self, size: int, group_rows: int, penalty: bool) -> tuple[Any, Any]:
        """Return the loss to descend and the loss to report for the next rows, both with the penalty if asked for.

        Both are the mean over the group by its weights. In a group of several minibatches they are these rows' share of
        it, and the weights count as many as the rows: their sum is unknown until the group's last minibatch.
        """
        e = self._estimator
        x, y, weight = self.data.next(size)
        out = network.forward(x, self._weights, self._intercepts, e.activation, e.dropout, self.generator)
        loss = self._loss(out, y, weight)
        total: Any = size * self._mean_weight
        of_group: Any = group_rows * self._mean_weight
        if size == group_rows:
            total = of_group = size if weight is None else self._weigh(weight)
        objective = loss * (self._factor * self._mean_weight) / of_group
        reported = loss.detach() * (self._reported * self._mean_weight) / total
        if penalty and e.alpha:
            squares = sum(((w * w).sum() for w in self._weights[1:]), (self._weights[0] * self._weights[0]).sum())
            term = squares * (0.5 * e.alpha)
            objective, reported = objective + term / of_group, reported + term.detach() / total
        return objective, reported

    def _weigh(self, weight: Tensor) -> Tensor:
        """Return the sum of the weights, by which sums are divided; infinity for 0: these rows then change nothing."""
        total = weight.sum() * self._mean_weight
        return where(total, total, np.inf) if self._may_weigh_nothing else total

    def _loss(self, out: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
        e = self._estimator
        smoothing, delta = getattr(e, "label_smoothing", 0.0), getattr(e, "delta", 1.0)
        return network.summed_loss(self._kind, out, y, weight, smoothing, delta)

    # ---- all rows at once ----

    def loss_and_gradient(self, packed: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss over all rows in one minibatch, and its gradient, at packed parameters."""
        flat = self.optimizer.flat
        flat.write(flat.values, packed.astype(self.dtype))
        self.optimizer.param_groups[0]["weight_decay"] = 0.0
        rows = self.data.rows
        self.data.begin_epoch(0)
        self.data.prepare(rows)
        if self._evaluate is None:
            self._evaluate = record(self._run_evaluation, self.device)
        with precision(self._estimator.precision), np.errstate(all="ignore"):
            reported = self._evaluate(rows)
        return float(reported), flat.download(flat.gradients).astype(np.float64)

    def _run_evaluation(self, rows: int) -> Tensor:
        objective, reported = self._objective(rows, rows, penalty=True)
        self.optimizer.zero_grad()
        objective.backward()
        return reported

    def loss_of(self, rows: Rows) -> float:
        """Return the weighted mean loss of other rows at present, with neither dropout nor penalty."""
        e, device, weight = self._estimator, self.device, rows.weight
        total = float(len(rows) if weight is None else weight.sum())
        x, y = self._encode(rows.x, rows.y)
        summed = 0.0
        with no_grad(), precision(e.precision), np.errstate(all="ignore"):
            for i, part in enumerate(parts(x, ROWS_AT_ONCE)):
                of_y = slice(i * ROWS_AT_ONCE, (i + 1) * ROWS_AT_ONCE)
                given = (part, y[of_y], None if weight is None else weight[of_y].astype(self.dtype))
                xs, ys, ws = (None if a is None else Tensor(device.resident(a), device) for a in given)
                out = network.forward(xs, self._weights, self._intercepts, e.activation)  # type: ignore[arg-type]
                summed += float(self._loss(out, ys, ws))  # type: ignore[arg-type]
        return summed * self._reported / total

    # ---- state ----

    def release(self) -> None:
        """Drop the data."""
        del self.data
        self._evaluate = None

    def write(self, weights: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> None:
        """Set weights and intercepts."""
        flat = self.optimizer.flat
        flat.write(flat.values, np.concatenate([np.ravel(a) for a in (*weights, *intercepts)]).astype(self.dtype))

    def read(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return copies of weights and intercepts on the host, in the dtype of the estimator."""
        dtype = self._estimator.coefs_[0].dtype
        kinds: Sequence[Any] = (self._weights, self._intercepts)
        weights, intercepts = ([p.numpy().astype(dtype) for p in kind] for kind in kinds)
        return weights, intercepts

    def in_own_dtype(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the state of an optimizer in the dtype of this session, which a GPU keeps in float32."""
        return {name: a.astype(self.dtype) if a.dtype.kind == "f" else a for name, a in arrays.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of optimizer, schedule and dropout, which the next steps depend on."""
        generator = self.generator
        return {
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "dropout": None if generator is None else [generator.seed, generator.get_calls()],
        }

    def _load(self, state: Mapping[str, Any]) -> None:
        arrays = self.in_own_dtype(state["optimizer"]["state"])
        self.optimizer.load_state_dict({**state["optimizer"], "state": arrays})
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"] or {})
        if self.generator is not None and state["dropout"] is not None:
            self.generator.set_calls(state["dropout"][1])
