"""8. Momentum: g_t = β·g_{t−1} + ∇f, x ← x − η·g_t.

    python examples/lecture/point08_momentum.py [FOLDER] [--dark]

Question: does it help to keep going in the direction of previous steps, and can there be too much of it?

Answer: in a ravine, 40 times steeper across than along, gradient descent with η = 0.048 zigzags and takes 220 steps.
With β = 0.6 the zigzags cancel and the steps along the ravine add up: 60 steps, on a path of length 9 instead of 25.
Too much momentum harms: with β = 0.98 the point overshoots the minimum again and again, 1061 steps and a length of 148.

Momentum also smooths the erratic path of noisy gradients, such as those of minibatches. In a round bowl, with noise of
standard deviation 2 on each number of the gradient, the direction of gradient descent turns by 96° from step to step.
With β = 0.9, and η smaller by the factor 1 − β so that it is as fast, it turns by 23°, and the path of 300 steps is 45
long instead of 160. With β = 0.99 it turns by 5°, but swings to 3.4 beyond the minimum.
"""

import numpy as np

import gpugrad as gg
from gpugrad.lab.pictures import draw_paths, saved
from gpugrad.lab.script import present
from gpugrad.lab.view import BLUE, GREEN, ORANGE, RED, draw_contours, slide, tidy, view_of

RATE, START = 0.048, (-5.0, 1.0)
BETAS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
SHOWN = {0.0: ORANGE, 0.6: BLUE, 0.98: RED}
NOISE, NOISY = 2.0, {0.0: ORANGE, 0.9: BLUE, 0.99: RED}


def run(betas=BETAS, rate=RATE):
    return {
        beta: gg.minimize("ravine", START, "sgd", lr=rate, momentum=beta, tol=1e-4, max_steps=5000) for beta in betas
    }


def run_noisy(betas=NOISY):
    """Return paths in a round bowl with noisy gradients, whose steps are as long on average."""
    options = {"noise": NOISE, "max_steps": 300, "seed": 0}
    return {beta: gg.minimize(bowl, START, "sgd", lr=0.2 * (1 - beta), momentum=beta, **options) for beta in betas}


def bowl(x):
    return (x**2).sum(axis=-1) / 2


def turn(path):
    """Return the mean angle between successive steps, in degrees."""
    steps = np.diff(path.points, axis=0)
    directions = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    return np.degrees(np.arccos(np.clip((directions[1:] * directions[:-1]).sum(axis=1), -1, 1))).mean()


def length(path):
    return np.linalg.norm(np.diff(path.points, axis=0), axis=1).sum()


def by_hand(beta, steps):
    """Return the path from the formula, (steps + 1, 2)."""
    x, g, path = np.array(START), np.zeros(2), [np.array(START)]
    for _ in range(steps):
        g = beta * g + x * [1, 40]
        x = x - RATE * g
        path.append(x)
    return np.array(path)


def draw(paths, file=None):
    view = view_of("ravine", bounds=((-6, 4.5), (-1.6, 1.6)))
    with slide(15, 7.2) as figure:
        panels = figure.subplot_mosaic([["0", "a"], ["1", "a"], ["2", "a"]], width_ratios=[1.35, 1])
        for name, (beta, colour) in zip("012", SHOWN.items(), strict=True):
            axes, path = panels[name], paths[beta]
            draw_contours(axes, view)
            draw_paths(axes, view.bounds, [path], [(colour, "-")])
            axes.set(title=f"β = {beta:g}: {path.steps} steps, length {length(path):.0f}", aspect="auto")
            axes.set_xlabel("$x_1$" if name == "2" else "")
        axes = panels["a"]
        axes.semilogy(list(paths), [path.steps for path in paths.values()], "o-", color=GREEN, linewidth=2)
        for beta, colour in SHOWN.items():
            axes.plot(beta, paths[beta].steps, "o", color=colour, markersize=14)
        axes.set(xlabel="β", ylabel="steps to converge (log scale)", title="Some momentum helps, too much harms")
        axes.set_yticks([50, 100, 200, 500, 1000], ["50", "100", "200", "500", "1000"])
        axes.minorticks_off()
        tidy(axes)
        return saved(figure, file)


def draw_noisy(paths, file=None):
    view = view_of(bowl, bounds=((-5.5, 4.5), (-3.2, 3.2)), dim=2)
    with slide(15, 4.6) as figure:
        for axes, (beta, path) in zip(figure.subplots(1, 3, sharey=True), paths.items(), strict=True):
            draw_contours(axes, view)
            draw_paths(axes, view.bounds, [path], [(NOISY[beta], "-")])
            axes.set(title=f"β = {beta:g}: turns by {turn(path):.0f}° per step", xlabel="$x_1$")
        figure.suptitle("300 steps with noisy gradients")
        return saved(figure, file)


def main(picture):
    paths = run()
    for beta, path in paths.items():
        assert abs(by_hand(beta, path.steps) - path.points).max() < 1e-9
        print(f"β = {beta:g}: {path.steps} steps, a path of length {length(path):.0f}, {path.verdict}")
    print(f"η = {RATE}; the curvatures are {' and '.join(f'{value:.0f}' for value in paths[0.0].eigenvalues)}")
    noisy = run_noisy()
    for beta, path in noisy.items():
        print(
            f"noise {NOISE:g}, β = {beta:g}: turns by {turn(path):.0f}° per step, {path.steps} steps of length "
            f"{length(path):.0f}, up to {path.points[:, 0].max():.1f} beyond the minimum"
        )
    draw(paths, picture("08_momentum.png"))
    draw_noisy(noisy, picture("08_noise.png"))


if __name__ == "__main__":
    present(__doc__, main)
