"""The sum of an array in NumPy."""

import numpy as np


def sum_elements(x, out, partials, *, scale, accumulate):
    out[...] = scale * x.sum(dtype=np.float64) + (out if accumulate else 0)
