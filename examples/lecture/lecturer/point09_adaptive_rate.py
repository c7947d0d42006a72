"""Solution of the exercise for point 9."""

import numpy as np


def adaptive_rates(gradients, rate, epsilon):
    total, rates = 0.0, []
    for slope in gradients:
        total = total + np.sum(slope**2)
        rates.append(rate / np.sqrt(epsilon + total))
    return rates


def adaptive_descent(gradient, x0, rate, epsilon, steps):
    x, total, path = x0, 0.0, [x0]
    for _ in range(steps):
        slope = gradient(x)
        total = total + np.sum(slope**2)
        x = x - rate / np.sqrt(epsilon + total) * slope
        path.append(x)
    return path
