"""Stochastic gradient descent in NumPy."""

from ..update_contract import effective_gradient


def sgd_step(g, lr, grad_scale, p, momentum_buffer, *, momentum, nesterov, lr_in_buffer, weight_decay, maximize):
    g = effective_gradient(g, grad_scale, p, weight_decay, maximize)
    step = lr * g
    if momentum_buffer is not None:
        inner, outer = (lr, 1) if lr_in_buffer else (1, lr)
        momentum_buffer[...] = momentum * momentum_buffer + inner * g
        step = outer * (inner * g + momentum * momentum_buffer if nesterov else momentum_buffer)
    p -= step
