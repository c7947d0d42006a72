"""5. Loss minimization: L(θ) = (1/n) Σ l(NN_θ(x_i), y_i).

    python examples/lecture/point05_loss.py [FOLDER]

Question: how much does one step of gradient descent on a network's loss cost?

Answer: one pass over all n rows. The loss is a mean, and so is its gradient: the mean of the gradients of 8 parts of
the rows equals the gradient of all rows to 1e-12. The cost grows with n: from 4096 to 65536 rows, 16 times as many,
the work grows 16 times, and the measured time grows about as much. Yet one gradient is one step: 65536 rows move θ
once.
"""

import time

import numpy as np

import gpugrad as gg
from gpugrad import nn
from gpugrad.lab.pictures import saved
from gpugrad.lab.script import present
from gpugrad.lab.view import BLUE, GREEN, slide, tidy

SIZES = (1024, 4096, 16384, 65536)
PARTS = 8
criterion = nn.CrossEntropyLoss()


def data(n):
    """Return rows of 20 numbers, and the side of a plane that each is on."""
    x = np.random.default_rng(0).normal(size=(n, 20))
    return x, (x.sum(axis=1) > 0).astype(np.int32)


def gradient(model, x, y):
    """Return the gradient of the mean loss over these rows, all parameters in one array."""
    model.zero_grad()
    criterion(model(gg.tensor(x)), gg.tensor(y)).backward()
    return np.concatenate([p.grad.numpy().ravel() for p in model.parameters()])


def seconds(model, x, y, repeats=7):
    """Return the shortest of several measurements."""
    measured = []
    for _ in range(repeats):
        start = time.perf_counter()
        gradient(model, x, y)
        measured.append(time.perf_counter() - start)
    return min(measured)


def run(sizes=SIZES):
    model = nn.MLP(20, [64], 2, seed=0, dtype=np.float64)
    x, y = data(max(sizes))
    gradient(model, x[:1], y[:1])  # compiles
    return [seconds(model, x[:n], y[:n]) for n in sizes]


def parts_agree(n=4096):
    """Return the largest difference between the gradient of n rows and the mean gradient of their parts."""
    model = nn.MLP(20, [64], 2, seed=0, dtype=np.float64)
    x, y = data(n)
    parts = [gradient(model, *part) for part in zip(np.split(x, PARTS), np.split(y, PARTS), strict=True)]
    return abs(np.mean(parts, axis=0) - gradient(model, x, y)).max()


def draw(times, sizes=SIZES, file=None):
    with slide(10, 6.4) as figure:
        axes = figure.subplots()
        linear = np.array(sizes) * times[-1] / sizes[-1] * 1e3
        axes.loglog(sizes, linear, "--", color=GREEN, linewidth=2, label="in proportion to $n$")
        axes.loglog(sizes, np.array(times) * 1e3, "o-", color=BLUE, linewidth=2, markersize=9, label="measured")
        axes.set_xticks(sizes, [f"{n:,}" for n in sizes], minor=False)
        axes.minorticks_off()
        axes.set(xlabel="rows $n$", ylabel="time of one full gradient in ms")
        axes.set_title("One step of θ costs a pass over all rows")
        axes.legend()
        tidy(axes)
        return saved(figure, file)


def main(picture):
    times = run()
    difference = parts_agree()
    assert difference < 1e-12
    print(f"the mean of the gradients of {PARTS} parts is the gradient of all rows to 1e-12")
    for n, spent in zip(SIZES, times, strict=True):
        print(f"n = {n:>5}: {spent / times[0]:5.1f} times the time of {SIZES[0]}")
    many, few = SIZES[-1], SIZES[1]
    print(f"from {few} to {many} rows, {many // few} times as many, the time grew {times[-1] / times[1]:.1f} times")
    draw(times, file=picture("05_loss.png"))


if __name__ == "__main__":
    present(__doc__, main)
