"""Adadelta in NumPy."""

import numpy as np

from ..update_contract import effective_gradient


def adadelta_step(g, lr, grad_scale, p, square_average, delta_average, *, rho, eps, weight_decay, maximize):
    g = effective_gradient(g, grad_scale, p, weight_decay, maximize)
    square_average[...] = rho * square_average + (1 - rho) * g * g
    delta = np.sqrt((delta_average + eps) / (square_average + eps)) * g
    delta_average[...] = rho * delta_average + (1 - rho) * delta * delta
    p -= lr * delta
