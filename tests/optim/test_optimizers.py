"""Optimizers: against PyTorch, recorded, saved, resumed, copied, in groups; and errors."""

import copy
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.engine import functional as F
from gpugrad.engine.parameter import ALIGNED_ELEMENTS, Parameter
from gpugrad.errors import ArgumentError, CheckpointError, GraphError, RecordingError

# A second device on every machine.
OTHER = gg.device("cpu", "numpy")

# Every rule with all its options, and its name in PyTorch.
RULES = {
    "sgd": ("sgd", {}, "SGD", {}),
    "sgd with decay, maximizing": ("sgd", {"weight_decay": 0.01, "maximize": True}, "SGD", {}),
    "momentum": ("momentum", {"weight_decay": 0.01}, "SGD", {"momentum": 0.9}),
    "nesterov": ("nesterov", {"weight_decay": 0.01}, "SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad-norm": ("adagrad-norm", {"weight_decay": 0.01}, None, {}),
    "adagrad": ("adagrad", {"weight_decay": 0.01, "initial_accumulator_value": 0.5}, "Adagrad", {}),
    "rmsprop": ("rmsprop", {"weight_decay": 0.01, "alpha": 0.95}, "RMSprop", {}),
    "adadelta": ("adadelta", {"weight_decay": 0.01, "rho": 0.95}, "Adadelta", {}),
    "adam": ("adam", {"weight_decay": 0.01, "betas": (0.8, 0.99)}, "Adam", {}),
    "amsgrad": ("adam", {"amsgrad": True}, "Adam", {}),
    "adamw": ("adamw", {}, "AdamW", {}),
}
RULES |= {name: (name, {}, None, {}) for name in set(optim.NAMES) - {rule[0] for rule in RULES.values()}}
RATES = {  # normal and high
    "SGD": (0.05, 0.5),
    "Adagrad": (0.01, 0.5),
    "RMSprop": (0.001, 0.1),
    "Adadelta": (1.0, 10.0),
    "Adam": (0.001, 0.1),
    "AdamW": (0.001, 0.1),
}


class Net:
    """6 → 16 → 4 with tanh, on 32 rows."""

    def __init__(self, dtype=np.float32, seed=0):
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(32, 6)).astype(dtype)
        self.labels = rng.integers(0, 4, 32).astype(np.int32)
        self.start = [(0.5 * rng.normal(size=s)).astype(dtype) for s in [(6, 16), (16,), (16, 4), (4,)]]
        self.parameters = [Parameter(array) for array in self.start]
        self.inputs = gg.tensor(self.x), gg.tensor(self.labels)

    def loss(self, x, labels):
        w1, b1, w2, b2 = self.parameters
        return F.cross_entropy(F.dense(F.dense(x, w1, b1, activation="tanh"), w2, b2), labels)

    def step(self, optimizer):
        loss = self.loss(*self.inputs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def values(self):
        return [p.numpy() for p in self.parameters]


def assert_same_bits(first, second):
    for a, b in zip(first, second, strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)


def with_gradient(parameter, gradient):
    """Set the gradient of a parameter exactly, through the tape."""
    (parameter * gg.tensor(gradient, parameter.dtype)).sum().backward()


# ---- the formulas ----


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("high", [False, True], ids=["normal", "high"])
@pytest.mark.parametrize("label", [label for label, rule in RULES.items() if rule[2]])
@pytest.mark.slow
def test_200_steps_of_a_network_agree_with_pytorch(label, high, dtype):
    """Parameters and losses agree after each of 200 steps, relative to the largest value of the array.

    In float64 at both rates, and in float32 at the normal one, each side computes its own gradients. At high rates the
    network amplifies rounding errors a thousandfold: 1e-16 stays far below the tolerance of float64, but 6e-8 would not
    stay below 1e-5. There, in float32, both sides use PyTorch's gradients, so only the optimizers are compared.
    """
    torch = pytest.importorskip("torch")
    name, options, torch_name, torch_options = RULES[label]
    lr = RATES[torch_name][high]
    net = Net(dtype)
    optimizer = optim.make(name, net.parameters, lr=lr, **options)
    twins = [torch.tensor(array, requires_grad=True) for array in net.start]
    twin = getattr(torch.optim, torch_name)(twins, lr=lr, **{**torch_options, **options})
    x, labels = torch.tensor(net.x), torch.tensor(net.labels).long()
    tolerance = {np.float64: 1e-9, np.float32: 1e-5}[dtype]
    given_gradients = high and dtype is np.float32
    for step in range(200):
        if not given_gradients:
            loss = float(net.step(optimizer))
        w1, b1, w2, b2 = twins
        twin_loss = torch.nn.functional.cross_entropy(torch.tanh(x @ w1 + b1) @ w2 + b2, labels)
        twin.zero_grad()
        twin_loss.backward()
        if given_gradients:
            optimizer.zero_grad()
            for p, t in zip(net.parameters, twins, strict=True):
                with_gradient(p, t.grad.numpy())
            optimizer.step()
        else:
            assert abs(loss - twin_loss.item()) <= tolerance * max(1.0, abs(twin_loss.item())), step
        twin.step()
        for p, t in zip(net.parameters, twins, strict=True):
            expected = t.detach().numpy()
            np.testing.assert_allclose(p.numpy(), expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("lr", [0.05, 5.0])
def test_adagrad_norm_is_its_formula(lr):
    net = Net(np.float64)
    w1, b1, w2, b2 = net.parameters
    optimizer = optim.AdagradNorm([{"params": [w1, b1]}, {"params": [w2, b2], "lr": lr / 2}], lr=lr, weight_decay=0.1)
    expected, s = [array.copy() for array in net.start], 0.0
    for _ in range(50):
        net.step(optimizer)
        gradients = [p.grad.numpy() + 0.1 * old for p, old in zip(net.parameters, expected, strict=True)]
        s += sum((g**2).sum() for g in gradients)
        for i, (old, g) in enumerate(zip(expected, gradients, strict=True)):
            old -= (lr if i < 2 else lr / 2) * g / math.sqrt(1e-10 + s)
        for p, old in zip(net.parameters, expected, strict=True):
            np.testing.assert_allclose(p.numpy(), old, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([(), (3,), (4, 5), (33,)]), min_size=1, max_size=3), min_size=1, max_size=3),
    st.integers(0, 1000),
)
def test_groups_of_any_shapes_move_by_their_own_rate(shapes, seed):
    rng = np.random.default_rng(seed)
    groups = [[Parameter(rng.normal(size=shape)) for shape in group] for group in shapes]
    rates = [float(rate) for rate in rng.uniform(0, 1, len(groups))]
    optimizer = optim.SGD([{"params": g, "lr": rate} for g, rate in zip(groups, rates, strict=True)])
    before = [[p.numpy() for p in group] for group in groups]
    loss = sum((p * p).sum() for group in groups for p in group)  # gradient 2p
    loss.backward()
    optimizer.step()
    for group, old, rate in zip(groups, before, rates, strict=True):
        for p, value in zip(group, old, strict=True):
            np.testing.assert_allclose(p.numpy(), value - rate * 2 * value, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("label", RULES)
def test_the_gaps_between_parameters_stay_zero(label):
    name, options, *_ = RULES[label]
    net = Net()
    optimizer = optim.make(name, net.parameters, lr=0.1, **{"weight_decay": 0.1, **options})
    for _ in range(5):
        net.step(optimizer)
    flat = optimizer.flat
    inside = np.concatenate(
        [np.arange(-(-p.size // ALIGNED_ELEMENTS) * ALIGNED_ELEMENTS) < p.size for p in net.parameters]
    )
    assert (~inside).sum() > 0
    assert not flat.values[~inside].any()
    assert not flat.gradients[~inside].any()
    assert flat.values[inside].all()


@pytest.mark.parametrize("label", RULES)
def test_one_launch_per_group(label):
    name, options, *_ = RULES[label]
    net = Net()
    optimizer = optim.make(name, [{"params": net.parameters[:2]}, {"params": net.parameters[2:]}], **options)
    net.step(optimizer)
    launches = []
    with gg.device("cpu").observe(lambda launch, arrays, scalars: launches.append(launch.__name__)):
        optimizer.step()
    assert len(launches) == (4 if name == "adagrad-norm" else 2)


# ---- gradients ----


def test_zero_grad_writes_nothing():
    net = Net()
    optimizer = optim.SGD(net.parameters)
    net.step(optimizer)
    before = optimizer.flat.gradients.copy()
    optimizer.zero_grad()
    assert all(p.grad is None for p in net.parameters)
    assert np.array_equal(optimizer.flat.gradients, before)


@pytest.mark.parametrize("recorded", [False, True])
def test_a_parameter_without_gradient_counts_as_zero(recorded):
    used, unused = Parameter([1.0, 2.0]), Parameter([3.0, 4.0])
    optimizer = optim.SGD([used, unused], lr=0.5, momentum=0.9, weight_decay=0.25)
    with_gradient(unused, [1.0, 1.0])
    with_gradient(used, [1.0, 1.0])
    optimizer.step()
    expected, buffer = unused.numpy(), 1 + 0.25 * np.array([3.0, 4.0])

    def step():
        optimizer.zero_grad()
        (used * used).sum().backward()
        optimizer.step()

    step = gg.record(step) if recorded else step
    for _ in range(4):
        step()
        buffer = 0.9 * buffer + 0.25 * expected
        expected = expected - 0.5 * buffer
    assert unused.grad is None
    np.testing.assert_allclose(unused.numpy(), expected, rtol=1e-6)


def test_no_gradient_at_all_is_an_error():
    net = Net()
    optimizer = optim.Adam(net.parameters)
    for act in (optimizer.step, lambda: optimizer.clip_grad_norm(1.0), lambda: optimizer.clip_grad_value(1.0)):
        with pytest.raises(GraphError, match="no parameter has a gradient: call backward"):
            act()
    net.step(optimizer)
    optimizer.zero_grad()
    with pytest.raises(GraphError, match="no parameter has a gradient"):
        optimizer.step()


def test_a_step_counts_as_a_change_in_place():
    net = Net()
    optimizer = optim.SGD(net.parameters)
    net.loss(*net.inputs).backward()
    loss = net.loss(*net.inputs)
    optimizer.step()
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


def test_a_replayed_step_counts_as_a_change_in_place():
    net = Net()
    optimizer = optim.SGD(net.parameters)
    step = gg.record(lambda: net.step(optimizer))
    step()
    loss = net.loss(*net.inputs)
    step()
    assert step.recordings == 1
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


# ---- clipping ----


@pytest.mark.parametrize("max_norm", [0.01, 100.0])
def test_clipping_by_norm_agrees_with_pytorch(max_norm):
    torch = pytest.importorskip("torch")
    net = Net(np.float64)
    optimizer = optim.SGD([{"params": net.parameters[:1]}, {"params": net.parameters[1:]}], lr=0.5)
    net.loss(*net.inputs).backward()
    twins = [torch.tensor(array, requires_grad=True) for array in net.start]
    for p, t in zip(net.parameters, twins, strict=True):
        t.grad = torch.tensor(p.grad.numpy())
    gradients = [p.grad.numpy() for p in net.parameters]
    norm = optimizer.clip_grad_norm(max_norm)
    assert norm.shape == ()
    assert float(norm) == pytest.approx(torch.nn.utils.clip_grad_norm_(twins, max_norm).item(), rel=1e-12)
    assert_same_bits(gradients, [p.grad.numpy() for p in net.parameters])  # the gradients stay
    optimizer.step()
    for p, start, t in zip(net.parameters, net.start, twins, strict=True):
        np.testing.assert_allclose(p.numpy(), start - 0.5 * t.grad.numpy(), rtol=1e-9)
    # Only that step was clipped.
    before = net.values()
    optimizer.step()
    for p, old, g in zip(net.parameters, before, gradients, strict=True):
        np.testing.assert_allclose(p.numpy(), old - 0.5 * g, rtol=1e-9)


def test_zero_grad_forgets_the_clipping():
    p = Parameter(np.array([1.0]))
    optimizer = optim.SGD([p], lr=1.0)
    with_gradient(p, [10.0])
    optimizer.clip_grad_norm(1e-3)
    optimizer.zero_grad()
    with_gradient(p, [0.5])
    optimizer.step()
    assert p.tolist() == [0.5]


def test_clipping_by_value():
    p, q = Parameter([1.0, 2.0, 3.0]), Parameter([0.0])
    optimizer = optim.SGD([p, q], lr=1.0)
    with_gradient(p, [-5.0, 0.25, 5.0])
    optimizer.clip_grad_value(0.5)
    assert p.grad.tolist() == [-0.5, 0.25, 0.5]
    optimizer.clip_grad_norm(math.inf)  # measures only
    with pytest.raises(ArgumentError, match="clip by value first"):
        optimizer.clip_grad_value(0.5)
    optimizer.step()
    assert p.tolist() == [1.5, 1.75, 2.5]
    assert q.tolist() == [0]


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan])
def test_invalid_clipping_limits_are_refused(limit):
    net = Net()
    optimizer = optim.SGD(net.parameters)
    net.loss(*net.inputs).backward()
    with pytest.raises(ArgumentError, match="max_norm"):
        optimizer.clip_grad_norm(limit)
    with pytest.raises(ArgumentError, match="limit"):
        optimizer.clip_grad_value(limit)


# ---- recording ----


@pytest.mark.parametrize("label", RULES)
def test_a_recorded_step_equals_the_eager_one_bit_for_bit(label):
    name, options, *_ = RULES[label]
    options = {key: value for key, value in options.items() if key != "maximize"}

    def train(recorded):
        net = Net()
        groups = [{"params": net.parameters[:2]}, {"params": net.parameters[2:], "lr": 0.02}]
        optimizer = optim.make(name, groups, lr=0.05, **options)
        schedule = optim.OneCycleLR(optimizer, total_steps=15)

        def step(x, labels, clip):
            loss = net.loss(x, labels)
            optimizer.zero_grad()
            loss.backward()
            if clip:
                optimizer.clip_grad_value(0.02)
                optimizer.clip_grad_norm(0.05)
            optimizer.step()
            return loss

        run = gg.record(step) if recorded else step
        losses = []
        for i in range(15):
            # clipped and unclipped steps alternate, each with its own recording
            losses.append(run(*net.inputs, i % 3 == 0).numpy())
            schedule.step()
        if recorded:
            assert run.recordings == 2
        return net.values(), losses, list(optimizer.state_dict()["state"].values())

    for eager, replayed in zip(train(False), train(True), strict=True):
        assert_same_bits(eager, replayed)


def test_a_clip_recorded_separately_from_its_step():
    def train(record):
        net = Net()
        optimizer = optim.Adam(net.parameters, lr=0.01)

        def backward():
            optimizer.zero_grad()
            net.loss(*net.inputs).backward()

        parts = [record(f) for f in (backward, lambda: optimizer.clip_grad_norm(0.01), optimizer.step)]
        for i in range(6):
            parts[0]()
            if i != 2:
                parts[1]()
            parts[2]()
        return net.values()

    assert_same_bits(train(lambda f: f), train(lambda f: gg.record(f)))


def test_a_changed_option_records_again_and_a_changed_rate_does_not():
    net, twin = Net(), Net()
    optimizer, twin_optimizer = optim.Adam(net.parameters), optim.Adam(twin.parameters)
    step = gg.record(lambda: net.step(optimizer))
    for changes in (
        {},
        {"lr": 0.1},
        {"betas": (0.5, 0.9)},
        {"weight_decay": 0.1},
        {"weight_decay": 0.0},
        {"amsgrad": True},
    ):
        for o in (optimizer, twin_optimizer):
            o.param_groups[0].update(changes)
        for _ in range(2):
            step()
            twin.step(twin_optimizer)
    assert step.recordings == 4  # weight_decay 0.0 again is the recording of betas
    assert_same_bits(net.values(), twin.values())


def test_the_rate_is_written_only_when_it_changes(monkeypatch):
    net = Net()
    optimizer = optim.SGD([{"params": net.parameters[:2]}, {"params": net.parameters[2:]}], lr=0.1)
    step = gg.record(lambda: net.step(optimizer))
    device, written = gg.device("cpu"), []
    write = type(device).write
    monkeypatch.setattr(
        type(device), "write", lambda self, array, value: (written.append(value), write(self, array, value))
    )
    for rate in (0.1, 0.1, 0.2, 0.2):
        optimizer.param_groups[1]["lr"] = rate
        step()
    assert written == [0.1, 0.1, 0.2]


def test_a_rate_that_changes_inside_a_recorded_step_is_refused():
    net = Net()
    optimizer = optim.SGD(net.parameters)
    net.step(optimizer)

    def step():
        net.step(optimizer)
        optimizer.param_groups[0]["lr"] *= 0.5
        net.step(optimizer)

    with pytest.raises(RecordingError, match="lr changed between two steps"):
        gg.record(step)()


def test_a_step_records_again_when_its_parameters_were_taken_over():
    net = Net()
    optimizer = optim.SGD(net.parameters)
    step = gg.record(lambda: net.step(optimizer))
    step()
    optim.Adam(net.parameters[:2])
    with pytest.raises(ArgumentError, match="given to a later optimizer"):
        step()


# ---- state ----


def through_json(state):
    return {"state": state["state"], "param_groups": json.loads(json.dumps(state["param_groups"]))}


@pytest.mark.parametrize("label", RULES)
def test_a_resumed_run_continues_bit_for_bit(label):
    name, options, *_ = RULES[label]

    def make(seed):
        net = Net(seed=seed)
        groups = [
            {"params": net.parameters[:1], "weight_decay": 0.2},
            {"params": net.parameters[1:], "lr": np.float32(0.02)},
        ]
        return net, optim.make(name, groups, lr=0.05, **options)

    net, optimizer = make(0)
    for _ in range(5):
        net.step(optimizer)
    state, values = through_json(optimizer.state_dict()), net.values()
    for _ in range(5):
        net.step(optimizer)

    resumed, other = make(1)
    resumed.inputs = net.inputs
    resumed.step(other)
    step = gg.record(lambda: resumed.step(other))
    step()  # and a recording of before stays right, since state is loaded in place
    for p, value in zip(resumed.parameters, values, strict=True):
        p.device.write(p.data, value)
    other.load_state_dict(state)
    for _ in range(5):
        step()
    assert_same_bits(net.values(), resumed.values())
    for first, second in zip(optimizer.param_groups, other.param_groups, strict=True):
        assert {k: v for k, v in first.items() if k != "params"} == {k: v for k, v in second.items() if k != "params"}


def test_contents_of_the_state():
    net = Net()
    optimizer = optim.Adam([{"params": net.parameters[:2]}, {"params": net.parameters[2:], "lr": 0.5}], amsgrad=True)
    net.step(optimizer)
    state = optimizer.state_dict()
    n = sum(p.size for p in net.parameters)
    assert {name: array.shape for name, array in state["state"].items()} == {
        "m": (n,),
        "v": (n,),
        "v_max": (n,),
        "step": (2,),
    }
    assert state["state"]["step"].tolist() == [1, 1]
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2, 3]]
    assert [group["lr"] for group in state["param_groups"]] == [1e-3, 0.5]
    state["state"]["m"][:] = 9  # a copy
    assert not (optimizer.state_dict()["state"]["m"] == 9).any()


def test_a_state_that_does_not_fit_changes_nothing():
    net = Net()
    optimizer = optim.Adam(net.parameters)
    net.step(optimizer)
    before = optimizer.state_dict()
    small = optim.Adam([Parameter(array) for array in net.start[:2]])
    shorter = optim.Adam([Parameter(np.ones(size, np.float32)) for size in (1, 2, 3, 4)])
    groups = optim.Adam([{"params": [Parameter([1.0])]}, {"params": [Parameter([1.0])]}])
    double = Net(np.float64)
    state, options = before["state"], before["param_groups"]
    cases = {
        "group 0 of the state has 2 parameters, this Adam has 4": small.state_dict(),
        r"m of the state is float32 \(10,\), this Adam keeps float32 \(180,\)": shorter.state_dict(),
        "2 parameter groups, this Adam has 1": groups.state_dict(),
        r"m of the state is float64 \(180,\)": optim.Adam(double.parameters).state_dict(),
        "differ in amsgrad, betas, eps, eps_hat, lr_in_buffer, momentum, nesterov": optim.SGD(
            Net().parameters
        ).state_dict(),
        "holds m, step, Adam with these options keeps m, step, v": {
            "state": {"m": state["m"], "step": state["step"]},
            "param_groups": options,
        },
        "group 0 of the state cannot be used: lr is -1": {"state": state, "param_groups": [{**options[0], "lr": -1}]},
        "keeps m, step, v, v_max": {"state": state, "param_groups": [{**options[0], "amsgrad": True, "lr": 7.0}]},
        'has no "state"': {},
    }
    for message, bad in cases.items():
        with pytest.raises(CheckpointError, match=message):
            optimizer.load_state_dict(bad)
        after = optimizer.state_dict()
        assert after["param_groups"] == options
        assert_same_bits(after["state"].values(), state.values())


def test_after_a_nan_a_loaded_state_is_clean():
    net = Net()
    optimizer = optim.AdagradNorm(net.parameters, weight_decay=0.1)
    net.step(optimizer)
    state, values = optimizer.state_dict(), net.values()
    net.loss(*net.inputs).backward()
    optimizer.flat.gradients[0] = np.nan
    optimizer.clip_grad_norm(1.0)
    optimizer.step()
    assert np.isnan(optimizer.flat.values).all()
    for p, value in zip(net.parameters, values, strict=True):
        p.device.write(p.data, value)
    optimizer.load_state_dict(state)
    net.step(optimizer)
    assert np.isfinite(optimizer.flat.values).all()
    assert np.isfinite(optimizer.state_dict()["state"]["square_sum"]).all()


@pytest.mark.parametrize("move", ["optimizer", "parameter"])
def test_moving_to_another_device(move):
    def train(moving):
        net = Net(np.float64)
        optimizer = optim.Adam(net.parameters, lr=0.05)
        for i in range(6):
            if i == 3 and moving:
                state = optimizer.state_dict()
                (optimizer.to if move == "optimizer" else net.parameters[0].to_device)(OTHER)
                moved = optimizer.state_dict()
                assert_same_bits(state["state"].values(), moved["state"].values())
                assert all(p.device is OTHER for p in net.parameters)
                net.inputs = tuple(t.to(OTHER) for t in net.inputs)
            net.step(optimizer)
        return net.values()

    for here, there in zip(train(False), train(True), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-9)


def test_a_later_optimizer_takes_over():
    net = Net()
    first = optim.SGD(net.parameters)
    net.step(first)
    second = optim.Adam(net.parameters[:2])
    for act in (first.step, lambda: first.clip_grad_norm(1.0), lambda: first.to(OTHER), first.state_dict):
        with pytest.raises(ArgumentError, match="this SGD were given to a later optimizer"):
            act()
    net.step(second)


def test_optimizers_over_the_same_parameters_share_them():
    """A cell of a notebook that creates the optimizer again leaves both usable."""
    net, twin = Net(), Net()
    first = optim.SGD(net.parameters, lr=0.1, momentum=0.9)
    step = gg.record(lambda: net.step(first))
    step()
    second = optim.Adam(net.parameters, lr=0.01)
    assert second.flat is first.flat
    net.step(second)
    step()
    assert step.recordings == 1
    rules = [optim.SGD(twin.parameters, lr=0.1, momentum=0.9), optim.Adam(twin.parameters, lr=0.01)]
    for rule in (rules[0], rules[1], rules[0]):
        twin.step(rule)
    assert_same_bits(net.values(), twin.values())
    with pytest.raises(RecordingError, match="create the optimizer before the step"):
        gg.record(lambda: optim.SGD(net.parameters))()


# ---- groups that are added ----


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("label", RULES)
def test_an_added_group_joins_and_the_others_keep_their_state(label, recorded):
    name, options, *_ = RULES[label]
    net, twin = Net(), Net()
    optimizer = optim.make(name, net.parameters[:2], lr=0.05, **options)
    early, late = (optim.make(name, part, lr=0.05, **options) for part in (twin.parameters[:2], twin.parameters[2:]))

    def twin_step():
        loss = twin.loss(*twin.inputs)
        early.zero_grad()
        late.zero_grad()
        loss.backward()
        early.step()
        if len(optimizer.param_groups) > 1:
            late.step()

    def step():
        loss = net.loss(*net.inputs)
        optimizer.zero_grad()
        for p in net.parameters[2:]:
            p.zero_grad()
        loss.backward()
        optimizer.step()

    run = gg.record(step) if recorded else step
    for i in range(6):
        if i == 3:
            optimizer.add_param_group({"params": net.parameters[2:], "lr": 0.02})
            late.param_groups[0]["lr"] = 0.02
            if name == "adagrad-norm":  # one sum for all parameters
                late._state["square_sum"][...] = early._state["square_sum"]
        run()
        if name != "adagrad-norm":
            twin_step()
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 2]
    if name == "adagrad-norm":
        assert not np.array_equal(net.values()[2], net.start[2])
    else:
        assert_same_bits(net.values(), twin.values())
    if recorded:
        assert run.recordings == 2


def test_groups_that_cannot_be_added():
    net = Net()
    optimizer = optim.Adam(net.parameters[:3])
    for group, message in [
        ({"params": net.parameters[2:]}, "parameter groups 0 and 1"),
        ({"params": net.parameters[3:], "learning_rate": 1}, r"option of Adam 'learning_rate': write lr=… instead"),
        ({"params": net.parameters[3:], "lr": -1}, "lr is -1"),
        ({"lr": 1}, 'no "params"'),
        (net.parameters[3:], "is a list, expected a dict"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            optimizer.add_param_group(group)
    with pytest.raises(RecordingError):
        gg.record(lambda: optimizer.add_param_group({"params": net.parameters[3]}))()
    assert len(optimizer.param_groups) == 1
    net.step(optimizer)


# ---- copies ----


def cloned(value, how):
    return copy.deepcopy(value) if how == "deepcopy" else pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
@pytest.mark.parametrize("label", RULES)
def test_a_copy_of_model_and_optimizer_continues_bit_for_bit(label, how):
    name, options, *_ = RULES[label]
    net = Net()
    groups = [{"params": net.parameters[:2]}, {"params": net.parameters[2:], "lr": 0.02}]
    optimizer = optim.make(name, groups, lr=0.05, **options)
    schedule = optim.LinearWarmup(optimizer, 4, then=optim.StepLR(optimizer, 2, interval="step"))
    for _ in range(3):
        net.step(optimizer)
        schedule.step()
    parameters, other, other_schedule = cloned((net.parameters, optimizer, schedule), how)
    twin = Net()
    twin.parameters = parameters
    assert other_schedule.optimizer is other
    assert other.param_groups[0]["params"][0] is parameters[0]
    for _ in range(4):
        for each, rule, follower in ((net, optimizer, schedule), (twin, other, other_schedule)):
            each.step(rule)
            follower.step()
    assert_same_bits(net.values(), twin.values())
    assert schedule.get_last_lr() == other_schedule.get_last_lr()
    assert_same_bits(optimizer.state_dict()["state"].values(), other.state_dict()["state"].values())


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copy_of_an_optimizer_alone_has_parameters_of_its_own(how):
    net = Net()
    optimizer = optim.Adam(net.parameters, lr=0.05)
    net.step(optimizer)
    other = cloned(optimizer, how)
    before = net.values()
    twin = Net()
    twin.parameters = other.param_groups[0]["params"]
    twin.step(other)
    assert_same_bits(net.values(), before)
    net.step(optimizer)
    assert_same_bits(net.values(), twin.values())


def test_a_copied_pair_of_model_and_optimizer_trains():
    model = nn.MLP(6, [8], 4, seed=0)
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    x, labels = Net().inputs
    criterion = nn.CrossEntropyLoss()
    other, copied = copy.deepcopy((model, optimizer))
    first = None
    for _ in range(20):
        copied.zero_grad()
        loss = criterion(other(x), labels)
        loss.backward()
        copied.step()
        first = float(loss) if first is None else first
    assert float(loss) < 0.7 * first


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copied_trainer_continues_bit_for_bit(how):
    x, y = Net().x, Net().labels
    model = nn.MLP(6, [8], 4, dropout=0.1, seed=0)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    schedule = optim.CosineAnnealingLR(optimizer)
    trainer = gg.Trainer(model, optimizer=optimizer, schedule=schedule, device="cpu")
    trainer.fit(x, y, epochs=2, batch_size=8, progress=False)
    other = cloned(trainer, how)
    for each in (trainer, other):
        each.fit(x, y, epochs=2, batch_size=8, progress=False)
    assert other.history[-1]["train_loss"] == trainer.history[-1]["train_loss"]
    assert_same_bits(other.model.state_dict().values(), model.state_dict().values())


# ---- repr ----


def test_repr_is_one_line():
    net = Net()
    optimizer = optim.Adam(net.parameters, betas=(0.8, 0.99), amsgrad=True)
    assert repr(optimizer) == "Adam(lr=0.001, betas=(0.8, 0.99), amsgrad=True, 4 parameters, 180 values on cpu)"
    assert repr(optimizer.flat) == "FlatParameters(4 parameters, 180 float32 values on cpu)"
    groups = [{"params": net.parameters[:1]}, {"params": net.parameters[1:2], "lr": 0.5, "momentum": 0.9}]
    assert repr(optim.SGD(groups)) == "SGD(2 groups: lr=0.001; lr=0.5, momentum=0.9, 2 parameters, 112 values on cpu)"
    assert repr(optimizer).endswith("on cpu, replaced by a later optimizer)")
    for name in optim.NAMES:
        assert "\n" not in repr(optim.make(name, Net().parameters))


def test_dir_lists_public_names_only():
    assert dir(optim) == sorted(optim.__all__)
    assert {rule.cls.__name__ for rule in optim.RULES.values()} <= set(optim.__all__)
    assert not {"Any", "annotations", "Optional", "rules", "choose"} & set(dir(optim))
    assert dir(nn) == sorted(nn.__all__)


# ---- errors ----


@pytest.mark.parametrize(
    ("cls", "option", "message"),
    [
        *[(optim.Adam, name, "lr=…") for name in ("learning_rate", "learning_rate_init", "alpha", "eta")],
        *[(optim.Adam, name, r"betas=\(beta1, beta2\)") for name in ("beta_1", "beta1", "beta2", "momentum")],
        (optim.Adam, "epsilon", "eps=…"),
        *[(optim.Adam, name, "weight_decay=…") for name in ("decay", "l2", "wd")],
        (optim.Adam, "clipnorm", r"clip_grad_norm\(\)"),
        (optim.Adam, "fused", "leave it out"),
        (optim.RMSprop, "rho", "alpha=…"),
        (optim.SGD, "nesterovs_momentum", "nesterov=…"),
        (optim.SGD, "momentun", "did you mean 'momentum'"),
    ],
)
def test_options_of_other_libraries_name_those_here(cls, option, message):
    p = Parameter([1.0])
    with pytest.raises(ArgumentError, match=rf"unknown option of {cls.__name__} '{option}': .*{message}"):
        cls([p], **{option: 0.5})
    name = next(name for name, rule in optim.RULES.items() if rule.cls is cls)
    with pytest.raises(ArgumentError, match=rf"unknown option of {name} '{option}': .*{message}"):
        optim.make(name, [p], **{option: 0.5})
    assert p._flat is None


def test_too_many_or_too_few_arguments_are_refused():
    p = Parameter([1.0])
    with pytest.raises(ArgumentError, match="Adam got 3 positional arguments, expected params and lr at most: name"):
        optim.Adam([p], 0.1, (0.9, 0.99))
    with pytest.raises(ArgumentError, match=r"Adam got no params, expected it first: pass model\.parameters\(\)"):
        optim.Adam(lr=0.1)


def test_wrong_rows_and_rules_are_refused():
    with pytest.raises(ArgumentError, match="unknown option of SGD in a row 'momentun': did you mean 'momentum'"):
        optim.registry.Rule(optim.SGD, {"momentun": 0.9})
    with pytest.raises(ArgumentError, match="cls of a row is 'adam', expected a class of optim"):
        optim.registry.Rule("adam")

    class Odd(optim.SGD):
        def _state_kinds(self, group):
            return {"memory": "per element"}

    with pytest.raises(
        ArgumentError, match=r"kind of 'memory', a state of Odd, 'per element': .*elements, count, total"
    ):
        Odd([Parameter([1.0])])


def test_frozen_parameters_are_left_out():
    net = Net()
    net.parameters[0].requires_grad = False
    optimizer = optim.SGD(net.parameters, lr=0.5)
    assert [id(p) for p in optimizer.param_groups[0]["params"]] == [id(p) for p in net.parameters[1:]]
    net.step(optimizer)
    assert_same_bits(net.values()[:1], net.start[:1])
    assert not np.array_equal(net.values()[1], net.start[1])


def test_invalid_params_are_refused():
    p, frozen = Parameter([1.0]), Parameter([1.0], requires_grad=False)
    for params, message in [
        ([], "there are no parameters"),
        ([{"params": []}], "no parameter that requires a gradient"),
        ([frozen], "no parameter that requires a gradient"),
        (p, "params is one Parameter"),
        (nn.MLP(2, [2], 1), r"params is an MLP, expected its parameters: pass model\.parameters\(\)"),
        (3, r"params is 3, expected a list of Parameters"),
        ([np.ones(3)], "holds an ndarray, expected Parameters"),
        ([gg.tensor([1.0], requires_grad=True)], "holds a Tensor, expected Parameters"),
        ([p, {"params": [p]}], "mixes"),
        ([{"params": [p]}, {"params": [p]}], "parameter groups 0 and 1"),
        ([{"lr": 0.1}], 'no "params"'),
        ([{"params": [p], "momentun": 0.9}], "option of SGD 'momentun': did you mean 'momentum'"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            optim.SGD(params)


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        *[("sgd", {"lr": lr}, "lr is") for lr in (-1e-3, math.nan, math.inf, "0.1", True)],
        ("sgd", {"weight_decay": -1}, "weight_decay is -1"),
        ("sgd", {"momentum": math.nan}, "momentum is nan"),
        ("sgd", {"nesterov": True}, "momentum is 0, expected a positive number with nesterov"),
        ("adagrad-norm", {"eps": 0}, "eps is 0"),
        ("adagrad", {"eps": 0.0}, "eps is 0"),
        ("adagrad", {"initial_accumulator_value": -1}, "initial_accumulator_value"),
        ("rmsprop", {"alpha": 1}, r"alpha is 1, expected a finite number in \[0.0, 1.0\)"),
        ("rmsprop", {"eps": -1}, "eps is -1"),
        ("adadelta", {"rho": 1.5}, "rho is 1.5"),
        ("adadelta", {"eps": 0}, "eps is 0"),
        ("adam", {"betas": 0.9}, "betas is 0.9, expected two numbers"),
        ("adam", {"betas": (1.0, 0.9)}, "beta1 is 1.0"),
        ("adam", {"betas": (0.9, -0.1)}, "beta2 is -0.1"),
        ("adamw", {"eps": math.nan}, "eps is nan"),
        ("adam", {"momentum": 0.9}, "unknown option of adam 'momentum'"),
        ("adamm", {}, "unknown optimizer 'adamm': did you mean 'adam'"),
    ],
)
def test_invalid_values_are_refused(rule, options, message):
    p = Parameter([1.0])
    with pytest.raises(ArgumentError, match=message):
        optim.make(rule, [p], **options)
    assert p._flat is None  # nothing was taken over


def test_an_option_changed_to_an_invalid_value_is_refused_at_the_step():
    net = Net()
    optimizer = optim.Adam(net.parameters)
    step = gg.record(lambda: net.step(optimizer))
    step()
    before = net.values()
    for name, value in {"lr": math.nan, "eps": -1.0, "betas": (2.0, 0.9)}.items():
        kept = optimizer.param_groups[0][name]
        optimizer.param_groups[0][name] = value
        with pytest.raises(ArgumentError):
            step()
        optimizer.param_groups[0][name] = kept
    assert_same_bits(before, net.values())
    step()


def test_a_rate_of_zero_moves_nothing():
    net = Net()
    net.step(optim.SGD(net.parameters, lr=0))
    assert_same_bits(net.values(), net.start)


def test_every_name_makes_its_optimizer():
    made = {name: optim.make(name, [Parameter([1.0])], weight_decay=0.1) for name in optim.NAMES}
    for name, optimizer in made.items():
        rule = optim.RULES[name]
        assert type(optimizer) is rule.cls is getattr(optim, rule.cls.__name__)
        assert {option: optimizer.param_groups[0][option] for option in rule.options} == rule.options
    expected = ["SGD", "SGD", "SGD", "AdagradNorm", "Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW"]
    assert [type(optimizer).__name__ for optimizer in made.values()][: len(expected)] == expected
    assert made["momentum"].param_groups[0]["momentum"] == 0.9
    assert made["nesterov"].param_groups[0]["nesterov"] is True
    assert optim.make("nesterov", [Parameter([1.0])], momentum=0.5, lr=2).param_groups[0]["momentum"] == 0.5


def test_defaults_are_pytorchs():
    torch = pytest.importorskip("torch")
    names = [name for rule in optim.RULES.values() if hasattr(torch.optim, name := rule.cls.__name__)]
    assert len(set(names)) >= 6
    for name in names:
        ours = getattr(optim, name)([Parameter([1.0])]).param_groups[0]
        theirs = getattr(torch.optim, name)([torch.ones(1, requires_grad=True)]).param_groups[0]
        own = {"params", "lr_in_buffer", "eps_hat"}  # which PyTorch does not have
        assert {k: v for k, v in ours.items() if k not in own} == {k: theirs[k] for k in ours if k not in own}


def test_is_finite_finds_nan_and_infinity_but_no_overflow_of_a_sum(every_device):
    w = Parameter(np.full(1000, 3e38, np.float32), every_device)
    optimizer = optim.Adam([w])
    assert optimizer.is_finite()
    for bad in (np.nan, np.inf, -np.inf):
        every_device.write(w.data[7:8], bad)
        assert not optimizer.is_finite()


def test_a_row_added_at_run_time_is_a_name(monkeypatch):
    monkeypatch.setitem(optim.RULES, "slow adam", optim.registry.Rule(optim.Adam, {"eps": 1e-3}))
    made = optim.make("slow adam", [Parameter(np.ones(3))])
    assert made.param_groups[0]["eps"] == 1e-3


def test_parameters_that_are_no_list_are_refused_in_a_sentence():
    model = nn.Dense(2, 2)
    with pytest.raises(
        ArgumentError, match=r"params is the method parameters, .*: call it, pass model.parameters\(\)$"
    ):
        optim.Adam(model.parameters)
    optimizer = optim.Adam(model.parameters())
    with pytest.raises(ArgumentError, match=r"params is 3, expected a list of Parameters: pass"):
        optimizer.add_param_group({"params": 3})


@pytest.mark.parametrize("limit", ["a", None, [1.0]])
def test_a_limit_of_clipping_that_is_no_number_is_refused(limit):
    optimizer = optim.Adam(nn.Dense(2, 2).parameters())
    with pytest.raises(ArgumentError, match=r"max_norm is .*, expected a number more than 0"):
        optimizer.clip_grad_norm(limit)
    with pytest.raises(ArgumentError, match=r"limit is .*, expected a number more than 0"):
        optimizer.clip_grad_value(limit)
