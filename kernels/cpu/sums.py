"""Sums of many numbers on a CPU: of parts whose size follows from the numbers alone, each in double precision.

A double is exact to the last bit of float32, and no slower. Whichever core adds up a part, the sum has the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..contract import PARTIALS
from .options import compile_cpu
from .team import LIGHT, spread

PARTS = PARTIALS // 2  # doubles in the scratch for partial sums in single precision
LEAST = 1 << 15  # numbers of a part


def sums_of_parts(loop: Any, n: int, partials: Any, *arguments: Any) -> Any:
    """The sums of the parts of n numbers, float64, in the memory of `partials`.

    loop(sums, first, step, *arguments): of `compile_cpu`; writes the sums of parts of `step` numbers from part `first`.
    """
    step = max(LEAST, -(-n // PARTS))
    sums = partials.view(np.float64)[: max(1, -(-n // step))]
    spread(loop, (sums,), step, *arguments, width=min(step, n), speed=LIGHT, extras=1)
    return sums


@compile_cpu
def part_of(numbers, part, step):
    return numbers[part * step : (part + 1) * step]
