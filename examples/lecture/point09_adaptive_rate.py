"""9. Adaptive learning rates: x ← x − η / √(ε + Σ‖∇f‖²) · ∇f.

    python examples/lecture/point09_adaptive_rate.py [FOLDER]

Question: what if the right learning rate is not known?

Answer: the sum over past gradients sets it. In a ravine whose largest curvature is 40, gradient descent needs
η < 2/40 = 0.05; of 19 rates from 0.001 to 1000 it converges within 500 steps with 2. With the adaptive rate, 10
converge: all from 1 upwards. However large η is, the first gradients make the sum so large that the rate per step
falls below 0.05.
"""

import numpy as np

import gpugrad as gg
from gpugrad.lab import surface
from gpugrad.lab.pictures import saved
from gpugrad.lab.script import present
from gpugrad.lab.view import BLACK, GREEN, RED, slide, tidy

RATES = np.geomspace(1e-3, 1e3, 19)
START = (-5.0, 1.0)
EPSILON = 1e-10
MAX_STEPS = 500
RAVINE = surface("ravine")


def run(rates=RATES):
    """Return the paths of gradient descent and of the adaptive rule, one per rate."""
    options = {"lr": list(rates), "tol": 1e-3, "max_steps": MAX_STEPS}
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


def draw(plain, adaptive, file=None):
    with slide(14, 6.4) as figure:
        left, right = figure.subplots(1, 2)
        for paths, colour, marker, name in (
            (plain, BLACK, "s", "fixed rate η"),
            (adaptive, GREEN, "o", "adaptive rate"),
        ):
            done = [(path.lr, path.steps) for path in paths if path.verdict == "converged"]
            left.loglog(*zip(*done, strict=True), marker=marker, color=colour, linewidth=2, markersize=7, label=name)
        left.axvline(0.05, color=RED, linestyle="--", label="2 / largest curvature")
        left.set(xlabel="η", ylabel="steps to converge", xlim=(8e-4, 1.2e3), ylim=(100, 600))
        left.set_yticks([100, 200, 300, 400, 500], ["100", "200", "300", "400", "500"])
        left.minorticks_off()
        left.set_title("Which rates converge within 500 steps")
        left.legend()
        tidy(left)
        for path, shade in zip(adaptive[9::3], (0.4, 0.6, 0.8, 1.0), strict=True):
            right.loglog(np.arange(1, path.steps + 1), step_sizes(path), color=GREEN, alpha=shade, linewidth=2.5,
                         label=f"η = {path.lr:g}")  # fmt: skip
        right.axhline(0.05, color=RED, linestyle="--", label="2 / largest curvature")
        right.set(xlabel="step", ylabel="rate of the step, $η / \\sqrt{ε + Σ‖∇f‖^2}$")
        right.set_title("The rate falls until it is stable")
        right.legend()
        tidy(right)
        return saved(figure, file)


def main(picture):
    plain, adaptive = run()
    assert abs(by_hand(RATES[9], adaptive[9].steps) - adaptive[9].points).max() < 1e-9
    for rate, *both in zip(RATES, plain, adaptive, strict=True):
        fixed, adapted = (f"{path.verdict} ({path.steps} steps)" for path in both)
        print(f"η = {rate:.2g}: fixed {fixed}, adaptive {adapted}")
    for name, paths in (("fixed", plain), ("adaptive", adaptive)):
        good = [path.lr for path in paths if path.verdict == "converged"]
        words = (
            f"of {len(RATES)} rates from {RATES[0]:g} to {RATES[-1]:g} {len(good)} converge within {MAX_STEPS} steps"
        )
        print(f"{name}: {words}, from {min(good):.2g} to {float(f'{max(good):.2g}'):g}")
    last = max(step_sizes(path)[-1] for path in adaptive)
    assert last < 0.05
    print(f"2/40 = {2 / 40}; at the end each adaptive rate is below 0.05")
    draw(plain, adaptive, picture("09_adaptive_rate.png"))


if __name__ == "__main__":
    present(__doc__, main)
