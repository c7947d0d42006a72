"""9. Adaptive learning rates: x ← x − η / √(ε + Σ‖∇f‖²) · ∇f.

    python examples/lecture/point09_adaptive_rate.py [FOLDER] [--dark]

Question: what if the right learning rate is not known? Does every η work then?

Answer: the sum over past gradients sets it. In a ravine whose largest curvature is 40, gradient descent needs
η < 2/40 = 0.05; of 19 rates from 0.001 to 1000 it converges within 500 steps with 2. With the adaptive rate, 10
converge: all from 1 upwards. However large η is, the first gradients make the sum so large that the rate per step
falls below 0.05.

The other 9, every η below 1, fail within 500 steps, even 0.022 and 0.046, with which the fixed rate converges. The sum
never forgets: the first gradient, across the ravine, is 40.3 long, so the rate stays below η / 40.3 for the steps along
the ravine as well, and only falls from there. About half the η takes about four times as many steps: with 0.46 it
converges after 1115, with 0.22 after 3953, with 0.1 after 15811, and with the other 6 not within 20000. Moving
averages, as in RMSprop and Adam, do forget.
"""

import functools

import numpy as np

import gpugrad as gg
from gpugrad.lab import surface
from gpugrad.lab.pictures import saved
from gpugrad.lab.script import present
from gpugrad.lab.view import BLACK, GREEN, ORANGE, RED, slide, tidy

RATES = np.geomspace(1e-3, 1e3, 19)
START = (-5.0, 1.0)
EPSILON = 1e-10
TOLERANCE, MAX_STEPS, LONGEST = 1e-3, 500, 20_000
RAVINE = surface("ravine")


def run(rates=RATES):
    """Return the paths of gradient descent and of the adaptive rule, one per rate."""
    options = {"lr": list(rates), "tol": TOLERANCE, "max_steps": MAX_STEPS}
    return gg.minimize(RAVINE, START, "sgd", **options), gg.minimize(RAVINE, START, "adagrad-norm", **options)


def step_sizes(path):
    """Return η / √(ε + Σ‖∇f‖²) at each step."""
    return path.lr / np.sqrt(EPSILON + np.cumsum(path.gradient_norms[:-1] ** 2))


def by_hand(rate, steps):
    """Return the path from the formula, (steps + 1, 2)."""
    x, total, path = np.array(START), EPSILON, [np.array(START)]
    for _ in range(steps):
        gradient = RAVINE.gradient(x)
        total += gradient @ gradient
        x = x - rate / np.sqrt(total) * gradient
        path.append(x)
    return np.array(path)


@functools.cache
def steps_needed(adaptive):
    """Return the steps to converge for each rate, (19,): NaN where it diverges, infinity beyond LONGEST."""
    x, total = np.tile(START, (len(RATES), 1)), np.full(len(RATES), EPSILON)
    steps = np.full(len(RATES), np.inf)
    active = np.arange(len(RATES))  # the rates that neither converged nor diverged yet
    for step in range(1, LONGEST + 1):
        if not len(active):
            break
        gradient = RAVINE.gradient(x)
        total += (gradient**2).sum(axis=1)
        x = x - (RATES[active] / (np.sqrt(total) if adaptive else 1.0))[:, None] * gradient
        norms = np.linalg.norm(RAVINE.gradient(x), axis=1)
        ended = (norms < TOLERANCE) | (norms > 1e9)
        if ended.any():
            steps[active[ended]] = np.where(norms[ended] < TOLERANCE, step, np.nan)
            x, total, active = x[~ended], total[~ended], active[~ended]
    return steps


def short(rate):
    """Return a rate with two digits, without an exponent."""
    return f"{float(f'{rate:.2g}'):g}"


def draw(plain, adaptive, file=None):
    longer, diverges = 4e4, 1e5  # heights of the marks of rates without a number of steps
    with slide(14, 6.8) as figure:
        left, right = figure.subplots(1, 2)
        for is_adaptive, colour, marker, name in (
            (False, BLACK, "s", "fixed rate"),
            (True, GREEN, "o", "adaptive rate"),
        ):
            steps = steps_needed(is_adaptive)
            height = np.where(np.isnan(steps), diverges, np.where(np.isinf(steps), longer, steps))
            line = np.where(np.isfinite(steps), steps, np.nan)
            left.loglog(RATES, line, color=colour, linewidth=2)
            look = {"color": colour, "markersize": 8}
            for chosen, filled, words in (
                (steps <= MAX_STEPS, colour, name),
                ((steps > MAX_STEPS) & np.isfinite(steps), "white", f"{name}, too slow"),
            ):
                left.plot(RATES[chosen], steps[chosen], marker, label=words, markerfacecolor=filled, **look)
            without = ~np.isfinite(steps)
            left.plot(RATES[without], height[without], "x", color=colour, markersize=9, markeredgewidth=2)
        left.axhline(MAX_STEPS, color=ORANGE, linestyle=":", linewidth=2)
        left.axvline(0.05, color=RED, linestyle="--")
        left.set(xlabel="η (log scale)", ylabel="steps to converge (log scale)", ylim=(100, 2e5), xlim=(5e-4, 2e3))
        ticks = {100: "100", MAX_STEPS: "500", 1000: "1000", 1e4: "10000", longer: "> 20000", diverges: "diverges"}
        left.set_yticks(list(ticks), ticks.values())
        left.minorticks_off()
        left.set_title("Which rates converge within 500 steps")
        left.legend(loc="center right", bbox_to_anchor=(1, 0.6))
        tidy(left)
        good = [path for path in adaptive if path.verdict == "converged"][::3]
        for path, shade in zip(good, (0.4, 0.6, 0.8, 1.0), strict=True):
            right.loglog(np.arange(1, path.steps + 1), step_sizes(path), color=GREEN, alpha=shade, linewidth=2.5,
                         label=f"η = {short(path.lr)}")  # fmt: skip
        for path, dashes in zip(adaptive[4:9:2], (":", "-.", "--"), strict=True):
            right.loglog(np.arange(1, path.steps + 1), step_sizes(path), dashes, color=ORANGE, linewidth=2.5,
                         label=f"η = {short(path.lr)}: too small")  # fmt: skip
        right.axhline(0.05, color=RED, linestyle="--", label="2 / largest curvature")
        right.set(xlabel="step (log scale)", ylabel="rate of the step, $η / \\sqrt{ε + Σ‖∇f‖^2}$ (log scale)")
        right.set_title("The rate only falls: until it is stable,\nor from too small to smaller")
        right.legend(ncols=2, fontsize=12, loc="upper right")
        tidy(right)
        return saved(figure, file)


def main(picture):
    plain, adaptive = run()
    assert abs(by_hand(RATES[9], adaptive[9].steps) - adaptive[9].points).max() < 1e-9
    for rate, *both in zip(RATES, plain, adaptive, strict=True):
        fixed, adapted = (f"{path.verdict} ({path.steps} steps)" for path in both)
        print(f"η = {short(rate)}: fixed {fixed}, adaptive {adapted}")
    for name, paths in (("fixed", plain), ("adaptive", adaptive)):
        good = [path.lr for path in paths if path.verdict == "converged"]
        words = (
            f"of {len(RATES)} rates from {RATES[0]:g} to {RATES[-1]:g} {len(good)} converge within {MAX_STEPS} steps"
        )
        print(f"{name}: {words}, from {short(min(good))} to {short(max(good))}")
    failing = [path for path in adaptive if path.verdict != "converged"]
    both = [short(rate) for rate, path in zip(RATES, plain, strict=True) if path.verdict == "converged"]
    print(
        f"{len(failing)} adaptive ones fail, every η below 1, also {' and '.join(both)}, where the fixed rate converges"
    )
    print(f"the first gradient is {adaptive[0].gradient_norms[0]:.1f} long")
    needed = steps_needed(True)
    for rate, steps in zip(RATES, needed, strict=True):
        if MAX_STEPS < steps < np.inf:
            print(f"η = {short(rate)} converges after {steps:.0f} steps")
    print(f"{np.count_nonzero(np.isinf(needed))} rates do not converge within {LONGEST} steps")
    for path, steps in zip(adaptive, needed, strict=True):
        assert path.verdict != "converged" or path.steps == steps
    last = max(step_sizes(path)[-1] for path in adaptive)
    assert last < 0.05
    print(f"2/40 = {2 / 40}; at the end each adaptive rate is below 0.05")
    draw(plain, adaptive, picture("09_adaptive_rate.png"))


if __name__ == "__main__":
    present(__doc__, main)
