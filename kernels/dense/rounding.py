"""The precisions of a product: how its factors are rounded before they are multiplied."""

from __future__ import annotations

import numpy as np

PRECISIONS = ("float32", "tf32", "bfloat16")

# float32 has 23 bits of mantissa; what is rounded away is all but the first 10 of TF32 and the first 7 of bfloat16.
DROPPED_BITS = {"tf32": 13, "bfloat16": 16}


def round_factor(array: np.ndarray, precision: str) -> np.ndarray:
    """The array with every element rounded to a precision, in its own dtype; the array itself for "float32".

    To the nearest; a tie goes away from zero in "tf32" and to the even neighbour in "bfloat16", as in the GPU's
    conversions `cvt.rna.tf32.f32` and `cvt.rn.bf16.f32`. NaN and infinity stay what they are.
    """
    if precision == "float32":
        return array
    dropped = DROPPED_BITS[precision]
    bits = array.astype(np.float32).view(np.uint32)
    half = np.uint32(1 << (dropped - 1))
    if precision == "bfloat16":  # one less than half, and one more where the last bit that stays is odd
        half = half - np.uint32(1) + ((bits >> np.uint32(dropped)) & np.uint32(1))
    rounded = ((bits + half) >> np.uint32(dropped) << np.uint32(dropped)).view(np.float32)
    return np.where(np.isnan(array), array, rounded).astype(array.dtype)
