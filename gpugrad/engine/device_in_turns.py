"""DeviceInTurns: a device whose launches do not run at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .device import Call, Device


class DeviceInTurns(Device):
    """A device whose launches do not run at once: those of several threads take turns."""

    def run(self, launch: Any, *arrays: Any, **scalars: Any) -> None:
        """Launch one piece of work; see `Device.run`."""
        with self.lock:
            super().run(launch, *arrays, **scalars)

    def replayer(self, calls: Sequence[Call]) -> Call:
        """Return a function that makes all these calls in order; see `Device.replayer`."""
        replay = super().replayer(calls)

        def replay_in_turn() -> None:
            with self.lock:
                replay()

        return replay_in_turn
