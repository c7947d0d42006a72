"""Stochastic gradient descent in NumPy."""

from ..optimizers import effective_gradient


def sgd_step(g, lr, grad_scale, p, momentum_buffer, *, momentum=0.0, nesterov=False, weight_decay=0.0, maximize=False):
    g = effective_gradient(g, grad_scale, p, weight_decay, maximize)
    direction = g
    if momentum_buffer is not None:
        momentum_buffer[...] = momentum * momentum_buffer + g
        direction = g + momentum * momentum_buffer if nesterov else momentum_buffer
    p -= lr * direction
