"""RMSprop in NumPy."""

import numpy as np

from ..update_contract import effective_gradient


def rmsprop_step(g, lr, grad_scale, p, square_average, *, alpha, eps, weight_decay, maximize):
    g = effective_gradient(g, grad_scale, p, weight_decay, maximize)
    square_average[...] = alpha * square_average + (1 - alpha) * g * g
    p -= lr * g / (np.sqrt(square_average) + eps)
