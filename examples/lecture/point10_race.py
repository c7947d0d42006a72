"""10. The optimizers' race out of a saddle.

    python examples/lecture/point10_race.py [FOLDER]

Question: seven optimizers start near the ridge of x² − y², at a distance of 0.001: which ones escape, and why?

Answer: all, at different speeds. Those that divide each gradient component by its past size step along y, where the
gradient is small, as far as along x: Adagrad leaves the view after 3 steps, RMSprop after 5, Adadelta after 9 and Adam
after 11. Of the others, momentum needs 28 and Nesterov's momentum 38, since their steps add up; gradient descent, which
multiplies the small y by 1.1 per step, needs 75.
"""

import numpy as np

import gpugrad as gg
from gpugrad.lab import surface
from gpugrad.lab.animation import animate
from gpugrad.lab.script import present

SADDLE = surface("saddle")
START = (-1.0, 1e-3)
RACERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam")


def run(racers=RACERS, steps=90):
    return [gg.minimize(SADDLE, START, name, lr=SADDLE.rate(name), max_steps=steps) for name in racers]


def steps_to_leave(path):
    """Return the first step at which the point is out of the view, or None."""
    away = np.flatnonzero(np.abs(path.points[:, 1]) > SADDLE.bounds[1][1])
    return int(away[0]) if len(away) else None


def main(picture):
    paths = run()
    for path in sorted(paths, key=lambda path: steps_to_leave(path) or 1000):
        print(f"{path.optimizer:<9} η = {path.lr:<5g} leaves the view after {steps_to_leave(path)} steps")
    print(f"y starts at {START[1]}, and gradient descent multiplies it by {1 + 2 * paths[0].lr:g} per step")
    animate(SADDLE, paths, picture("10_race.gif"), frames=60)


if __name__ == "__main__":
    present(__doc__, main)
