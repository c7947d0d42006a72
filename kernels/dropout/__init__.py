"""Dropout with a counter-based generator: the same mask on every machine.

    word_i = word i mod 4 of philox4x32(counter, key)        i the index in the flat array
    counter = (⌊i/4⌋ low, ⌊i/4⌋ high, calls low, calls high)  key = (seed low, seed high)
    mask_i = 1 if word_i ≥ round(p·2³²) else 0
    y_i = x_i / (1 − p) if mask_i else 0                      dx_i = dy_i / (1 − p) if mask_i else 0

Philox4x32-10 is a bijection of the 128-bit counter for each key, in ten rounds. Dropout is the inverted form.

References: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11; dropout: Srivastava et
al., JMLR 15 (2014).
"""

from __future__ import annotations

import operator

import numpy as np

from ...errors import ArgumentError
from ..contract import Cost, check_array, check_range, check_same, contract

# One round multiplies two words of the counter to 64-bit products and adds the Weyl constants (the golden ratio and
# √3 − 1 in 32 bits) to the two words of the key.
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10

UINT8 = np.dtype(np.uint8)
INT64 = np.dtype(np.int64)


def threshold(p: float) -> int:
    """Return the smallest word that keeps an element: round(p·2³²), at most 2³² − 1."""
    return min(round(p * 2**32), 2**32 - 1)


def check_rate(p: float) -> None:
    """Refuse a dropout rate outside [0, 1)."""
    check_range("p", p, 0.0, np.nextafter(1.0, 0.0))


@contract("calls", "y", "mask")
def dropout_forward(x, calls, y, mask, *, p, seed):
    """Draw a mask and apply it: y = x / (1 − p) where the mask is 1, else 0.

    Parameters
    ----------
    x : array, any shape, float32 or float64
        Input.
    calls : array, (1,), int64
        Forward calls so far. Read, then incremented (on a GPU by the block that finishes last), so that each replay of
        a recording draws a new mask.
    y : array, like x
        Output, overwritten; may be x itself.
    mask : array, shape of x, uint8
        1 for a kept element, 0 for a dropped one; overwritten, and read by the backward pass.
    p : float
        Probability that an element is dropped, in [0, 1).
    seed : int
        Key of the generator, in [0, 2⁶⁴). Layers with equal seeds and calls draw equal words: give each its own seed.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.
    """
    check_rate(p)
    if not 0 <= operator.index(seed) < 2**64:
        raise ArgumentError(f"seed is {seed}, expected an integer in [0, 2**64)")
    check_same(x=x, y=y)
    check_array("calls", calls, (1,), INT64)
    check_array("mask", mask, tuple(x.shape), UINT8)


@contract("dx")
def dropout_backward(dy, mask, dx, *, p):
    """Backpropagate through dropout: dx = dy / (1 − p) where the mask is 1, else 0.

    Parameters
    ----------
    dy : array, any shape, float32 or float64
        Gradient of the output.
    mask : array, shape of dy, uint8
        Mask of the forward pass.
    dx : array, like dy
        Gradient of the input, overwritten; may be dy itself.
    p : float
        Probability of the forward pass, in [0, 1).

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.
    """
    check_rate(p)
    check_same(dy=dy, dx=dx)
    check_array("mask", mask, tuple(dy.shape), UINT8)


@dropout_forward.cost
def _(x, calls, y, mask, **_):
    # A round is two wide products and four exclusive ors; one Philox block of ten rounds serves four elements.
    return Cost(bytes=x.nbytes + y.nbytes + mask.nbytes, operations=x.size * (ROUNDS * 8 // 4 + 2))


@dropout_backward.cost
def _(dy, mask, dx, **_):
    return Cost(bytes=dy.nbytes + mask.nbytes + dx.nbytes, operations=dy.size)
