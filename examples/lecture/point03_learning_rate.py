"""3. The exercise: f(x) = x² with five learning rates.

    python examples/lecture/point03_learning_rate.py [FOLDER] [--dark]

Question: what happens from x = 1 with η = 0.1, 0.01, 1, 100 and 1000, and why?

Answer: f″ = 2, and each step multiplies x by 1 − η·f″, so the threshold is η·f″ = 2. With η = 0.1 the factor is 0.8:
converged in 66 steps. With η = 0.01 it is 0.98: slow, 0.133 of the distance remains after 100 steps. With η = 1, η·f″
is exactly 2 and the factor −1: x oscillates between 1 and −1 forever. With η = 100 and 1000 the factors are −199 and
−1999: each step lands farther away on the other side, and the path has diverged after 4 and 3 steps.
"""

import numpy as np

import gpugrad as gg
from gpugrad.lab.pictures import draw_curve, saved
from gpugrad.lab.script import present
from gpugrad.lab.view import BLACK, BLUE, GREEN, ORANGE, RED, slide, tidy, view_of

RATES = (0.1, 0.01, 1, 100, 1000)
COLOURS = (BLUE, GREEN, ORANGE, RED, BLACK)


def f(x):
    return x[..., 0] ** 2


def run(rates=RATES, steps=100):
    return gg.minimize(f, [1.0], lr=list(rates), max_steps=steps)


def factor(path):
    """Return the factor of x per step, as text."""
    return f"{1 - 2 * path.lr:g}".replace("-", "−")


def draw(paths, file=None):
    with slide(14, 7.6) as figure:
        panels = figure.subplot_mosaic([["0", "1", "2"], ["x", "x", "x"]], height_ratios=[1, 1.2])
        for axes, path, colour in zip((panels[i] for i in "012"), paths, COLOURS, strict=False):
            draw_curve(axes, view_of(f, [path], ((-1.3, 1.3),), dim=1), [path], [(colour, "-")])
            axes.set_title(f"η = {path.lr:g}: {path.verdict}")
        axes = panels["x"]
        for path, colour in zip(paths, COLOURS, strict=False):
            distance = np.abs(path.points[:, 0])
            words = f"η = {path.lr:g}, x × {factor(path)} per step: {path.verdict}"
            axes.semilogy(distance, color=colour, marker="o", markersize=3, linewidth=2, label=words)
        axes.set(
            xlabel="step", ylabel="distance $|x|$ (log scale)", title="Each step multiplies x by 1 − η·f″ = 1 − 2η"
        )
        axes.legend(loc="upper right", reverse=True)
        tidy(axes)
        return saved(figure, file)


def main(picture):
    paths = run()
    for path in paths:
        print(f"η = {path.lr:g}: x × {factor(path)} per step; {path.verdict} after {path.steps} steps: {path.reason}")
    print(f"η = 0.01: {paths[1].x[0]:.3f} of the distance remains; η = 1 ends at {paths[2].points[-2:, 0].tolist()}")
    draw(paths, picture("03_learning_rate.png"))


if __name__ == "__main__":
    present(__doc__, main)
