"""The state of a training: taken after each epoch, gone back to, written to a checkpoint, resumed from one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .callbacks import Callback
from .checkpoint import as_json, check_settings, describe_model, join, read_file, split, write_file
from .minibatches import Minibatches


def capture(trainer: Any, hooks: Sequence[Callback]) -> dict[str, Any]:
    """All that the rest of a training depends on, on the host."""
    return {
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "schedule": None if trainer.schedule is None else trainer.schedule.state_dict(),
        "dropout_calls": trainer.generator.get_calls(),
        "epoch": trainer.epoch,
        "steps": trainer.steps,
        "history": [dict(entry) for entry in trainer.history.records],
        "callbacks": [hook.state_dict() for hook in hooks],
    }


def restore(trainer: Any, state: dict[str, Any], hooks: Sequence[Callback]) -> None:
    """Go back to a captured state. Raises CheckpointError where it does not fit."""
    trainer.model.load_state_dict(state["model"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    if trainer.schedule is not None:
        trainer.schedule.load_state_dict(state["schedule"])
    trainer.generator.set_calls(state["dropout_calls"])
    trainer.steps = state["steps"]
    trainer.history.records[:] = [dict(entry) for entry in state["history"]]
    for hook, kept in zip(hooks, state["callbacks"], strict=True):
        hook.load_state_dict({"arrays": {}, **kept})


def write(
    trainer: Any,
    path: str | Path,
    state: dict[str, Any],
    data: Minibatches,
    hooks: Sequence[Callback],
    header: dict[str, Any],
) -> None:
    """Write a captured state to a checkpoint; `header` is kept with it."""
    optimizer, callbacks = state["optimizer"], state["callbacks"]
    sets = {"model": state["model"], "optimizer": optimizer["state"]}
    sets |= {f"callback{i}": kept.get("arrays", {}) for i, kept in enumerate(callbacks)}
    write_file(
        path,
        join(sets),
        {
            **header,
            **{key: state[key] for key in ("schedule", "dropout_calls", "epoch", "steps", "history")},
            "kind": "checkpoint",
            "model": describe_model(trainer.model),
            "param_groups": optimizer["param_groups"],
            "callbacks": [{key: value for key, value in kept.items() if key != "arrays"} for kept in callbacks],
            "run": _run(trainer, data, hooks),
        },
    )


def resume(trainer: Any, path: str | Path, data: Minibatches, hooks: Sequence[Callback]) -> None:
    """Continue from a checkpoint.

    Raises CheckpointError if it is damaged or was written by a training with other settings; then nothing was changed.
    """
    arrays, header = read_file(path)
    if header.get("kind") != "checkpoint":
        raise CheckpointError(
            f"{path} holds a model without the state of its training: pass the checkpoint that was written beside it"
        )
    sets = split(arrays)
    try:
        # Older checkpoints do not name the precision.
        written, run = {"precision": "float32", **header["run"]}, as_json(_run(trainer, data, hooks))
        check_settings(path, written, run)
        callbacks = [{**kept, "arrays": sets.get(f"callback{i}", {})} for i, kept in enumerate(header["callbacks"])]
        optimizer = {"state": sets.get("optimizer", {}), "param_groups": header["param_groups"]}
        state = {**header, "model": sets.get("model", {}), "optimizer": optimizer, "callbacks": callbacks}
        before = capture(trainer, hooks)
        try:
            restore(trainer, state, hooks)
        except BaseException:
            restore(trainer, before, hooks)
            raise
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} has a damaged header ({error!r}): use an earlier one") from None


def _run(trainer: Any, data: Minibatches, hooks: Sequence[Callback]) -> dict[str, Any]:
    """What a training that resumes must have in common with the one that wrote the checkpoint.

    Clipping and the loss are left out: they act on what comes and may be changed on the way.
    """
    description = describe_model(trainer.model)
    return {
        **data.settings,
        "seed": trainer.seed,
        "precision": trainer.precision,
        "model": description["class"],
        **(description["config"] or {}),
        "optimizer": type(trainer.optimizer).__name__,
        **trainer.initial_options,
        "schedule": None if trainer.schedule is None else type(trainer.schedule).__name__,
        "callbacks": [type(hook).__name__ for hook in hooks],
    }
