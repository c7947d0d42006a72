"""Find the first operation of a training that produces a NaN or an infinity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..engine.device import Device
from ..errors import NonFiniteError
from ..kernels import Launcher
from ..kernels.contract import SCRATCH
from . import state as training_state
from .callbacks import Callback

if TYPE_CHECKING:
    from .minibatches import Minibatches


class NonFiniteWatch:
    """An observer of a device that looks at every result: `with device.observe(watch): step()`.

    It waits for each launch and reads its results, so it is for a step that is known to be bad. Attribute: `first`,
    a sentence about the first launch that wrote a NaN or an infinity, or None.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self.first: str | None = None

    def __call__(self, launch: Any, arrays: tuple, scalars: dict[str, Any]) -> None:
        if self.first is not None:
            return
        for name, array in _written(launch, arrays, scalars):
            if array.dtype.kind == "f" and not np.isfinite(values := self._device.download(array)).all():
                what = "NaN" if np.isnan(values).any() else "infinity"
                details = ", ".join(f"{key}={value}" for key, value in scalars.items() if key != "out")
                self.first = (
                    f"{launch.__name__}({details}) wrote {what} to {int((~np.isfinite(values)).sum())} "
                    f"of {values.size} elements of {name} {tuple(array.shape)}"
                )
                return


def explain_non_finite(trainer: Any, good: dict[str, Any], data: Minibatches, hooks: Sequence[Callback]) -> NoReturn:
    """Go back to the start of the epoch, run it again step by step, and raise with the first bad operation.

    The second run gives the same bits as the first, so the fault is met again, unless a callback caused it.
    good: the state at the start of the epoch, of `training_state.capture`. Raises NonFiniteError.
    """
    training_state.restore(trainer, good, hooks)
    watch = NonFiniteWatch(trainer.device)
    start = trainer.steps
    try:
        with trainer.device.observe(watch):
            trainer._train_epoch(data, trainer._make_step(data, recorded=False), [_Halt(watch)])
    except _Found:
        pass  # the step that was looked for
    finally:
        bad_step = trainer.steps - start
        training_state.restore(trainer, good, hooks)
    where = f"in epoch {trainer.epoch + 1}, step {bad_step} of {len(data.groups)}: {watch.first}"
    if watch.first is None:
        where = f"in epoch {trainer.epoch + 1}, but not without its callbacks: one of them may have changed the model"
    raise NonFiniteError(
        f"the training is no longer finite {where}; the model is as it was before that epoch: "
        "lower the learning rate, or clip the gradient"
    )


class _Found(Exception):
    """The watched epoch has met its first fault."""


class _Halt(Callback):
    """Ends a run of an epoch at the end of the step that a watch found fault with."""

    def __init__(self, watch: NonFiniteWatch) -> None:
        self._watch = watch

    def on_step_end(self, trainer: Any, step: int) -> None:
        if self._watch.first is not None:
            raise _Found


def _written(launch: Any, arrays: tuple, scalars: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(launch, Launcher):
        yield from ((name, array) for name, array in launch.contract.written(arrays, scalars) if name not in SCRATCH)
    elif "out" in scalars:
        yield "its result", scalars["out"]
    elif launch.__name__ == "__setitem__":
        yield "its result", launch.__self__
    elif arrays and hasattr(arrays[0], "dtype"):  # copyto and its kind write to their first argument
        yield "its result", arrays[0]
