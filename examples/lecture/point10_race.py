"""10. The optimizers' race out of a saddle.

    python examples/lecture/point10_race.py [FOLDER] [--dark]

Question: seven optimizers start near the ridge of x² − y², at a distance of 0.001: which ones escape, and why?

Answer: all, at different speeds. Each η is chosen so that the first step is 0.1 long, for all alike. Then Adadelta
leaves the view after 7 steps, Adam after 18, momentum after 28, Nesterov's momentum after 37, RMSprop after 40, Adagrad
after 42, and gradient descent, which multiplies the small y by 1.1 per step, after 75. Momentum adds up its steps. The
others divide each gradient component by its past size, and step along y, where the gradient is small, as far as along
x. The steps of Adadelta grow, those of Adam stay as long; those of RMSprop shrink at first, since its average starts at
zero, and those of Adagrad always, since its sum never forgets.

So the order depends on the rates. With first steps twice as long, RMSprop and Adagrad overtake momentum: 13 and 14
steps against 19. With first steps half as long, Adagrad is last: it takes 155 steps, gradient descent 146. Adadelta and
Adam remain the first two.
"""

import collections
import functools

import numpy as np

import gpugrad as gg
from gpugrad.lab import surface
from gpugrad.lab.animation import animate
from gpugrad.lab.script import present

SADDLE = surface("saddle")
START = (-1.0, 1e-3)
FIRST_STEP = 0.1
STEPS, LONGER = 90, 200


# ---- the formulas: each returns what η multiplies in step t, and changes what the rule remembers ----


def sgd(g, memory, t):
    """Gradient descent: p ← p − η·g."""
    return g


def momentum(g, memory, t):
    """Momentum: b ← β·b + g, p ← p − η·b."""
    memory["b"] = 0.9 * memory["b"] + g
    return memory["b"]


def nesterov(g, memory, t):
    """Nesterov's momentum: b ← β·b + g, p ← p − η·(g + β·b)."""
    memory["b"] = 0.9 * memory["b"] + g
    return g + 0.9 * memory["b"]


def adagrad(g, memory, t):
    """Adagrad: s ← s + g², p ← p − η·g / (√s + ε)."""
    memory["s"] = memory["s"] + g**2
    return g / (np.sqrt(memory["s"]) + 1e-10)


def rmsprop(g, memory, t):
    """RMSprop: v ← α·v + (1 − α)·g², p ← p − η·g / (√v + ε)."""
    memory["v"] = 0.99 * memory["v"] + 0.01 * g**2
    return g / (np.sqrt(memory["v"]) + 1e-8)


def adadelta(g, memory, t):
    """Adadelta: v ← ρ·v + (1 − ρ)·g², d = √((u + ε)/(v + ε))·g, u ← ρ·u + (1 − ρ)·d², p ← p − η·d."""
    memory["v"] = 0.9 * memory["v"] + 0.1 * g**2
    d = np.sqrt((memory["u"] + 1e-6) / (memory["v"] + 1e-6)) * g
    memory["u"] = 0.9 * memory["u"] + 0.1 * d**2
    return d


def adam(g, memory, t):
    """Adam: m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g², p ← p − η·(m/c₁) / (√(v/c₂) + ε), c = 1 − βᵗ."""
    memory["m"] = 0.9 * memory["m"] + 0.1 * g
    memory["v"] = 0.999 * memory["v"] + 0.001 * g**2
    return memory["m"] / (1 - 0.9**t) / (np.sqrt(memory["v"] / (1 - 0.999**t)) + 1e-8)


FORMULAS = {rule.__name__: rule for rule in (sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam)}
RACERS = tuple(FORMULAS)
MOMENTUM, ADAPTIVE = {"b", "m"}, {"s", "v"}  # what rules with momentum, and with an adaptive rate, remember


def by_hand(name, lr, steps):
    """Return the path from the formula, (steps + 1, 2), and the names of what the rule remembers."""
    memory, path = collections.defaultdict(float), [np.array(START)]
    for t in range(1, steps + 1):
        path.append(path[-1] - lr * FORMULAS[name](SADDLE.gradient(path[-1]), memory, t))
    return np.array(path), set(memory)


# ---- the race ----


@functools.cache
def rate(name, first_step=FIRST_STEP):
    """Return the learning rate with which the first step of an optimizer has a given length, to two digits."""
    length = np.linalg.norm(np.diff(by_hand(name, 1.0, 1)[0], axis=0))
    return float(f"{first_step / length:.2g}")


def run(racers=RACERS, steps=STEPS):
    return [gg.minimize(SADDLE, START, name, lr=rate(name), max_steps=steps) for name in racers]


def leaves(points):
    """Return the first step at which a path is out of the view, or None."""
    away = np.flatnonzero(np.abs(points[:, 1]) > SADDLE.bounds[1][1])
    return int(away[0]) if len(away) else None


def steps_to_leave(path):
    return leaves(path.points)


def main(picture):
    paths = sorted(run(), key=steps_to_leave)
    print(f"each η, to two digits, makes the first step {FIRST_STEP} long; out of the view of the saddle after:")
    print(f"{'optimizer':<9}  {'η':<6}  steps   momentum  adaptive rate")
    for path in paths:
        points, remembered = by_hand(path.optimizer, path.lr, path.steps)
        assert np.allclose(points, path.points, rtol=1e-9, atol=1e-9)
        techniques = ["yes" if remembered & names else "no" for names in (MOMENTUM, ADAPTIVE)]
        print(f"{path.optimizer:<9}  {path.lr:<6g}  {steps_to_leave(path):>5}   {techniques[0]:<8}  {techniques[1]}")
    for formula in FORMULAS.values():
        print(formula.__doc__)
    print("these formulas, written out in NumPy, take the same paths as the optimizers of gpugrad")
    print(f"y starts at {START[1]}, and gradient descent multiplies it by {1 + 2 * rate('sgd'):g} per step")
    for first_step in (FIRST_STEP / 2, 2 * FIRST_STEP):
        left = {name: leaves(by_hand(name, rate(name, first_step), LONGER)[0]) for name in RACERS}
        order = ", ".join(f"{name} {left[name]}" for name in sorted(left, key=left.get))
        print(f"with first steps {first_step:g} long: {order}")
    animate(SADDLE, paths, picture("10_race.gif"), frames=60)


if __name__ == "__main__":
    present(__doc__, main)
