"""Find the first operation of a step that produces a NaN or an infinity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .device import Device
from .kernels import Launcher
from .kernels.contract import SCRATCH


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


def _written(launch: Any, arrays: tuple, scalars: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(launch, Launcher):
        yield from ((name, array) for name, array in launch.contract.written(arrays, scalars) if name not in SCRATCH)
    elif "out" in scalars:
        yield "its result", scalars["out"]
    elif launch.__name__ == "__setitem__":
        yield "its result", launch.__self__
    elif arrays and hasattr(arrays[0], "dtype"):  # copyto and its kind write to their first argument
        yield "its result", arrays[0]
