"""A training loop written out: the tape, an optimizer, minibatches; then the same loop recorded and replayed.

python examples/training_loop.py
"""

import time

import numpy as np

import gpugrad as gg
from gpugrad import data, nn, optim


def train(recorded, epochs=8, batch_size=64):
    digits = data.load("digits")
    x, y = digits.x_train * np.float32(digits.scale), digits.y_train
    model = nn.MLP(64, [128], 10, seed=0)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(images, labels):
        loss = criterion(model(images), labels)  # forward: each operation goes onto the tape
        optimizer.zero_grad()
        loss.backward()  # backward: the chain rule in reverse order
        optimizer.step()
        return loss

    if recorded:
        step = gg.record(step)  # the first call runs and records the step, later calls replay its kernels
    else:
        eager = step
        step = lambda images, labels: eager(gg.tensor(images), gg.tensor(labels))  # noqa: E731

    start = time.perf_counter()
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(len(x))
        for rows in np.split(order, range(batch_size, len(x), batch_size)):
            loss = step(x[rows], y[rows])
    seconds = time.perf_counter() - start
    with gg.no_grad():
        predicted = model(gg.tensor(digits.x_test * np.float32(digits.scale))).argmax(1).numpy()
    return float(loss), np.mean(predicted == digits.y_test), seconds


def main():
    for recorded in (False, True):
        loss, accuracy, seconds = train(recorded)
        how = "recorded" if recorded else "through the tape"
        print(f"{how:<17} last loss {loss:.6f}, test accuracy {accuracy:.4f}, {seconds:.2f} s with compilation")


if __name__ == "__main__":
    main()
