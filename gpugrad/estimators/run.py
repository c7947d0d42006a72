"""The fit of an estimator as a task of the loop, with scikit-learn's rules of when to stop."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import shuffle

from ..engine.sharing import Turns
from ..training.streaming import shuffled_in_blocks
from ..training.task import State, Step, Task
from . import saved
from .loss_of_targets import loss_of_targets
from .rows import Rows
from .scikit_learn import FitState, score, stack_level
from .session import Session


class Run(Task):
    """Fit of an estimator, as its callbacks see it.

    Attributes in addition to those of `Task`: `estimator`, `session`, and `order` (of the rows, in the last epoch).
    """

    kind = "estimator checkpoint"

    def __init__(
        self, estimator: Any, session: Session, train: Rows, validation: Rows | None, incremental: bool
    ) -> None:
        self.estimator, self.session, self._state = estimator, session, FitState(estimator)
        self.device, self.optimizer, self.schedule = session.device, session.optimizer, session.schedule
        self.model, self.data, self.history = _Weights(session), session.data, estimator.history_
        self.steps = self.history[-1]["steps"] if len(self.history) else 0
        self.order, self.turns = np.arange(len(train)), Turns()
        self._train, self._validation = train, validation
        self._stopped_by: list[float] | None = None  # tol and n_iter_no_change, where they ended the run
        self._incremental = incremental  # partial_fit: a single epoch
        self._speaks = bool(estimator.verbose) and estimator.verbose != 2

    def running_loss(self) -> tuple[float, int]:
        return self.session.running_loss(), self.rows_so_far

    # ---- called by the loop ----

    def make_step(self, recorded: bool) -> Step:
        return self.session.make_step(recorded)

    def begin_epoch(self, rate: float | None = None) -> None:
        """Shuffle by random_state; set the rate by scikit-learn's rules or the schedule."""
        e, session = self.estimator, self.session
        if e.shuffle and self.data.window is not None:
            self.order = shuffled_in_blocks(self._state.random_state, self.data.rows, self.data.window)
        elif e.shuffle:
            self.order = shuffle(self.order, random_state=self._state.random_state)
        if self.schedule is None:
            usual = self._state.learning_rate_rule.learning_rate if e.solver == "sgd" else e.learning_rate_init
            session.rate = usual if rate is None else rate
        session.begin_epoch(self.order)

    def epoch_loss(self) -> float:
        loss = self.session.epoch_loss()
        if self.estimator.loss == "poisson":
            loss += loss_of_targets(self._train.y, self._train.weight, self.order, self.data.groups[0][0])
        return loss

    def after_epoch(self, record: dict[str, Any]) -> dict[str, Any]:
        e, loss = self.estimator, record["train_loss"]
        e.loss_ = loss
        e.n_iter_ += 1
        e.t_ += self.data.rows
        e.loss_curve_.append(loss)
        if self._speaks:
            print(f"Iteration {e.n_iter_}, loss = {loss:.8f}")
        return {} if self._validation is None else self._validate(self._validation)

    def _validate(self, rows: Rows) -> dict[str, float]:
        e, session = self.estimator, self.session
        e.coefs_, e.intercepts_ = session.read()
        loss = session.loss_of(rows)
        if e.loss == "poisson":
            loss += loss_of_targets(rows.y, rows.weight, np.arange(len(rows)), len(rows))
        found = score(e, rows.x, rows.labels, rows.weight)
        e.validation_loss_curve_.append(loss)
        e.validation_scores_.append(found)
        if self._speaks:
            print(f"Validation score: {found:f}")
        return {"validation_loss": loss, "validation_accuracy" if is_classifier(e) else "validation_r2": found}

    def judge_epoch(self, record: dict[str, Any]) -> None:
        """Apply scikit-learn's rules of when to stop and when to lower the learning rate."""
        e, state = self.estimator, self._state
        no_better = self._score_is_no_better() if e.early_stopping else self._loss_is_no_better()
        state.epochs_without_improvement = state.epochs_without_improvement + 1 if no_better else 0
        state.learning_rate_rule.iteration_ends(e.t_)
        if state.epochs_without_improvement > e.n_iter_no_change:
            what = "Validation score" if e.early_stopping else "Training loss"
            reason = f"{what} did not improve more than tol={e.tol:f} for {e.n_iter_no_change} consecutive epochs."
            if state.learning_rate_rule.trigger_stopping(reason, self._speaks):
                self.stop(reason)
                self._stopped_by = [e.tol, e.n_iter_no_change]
                return
            state.epochs_without_improvement = 0
        if e.n_iter_ == e.max_iter and not self._incremental:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({e.max_iter}) reached and the optimization "
                "hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=stack_level(),
            )

    def _score_is_no_better(self) -> bool:
        e = self.estimator
        score = e.validation_scores_[-1]
        no_better = score < e.best_validation_score_ + e.tol
        if score > e.best_validation_score_:
            e.best_validation_score_ = score
            self._state.best_coefs, self._state.best_intercepts = e.coefs_, e.intercepts_
        return no_better

    def _loss_is_no_better(self) -> bool:
        e = self.estimator
        no_better = e.loss_curve_[-1] > e.best_loss_ - e.tol
        e.best_loss_ = min(e.best_loss_, e.loss_curve_[-1])
        return no_better

    def end(self) -> None:
        """Do nothing: the estimator can predict at any time."""

    def report_interrupt(self) -> None:
        warnings.warn("Training interrupted by user.", stacklevel=stack_level())

    def span_of_schedule(self, goal: int) -> tuple[int, int]:
        # The chunks of partial_fit may have different lengths: those to come count as the mean of those so far.
        steps, epochs = self.steps + len(self.data.groups), self.estimator.max_iter
        return round(epochs * steps / (self.epoch + 1)), epochs

    # ---- state ----

    def own_state(self) -> State:
        e, generator = self.estimator, self.session.generator
        e.coefs_, e.intercepts_ = self.session.read()
        arrays, values = saved.of_estimator(e)
        arrays["order"] = {"rows": self.order}
        values["dropout"] = None if generator is None else [generator.seed, generator.get_calls()]
        values["stopped"], values["stopped_by"] = self.stop_reason, self._stopped_by
        return State(arrays, values)

    def load_own_state(self, state: State) -> None:
        e, generator, values = self.estimator, self.session.generator, state.values
        saved.load(e, state.arrays, values)
        self.session.write(e.coefs_, e.intercepts_)
        state.arrays["optimizer"] = self.session.in_own_dtype(state.arrays["optimizer"])
        self.order, self.stop_reason = state.arrays["order"]["rows"], values["stopped"]
        self._stopped_by = values.get("stopped_by")
        self._forget_a_stop_by_other_rules()
        if generator is not None and values["dropout"] is not None:
            generator.seed, calls = values["dropout"]
            generator.set_calls(calls)

    def _forget_a_stop_by_other_rules(self) -> None:
        """Continue a run that the rules stopped if, with the present tol and n_iter_no_change, they would not."""
        e, state = self.estimator, self._state
        if self._stopped_by is None or self._stopped_by == [e.tol, e.n_iter_no_change]:
            return
        if self._stopped_by[0] != e.tol:  # count improvements from here
            state.epochs_without_improvement = 0
        if state.epochs_without_improvement <= e.n_iter_no_change:
            self.stop_reason = self._stopped_by = None

    def settings(self) -> dict[str, Any]:
        return {**saved.settings(self.estimator, len(self.order)), "memory": self.data.settings["memory"]}

    def older_settings(self) -> dict[str, Any]:
        return {"memory": None, **saved.of_data(self.estimator)}


class _Weights:
    """Weights of a session under the names of a model's, for callbacks that keep them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def state_dict(self) -> dict[str, np.ndarray]:
        weights, intercepts = self._session.read()
        named = {f"{i}.weight": w for i, w in enumerate(weights)}
        return named | {f"{i}.bias": b for i, b in enumerate(intercepts)}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        layers = range(len(state) // 2)
        self._session.write([state[f"{i}.weight"] for i in layers], [state[f"{i}.bias"] for i in layers])
