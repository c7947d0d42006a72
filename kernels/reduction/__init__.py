"""The sum of an array, in a fixed order.

    out = scale·Σ x,  or  out + scale·Σ x

A GPU computes one partial sum per block and adds these in a second pass; the CPU adds in several lanes. Both orders
depend on the number of elements alone, so equal arrays have bit-for-bit identical sums.
"""

from __future__ import annotations

import numpy as np

from ...errors import ArgumentError
from ..contract import FLOATS, PARTIALS, Cost, Example, check_array, check_range, contract


@contract("out", "partials")
def sum_elements(x, out, partials, *, scale=1.0, accumulate=False):
    """Sum all elements of an array.

    Arrays are float32 or float64, all the same.

    Parameters
    ----------
    x : array, any shape
        At least one element.
    out : array, (1,)
        The sum times `scale`, overwritten, or added to if `accumulate`.
    partials : array, (PARTIALS,)
        Scratch, undefined afterwards.
    scale : float, default 1.0
        Factor of the sum.
    accumulate : bool, default False
        Whether the sum is added to `out`.

    Raises
    ------
    ArgumentError
        For another shape or dtype, an empty array or a scale of NaN.
    """
    check_array("x", x, None, FLOATS)
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
        x = rng.random(size, np.float32)  # positive: a sum that cancels leaves its error without a scale
        words = {"out": np.zeros(1, np.float32), "partials": np.zeros(PARTIALS, np.float32)}
        yield Example(str(size), {"x": x, **words}, {}, terms=size)


@sum_elements.cost
def _(x, out, partials, **_):
    return Cost(bytes=x.nbytes + out.nbytes, operations=x.size)
