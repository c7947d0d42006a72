"""Gradient clipping in NumPy."""

import numpy as np

from . import NORM_EPS


def clip_norm(g, norm, grad_scale, partials, *, max_norm):
    norm[...] = np.sqrt(np.square(g, dtype=np.float64).sum())
    grad_scale[...] = np.minimum(1, max_norm / (norm + NORM_EPS))


def clip_value(g, *, limit):
    np.clip(g, -limit, limit, out=g)
