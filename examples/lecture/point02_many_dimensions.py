"""2. Gradient descent in many dimensions.

    python examples/lecture/point02_many_dimensions.py [FOLDER] [--dark]

Question: what changes if x has two numbers, or a thousand?

Answer: nothing in the rule; the derivative becomes the gradient. The gradient is perpendicular to the contour line, so
the paths on Himmelblau's function go straight downhill, and four starts find four minima in 21 to 55 steps. The number
of dimensions does not matter; the curvature does. On the sum of squares with η = 0.1, from a distance of 1 to a
gradient norm of 1e-6, it takes 66 steps in 2, in 10 and in 1000 dimensions.
"""

import numpy as np

import gpugrad as gg
from gpugrad.lab import surface
from gpugrad.lab.pictures import draw_paths, draw_surface, saved
from gpugrad.lab.script import present
from gpugrad.lab.view import draw_contours, slide, view_of

HIMMELBLAU = surface("himmelblau")
RATE = 0.01


def descend(x, steps):
    """Return every x of the path, (steps + 1, 2)."""
    path = [np.array(x)]
    for _ in range(steps):
        path.append(path[-1] - RATE * HIMMELBLAU.gradient(path[-1]))
    return np.array(path)


def run():
    return gg.minimize(HIMMELBLAU, [[0.3, 0.2], [-1.0, 0.5], [-0.6, -2.2], [0.9, -2.4]], lr=RATE)


def steps_in(dim):
    """Return the number of steps on the sum of squares from a point at distance 1."""
    return gg.minimize("parabola", np.ones(dim) / np.sqrt(dim), lr=0.1, tol=1e-6).steps


def draw(paths, file=None):
    view = view_of(HIMMELBLAU)
    with slide(14, 6.6) as figure:
        left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2, projection="3d", computed_zorder=False)
        draw_contours(left, view)
        draw_paths(left, view.bounds, paths)
        draw_surface(right, view, paths, turn=-70, height=45)
        figure.suptitle(f"Himmelblau's function, η = {RATE}: from four starts straight downhill to four minima")
        return saved(figure, file)


def main(picture):
    paths = run()
    for path in paths:
        assert abs(descend(path.points[0], path.steps) - path.points).max() < 1e-9
        start, end = (np.array2string(x, precision=3, suppress_small=True) for x in (path.points[0], path.x))
        print(f"from {start}: {path.steps} steps to {end}, {path.verdict}")
    steps = [path.steps for path in paths]
    print(f"four starts, {min(steps)} to {max(steps)} steps to a gradient norm of 1e-6")
    for dim in (2, 10, 1000):
        print(f"{dim} dimensions: {steps_in(dim)} steps from a distance of 1 with η = 0.1")
    draw(paths, picture("02_many_dimensions.png"))


if __name__ == "__main__":
    present(__doc__, main)
