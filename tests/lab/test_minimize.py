"""minimize: paths equal PyTorch's, a batch equals its rows alone, and errors."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import optim
from gpugrad.errors import ArgumentError, GpugradError
from gpugrad.lab import NAMES, surface

STARTS = {"rosenbrock": (-1.5, 2.0), "beale": (1.0, 1.3)}
RATES = {
    "sgd": 1e-3, "momentum": 2e-4, "nesterov": 2e-4, "adagrad": 0.3, "rmsprop": 0.01, "adadelta": 1.0, "adam": 0.05,
    "adamw": 0.05,
}  # fmt: skip
STEPS = 500


def torch_path(torch, name, start, optimizer, lr):
    """Return the path of the same function and rule in PyTorch; both tensors have the surface's operators."""
    made = {
        "sgd": torch.optim.SGD,
        "momentum": functools.partial(torch.optim.SGD, momentum=0.9),
        "nesterov": functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True),
        "adagrad": torch.optim.Adagrad,
        "rmsprop": torch.optim.RMSprop,
        "adadelta": torch.optim.Adadelta,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
    }[optimizer]
    x = torch.tensor([start], dtype=torch.float64, requires_grad=True)
    rule = made([x], lr=lr)
    function = surface(name).function
    points = [x.detach().clone()]
    for _ in range(STEPS):
        rule.zero_grad()
        function(x).sum().backward()
        rule.step()
        points.append(x.detach().clone())
    return torch.cat(points).numpy()


@pytest.mark.parametrize("optimizer", RATES)
@pytest.mark.parametrize("name", STARTS)
@pytest.mark.slow
def test_paths_are_those_of_pytorch(name, optimizer):
    torch = pytest.importorskip("torch")
    path = gg.minimize(name, STARTS[name], optimizer, lr=RATES[optimizer], max_steps=STEPS, tol=0)
    assert path.steps == STEPS
    expected = torch_path(torch, name, STARTS[name], optimizer, RATES[optimizer])
    assert np.linalg.norm(expected[-1] - expected[0]) > 1e-2  # it went somewhere
    np.testing.assert_allclose(path.points, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", STARTS)
def test_adagrad_norm_is_its_formula(name):
    made, lr = surface(name), 0.5
    path = gg.minimize(name, STARTS[name], "adagrad-norm", lr=lr, max_steps=STEPS, tol=0)
    x, square_sum = np.array(STARTS[name]), 0.0
    for point in path.points:
        np.testing.assert_allclose(point, x, rtol=0, atol=1e-6)
        gradient = made.gradient(x)
        square_sum += gradient @ gradient
        x = x - lr * gradient / np.sqrt(1e-10 + square_sum)


def same(one, other):
    np.testing.assert_array_equal(one.points, other.points)
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.gradient_norms, other.gradient_norms)
    assert (one.verdict, one.reason, one.lr) == (other.verdict, other.reason, other.lr)


@pytest.mark.parametrize("optimizer", optim.NAMES)
def test_a_batch_is_its_rows_alone_bit_for_bit(optimizer):
    starts = [(-1.5, 2.0), (0.5, 0.5), (1.0, 1.0), (-0.3, 1.7), (1.9, -0.9)]
    rates = [1e-4, 0.02]
    batch = gg.minimize("rosenbrock", starts, optimizer, lr=rates, max_steps=60)
    assert len(batch) == 10
    for i, path in enumerate(batch):
        same(path, gg.minimize("rosenbrock", starts[i % 5], optimizer, lr=rates[i // 5], max_steps=60))
    assert len({path.steps for path in batch}) > 1  # some ended before others


@pytest.mark.parametrize("name", [name for name in NAMES if name != "network loss"])
def test_a_batch_on_every_surface(name):
    made = surface(name)
    starts = np.random.default_rng(0).uniform(*np.transpose(made.bounds), size=(9, 2))
    for start, path in zip(starts, gg.minimize(made, starts, "adam", lr=0.05, max_steps=15), strict=True):
        same(path, gg.minimize(made, start, "adam", lr=0.05, max_steps=15))


def test_clipping_and_noise_are_each_start_s_own():
    options = {"clip_norm": 0.5, "noise": 0.1, "lr": 0.01, "max_steps": 300}
    starts = [(-1.5, 2.0), (0.5, 0.5)]
    batch = gg.minimize("rosenbrock", starts, seed=7, **options)
    same(batch[0], gg.minimize("rosenbrock", starts[0], seed=7, **options))
    same(batch[1], gg.minimize("rosenbrock", starts[1], seed=8, **options))
    own = gg.minimize("rosenbrock", starts, seed=[7, 7], **options)
    same(own[0], batch[0])
    assert not np.array_equal(own[1].points, batch[1].points)


def test_clipping_limits_the_step():
    path = gg.minimize("rosenbrock", (-1.5, 2.0), lr=0.1, clip_norm=0.5, max_steps=20)
    steps = np.linalg.norm(np.diff(path.points, axis=0), axis=1)
    assert steps.max() <= 0.05
    assert steps[0] > 0.049


def test_values_and_norms_are_those_of_the_points():
    made = surface("himmelblau")
    path = gg.minimize(made, (0.0, 0.0), lr=0.005)
    np.testing.assert_allclose(path.gradient_norms, np.linalg.norm(made.gradient(path.points), axis=1), rtol=1e-12)
    assert path.values[0] == 170
    assert (path.gradient_norms[:-1] >= 1e-6).all()
    assert path.gradient_norms[-1] < 1e-6
    np.testing.assert_allclose(path.x, (3, 2), atol=1e-6)
    assert path.value < 1e-12
    assert path.kind == "a minimum"


def test_a_list_is_returned_for_lists_optimizers_outermost():
    paths = gg.minimize("ravine", [(-5.0, 1.0), (1.0, 1.0)], ["sgd", "adam"], lr=[0.01, 0.02], max_steps=5)
    assert [(p.optimizer, p.lr, p.points[0, 0]) for p in paths] == [
        (name, lr, x) for name in ("sgd", "adam") for lr in (0.01, 0.02) for x in (-5.0, 1.0)
    ]
    assert isinstance(gg.minimize("ravine", [(-5.0, 1.0)], max_steps=5), list)
    assert gg.minimize("ravine", (-5.0, 1.0), max_steps=5).lr == 1e-3  # the rule's default


def test_an_optimizer_s_class_and_options():
    one = gg.minimize("ravine", (-5.0, 1.0), optim.SGD, lr=0.01, momentum=0.9, max_steps=20)
    other = gg.minimize("ravine", (-5.0, 1.0), "momentum", lr=0.01, max_steps=20)
    np.testing.assert_array_equal(one.points, other.points)
    assert (one.optimizer, one.options) == ("SGD", {"momentum": 0.9})


class Bowl:
    """A function of NumPy with its own gradient."""

    def __call__(self, x):
        return ((x - 3) ** 2).sum(axis=1)

    def grad(self, x):
        return 2 * (x - 3)


def test_a_function_with_its_own_gradient():
    path = gg.minimize(Bowl(), (0.0, 1.0, 2.0), lr=0.1)
    assert path.verdict == "converged"
    np.testing.assert_allclose(path.x, 3, atol=1e-6)
    tape = gg.minimize(lambda x: ((x - 3) ** 2).sum(axis=-1), (0.0, 1.0, 2.0), lr=0.1)
    np.testing.assert_allclose(path.points, tape.points, rtol=1e-12)


def test_a_start_of_one_number():
    one, other = gg.minimize(lambda x: x**2, 10, lr=0.1), gg.minimize("parabola", [10.0], lr=0.1)
    np.testing.assert_array_equal(one.points, other.points)
    assert one.points.shape == (one.steps + 1, 1)


# ---- noise ----


def test_gradient_descent_stays_at_a_saddle_and_noise_leaves_it():
    well = (0.125, 0.0)
    assert gg.minimize("double well", well, lr=0.05).verdict == "stuck at a saddle"
    noisy = gg.minimize("double well", [well] * 20, lr=0.05, noise=0.01, max_steps=400)
    ends = np.array([path.x for path in noisy])
    np.testing.assert_allclose(np.abs(ends[:, 0]), 1, atol=0.05)
    assert {-1.0, 1.0} == set(np.sign(ends[:, 0]))  # each start has its own noise


def test_perturbed_gradient_descent_leaves_the_saddle_and_ends_at_a_minimum():
    paths = gg.minimize("double well", [(0.125, 0.5)] * 8, lr=0.1, perturb=0.01, max_steps=1000)
    for path in paths:
        assert path.verdict == "converged"
        np.testing.assert_allclose(np.abs(path.x[0]), 1, atol=1e-6)
        jumps = np.abs(np.diff(path.points[:, 0])) > 0
        assert np.flatnonzero(jumps)[0] > 30  # it went along the ridge until the gradient was small


def test_noise_has_the_size_that_was_asked_for():
    still = gg.minimize(lambda x: 0 * x.sum(axis=-1), np.zeros(200), lr=1.0, noise=0.5, max_steps=1, tol=0)
    assert abs(still.x.std() - 0.5) < 0.1
    assert abs(still.x.mean()) < 0.15


def test_the_same_seed_gives_the_same_path():
    def run(seed):
        return gg.minimize("ravine", (-5.0, 1.0), lr=0.01, noise=1.0, seed=seed, max_steps=300).points

    np.testing.assert_array_equal(run(3), run(3))
    assert not np.array_equal(run(3), run(4))


def test_a_function_is_called_before_each_step_and_may_end_the_descent():
    calls = []

    def stop():
        calls.append(None)
        if len(calls) == 4:
            raise KeyError("enough")

    path = gg.minimize("parabola", [1.0, 2.0], lr=0.1, max_steps=2, on_step=lambda: calls.append(None))
    assert len(calls) == path.steps + 1 == 3
    calls.clear()
    with pytest.raises(KeyError, match="enough"):
        gg.minimize("parabola", [1.0, 2.0], ["sgd", "adam"], lr=0.1, on_step=stop)
    assert len(calls) == 4


def test_minibatches_are_descended_and_the_whole_is_measured():
    """Minibatches of (x − c)² over ten numbers, one at a time: the path equals the formula."""
    numbers = np.arange(10.0)

    def whole(x):
        return ((x - gg.tensor(numbers)) ** 2).mean(axis=-1)

    def one(x, step):
        return ((x - float(numbers[step % 10])) ** 2).sum(axis=-1)

    path = gg.minimize(whole, 0.0, lr=0.05, minibatch=one, max_steps=40)
    x = 0.0
    for step, point in enumerate(path.points[:, 0]):
        assert point == pytest.approx(x, abs=1e-12)
        assert path.values[step] == pytest.approx(np.mean((x - numbers) ** 2), abs=1e-9)
        x -= 0.05 * 2 * (x - numbers[step % 10])


# ---- devices ----


def test_every_device(every_device):
    """On every device the path agrees with the CPU's to float32."""
    expected = gg.minimize("himmelblau", [(0.0, 0.0), (1.0, -1.0)], "adam", lr=0.1, max_steps=4)
    found = gg.minimize("himmelblau", [(0.0, 0.0), (1.0, -1.0)], "adam", lr=0.1, max_steps=4, device=every_device)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.points, other.points, rtol=1e-4, atol=1e-5)


# ---- errors ----


def vector(x):
    return x**2


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("rosenbrok", (1, 2)), {}, "unknown surface 'rosenbrok': did you mean 'rosenbrock'"),
        (("rosenbrock", (1, 2, 3)), {}, r"a start has 3 numbers, rosenbrock is a function of 2: give x0"),
        (("rosenbrock", 1.0), {}, "a start has 1 number, rosenbrock is a function of 2"),
        (("ravine", [[1, 2], [3]]), {}, "expected numbers: one start"),
        (("ravine", "here"), {}, "x0 is 'here', expected numbers"),
        (("ravine", (1, np.nan)), {}, "x0 holds NaN"),
        (("ravine", []), {}, r"x0 has the shape \(0,\)"),
        (("ravine", np.zeros((1, 2, 2))), {}, r"x0 has the shape \(1, 2, 2\)"),
        (("ravine", (1, 2)), {"lr": "fast"}, "lr is 'fast', expected a finite number"),
        (("ravine", (1, 2)), {"lr": [0.1, np.nan]}, "lr is nan, expected a finite number"),
        (("ravine", (1, 2)), {"lr": -0.1}, "lr is -0.1, expected a finite number of at least 0"),
        (("ravine", (1, 2)), {"lr": []}, "an empty list"),
        (("ravine", (1, 2)), {"tol": True}, "tol is True, expected a finite number"),
        (("ravine", (1, 2)), {"max_steps": 2.5}, "max_steps is 2.5, expected a whole number"),
        (("ravine", (1, 2)), {"noise": None}, "noise is None, expected a finite number"),
        (("ravine", (1, 2)), {"clip_norm": 0}, "clip_norm is 0"),
        (("ravine", (1, 2)), {"seed": -1}, "seed is -1"),
        (("ravine", [(1, 2)]), {"seed": [1, 2]}, "got 2 seeds for 1 start"),
        (("ravine", (1, 2), "adm"), {}, "unknown optimizer 'adm': did you mean 'adam'"),
        (("ravine", (1, 2), 3), {}, "optimizer is 3, expected a name or a class"),
        (("ravine", (1, 2), "adam"), {"momentum": 0.9}, "unknown option of adam 'momentum'"),
        (("ravine", (1, 2), optim.Adam), {"momentum": 0.9}, "unknown option of Adam 'momentum'"),
        (("ravine", (1, 2), "momentum"), {"momentum": -1}, "momentum is -1"),
        (("ravine", (1, 2)), {"device": "tpu"}, "unknown device 'tpu'"),
        ((3, (1, 2)), {}, "f is 3, expected a function"),
        ((vector, (1, 2)), {}, r"f returned the shape \(2,\) for a point of shape \(2,\), expected one number"),
        ((lambda x: x[2], (1, 2)), {}, "f cannot be computed at a start of 2 numbers .* give x0 as many numbers"),
        ((lambda x: (x[:, 0:2] ** 2), (1, 2)), {}, r"f returned the shape \(1, 2\) for points of shape \(1, 2\)"),
        ((lambda x, y: x * y, (1, 2, 3)), {}, "f takes 2 numbers, a start has 3: give x0 2 numbers, or write f as"),
        ((lambda: 1, (1, 2)), {}, "f takes 0 arguments, expected x"),
        ((lambda x: np.sin(x.numpy()).sum(axis=-1), (1, 2)), {}, "f returned a float64, expected a tensor"),
        ((lambda x: math.sin(x), 1.0), {}, r"f returned a float, expected a tensor: math.sin.* use .* gg.sin"),
        ((lambda x: math.sin(x), (1, 2)), {}, r"functions of math take .* one element.*: use gg.sin for math.sin"),
        ((lambda x: math.sin(x[0]) * x[1], (1, 2)), {}, "f has a wrong gradient, .* math.sin, .* gg.sin"),
        ((lambda x: math.sin(x[0]) * x[1], [(1, 2), (0, 1)]), {}, "f has a wrong gradient, .* math.sin, .* gg.sin"),
        ((lambda x: np.arctan(x).sum(), (1, 2)), {}, "np.arctan does not work on tensors: use .* gg.sin"),
        ((vector, 1.0), {"jac": vector}, "minimize has no jac=: pass the gradient as grad="),
        ((vector, 1.0), {"method": "BFGS"}, "minimize has no method=: name the rule with optimizer="),
        ((vector, 1.0), {"bounds": [(0, 1)]}, "minimize has no bounds=: let f map x into the bounds"),
        ((vector, 1.0), {"args": (2,)}, "minimize has no args=: bind the arguments"),
        ((vector, 1.0), {"maxiter": 5}, "minimize has no maxiter=: write max_steps="),
        ((vector, 1.0), {"learning_rate": 0.1}, "minimize has no learning_rate=: write lr="),
        ((vector, 1.0), {"grad": True}, "grad is True, expected two functions"),
        (("saddle", (1, 2)), {"grad": vector}, "grad is given together with the surface 'saddle'"),
        (("ravine", (1, 2)), {"minibatch": lambda x: x.sum()}, "minibatch takes 1 argument, expected x and step"),
        (("ravine", (1, 2)), {"minibatch": 3}, "minibatch is 3, expected a function"),
        ((lambda x: gg.tensor(np.ones(len(x))), (1, 2)), {}, "f has no gradient"),
        (("ravine", (1, 2)), {"minibatch": lambda x, step: x}, r"minibatch returned the shape \(2,\) for a point"),
    ],
    ids=lambda value: value.replace("\\", "") if isinstance(value, str) else "",
)  # fmt: skip
def test_bad_input_is_one_sentence(arguments, options, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        gg.minimize(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert isinstance(caught.value, GpugradError)


# ---- how a function is called ----

STARTS_2D = [(1.0, 2.0), (3.0, -4.0)]
NATURAL = {
    "sum": lambda x: (x**2).sum(),
    "indices": lambda x: x[0] ** 2 + x[1] ** 2,
    "two parameters": lambda x, y: x**2 + y**2,
    "np.sum": lambda x: np.sum(x**2),
    "np.dot": lambda x: np.dot(x, x),
    "product": lambda x: x @ x,
    "builtin sum": lambda x: sum(x**2),
    "last axis": lambda x: (x**2).sum(axis=-1),
    "ellipsis": lambda x: x[..., 0] ** 2 + x[..., 1] ** 2,
    "batches only": lambda x: x[:, 0] ** 2 + x[:, 1] ** 2,
    "branch": lambda x: (x**2).sum() if x[0] > 2 else x[0] ** 2 + x[1] ** 2,
}


@pytest.mark.parametrize("name", NATURAL)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_natural_function_is_right_for_every_start(name, n):
    """As many starts as coordinates, fewer and more: each path is the one of the closed form."""
    starts = np.array([*STARTS_2D, (0.5, 0.25)])[:n]
    for start, path in zip(starts, gg.minimize(NATURAL[name], starts, lr=0.1, max_steps=20), strict=True):
        np.testing.assert_allclose(path.points, start * 0.8 ** np.arange(21)[:, None], rtol=1e-12)
        np.testing.assert_allclose(path.values, np.square(path.points).sum(axis=1), rtol=1e-12)
        np.testing.assert_allclose(path.eigenvalues, 2, rtol=1e-6)


def test_one_start_of_one_number():
    for f in (lambda x: (x**2).sum(), lambda x: x**2, lambda x: x[0] ** 2, lambda x: np.square(x)):
        path = gg.minimize(f, [1.0], lr=0.1)
        assert (path.verdict, path.x.shape) == ("converged", (1,))


def test_a_function_that_mixes_the_rows_of_a_batch_is_called_for_each_start():
    """The shapes fit a batch, the numbers do not: the mean over all starts is not the mean over one of them."""
    for start, path in zip(
        [1.0, 2.0], gg.minimize(lambda x: x**2 + x.mean(), [[1.0], [2.0]], max_steps=5), strict=True
    ):
        assert path.values[0] == start**2 + start
        np.testing.assert_allclose(path.points[1], start - 1e-3 * (2 * start + 1))


def test_a_branch_on_values_is_taken_for_each_start():
    def f(x):
        return (x**2).sum() if x.sum() > 0 else (3 * x**2).sum()

    up, down = gg.minimize(f, [(1.0, 1.0), (-1.0, -1.0)], lr=0.1, max_steps=1)
    np.testing.assert_allclose(up.x, 0.8)
    np.testing.assert_allclose(down.x, -0.4)


def test_batches_are_used_where_they_give_the_same():
    shapes = []

    def f(x):
        shapes.append(x.shape)
        return (x**2).sum(axis=-1)

    gg.minimize(f, np.ones((50, 2)), lr=0.1, max_steps=20)
    assert shapes.count((50, 2)) > 20
    assert shapes.count((2,)) < 20


def test_a_supplied_gradient():
    tape = gg.minimize(lambda x: (x**2).sum(), STARTS_2D, lr=0.1, max_steps=30)
    for f, grad in (
        (lambda x: (x**2).sum(), lambda x: 2 * x),
        (lambda x, y: math.pow(x, 2) + y**2, lambda x, y: (2 * x, 2 * y)),
        (lambda x: (x**2).sum(axis=-1), lambda x: 2 * x),
    ):
        for one, other in zip(gg.minimize(f, STARTS_2D, grad=grad, lr=0.1, max_steps=30), tape, strict=True):
            np.testing.assert_allclose(one.points, other.points, rtol=1e-12)


def test_a_minibatch_of_one_point():
    for one in (
        lambda x, step: ((x - step % 2) ** 2).sum(),
        lambda x, y, step: (x - step % 2) ** 2 + (y - step % 2) ** 2,
    ):
        for start, path in zip(
            STARTS_2D, gg.minimize(lambda x: (x**2).sum(), STARTS_2D, lr=0.1, minibatch=one, max_steps=2), strict=True
        ):
            first = 0.8 * np.array(start)
            np.testing.assert_allclose(path.points[1:], [first, first - 0.2 * (first - 1)])


def test_a_picture_of_a_natural_function():
    pytest.importorskip("matplotlib")
    from gpugrad.lab.view import view_of

    view = view_of(lambda x: x[0] ** 2 + 3 * x[1] ** 2, bounds=((-1, 1), (-2, 2)))
    first, second, values = view.grid(5)
    np.testing.assert_allclose(values, first[None] ** 2 + 3 * second[:, None] ** 2)


def test_a_gradient_of_another_shape_is_refused():
    class Wrong(Bowl):
        def grad(self, x):
            return x.sum(axis=1)

    with pytest.raises(ArgumentError, match=r"grad returned the shape \(1,\) for points of shape \(1, 2\)"):
        gg.minimize(Wrong(), (1, 2))


@pytest.mark.parametrize(("start", "noise"), [(1e300, 0.0), (1.0, 1e300)])
def test_numbers_beyond_all_bounds_diverge_without_a_warning(start, noise):
    assert gg.minimize("saddle", [start, 1.0], "sgd", noise=noise).verdict == "diverged"


@pytest.mark.parametrize("starts", [[0.0, 0.0], [[0.0, 0.0], [3.0, 1.0]]], ids=["one start", "two starts"])
def test_constants_of_the_function_are_on_its_device(starts, monkeypatch):
    """Wherever "auto" would put them, as on a machine with a GPU."""
    monkeypatch.setenv("GPUGRAD_DEVICE", "emulator")
    paths = gg.minimize(lambda x: ((x - gg.tensor([1.0, 2.0])) ** 2).sum(), starts, lr=0.1)
    for path in [paths] if isinstance(starts[0], float) else paths:
        np.testing.assert_allclose(path.points[-1], [1, 2], atol=1e-5)
    assert gg.tensor(1.0).device.kind == "emulator"
