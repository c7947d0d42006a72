"""AdaGrad-norm in NumPy."""

import numpy as np

from ..update_contract import effective_gradient


def adagrad_norm_accumulate(g, grad_scale, p, square_sum, partials, *, weight_decay, maximize):
    g = effective_gradient(g, grad_scale, p, weight_decay, maximize)
    square_sum += np.square(g, dtype=np.float64).sum().astype(p.dtype)


def adagrad_norm_step(g, lr, grad_scale, square_sum, p, *, eps, weight_decay, maximize):
    g = effective_gradient(g, grad_scale, p, weight_decay, maximize)
    p -= lr * g / np.sqrt(eps + square_sum)
