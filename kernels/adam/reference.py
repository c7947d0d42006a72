"""Adam in NumPy."""

import numpy as np


def adam_step(
    g, lr, grad_scale, p, m, v, v_max, step, *, beta1, beta2, eps, eps_hat, weight_decay, decoupled, maximize
):
    step += 1
    c1 = -np.expm1(step[0] * np.log(beta1)) if beta1 > 0 else 1.0
    c2 = -np.expm1(step[0] * np.log(beta2)) if beta2 > 0 else 1.0
    if grad_scale is not None:
        g = g * grad_scale
    if maximize:
        g = -g
    if decoupled:
        p -= lr * weight_decay * p
    else:
        g = g + weight_decay * p
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g * g
    second = v
    if v_max is not None:
        v_max[...] = np.maximum(v_max, v)
        second = v_max
    floor = eps / p.dtype.type(np.sqrt(c2)) if eps_hat else eps
    p -= lr * (m / p.dtype.type(c1)) / (np.sqrt(second / p.dtype.type(c2)) + floor)
