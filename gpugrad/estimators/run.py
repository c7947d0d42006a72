"""The epochs of an estimator's `fit`: what scikit-learn does around them, callbacks, progress and checkpoints."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import shuffle

from ..training.history import History
from ..training.progress import Progress
from .loss_of_targets import loss_of_targets
from .session import Session

CALLER = 9  # stack levels from a warning here to the line that called fit


@dataclass
class Rows:
    """Rows to train or to validate on: x, y as the network puts it out (rows, n_outputs), labels as the user has them.

    weight (rows,): None for all alike.
    """

    x: Any
    y: np.ndarray
    weight: np.ndarray | None = None
    labels: np.ndarray | None = None


class Run:
    """A training as its callbacks see it.

    Attributes: `estimator`, `device`, `optimizer`, `model` (with `state_dict` and `load_state_dict`), `history`,
    `epoch` and `steps` (trained so far). `stop("reason")` ends it after the running epoch.
    """

    def __init__(self, estimator: Any, session: Session, train: Rows, validation: Rows | None) -> None:
        self.estimator, self.session = estimator, session
        self.device, self.optimizer, self.model = session.device, session.optimizer, _Weights(session)
        self.history: History = estimator.history_
        self.steps = self.history[-1]["steps"] if len(self.history) else 0
        self.order = np.arange(len(train.y))
        self.hooks = list(estimator.callbacks or ())
        self.stopped: str | None = None
        self._train, self._validation = train, validation
        self._rows_so_far = 0  # of the running epoch
        self._speaks = bool(estimator.verbose) and estimator.verbose != 2

    @property
    def epoch(self) -> int:
        return len(self.history)

    def running_loss(self) -> tuple[float, int]:
        """Of the running epoch so far: the sum of the losses of its rows, and their number; waits for the device."""
        return self.session.running_loss(), self._rows_so_far

    def stop(self, reason: str) -> None:
        """End the training after the running epoch; for callbacks."""
        self.stopped = reason

    def until_it_ends(self, incremental: bool) -> None:
        """Train until scikit-learn's rules, a callback or an interrupt end it; a single epoch if incremental."""
        e, schedule = self.estimator, self.session.schedule
        if schedule is not None:
            steps = len(self.session.sizes)
            schedule.prepare(total_steps=e.max_iter * steps, steps_per_epoch=steps, epochs=e.max_iter)
        goal = self.epoch + (1 if incremental else e.max_iter - e.n_iter_)
        try:
            with Progress(self.epoch, goal, len(self.order), show=e.verbose == 2) as bar:
                while e.n_iter_ < e.max_iter and self.stopped is None:
                    for hook in self.hooks:
                        hook.on_epoch_begin(self, self.epoch)
                    if self.stopped is not None:
                        break
                    self._run_epoch(bar)
                    self._end_epoch(incremental)
                    if e.checkpoint is not None:
                        e._write_checkpoint(self)
                    if incremental:
                        break
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=CALLER - 1)
            self.stopped = f"interrupted in epoch {self.epoch + 1}"
        for hook in self.hooks:
            hook.on_fit_end(self)
        self.history.stopped = self.stopped

    def _run_epoch(self, bar: Progress) -> None:
        e, session = self.estimator, self.session
        if e.shuffle:
            self.order = shuffle(self.order, random_state=e._random_state)
        if session.schedule is None:
            session.rate = e._optimizer.learning_rate if e.solver == "sgd" else e.learning_rate_init
        rate, start = session.rate, time.perf_counter()
        session.begin_epoch(self.order)
        self._rows_so_far = 0
        for size in session.sizes:
            for hook in self.hooks:
                hook.on_step_begin(self, self.steps)
            session.step(size)
            self.steps += 1
            self._rows_so_far += size
            if session.schedule is not None and session.schedule.interval == "step":
                session.schedule.step()
            for hook in self.hooks:
                hook.on_step_end(self, self.steps)
            bar.advance(size)
        loss = session.epoch_loss()
        if e.loss == "poisson":
            loss += loss_of_targets(self._train.y, self._train.weight, self.order, session.sizes[0])
        seconds, rows = time.perf_counter() - start, len(self.order)
        record = {"epoch": self.epoch + 1, "steps": self.steps, "train_loss": loss, "lr": rate}
        record |= {"seconds": seconds, "samples_per_second": rows / seconds}
        e.loss_ = loss
        e.n_iter_ += 1
        e.t_ += rows
        e.loss_curve_.append(loss)
        if self._speaks:
            print(f"Iteration {e.n_iter_}, loss = {loss:.8f}")
        if self._validation is not None:
            record |= self._validate(self._validation)
        self.history.records.append(record)
        if session.schedule is not None and session.schedule.interval != "step":
            session.schedule.step(record.get("validation_loss", loss))
        for hook in self.hooks:
            hook.on_epoch_end(self, record)
        bar.epoch_done(record)

    def _validate(self, rows: Rows) -> dict[str, float]:
        e, session = self.estimator, self.session
        e.coefs_, e.intercepts_ = session.read()
        loss = session.loss_of(rows.x, rows.y, rows.weight)
        if e.loss == "poisson":
            loss += loss_of_targets(rows.y, rows.weight, np.arange(len(rows.y)), len(rows.y))
        score = e._score(rows.x, rows.labels, sample_weight=rows.weight)
        e.validation_loss_curve_.append(loss)
        e.validation_scores_.append(score)
        if self._speaks:
            print(f"Validation score: {score:f}")
        return {"validation_loss": loss, "validation_accuracy" if is_classifier(e) else "validation_r2": score}

    def _end_epoch(self, incremental: bool) -> None:
        """scikit-learn's rules of when to stop and when to lower the learning rate."""
        e = self.estimator
        no_better = self._score_is_no_better() if e.early_stopping else self._loss_is_no_better()
        e._no_improvement_count = e._no_improvement_count + 1 if no_better else 0
        e._optimizer.iteration_ends(e.t_)
        if e._no_improvement_count > e.n_iter_no_change:
            what = "Validation score" if e.early_stopping else "Training loss"
            reason = f"{what} did not improve more than tol={e.tol:f} for {e.n_iter_no_change} consecutive epochs."
            if e._optimizer.trigger_stopping(reason, self._speaks):
                self.stopped = reason
                return
            e._no_improvement_count = 0
        if e.n_iter_ == e.max_iter and not incremental:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({e.max_iter}) reached and the optimization "
                "hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=CALLER,
            )

    def _score_is_no_better(self) -> bool:
        e = self.estimator
        score = e.validation_scores_[-1]
        no_better = score < e.best_validation_score_ + e.tol
        if score > e.best_validation_score_:
            e.best_validation_score_ = score
            e._best_coefs, e._best_intercepts = e.coefs_, e.intercepts_
        return no_better

    def _loss_is_no_better(self) -> bool:
        e = self.estimator
        no_better = e.loss_curve_[-1] > e.best_loss_ - e.tol
        e.best_loss_ = min(e.best_loss_, e.loss_curve_[-1])
        return no_better


class _Weights:
    """The weights of a session under the names of a model's, for callbacks that keep them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def state_dict(self) -> dict[str, np.ndarray]:
        weights, intercepts = self._session.read()
        named = {f"{i}.weight": w for i, w in enumerate(weights)}
        return named | {f"{i}.bias": b for i, b in enumerate(intercepts)}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        layers = range(len(state) // 2)
        self._session.write([state[f"{i}.weight"] for i in layers], [state[f"{i}.bias"] for i in layers])
