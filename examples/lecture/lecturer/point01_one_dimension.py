"""Solution of the exercise for point 1."""


def slope(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


def descend(derivative, x0, rate, epsilon):
    path = [x0]
    while abs(derivative(path[-1])) >= epsilon:
        path.append(path[-1] - rate * derivative(path[-1]))
    return path
