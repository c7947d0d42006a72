"""4. Where gradient descent fails: local minima and saddle points.

    python examples/lecture/point04_where_it_fails.py [FOLDER]

Question: which minimum does each start lead to, and does every descent end at one?

Answer: the start decides. The deeper minimum of the double well has the value 0.000, the other one 0.667. From 53% of
the view, the descent reaches the deeper one: from x₁ = 0.05 it goes to x₁ = −1, from 0.3 to x₁ = 1. From the line
between the basins, at x₁ = 0.125, it ends at the saddle, where one eigenvalue of the Hessian is negative. Himmelblau's
function has four equal minima and 4 basins.
"""

import numpy as np

import gpugrad as gg
from gpugrad.lab import surface
from gpugrad.lab.basins import basins
from gpugrad.lab.pictures import draw_basins, draw_paths, saved
from gpugrad.lab.script import present
from gpugrad.lab.view import BLACK, slide, view_of

STARTS = ((0.05, 1.2), (0.3, 1.2), (0.125, 1.2))


def run(name):
    """Return the view of a surface, and the minimum that each of its points leads to."""
    view = view_of(name)
    return view, basins(view, lr=surface(name).lr, resolution=120)


def draw(double_well, himmelblau, paths, file=None):
    with slide(14, 6.2) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        draw_basins(left, *double_well)
        draw_paths(left, double_well[0].bounds, paths, [(BLACK, "-"), (BLACK, "-"), (BLACK, ":")])
        left.set_title("Double well: the start decides; on the line\nbetween basins, a descent ends at the saddle")
        draw_basins(right, *himmelblau)
        right.set_title("Himmelblau: four minima,\nfour basins of attraction")
        return saved(figure, file)


def main(picture):
    double_well, himmelblau = run("double well"), run("himmelblau")
    paths = gg.minimize("double well", STARTS, lr=0.05)
    for path in paths:
        print(f"from x₁ = {path.points[0, 0]:g} to x₁ = {path.x[0]:.3g}, value {path.value:.3f}: {path.verdict}")
        print(f"    {path.reason}")
    for view, found in (double_well, himmelblau):
        shares = ", ".join(f"{np.mean(found.labels == i):.0%} to {value:.3f}" for i, value in enumerate(found.values))
        print(f"{view.name}: {len(found.ends)} basins; of the view {shares}")
    draw(double_well, himmelblau, paths, picture("04_where_it_fails.png"))


if __name__ == "__main__":
    present(__doc__, main)
