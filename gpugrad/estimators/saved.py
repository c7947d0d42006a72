"""Content of a checkpoint of an estimator, in addition to that of every run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .scikit_learn import KEPT, WEIGHTS, FitState

Arrays = dict[str, dict[str, np.ndarray]]

# Parameters that may differ between a run and the one that resumes it.
FREE = {"callbacks", "checkpoint", "device", "max_iter", "n_iter_no_change", "tol", "toolchain", "verbose"}


def of_estimator(estimator: Any) -> tuple[Arrays, dict[str, Any]]:
    """Return weights, scores, learning rate and random states, as arrays and as values that JSON can hold."""
    e = estimator
    there = [name for name in WEIGHTS if hasattr(e, name)]
    arrays: Arrays = {name: {str(i): array for i, array in enumerate(getattr(e, name))} for name in there}
    randoms = {"now": FitState(e).random_state.get_state(legacy=False)}
    if hasattr(e, "_first_random_state"):
        randoms["first"] = e._first_random_state
    for name, random in randoms.items():
        arrays[f"random {name}"] = {"key": random["state"]["key"]}
    kept = {name: getattr(e, name) for name in KEPT if hasattr(e, name)}
    values = {
        "estimator": {name: list(value) if isinstance(value, list) else value for name, value in kept.items()},
        "learning_rate": FitState(e).learning_rate_rule.learning_rate,
        "random": {name: {**random, "state": {"pos": random["state"]["pos"]}} for name, random in randoms.items()},
    }
    return arrays, values


def load(estimator: Any, arrays: Arrays, values: dict[str, Any]) -> None:
    """Restore an estimator from the result of `of_estimator`."""
    for name, value in values["estimator"].items():
        setattr(estimator, name, list(value) if isinstance(value, list) else value)
    for name in WEIGHTS:
        if name in arrays:
            setattr(estimator, name, [arrays[name][str(i)] for i in range(len(arrays[name]))])
    state = FitState(estimator)
    state.learning_rate_rule.learning_rate = values["learning_rate"]
    state.random_state = random_state(arrays, values, "now")


def random_state(arrays: Arrays, values: dict[str, Any], name: str) -> np.random.RandomState:
    """Return a saved random state: "now", or the "first", before drawing weights and holding out rows."""
    state = values["random"][name]
    made = np.random.RandomState()
    made.set_state({**state, "state": {**state["state"], "key": arrays[f"random {name}"]["key"]}})
    return made


def settings(estimator: Any, rows: int) -> dict[str, Any]:
    """Return the settings that a run must share with the checkpoint that it resumes."""
    parameters = {name: value for name, value in estimator.get_params(deep=False).items() if name not in FREE}
    plain = {name: repr(value) for name, value in parameters.items() if not _has_address(value)}
    layers = [len(estimator.coefs_[0]), *map(len, estimator.intercepts_)]
    return {**plain, "rows to train on": rows, "layers": layers, **of_data(estimator)}


def of_data(estimator: Any) -> dict[str, Any]:
    """Return what a run must share of the data: the dtype of the features, and the classes, None for a regression."""
    classes = getattr(estimator, "classes_", None)
    labels = None if classes is None else np.asarray(classes).tolist()
    plain = labels and [label if isinstance(label, str | int | float) else repr(label) for label in labels]
    return {"features of type": estimator.coefs_[0].dtype.name, "the classes": plain}


def _has_address(value: Any) -> bool:
    """Return whether the text of a value differs from process to process."""
    return isinstance(value, np.random.RandomState) or callable(value)


def checkpoint_of(estimator: Any) -> Path | None:
    """Return the file of the parameter `checkpoint`, or None if it does not exist."""
    path = Path(estimator.checkpoint)
    return path if path.exists() else None
