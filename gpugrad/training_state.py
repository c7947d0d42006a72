"""The state of a training: taken after each epoch, gone back to, written to a checkpoint, resumed from one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .callbacks import Callback
from .checkpoint import describe_model, join, read_file, split, write_file
from .errors import CheckpointError

if TYPE_CHECKING:
    from .trainer import Trainer


def capture(trainer: Trainer, hooks: Sequence[Callback]) -> dict[str, Any]:
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


def restore(trainer: Trainer, state: dict[str, Any], hooks: Sequence[Callback]) -> None:
    """Go back to a captured state. Raises CheckpointError where it does not fit."""
    trainer.model.load_state_dict(state["model"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    if trainer.schedule is not None:
        trainer.schedule.load_state_dict(state["schedule"])
    trainer.generator.set_calls(state["dropout_calls"])
    trainer.epoch, trainer.steps = state["epoch"], state["steps"]
    trainer.history.records[:] = [dict(entry) for entry in state["history"]]
    for hook, kept in zip(hooks, state["callbacks"], strict=True):
        hook.load_state_dict(kept)


def write(
    trainer: Trainer, path: str | Path, state: dict[str, Any], run: dict[str, Any], header: dict[str, Any]
) -> None:
    """Write a captured state to a checkpoint. run: what a resumed `fit` must have in common with this one."""
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
            "run": {**run, **_setup(trainer, len(callbacks))},
        },
    )


def resume(trainer: Trainer, path: str | Path, run: dict[str, Any], hooks: Sequence[Callback]) -> None:
    """Continue from a checkpoint. Raises CheckpointError if it was written by a training with other settings."""
    arrays, header = read_file(path)
    if header.get("kind") != "checkpoint":
        raise CheckpointError(
            f"{path} holds a model without the state of its training: pass the checkpoint that was written beside it"
        )
    sets = split(arrays)
    try:
        for name, value in {**run, **_setup(trainer, len(hooks))}.items():
            if header["run"][name] != value:
                raise CheckpointError(
                    f"{path} was written with {name} {header['run'][name]}, this training has {value}: "
                    "resume with the same settings"
                )
        callbacks = [{**kept, "arrays": sets.get(f"callback{i}", {})} for i, kept in enumerate(header["callbacks"])]
        optimizer = {"state": sets.get("optimizer", {}), "param_groups": header["param_groups"]}
        state = {**header, "model": sets.get("model", {}), "optimizer": optimizer, "callbacks": callbacks}
        restore(trainer, state, hooks)
    except KeyError as error:
        raise CheckpointError(
            f"{path} lacks the entry {error} in its header: it is damaged, use an earlier one"
        ) from None


def _setup(trainer: Trainer, hooks: int) -> dict[str, Any]:
    return {
        "seed": trainer.seed,
        "optimizer": type(trainer.optimizer).__name__,
        "schedule": None if trainer.schedule is None else type(trainer.schedule).__name__,
        "callbacks": hooks,
    }
