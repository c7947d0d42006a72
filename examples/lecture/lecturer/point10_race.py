"""Solution of the exercise for point 10."""

import numpy as np


def adagrad(gradient, x0, rate, epsilon, steps):
    x, squares, path = x0, 0 * x0, [x0]
    for _ in range(steps):
        slope = gradient(x)
        squares = squares + slope**2
        x = x - rate * slope / (np.sqrt(squares) + epsilon)
        path.append(x)
    return path


def rmsprop(gradient, x0, rate, alpha, epsilon, steps):
    x, squares, path = x0, 0 * x0, [x0]
    for _ in range(steps):
        slope = gradient(x)
        squares = alpha * squares + (1 - alpha) * slope**2
        x = x - rate * slope / (np.sqrt(squares) + epsilon)
        path.append(x)
    return path


def adam(gradient, x0, rate, beta1, beta2, epsilon, steps):
    x, m, v, path = x0, 0 * x0, 0 * x0, [x0]
    for t in range(1, steps + 1):
        slope = gradient(x)
        m = beta1 * m + (1 - beta1) * slope
        v = beta2 * v + (1 - beta2) * slope**2
        x = x - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
        path.append(x)
    return path
