"""7. Escaping saddle points.

    python examples/lecture/point07_escaping_saddles.py [FOLDER] [--dark]

Question: does gradient descent leave a saddle, and does noise help? How long does perturbed gradient descent (Jin et
al. 2019) take?

Answer: started on the ridge of x² − y², gradient descent stays: stuck at a saddle. With any noise it escapes, since
with η = 0.05 each step multiplies y by 1.1. Ten times less noise takes ln 10 / ln 1.1 = 24 more steps; measured: 24.
Perturbed gradient descent moves once, to a random point of a ball of radius 0.01, and continues as before. With 8 times
as many dimensions, the downhill part of that move is √8 times shorter: ln √8 / ln 1.1 = 11 more steps; measured: 10. So
2 dimensions take 59 steps, 1024 take 88: the dimension hardly matters.
"""

import numpy as np

import gpugrad as gg
from gpugrad.lab.pictures import draw_paths, saved
from gpugrad.lab.script import present
from gpugrad.lab.view import BLACK, BLUE, GREEN, ORANGE, draw_contours, slide, tidy, view_of

RATE, RADIUS, SEEDS = 0.05, 0.01, 25
NOISES = (1e-8, 1e-6, 1e-4, 1e-2)
DIMENSIONS = (2, 16, 128, 1024)


def escape(path):
    """Return the first step at which the point is at a distance of 1 from the ridge."""
    away = np.abs(path.points[:, -1]) >= 1
    assert away.any(), path
    return int(np.argmax(away))


def steps(dim, **random):
    """Return the steps to escape from the saddle point, (SEEDS,)."""
    paths = gg.minimize("saddle", np.zeros((SEEDS, dim)), lr=RATE, max_steps=300, **random)
    return np.array([escape(path) for path in paths])


def run():
    """Return the steps to escape for each size of the noise, and for each number of dimensions."""
    by_noise = [steps(2, noise=noise, tol=0) for noise in NOISES]
    by_dimension = [steps(dim, perturb=RADIUS) for dim in DIMENSIONS]
    return by_noise, by_dimension


def more(sizes, found, factor):
    """Return the extra steps per factor in the size, from a straight line through the medians."""
    return abs(np.polyfit(np.log(sizes) / np.log(factor), np.median(found, axis=1), 1)[0])


def draw(stays, leave, by_noise, by_dimension, file=None):
    view = view_of("saddle")
    with slide(16, 5.6) as figure:
        left, middle, right = figure.subplots(1, 3)
        draw_contours(left, view)
        draw_paths(left, view.bounds, leave, [(ORANGE, "-")] * len(leave))
        draw_paths(left, view.bounds, [stays], [(BLACK, "-")])
        left.set_title("gradient descent stays,\nwith noise it escapes")
        for axes, sizes, found in ((middle, NOISES, by_noise), (right, DIMENSIONS, by_dimension)):
            for size, values in zip(sizes, found, strict=True):
                axes.plot([size] * len(values), values, "o", color=BLUE, alpha=0.25, markersize=6)
            axes.plot(sizes, np.median(found, axis=1), "o", color=BLUE, markersize=10, label="median")
            axes.set_xscale("log")
            axes.set(ylabel="steps to escape", ylim=(0, None))
            tidy(axes)
        slope = np.log(10) / np.log(1 + 2 * RATE)
        line = np.median(by_noise[-1]) + slope * np.log10(NOISES[-1] / np.array(NOISES))
        middle.plot(NOISES, line, "--", color=GREEN, label=f"{slope:.0f} steps per factor of 10")
        middle.set(xlabel="size of the noise (log scale)", title="the smaller the noise,\nthe later")
        slope = np.log(8) / 2 / np.log(1 + 2 * RATE)
        line = np.median(by_dimension[0]) + slope * np.log(np.array(DIMENSIONS) / 2) / np.log(8)
        right.plot(DIMENSIONS, line, "--", color=GREEN, label=f"{slope:.0f} steps per factor of 8")
        right.set(xlabel="dimensions (log scale)", title="perturbed once: the dimension\nhardly matters", ylim=(0, 140))
        right.set_xticks(DIMENSIONS, map(str, DIMENSIONS))
        right.minorticks_off()
        middle.legend(loc="lower left")
        right.legend(loc="lower right")
        return saved(figure, file)


def main(picture):
    stays = gg.minimize("saddle", [-1.0, 0.0], lr=RATE)
    print(f"from the ridge, η = {RATE}, y × {1 + 2 * RATE:g} per step: {stays.verdict}; {stays.reason}")
    leave = gg.minimize("saddle", [[-1.0, 0.0]] * 5, lr=RATE, noise=0.05, max_steps=120)
    by_noise, by_dimension = run()
    for noise, found in zip(NOISES, by_noise, strict=True):
        print(f"noise {noise:g}: {np.median(found):.0f} steps to escape")
    for dim, found in zip(DIMENSIONS, by_dimension, strict=True):
        print(f"{dim} dimensions, radius {RADIUS}: {np.median(found):.0f} steps to escape")
    growth = np.log(1 + 2 * RATE)
    print(
        f"ln 10 / ln 1.1 = {np.log(10) / growth:.0f}; ten times less noise: {more(NOISES, by_noise, 10):.0f} more steps"
    )
    slope = more(DIMENSIONS, by_dimension, 8)
    print(f"ln √8 / ln 1.1 = {np.log(8) / 2 / growth:.0f}; 8 times the dimensions: {slope:.0f} more steps")
    draw(stays, leave, by_noise, by_dimension, picture("07_escaping_saddles.png"))


if __name__ == "__main__":
    present(__doc__, main)
