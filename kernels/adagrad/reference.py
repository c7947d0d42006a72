"""Adagrad in NumPy."""

import numpy as np

from ..update_contract import effective_gradient


def adagrad_step(g, lr, grad_scale, p, square_sum, *, eps, weight_decay, maximize):
    g = effective_gradient(g, grad_scale, p, weight_decay, maximize)
    square_sum += g * g
    p -= lr * g / (np.sqrt(square_sum) + eps)
