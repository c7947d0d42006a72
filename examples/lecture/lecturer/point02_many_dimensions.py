"""Solution of the exercise for point 2."""

import numpy as np


def numerical_gradient(f, x, h):
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])


def descend(gradient, x0, rate, epsilon):
    path = [x0]
    while np.linalg.norm(gradient(path[-1])) >= epsilon:
        path.append(path[-1] - rate * gradient(path[-1]))
    return path
