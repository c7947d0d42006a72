"""Solution of the exercise for point 3."""


def gradient(x):
    return 2 * x


def descend(x0, rate, steps):
    path = [x0]
    for _ in range(steps):
        path.append(path[-1] - rate * gradient(path[-1]))
    return path
