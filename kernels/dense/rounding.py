"""Precisions of a product: the rounding of its factors before they are multiplied."""

from __future__ import annotations

import numpy as np

PRECISIONS = ("float32", "tf32", "bfloat16")

# Bits of the mantissa that are rounded away: of float32's 23 bits TF32 keeps the first 10 and bfloat16 the first 7.
DROPPED_BITS = {"tf32": 13, "bfloat16": 16}


def round_factor(array: np.ndarray, precision: str) -> np.ndarray:
    """Round every element to a precision.

    Rounding is to nearest; ties go away from zero in "tf32" and to even in "bfloat16", as in the GPU's conversions
    `cvt.rna.tf32.f32` and `cvt.rn.bf16.f32`. NaN and infinity are unchanged.

    Parameters
    ----------
    array : numpy.ndarray
        Factor of a product.
    precision : {"float32", "tf32", "bfloat16"}
        Precision.

    Returns
    -------
    numpy.ndarray
        Rounded array of the same dtype; the array itself for "float32".
    """
    if precision == "float32":
        return array
    dropped = DROPPED_BITS[precision]
    bits = array.astype(np.float32).view(np.uint32)
    half = np.uint32(1 << (dropped - 1))
    if precision == "bfloat16":  # one less than half, plus one if the last bit kept is odd
        half = half - np.uint32(1) + ((bits >> np.uint32(dropped)) & np.uint32(1))
    rounded = ((bits + half) >> np.uint32(dropped) << np.uint32(dropped)).view(np.float32)
    return np.where(np.isnan(array), array, rounded).astype(array.dtype)
