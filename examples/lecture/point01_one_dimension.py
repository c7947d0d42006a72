"""1. Gradient descent in one dimension.

    python examples/lecture/point01_one_dimension.py [FOLDER] [--dark]

Question: does x ← x − η·df/dx find the minimum from a random start, if it is repeated until |df/dx| < ε?

Answer: yes, from every start. f(x) = eˣ − 2x has its minimum at ln 2 = 0.693147. With η = 0.2 and ε = 1e-6, all 5
random starts reach it after 25 to 35 steps. Near the minimum, each step multiplies the error by 1 − η·f″ = 0.6.
gg.minimize takes the same path.

Where it ends depends on the start. 3x⁴ − 4x³ − 12x² has a local minimum at x = −1 with the value −5, where the two
negative starts end, and its global minimum at x = 2 with the value −32, where the two positive ones end. And not every
point where the slope is zero is a minimum: from 1, x³ comes to rest at 0.000577 after 2877 steps, near its inflection,
where f″ is zero too. That is the saddle of one dimension, and gg.minimize says so.
"""

import numpy as np

import gpugrad as gg
from gpugrad.lab.pictures import draw_curve, saved
from gpugrad.lab.script import present
from gpugrad.lab.view import looks, slide, tidy, view_of

RATE, EPSILON = 0.2, 1e-6


def f(x):
    return gg.exp(x[..., 0]) - 2 * x[..., 0]


def slope(x):
    return np.exp(x) - 2


def descend(x):
    """Return every x of the path: this is all of gradient descent."""
    path = [x]
    while abs(slope(path[-1])) >= EPSILON:
        path.append(path[-1] - RATE * slope(path[-1]))
    return np.array(path)


def run():
    """Return the paths from five random starts."""
    starts = np.random.default_rng(0).uniform(-2, 2, size=(5, 1))
    return gg.minimize(f, starts, lr=RATE, tol=EPSILON)


def two_minima(x):
    x = x[..., 0]
    return 3 * x**4 - 4 * x**3 - 12 * x**2


def inflection(x):
    return x[..., 0] ** 3


def run_elsewhere():
    """Return four paths on the function with two minima, and one on x³ to its inflection."""
    starts = [[-2.0], [-0.5], [0.5], [3.0]]
    return gg.minimize(two_minima, starts, lr=0.005), gg.minimize(inflection, [1.0], lr=RATE, max_steps=4000)


def draw_elsewhere(paths, stuck, file=None):
    with slide(13, 5.6) as figure:
        left, right = figure.subplots(1, 2)
        draw_curve(left, view_of(two_minima, paths, ((-2.2, 3.1),), dim=1), paths, looks(paths))
        left.set(ylim=(-40, 60), title="$3x^4 − 4x^3 − 12x^2$: the start decides")
        draw_curve(right, view_of(inflection, [stuck], ((-1.2, 1.2),), dim=1), [stuck], looks([stuck]))
        right.set_title("$x^3$: at rest at its inflection")
        return saved(figure, file)


def draw(paths, file=None):
    with slide(13, 5.6) as figure:
        left, right = figure.subplots(1, 2)
        shown = slice(3, 5)
        draw_curve(left, view_of(f, paths, ((-2.1, 2),), dim=1), paths[shown], looks(paths)[shown])
        left.set_title(f"$f(x) = e^x − 2x$, η = {RATE}: two of the paths")
        for path, (colour, _) in zip(paths, looks(paths), strict=True):
            start = f"{path.points[0, 0]:.2f}".replace("-", "−")
            right.semilogy(path.gradient_norms, "o-", color=colour, markersize=4, label=start)
        right.axhline(EPSILON, color="black", linestyle="--")
        right.text(0, EPSILON * 1.3, "ε", va="bottom")
        right.set(xlabel="step", ylabel="$|df/dx|$ (log scale)", title="All five stop at $|df/dx| < ε$")
        right.legend(title="start $x$")
        tidy(right)
        return saved(figure, file)


def main(picture):
    paths = run()
    for path in paths:
        x = descend(path.points[0, 0])
        difference = abs(x - path.points[:, 0]).max()
        assert len(x) == len(path.points)
        assert difference < 1e-12
        print(f"from {x[0]:+.3f}: {path.steps} steps to {x[-1]:.6f}, {path.verdict}")
    steps = [path.steps for path in paths]
    error = abs(paths[0].points[:, 0] - np.log(2))
    print(f"ln 2 = {np.log(2):.6f}; {len(paths)} starts, {min(steps)} to {max(steps)} steps, η = {RATE}, ε = 1e-6")
    print(f"the last step multiplies the error by {error[-1] / error[-2]:.1f}: 1 − η·f″")
    draw(paths, picture("01_one_dimension.png"))
    several, stuck = run_elsewhere()
    for path in (*several, stuck):
        print(
            f"from x = {path.points[0, 0]:+g}: at x = {path.x[0]:.3g} with the value {path.value:.3g} "
            f"after {path.steps} steps, {path.verdict}; f″ = {path.eigenvalues[0]:.2g}"
        )
    draw_elsewhere(several, stuck, picture("01_where_it_ends.png"))


if __name__ == "__main__":
    present(__doc__, main)
