"""Solution of the exercise for point 6."""


def minibatches(n, size, generator):
    order = generator.permutation(n)
    return [order[first : first + size] for first in range(0, n, size)]


def mean_gradient(gradients, sizes):
    return sum(size * gradient for size, gradient in zip(sizes, gradients, strict=True)) / sum(sizes)


def sgd(gradient, theta, batches, rate, decay):
    path = [theta]
    for k, rows in enumerate(batches):
        theta = theta - rate / (1 + decay * k) * gradient(theta, rows)
        path.append(theta)
    return path
