"""Solution of the exercise for point 8."""


def momentum(gradient, x0, rate, beta, steps):
    x, velocity, path = x0, 0 * x0, [x0]
    for _ in range(steps):
        velocity = beta * velocity + gradient(x)
        x = x - rate * velocity
        path.append(x)
    return path


def nesterov(gradient, x0, rate, beta, steps):
    x, velocity, path = x0, 0 * x0, [x0]
    for _ in range(steps):
        slope = gradient(x)
        velocity = beta * velocity + slope
        x = x - rate * (slope + beta * velocity)
        path.append(x)
    return path
