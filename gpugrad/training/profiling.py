"""ProfileTraining: a profile of some steps of a run."""

from __future__ import annotations

import contextlib

from ..engine.profiling import Profile
from .callbacks import Callback, Training
from .inherited import inherit_docs
from .values import check_count

WARM_STEPS = 3  # steps skipped at the start of a run: they compile, record and capture
STEPS = 20  # steps profiled launch by launch, alternating with as many timed as a whole


@inherit_docs
class ProfileTraining(Callback):
    """Profile steps of a run: after the first three of a fit, one as a whole and one launch by launch in turn.

    Parameters
    ----------
    steps : int, default 20
        Steps of each kind.

    Attributes
    ----------
    profile : Profile or None
        The profile, once `fit` has begun.

    Examples
    --------
    >>> with ProfileTraining() as profiling:  # doctest: +SKIP
    ...     trainer.fit(x, y, callbacks=profiling)
    ...     print(profiling.profile.table())
    """

    def __init__(self, steps: int = STEPS) -> None:
        self.steps = check_count("steps", steps)
        self.profile: Profile | None = None
        self._seen = 0
        self._open = contextlib.ExitStack()

    def on_fit_begin(self, trainer: Training) -> None:
        self.profile = Profile(trainer.device)
        self._seen = 0

    def on_step_begin(self, trainer: Training, step: int) -> None:
        self._seen += 1
        turn = self._seen - WARM_STEPS
        if self.profile is not None and 0 < turn <= 2 * self.steps:
            self._open.enter_context(self.profile.step() if turn % 2 == 0 else self.profile.whole_step())

    def on_step_end(self, trainer: Training, step: int) -> None:
        self._open.close()

    def __enter__(self) -> ProfileTraining:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()  # after an interrupt or an error within a step
