"""Dropout with a counter-based generator: the same mask on every machine.

    word_i = word i mod 4 of philox4x32(counter, key)        i the place in the flat array
    counter = (⌊i/4⌋ low, ⌊i/4⌋ high, calls low, calls high)  key = (seed low, seed high)
    mask_i = 1 if word_i ≥ round(p·2³²) else 0
    y_i = x_i / (1 − p) if mask_i else 0                      dx_i = dy_i / (1 − p) if mask_i else 0

Philox4x32-10, a bijection of the 128-bit counter for each key, in ten rounds. Salmon, Moraes, Dror & Shaw, "Parallel
random numbers: as easy as 1, 2, 3", SC'11. Dropout: Srivastava et al., JMLR 15 (2014), in its inverted form.
"""

from __future__ import annotations

import operator

import numpy as np

from ...errors import ArgumentError
from ..contract import MEASURED_SHAPES, Cost, Example, check_array, check_range, check_same, contract, draw

# One round: each multiplier takes one word of the counter to a 64-bit product; the two words of the key grow by the
# Weyl constants (the golden ratio and √3 − 1 in 32 bits).
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10

UINT8 = np.dtype(np.uint8)
INT64 = np.dtype(np.int64)


def threshold(p: float) -> int:
    """The smallest word that keeps an element: round(p·2³²), at most 2³² − 1."""
    return min(round(p * 2**32), 2**32 - 1)


def check_rate(p: float) -> None:
    check_range("p", p, 0.0, np.nextafter(1.0, 0.0))


@contract("calls", "y", "mask")
def dropout_forward(x, calls, y, mask, *, p, seed):
    """y = x / (1 − p) where the mask is 1, else 0; the mask is drawn anew and saved for the backward.

    x, y: float32 or float64, any shape, the same; y may be x itself. mask: uint8, the same shape, 1 = kept.
    calls (1,) int64: forward calls so far; read, then incremented (on a GPU by the block that finishes last), so that
    a replayed recording draws a new mask each time.
    p in [0, 1); seed in [0, 2⁶⁴). Two layers with the same seed and calls draw the same words: give each its own seed.
    """
    check_rate(p)
    if not 0 <= operator.index(seed) < 2**64:
        raise ArgumentError(f"seed is {seed}, expected an integer in [0, 2**64)")
    check_same(x=x, y=y)
    check_array("calls", calls, (1,), INT64)
    check_array("mask", mask, tuple(x.shape), UINT8)


@contract("dx")
def dropout_backward(dy, mask, dx, *, p):
    """dx = dy / (1 − p) where the mask is 1, else 0.

    dy, dx: float32 or float64, any shape, the same; dx may be dy itself. mask: uint8, the same shape. p in [0, 1), that
    of the forward.
    """
    check_rate(p)
    check_same(dy=dy, dx=dx)
    check_array("mask", mask, tuple(dy.shape), UINT8)


SIZES = {
    (1,): "one element",
    (3, 5): "a last block of three words",
    (128, 64): "a minibatch",
    (7, 1001): "many blocks and a ragged end",
}


@dropout_forward.examples
def _(rng):
    for shape, reason in SIZES.items():
        for p, seed, calls in ((0.0, 0, 0), (0.5, 1, 0), (0.1, 2**64 - 1, 2**40 + 3), (0.999, 2**32, 2**32 - 1)):
            x = rng.normal(size=shape).astype(np.float32)
            arrays = {
                "x": x,
                "calls": np.array([calls], np.int64),
                "y": np.full_like(x, np.nan),
                "mask": np.full(shape, 255, np.uint8),
            }
            yield Example(f"p {p}, seed {seed}, call {calls}, {reason}", arrays, {"p": p, "seed": seed})
    arrays = {
        "x": np.full(100, np.nan, np.float32),
        "calls": np.zeros(1, np.int64),
        "y": np.full(100, np.nan, np.float32),
        "mask": np.full(100, 255, np.uint8),
    }
    yield Example("a dropped NaN is 0", arrays, {"p": 0.5, "seed": 3})


@dropout_backward.examples
def _(rng):
    for shape, reason in SIZES.items():
        dy = rng.normal(size=shape).astype(np.float32)
        mask = rng.integers(0, 2, shape).astype(np.uint8)
        yield Example(reason, {"dy": dy, "mask": mask, "dx": np.full_like(dy, np.nan)}, {"p": 0.3})


@dropout_forward.workloads
def _(rng):
    for shape in MEASURED_SHAPES:
        x = draw(rng, *shape)
        arrays = {"x": x, "calls": np.zeros(1, np.int64), "y": np.zeros_like(x), "mask": np.zeros(shape, np.uint8)}
        yield Example(f"{shape[0]} × {shape[1]}", arrays, {"p": 0.1, "seed": 1})


@dropout_backward.workloads
def _(rng):
    for shape in MEASURED_SHAPES:
        dy, mask = draw(rng, *shape), (rng.random(shape, np.float32) > 0.1).astype(np.uint8)
        yield Example(f"{shape[0]} × {shape[1]}", {"dy": dy, "mask": mask, "dx": np.zeros_like(dy)}, {"p": 0.1})


@dropout_forward.cost
def _(x, calls, y, mask, **_):
    # A round is two wide products and four exclusive ors; a block of ten rounds serves four elements.
    return Cost(bytes=x.nbytes + y.nbytes + mask.nbytes, operations=x.size * (ROUNDS * 8 // 4 + 2))


@dropout_backward.cost
def _(dy, mask, dx, **_):
    return Cost(bytes=dy.nbytes + mask.nbytes + dx.nbytes, operations=dy.size)
