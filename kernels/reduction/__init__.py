"""The sum of an array, in fixed order.

    out = scale·Σ x,  or  out + scale·Σ x

A GPU adds one partial sum a block and those in a second pass; the CPU adds in several lanes. Both orders depend on the
number of elements alone, so the same array gives the same bits.
"""

from __future__ import annotations

import numpy as np

from ...errors import ArgumentError
from ..contract import FLOATS, PARTIALS, Cost, Example, check_array, check_range, contract


@contract("out", "partials")
def sum_elements(x, out, partials, *, scale=1.0, accumulate=False):
    """out = scale·Σ x; with `accumulate`, out + scale·Σ x.

    x: float32 or float64, any shape, at least one element. out (1,): of the dtype of x, overwritten or added to.
    partials (PARTIALS,): of the dtype of x, scratch, undefined afterwards.
    """
    check_array("x", x, tuple(x.shape), FLOATS)
    if x.size == 0:
        raise ArgumentError(f"x has shape {tuple(x.shape)}, expected at least one element: leave the empty sum out")
    check_array("out", out, (1,), x.dtype)
    check_array("partials", partials, (PARTIALS,), x.dtype)
    check_range("scale", scale, -float("inf"))


@sum_elements.examples
def _(rng):
    for shape, reason in {
        (1,): "one element",
        (3, 5): "shorter than a vector",
        (128,): "the losses of a minibatch",
        (7, 11, 13): "three axes and a ragged end",
        (2 * PARTIALS * 1024 + 3,): "more blocks than partials",
    }.items():
        for accumulate in (False, True):
            arrays = {
                "x": rng.uniform(0, 1, shape).astype(np.float32),
                "out": np.full(1, 2.5 if accumulate else np.nan, np.float32),
                "partials": np.full(PARTIALS, np.nan, np.float32),
            }
            scalars = {"scale": -0.5, "accumulate": True} if accumulate else {}
            yield Example(
                f"{reason}, {'added' if accumulate else 'overwritten'}", arrays, scalars, terms=arrays["x"].size
            )


@sum_elements.workloads
def _(rng):
    for size in (64, 1 << 19, 1 << 25):
        x = rng.random(size, np.float32)  # positive: of numbers that cancel, the sum has no scale for an error
        words = {"out": np.zeros(1, np.float32), "partials": np.zeros(PARTIALS, np.float32)}
        yield Example(str(size), {"x": x, **words}, {}, terms=size)


@sum_elements.cost
def _(x, out, partials, **_):
    return Cost(bytes=x.nbytes + out.nbytes, operations=x.size)
