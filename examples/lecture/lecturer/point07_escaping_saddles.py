"""Solution of the exercise for point 7."""

import numpy as np


def noisy_descent(gradient, x0, rate, sigma, steps, generator):
    x, path = x0, [x0]
    for _ in range(steps):
        noise = sigma * generator.normal(size=len(x))
        x = x - rate * (gradient(x) + noise)
        path.append(x)
    return path


def random_in_ball(dim, radius, generator):
    v = generator.normal(size=dim)
    return radius * generator.uniform() ** (1 / dim) * v / np.linalg.norm(v)


def perturbed_descent(gradient, x0, rate, radius, tolerance, wait, steps, generator):
    x, path, last = x0, [x0], -wait - 1
    for k in range(steps):
        if np.linalg.norm(gradient(x)) < tolerance and k - last > wait:
            x = x + random_in_ball(len(x), radius, generator)
            last = k
        x = x - rate * gradient(x)
        path.append(x)
    return path
