"""Verdicts: right on a table of cases, also when the settings change by 3%."""

from __future__ import annotations

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.lab import surface
from gpugrad.lab.verdict import VERDICTS

HILL = 0.5025460365546747  # where Rastrigin's first hill is
CONVERGED, SLOW, OSCILLATING, DIVERGED, SADDLE, MAX_STEPS = VERDICTS

# (surface, start, optimizer, lr, the most steps, verdict)
CASES = [
    ("parabola", (2.0,), "sgd", 0.1, 100, CONVERGED),
    ("parabola", (2.0,), "sgd", 0.01, 100, SLOW),
    ("parabola", (2.0,), "sgd", 1.0, 100, OSCILLATING),
    ("parabola", (2.0,), "sgd", 100.0, 100, DIVERGED),
    ("parabola", (2.0,), "sgd", 1000.0, 100, DIVERGED),
    ("parabola", (2.0,), "sgd", 0.4, 100, CONVERGED),
    ("parabola", (2.0,), "sgd", 1.2, 100, DIVERGED),
    ("parabola", (2.0,), "sgd", 0.1, 50, MAX_STEPS),
    ("parabola", (2.0, 1.5), "momentum", 0.1, 400, CONVERGED),
    ("parabola", (2.0, 1.5), "momentum", 3.0, 400, DIVERGED),
    ("parabola", (2.0, 1.5), "nesterov", 0.1, 400, CONVERGED),
    ("parabola", (2.0, 1.5), "nesterov", 1.0, 400, DIVERGED),
    ("parabola", (2.0, 1.5), "adagrad", 1.0, 400, CONVERGED),
    ("parabola", (2.0, 1.5), "adagrad", 0.01, 150, SLOW),
    ("parabola", (2.0, 1.5), "adagrad-norm", 1.0, 400, CONVERGED),
    ("parabola", (2.0, 1.5), "adagrad-norm", 0.01, 150, SLOW),
    ("parabola", (2.0, 1.5), "rmsprop", 0.1, 400, CONVERGED),
    ("parabola", (2.0, 1.5), "adam", 0.2, 400, CONVERGED),
    ("parabola", (2.0, 1.5), "adam", 0.001, 150, SLOW),
    ("parabola", (2.0, 1.5), "adadelta", 1.0, 150, SLOW),
    ("parabola", (2.0, 1.5), "adamw", 0.1, 400, CONVERGED),
    ("ravine", (-5.0, 1.0), "sgd", 0.045, 500, CONVERGED),
    ("ravine", (-5.0, 1.0), "sgd", 0.002, 150, SLOW),
    ("ravine", (-5.0, 1.0), "sgd", 0.2, 500, DIVERGED),
    ("ravine", (-5.0, 1.0), "momentum", 0.01, 500, CONVERGED),
    ("ravine", (-5.0, 1.0), "nesterov", 0.01, 500, CONVERGED),
    ("ravine", (-5.0, 1.0), "nesterov", 0.1, 500, DIVERGED),
    ("ravine", (-5.0, 1.0), "adagrad", 1.5, 500, CONVERGED),
    ("ravine", (-5.0, 1.0), "adam", 0.4, 500, CONVERGED),
    ("ravine", (-5.0, 1.0), "adam", 0.002, 150, SLOW),
    ("double well", (0.3, 1.2), "sgd", 0.05, 400, CONVERGED),
    ("double well", (-0.5, 1.2), "sgd", 0.05, 400, CONVERGED),
    ("double well", (1.6, -1.0), "rmsprop", 0.02, 400, CONVERGED),
    ("double well", (0.3, 1.2), "sgd", 0.001, 150, SLOW),
    ("double well", (1.6, -1.0), "sgd", 2.0, 400, DIVERGED),
    ("double well", (0.125, 0.0), "sgd", 0.05, 400, SADDLE),
    ("saddle", (-1.0, 0.0), "sgd", 0.1, 400, SADDLE),
    ("saddle", (-1.0, 0.0), "sgd", 0.4, 400, SADDLE),
    ("saddle", (-1.0, 0.0), "momentum", 0.05, 400, SADDLE),
    ("saddle", (-1.0, 0.0), "adagrad", 0.5, 400, SADDLE),
    ("saddle", (-1.0, 0.1), "sgd", 0.1, 400, DIVERGED),
    ("saddle", (-1.0, 0.1), "momentum", 0.1, 400, DIVERGED),
    ("saddle", (-1.0, 0.1), "adam", 0.1, 250, MAX_STEPS),
    ("saddle", (-1.0, 0.1), "rmsprop", 0.02, 400, MAX_STEPS),
    ("monkey saddle", (0.0, 0.0), "adam", 0.1, 400, SADDLE),
    ("monkey saddle", (1.0, 0.0), "sgd", 0.2, 400, SADDLE),
    ("monkey saddle", (1.0, 0.2), "sgd", 0.1, 400, DIVERGED),
    ("rosenbrock", (-1.5, 2.0), "sgd", 0.001, 200, SLOW),
    ("rosenbrock", (-1.5, 2.0), "sgd", 0.02, 400, DIVERGED),
    ("rosenbrock", (-1.5, 2.0), "momentum", 1e-4, 200, SLOW),
    ("beale", (1.0, 1.3), "sgd", 0.003, 200, SLOW),
    ("beale", (1.0, 1.3), "adam", 0.28, 500, CONVERGED),
    ("beale", (0.0, 1.0), "sgd", 0.01, 400, SADDLE),
    ("beale", (4.0, -0.8), "sgd", 0.3, 400, DIVERGED),
    ("himmelblau", (0.0, 0.0), "sgd", 0.005, 400, CONVERGED),
    ("himmelblau", (0.0, 0.0), "adam", 0.3, 500, CONVERGED),
    ("himmelblau", (0.0, 0.0), "sgd", 0.2, 400, DIVERGED),
    ("himmelblau", (0.0, 0.0), "sgd", 2e-5, 150, SLOW),
    ("himmelblau", (0.0, 0.0), "sgd", 0.035, 200, OSCILLATING),
    ("himmelblau", (-0.2708445906673476, -0.9230385564799815), "sgd", 0.005, 400, SADDLE),
    ("rastrigin", (0.4, 0.3), "sgd", 0.002, 400, CONVERGED),
    ("rastrigin", (2.2, 1.7), "sgd", 0.002, 400, CONVERGED),
    ("rastrigin", (0.4, 0.3), "rmsprop", 0.05, 200, OSCILLATING),
    ("rastrigin", (0.4, 0.3), "sgd", 0.008, 200, OSCILLATING),
    ("rastrigin", (HILL, 0.0), "sgd", 0.002, 400, SADDLE),
    ("ackley", (0.4, 0.45), "sgd", 0.02, 200, OSCILLATING),
    ("ackley", (0.9, 0.9), "sgd", 0.02, 400, CONVERGED),
    ("ackley", (0.9, 0.9), "sgd", 1e-5, 150, SLOW),
    ("plateau", (1.5, -1.0), "sgd", 0.5, 400, CONVERGED),
    ("plateau", (3.0, 2.0), "sgd", 0.01, 150, SLOW),
    ("plateau", (4.0, 4.0), "sgd", 0.5, 400, SLOW),
    ("plateau", (3.0, 2.0), "sgd", 0.5, 400, CONVERGED),
]
NEAR = (0.97, 1.0, 1.03)


def test_the_table_is_large_and_holds_every_verdict():
    assert len(CASES) >= 60
    assert len({case[:4] for case in CASES}) >= 60
    assert {case[-1] for case in CASES} == set(VERDICTS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, (*case[:1], *case[2:4]))))
def test_verdict(case):
    """The verdict is the same at learning rates and starts 3% away: no threshold is close."""
    name, start, optimizer, lr, steps, expected = case
    stationary = np.abs(surface(name).gradient(np.array(start))).max() < 1e-9
    starts = [np.multiply(start, share).tolist() for share in ((1.0,) if stationary else NEAR)]
    rates = [lr if expected == OSCILLATING and name == "parabola" else lr * share for share in NEAR]
    found = gg.minimize(name, starts, optimizer, lr=rates, max_steps=steps)
    assert {path.verdict for path in found} == {expected}, [path.reason for path in found]
    for path in found:
        assert path.reason
        assert path.steps <= steps


@pytest.mark.parametrize(
    ("lr", "verdict", "reason"),
    [
        (0.1, "converged", "η·f″ is 0.2, less than 2"),
        (0.01, "slow", "η·f″ is 0.02, so a step covers 2% of the distance"),
        (1, "oscillating", "η·f″ = 2: the steps jump between two points"),
        (100, "diverged", "η·f″ = 200 at the start, more than 2"),
        (1000, "diverged", "η·f″ = 2000 at the start, more than 2"),
    ],
)
def test_the_exercise(lr, verdict, reason):
    """x² from 10: which of the five happens, and why."""
    path = gg.minimize(lambda x: x**2, 10.0, lr=lr, max_steps=100)
    assert path.verdict == verdict
    assert reason in path.reason
    np.testing.assert_allclose(path.eigenvalues, [2.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("momentum", "nesterov", "limit"),
    [(0.0, False, 2.0), (0.5, False, 3.0), (0.9, False, 3.8), (0.5, True, 1.5), (0.9, True, 3.8 / 2.8)],
)
def test_the_stable_learning_rates_that_reasons_name(momentum, nesterov, limit):
    """On a parabola of curvature 2 a rate just below the limit converges, just above it diverges."""
    options = {"momentum": momentum, "nesterov": nesterov}
    below, above = gg.minimize("parabola", [1.0], "sgd", lr=[0.49 * limit, 0.51 * limit], max_steps=2000, **options)
    assert below.verdict == "converged"
    assert f"less than {limit:.3g}" in below.reason
    assert above.verdict == "diverged"
    assert f"more than {limit:.3g}" in above.reason


def test_a_monkey_saddle_is_known_though_its_hessian_is_zero():
    path = gg.minimize("monkey saddle", (0.0, 0.0))
    assert path.kind == "a saddle"
    np.testing.assert_allclose(path.eigenvalues, 0, atol=1e-4)


@pytest.mark.parametrize(
    ("f", "start", "tol"),
    [
        (lambda x: (x**3).sum(axis=-1), [1.0], 1e-4),
        (lambda x: (x**3).sum(axis=-1), [0.0], 1e-6),
        (lambda x: (x**3).sum(axis=-1) + 1000, [1.0], 1e-3),
        (lambda x: ((x - 7) ** 3).sum(axis=-1), [8.0], 1e-3),
        (lambda x: (x**5).sum(axis=-1), [1.0], 1e-3),
        (lambda x: x[..., 0] ** 3 + x[..., 1] ** 2, [1.0, 1.0], 1e-3),
        (lambda x: x[..., 0] ** 3 + 1e-3 * x[..., 1] ** 2, [1.0, 0.0], 1e-4),
        (lambda x: (x[..., 0] - x[..., 1]) ** 3 + (x[..., 0] + x[..., 1]) ** 2, [0.5, 0.0], 1e-3),
    ],
)
def test_an_inflection_is_no_minimum(f, start, tol):
    """The second derivative of x³ is positive at every point of the path, and f is lower on the other side of 0."""
    path = gg.minimize(f, start, lr=0.1, tol=tol)
    assert (path.verdict, path.kind) == ("stuck at a saddle", "a saddle"), path.reason
    assert ("(an inflection point)" in path.reason) == (len(start) == 1)


def test_a_path_on_its_way_to_an_inflection():
    path = gg.minimize(lambda x: (x**3).sum(), [1.0], lr=0.1)
    assert (path.verdict, path.kind) == ("stuck at a saddle", "a saddle")
    assert "still approaches" in path.reason


@pytest.mark.parametrize("power", [4, 6, 8])
def test_a_flat_minimum_on_the_way_is_a_minimum(power):
    path = gg.minimize(lambda x: (x**power).sum(axis=-1), [0.5], lr=0.2, tol=1e-3)
    assert (path.verdict, path.kind) == ("converged", "a minimum"), path.reason


def test_a_slope_that_never_ends_is_no_minimum():
    path = gg.minimize(lambda x: (-x).exp().sum(axis=-1), [0.0], lr=1.0, tol=1e-2)
    assert (path.verdict, path.kind) == ("slow", "a plateau"), path.reason


@pytest.mark.parametrize(
    ("arguments", "options", "advice"),
    [
        ((lambda x: x**2, 1.0), {}, "raise the learning rate, which is stable here below 1"),
        (("parabola", (1.0,), "adam"), {"max_steps": 100}, "a larger learning rate may help"),
        (("ravine", (-5.0, 1.0)), {"lr": 0.04, "max_steps": 60}, "a larger learning rate would not be stable here"),
    ],
)
def test_a_slow_path_is_advised(arguments, options, advice):
    path = gg.minimize(*arguments, **options)
    assert path.verdict == "slow"
    assert path.reason.endswith(advice) or advice in path.reason


def test_a_degenerate_minimum_is_a_minimum():
    path = gg.minimize(lambda x: (x**4).sum(axis=-1), (0.0, 0.0))
    assert (path.verdict, path.kind) == ("converged", "a minimum")
    valley = gg.minimize(lambda x: x[..., 0] ** 2, (1.0, 3.0), lr=0.2)
    assert (valley.verdict, valley.kind) == ("converged", "a minimum")


def test_a_momentum_that_is_too_large_swings():
    path = gg.minimize("parabola", (2.0, 1.5), "momentum", lr=0.01, momentum=0.995, max_steps=300)
    assert path.verdict == "oscillating"
    assert "momentum 0.995 carries the point past the minimum" in path.reason


def test_weight_decay_that_holds_the_point_is_named():
    path = gg.minimize("parabola", (2.0, 1.5), "sgd", lr=0.1, max_steps=100)
    assert path.verdict == "converged"
    held = gg.minimize(lambda x: ((x - 1) ** 2).sum(axis=-1), (2.0, 1.5), lr=0.1, weight_decay=0.5, max_steps=100)
    assert held.verdict == "max_steps"
    assert "weight decay" in held.reason


def test_a_start_that_has_no_value_diverges_at_once():
    path = gg.minimize(lambda x: x.log().sum(axis=-1), (-1.0,))
    assert (path.verdict, path.steps) == ("diverged", 0)
    assert "not a finite number" in path.reason


def test_too_few_steps_say_so():
    path = gg.minimize("rosenbrock", (-1.5, 2.0), max_steps=3)
    assert path.verdict == "max_steps"
    assert "too few" in path.reason


@pytest.mark.parametrize(
    ("f", "start", "options", "slopes"),
    [
        (lambda x: abs(x[0]), (1.0,), {}, "from -1 to 1"),
        (lambda x: gg.abs(x).sum(), (1.0,), {"lr": 0.3}, "from -1 to 1"),
        (lambda x: gg.abs(x[0] - 1) + 2 * x[1] ** 2, (5.0, 2.0), {"lr": 0.1}, "from -1 to 1"),
        (lambda x: gg.maximum(x[0], -3 * x[0]), (1.0,), {"optimizer": "adam", "lr": 0.07}, "at a kink"),
    ],
)
def test_a_kink_is_named(f, start, options, slopes):
    path = gg.minimize(f, start, **options)
    assert path.verdict == "oscillating"
    assert path.reason.startswith("the slope jumps from ")
    assert slopes in path.reason


def test_a_steep_smooth_valley_is_no_kink():
    path = gg.minimize(lambda x: (x**2 + 1e-4).sqrt().sum(), (1.0,), lr=0.3)
    assert path.verdict == "oscillating"
    assert "kink" not in path.reason


@pytest.mark.parametrize("power", [4, 6])
@pytest.mark.parametrize("start", [[0.0], [1e-4], [0.0, 0.0]])
def test_a_maximum_without_curvature_is_one(power, start):
    path = gg.minimize(lambda x: -(x**power).sum(), start, "sgd", lr=0.1)
    assert path.verdict == "stuck at a saddle"
    assert "at a maximum, which only noise" in path.reason
    assert "at a minimum" in gg.minimize(lambda x: (x**power).sum(), start, "sgd", lr=0.1).reason
