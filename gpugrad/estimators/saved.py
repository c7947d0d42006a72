"""The checkpoint of an estimator's training: written after each epoch, read to go on as if never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CheckpointError
from ..training.checkpoint import as_json, check_settings, join, read_file, split, write_file

if TYPE_CHECKING:
    from .run import Run

KIND = "estimator checkpoint"

# What may change between a training and the one that goes on with it.
FREE = {"callbacks", "checkpoint", "device", "max_iter", "n_iter_no_change", "tol", "toolchain", "verbose"}

# Of an estimator, as they are; its weights are arrays.
KEPT = (
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_loss_curve_",
    "validation_scores_",
    "best_validation_score_",
    "n_iter_",
    "t_",
    "_no_improvement_count",
)
WEIGHTS = ("coefs_", "intercepts_", "_best_coefs", "_best_intercepts")


def write(estimator: Any, run: Run) -> None:
    """Write all that the rest of a training depends on to the file `checkpoint`."""
    e, state = estimator, run.session.state_dict()
    e.coefs_, e.intercepts_ = run.session.read()
    sets = {name: {str(i): array for i, array in enumerate(getattr(e, name))} for name in WEIGHTS}
    sets["optimizer"] = state["optimizer"]["state"]
    sets["order"] = {"rows": run.order}
    randoms = {"first": e._first_random_state, "now": e._random_state.get_state(legacy=False)}
    for name, random in randoms.items():
        sets[f"random {name}"] = {"key": random["state"]["key"]}
    callbacks = [hook.state_dict() for hook in run.hooks]
    sets |= {f"callback{i}": kept.get("arrays", {}) for i, kept in enumerate(callbacks)}
    header = {
        "kind": KIND,
        "settings": _settings(e, len(run.order)),
        "estimator": {name: getattr(e, name) for name in KEPT},
        "learning_rate": e._optimizer.learning_rate,
        "param_groups": state["optimizer"]["param_groups"],
        "schedule": state["schedule"],
        "dropout": state["dropout"],
        "random": {name: _without_key(random) for name, random in randoms.items()},
        "history": run.history.records,
        "stopped": run.stopped,
        "callbacks": [{key: value for key, value in kept.items() if key != "arrays"} for kept in callbacks],
    }
    write_file(e.checkpoint, join(sets), header)


def read(estimator: Any) -> Saved | None:
    """What the file `checkpoint` holds; None where there is no such file. Raises CheckpointError for another file."""
    path = Path(estimator.checkpoint)
    if not path.exists():
        return None
    arrays, header = read_file(path)
    if header.get("kind") != KIND:
        raise CheckpointError(f"{path} is no checkpoint of an estimator: pass the path that its fit wrote to")
    return Saved(path, split(arrays), header)


class Saved:
    """A checkpoint that was read."""

    def __init__(self, path: Path, arrays: dict[str, dict[str, np.ndarray]], header: dict[str, Any]) -> None:
        self._path, self._arrays, self._header = path, arrays, header

    def first_random_state(self) -> np.random.RandomState:
        """As it was before the initial weights were drawn and rows were held out."""
        return self._random_state("first")

    def restore(self, estimator: Any, run: Run) -> None:
        """Bring a training that is about to begin to where the checkpoint was written.

        Raises CheckpointError where it is of another training.
        """
        e, header, arrays = estimator, self._header, self._arrays
        check_settings(self._path, header["settings"], as_json(_settings(e, len(run.order))))
        if len(header["callbacks"]) != len(run.hooks):
            raise CheckpointError(
                f"{self._path} was written with {len(header['callbacks'])} callbacks, this training has "
                f"{len(run.hooks)}: resume with the same"
            )
        optimizer = {"state": arrays.get("optimizer", {}), "param_groups": header["param_groups"]}
        run.session.load_state_dict({**header, "optimizer": optimizer})
        for name in KEPT:
            setattr(e, name, header["estimator"][name])
        for name in WEIGHTS:
            setattr(e, name, [arrays[name][str(i)] for i in range(len(arrays[name]))])
        run.session.write(e.coefs_, e.intercepts_)
        e._optimizer.learning_rate = header["learning_rate"]
        e._random_state = self._random_state("now")
        run.order, run.stopped = arrays["order"]["rows"], header["stopped"]
        run.history.records[:] = header["history"]
        run.steps = run.history[-1]["steps"]
        for i, (hook, kept) in enumerate(zip(run.hooks, header["callbacks"], strict=True)):
            hook.load_state_dict({**kept, "arrays": arrays.get(f"callback{i}", {})})

    def _random_state(self, name: str) -> np.random.RandomState:
        state = self._header["random"][name]
        made = np.random.RandomState()
        made.set_state({**state, "state": {**state["state"], "key": self._arrays[f"random {name}"]["key"]}})
        return made


def _without_key(random: dict[str, Any]) -> dict[str, Any]:
    return {**random, "state": {"pos": random["state"]["pos"]}}


def _settings(estimator: Any, rows: int) -> dict[str, Any]:
    """What a training that goes on must have in common with the one that wrote the checkpoint."""
    parameters = {name: value for name, value in estimator.get_params(deep=False).items() if name not in FREE}
    plain = {name: value for name, value in parameters.items() if not _has_address(value)}
    shapes = {"rows to train on": rows, "layers": [len(estimator.coefs_[0]), *map(len, estimator.intercepts_)]}
    return {**{name: repr(value) for name, value in plain.items()}, **shapes}


def _has_address(value: Any) -> bool:
    """Whether the text of a value differs from process to process."""
    return isinstance(value, np.random.RandomState) or callable(value)
