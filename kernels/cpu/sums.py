"""Sums of many numbers on a CPU, in double precision, by parts.

The parts depend only on the count of the numbers, so the result is the same bit for bit on any number of cores. Double
precision makes a sum of float32 exact to the last bit, and is no slower.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..contract import PARTIALS
from .options import compile_cpu
from .team import LIGHT, spread

PARTS = PARTIALS // 2  # doubles that fit into the scratch array of a single-precision reduction
LEAST = 1 << 15  # minimum numbers per part


def sums_of_parts(loop: Any, n: int, partials: Any, *arguments: Any) -> Any:
    """Return the sums of the parts of n numbers, a float64 array in the memory of `partials`.

    The function of `compile_cpu` is called as ``loop(sums, first, step, *arguments)``: it writes the sums of parts of
    `step` numbers, beginning with part `first`.
    """
    step = max(LEAST, -(-n // PARTS))
    sums = partials.view(np.float64)[: max(1, -(-n // step))]
    spread(loop, (sums,), step, *arguments, width=min(step, n), speed=LIGHT, extras=1)
    return sums


@compile_cpu
def part_of(numbers, part, step):
    # A slice, not a range of indices: an index that may be negative is wrapped, and each element is then loaded alone.
    return numbers[part * step : (part + 1) * step]
