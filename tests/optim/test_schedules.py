"""Schedules: against PyTorch's, resumed at any step, with lengths that a run fills in."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import optim
from gpugrad.engine.parameter import Parameter
from gpugrad.errors import ArgumentError, CheckpointError, RecordingError

# Rates of two parameter groups.
RATES = (0.1, 0.02)
STEPS = 60


def optimizer(rates=RATES):
    return optim.SGD([{"params": [Parameter([1.0])], "lr": rate} for rate in rates])


def make_warmup(o, steps=7):
    return optim.LinearWarmup(o, steps, start_factor=0.1, then=optim.CosineAnnealingLR(o, 30))


# name: (ours, PyTorch's)
PAIRS = {
    "step": (lambda o: optim.StepLR(o, 7), lambda s, o: s.StepLR(o, 7)),
    "step, gamma": (lambda o: optim.StepLR(o, 3, 0.5), lambda s, o: s.StepLR(o, 3, 0.5)),
    "exponential": (lambda o: optim.ExponentialLR(o, 0.9), lambda s, o: s.ExponentialLR(o, 0.9)),
    "cosine": (lambda o: optim.CosineAnnealingLR(o, STEPS), lambda s, o: s.CosineAnnealingLR(o, STEPS)),
    "cosine to a rate, and up again": (
        lambda o: optim.CosineAnnealingLR(o, 20, 0.01),
        lambda s, o: s.CosineAnnealingLR(o, 20, 0.01),
    ),
    "one-cycle": (
        lambda o: optim.OneCycleLR(o, 0.5, STEPS),
        lambda s, o: s.OneCycleLR(o, 0.5, STEPS, cycle_momentum=False),
    ),
    "one-cycle, a peak each": (
        lambda o: optim.OneCycleLR(o, [0.5, 0.2], STEPS, pct_start=0.5, div_factor=10, final_div_factor=100),
        lambda s, o: s.OneCycleLR(
            o, [0.5, 0.2], STEPS, pct_start=0.5, div_factor=10, final_div_factor=100, cycle_momentum=False
        ),
    ),
    "warm-up": (
        lambda o: optim.LinearWarmup(o, 5, start_factor=1 / 3),
        lambda s, o: s.LinearLR(o),  # its defaults
    ),
    "warm-up, then cosine": (
        make_warmup,
        lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, total_iters=7), s.CosineAnnealingLR(o, 30)], [7]),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.filterwarnings("ignore:.*epoch parameter.*")  # of PyTorch's SequentialLR
def test_rates_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    ours, theirs = PAIRS[name]
    o = optimizer()
    twin = torch.optim.SGD([{"params": [torch.ones(1, requires_grad=True)], "lr": rate} for rate in RATES])
    schedule, twin_schedule = ours(o), theirs(torch.optim.lr_scheduler, twin)
    for step in range(STEPS):
        assert schedule.get_last_lr() == pytest.approx([g["lr"] for g in twin.param_groups], rel=1e-9, abs=1e-12), step
        assert schedule.get_last_lr() == [group["lr"] for group in o.param_groups]
        twin.step()
        schedule.step()
        if step < STEPS - 1:  # PyTorch's OneCycleLR ends there
            twin_schedule.step()


PLATEAU = {
    "defaults": {},
    "no patience": {"patience": 0, "factor": 0.5},
    "cooldown": {"patience": 1, "cooldown": 3, "factor": 0.3},
    "a floor": {"patience": 1, "min_lr": 0.03},
    "max": {"mode": "max", "patience": 2, "threshold": 0.05},
}


@pytest.mark.parametrize("options", PLATEAU.values(), ids=PLATEAU)
def test_plateau_is_pytorchs(options):
    torch = pytest.importorskip("torch")
    o = optimizer()
    twin = torch.optim.SGD([{"params": [torch.ones(1, requires_grad=True)], "lr": rate} for rate in RATES])
    schedule = optim.ReduceLROnPlateau(o, **options)
    twin_schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(twin, **options)
    metrics = [1, 0.9, 0.9, 0.89999, 0.95, math.nan, 0.5, 0.5, 0.6, 0.5, 0.51, 0.5, math.inf, 0.5, 0.2] + [0.3] * 25
    for metric in metrics:
        schedule.step(metric)
        twin_schedule.step(metric)
        assert schedule.get_last_lr() == pytest.approx([g["lr"] for g in twin.param_groups], rel=1e-12)
    assert schedule.interval == "plateau"
    assert schedule.get_last_lr() != list(RATES)


def test_constant_is_constant():
    schedule = optim.Constant(optimizer())
    for _ in range(5):
        schedule.step()
    assert schedule.get_last_lr() == list(RATES)


@pytest.mark.parametrize("name", PAIRS)
def test_groups_keep_their_ratio(name):
    schedule = PAIRS[name][0](optimizer())
    if name in ("one-cycle", "one-cycle, a peak each", "cosine to a rate, and up again"):
        schedule = optim.OneCycleLR(optimizer(), total_steps=STEPS)
    for _ in range(STEPS):
        first, second = schedule.get_last_lr()
        assert second == pytest.approx(first * RATES[1] / RATES[0], rel=1e-9, abs=1e-15)
        schedule.step()


# ---- resuming ----


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*PAIRS, "plateau"]), st.integers(0, 40), st.integers(1, 20))
def test_a_resumed_schedule_continues_exactly(name, before, after):
    make = PAIRS[name][0] if name in PAIRS else (lambda o: optim.ReduceLROnPlateau(o, patience=2, cooldown=1))

    def run(schedule, steps, start):
        rates = []
        for t in range(start, start + steps):
            schedule.step(1 / (1 + t // 3))
            rates.append(schedule.get_last_lr())
        return rates

    schedule = make(optimizer())
    run(schedule, before, 0)
    saved = json.loads(json.dumps(schedule.state_dict()))
    expected = run(schedule, after, before)
    resumed = make(optimizer((0.7, 0.3)))
    run(resumed, 3, 0)
    resumed.load_state_dict(saved)
    assert run(resumed, after, before) == expected


def test_settings_come_with_the_state():
    schedule = optim.StepLR(optimizer(), 2, 0.5)
    schedule.step()
    other = optim.StepLR(optimizer(), 9)
    other.load_state_dict(schedule.state_dict())
    other.step()
    assert other.get_last_lr() == [rate * 0.5 for rate in RATES]


def test_a_state_that_does_not_fit():
    schedule = optim.StepLR(optimizer(), 5)
    plateau = optim.ReduceLROnPlateau(optimizer())
    o = optimizer()
    bare, followed = optim.LinearWarmup(o, 3), make_warmup(optimizer())
    stepped = optim.LinearWarmup(o, 3, then=optim.StepLR(o, 3, interval="step"))
    for target, state, message in [
        (schedule, plateau.state_dict(), "does not belong to StepLR"),
        (plateau, schedule.state_dict(), "does not belong to ReduceLROnPlateau"),
        (schedule, None, "does not belong to StepLR"),
        (schedule, optim.ExponentialLR(optimizer(), 0.9).state_dict(), "settings gamma, StepLR has step_size, gamma"),
        (schedule, optim.StepLR(optimizer((0.1,)), 5).state_dict(), "1 parameter groups, the optimizer has 2"),
        (bare, followed.state_dict(), "differ in the schedule after the warm-up"),
        (followed, bare.state_dict(), "differ in the schedule after the warm-up"),
        (followed, stepped.state_dict(), "settings step_size, gamma, CosineAnnealingLR has T_max, eta_min"),
    ]:
        before = target.state_dict()
        with pytest.raises(CheckpointError, match=message):
            target.load_state_dict(state)
        assert target.state_dict() == before


# ---- lengths from the training ----


def drive(schedule, epochs=10, steps_per_epoch=8):
    """Step like a Trainer, and return the rate of each epoch's last step."""
    schedule.prepare(total_steps=epochs * steps_per_epoch, steps_per_epoch=steps_per_epoch, epochs=epochs)
    rates = [schedule.get_last_lr()[0]]
    for _ in range(epochs):
        for _ in range(steps_per_epoch):
            if schedule.interval == "step":
                schedule.step()
                rates.append(schedule.get_last_lr()[0])
        if schedule.interval != "step":
            schedule.step(1.0)
            rates.append(schedule.get_last_lr()[0])
    return rates


@pytest.mark.parametrize("name", optim.SCHEDULE_NAMES)
def test_schedules_by_name_need_no_lengths(name):
    rates = drive(optim.make_schedule(name, optimizer((0.1,))))
    assert all(0 <= rate <= 0.1 + 1e-12 for rate in rates)
    if name == "constant":
        assert set(rates) == {0.1}
    elif name == "step":
        assert [round(rate, 9) for rate in rates] == [0.1] * 3 + [0.01] * 3 + [0.001] * 3 + [0.0001] * 2
    elif name == "exponential":
        assert rates[0] == 0.1
        assert rates[-1] == pytest.approx(0.001)
        assert rates[5] == pytest.approx(0.01)
    elif name == "cosine":
        assert rates[0] == 0.1
        assert rates[40] == pytest.approx(0.05)
        assert rates[-1] == pytest.approx(0, abs=1e-15)
    elif name == "one-cycle":
        assert rates[0] == pytest.approx(0.1 / 25)
        assert rates[23] == pytest.approx(0.1)
        assert rates[-1] == pytest.approx(0.1 / 25 / 1e4)
    elif name == "warmup":
        assert rates[0] == pytest.approx(0.001)
        assert rates[4] == pytest.approx(0.1)  # a twentieth of 80 steps
        assert rates[4 + 38] == pytest.approx(0.05)
        assert rates[-1] == pytest.approx(0, abs=1e-15)
    elif name == "plateau":
        assert [round(rate, 9) for rate in rates] == [0.1] * 5 + [0.01] * 4 + [0.001] * 2


@pytest.mark.parametrize("name", optim.SCHEDULE_NAMES)
@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (1, 2), (2, 1), (3, 7)])
def test_short_runs_have_rates_too(name, epochs, steps):
    rates = drive(optim.make_schedule(name, optimizer((0.1,))), epochs, steps)
    assert all(math.isfinite(rate) and 0 <= rate <= 0.1 + 1e-12 for rate in rates)


def test_a_given_length_is_kept():
    rates = drive(optim.CosineAnnealingLR(optimizer((0.1,)), 10, interval="epoch"), epochs=10)
    assert len(rates) == 11
    assert rates[5] == pytest.approx(0.05)
    assert drive(optim.StepLR(optimizer((0.1,)), 4, interval="step"), epochs=1)[4] == pytest.approx(0.01)


def test_continued_training_stretches_an_open_length():
    schedule = optim.CosineAnnealingLR(optimizer((0.1,)))
    drive(schedule, epochs=5)
    schedule.prepare(total_steps=80, steps_per_epoch=8, epochs=10)
    assert schedule.get_last_lr() == [pytest.approx(0.05)]


def test_without_a_length_there_is_no_step():
    o = optimizer()
    for make in (optim.StepLR, optim.ExponentialLR, optim.CosineAnnealingLR, optim.OneCycleLR, optim.LinearWarmup):
        schedule = make(o)
        with pytest.raises(
            ArgumentError, match=r"does not know the length of the run: pass its length, or call prepare"
        ):
            schedule.step()
        assert schedule.get_last_lr() == list(RATES)


# ---- errors ----


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: optim.StepLR(o, 0), "step_size is 0, expected an integer of at least 1"),
        (lambda o: optim.StepLR(o, 2.5), "step_size is 2.5"),
        (lambda o: optim.StepLR(o, 2, gamma=-1), "gamma is -1"),
        (lambda o: optim.StepLR(o, 2, interval="epochs"), "unknown interval 'epochs': did you mean 'epoch'"),
        (lambda o: optim.ExponentialLR(o, math.nan), "gamma is nan"),
        (lambda o: optim.CosineAnnealingLR(o, -3), "T_max is -3"),
        (lambda o: optim.CosineAnnealingLR(o, 3, -0.1), "eta_min is -0.1"),
        (lambda o: optim.OneCycleLR(o, -1.0, 10), "max_lr is -1.0"),
        (lambda o: optim.OneCycleLR(o, [0.1], 10), "max_lr has 1 value, expected one per parameter group, 2"),
        (lambda o: optim.OneCycleLR(o, 0.1, 10, pct_start=1.5), "pct_start is 1.5"),
        (lambda o: optim.OneCycleLR(o, 0.1, 10, div_factor=0), "div_factor is 0"),
        (lambda o: optim.LinearWarmup(o, 5, start_factor=2), "start_factor is 2"),
        (lambda o: optim.LinearWarmup(o, 5, then=optim.Constant(optimizer(), interval="step")), "of another optimizer"),
        (lambda o: optim.LinearWarmup(o, 5, then=optim.StepLR(o, 5)), "then counts epochs, the warm-up counts steps"),
        (lambda o: optim.LinearWarmup(o, 5, then=optim.ReduceLROnPlateau(o)), "then counts plateaus"),
        (lambda o: optim.ReduceLROnPlateau(o, "least"), "unknown mode 'least'"),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), "factor is 1.0"),
        (lambda o: optim.ReduceLROnPlateau(o, patience=-1), "patience is -1"),
        (lambda o: optim.ReduceLROnPlateau(o, patience=None), "patience is None, expected an integer of at least 0$"),
        (lambda o: optim.ReduceLROnPlateau(o).step(), "got no metric"),
        (lambda o: optim.make_schedule("cosin", o), "unknown schedule 'cosin': did you mean 'cosine'"),
        (lambda o: optim.make_schedule("step", o, stepsize=3), "option of step 'stepsize': did you mean 'step_size'"),
    ],
)
def test_invalid_values_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make(optimizer())


def test_a_step_inside_a_recorded_step_is_refused():
    for schedule in (optim.Constant(optimizer()), optim.ReduceLROnPlateau(optimizer())):
        with pytest.raises(RecordingError, match="step it outside"):
            gg.record(lambda schedule=schedule: schedule.step(1.0))()


def test_a_schedule_of_your_own():
    class InverseRoot(optim.Schedule):
        def rate(self, base, t):
            return base / math.sqrt(1 + t)

    schedule = InverseRoot(optimizer(), "step")
    for _ in range(3):
        schedule.step()
    assert schedule.get_last_lr() == [0.05, 0.01]


def test_a_schedule_without_an_optimizer_is_refused():
    for make in (
        lambda wrong: optim.make_schedule("cosine", wrong),
        optim.Constant,
        optim.OneCycleLR,
        lambda wrong: optim.make_schedule("warmup", wrong),
    ):
        for wrong, named in ((None, "None"), ([optimizer()], "a list")):
            with pytest.raises(ArgumentError, match=rf"optimizer is {named}, expected an optimizer: pass optim\.Adam"):
                make(wrong)


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("cosine", "epochs", "write T_max=… instead"),
        ("cosine", "min_lr", "write eta_min=… instead"),
        ("one-cycle", "T_max", "write total_steps=… instead"),
        ("one-cycle", "lr", "write max_lr=… instead"),
        ("step", "last_epoch", "leave it out, load_state_dict"),
        ("step", "gama", "did you mean 'gamma'"),
        ("plateau", "gamma", "write factor=… instead"),
        ("warmup", "total_iters", "write warmup_steps=… instead"),
    ],
)
def test_options_of_other_libraries_name_those_here(name, option, message):
    cls = optim.SCHEDULES[name].cls
    with pytest.raises(ArgumentError, match=rf"unknown option of {cls.__name__} '{option}': {message}"):
        cls(optimizer(), **{option: 1})
    with pytest.raises(ArgumentError, match=rf"unknown option of {name} '{option}': {message}"):
        optim.make_schedule(name, optimizer(), **{option: 1})


def test_repr_is_one_line():
    o = optim.SGD([Parameter([1.0])], lr=0.5)
    cosine = optim.CosineAnnealingLR(o, 10, eta_min=0.1)
    cosine.step()
    assert repr(cosine) == "CosineAnnealingLR(T_max=10, eta_min=0.1, step 1, lr=0.490211)"
    assert repr(optim.StepLR(optimizer((0.1, 0.2)), 3)) == "StepLR(step_size=3, epoch 0, lr=[0.1, 0.2])"
    for name in optim.SCHEDULE_NAMES:
        assert "\n" not in repr(optim.make_schedule(name, optimizer()))


def test_a_group_that_is_added_starts_from_its_own_rate():
    o = optim.SGD([Parameter([1.0])], lr=1.0)
    schedule = optim.ExponentialLR(o, 0.5)
    schedule.step()
    o.add_param_group({"params": [Parameter([2.0])], "lr": 0.1})
    schedule.step()
    assert [group["lr"] for group in o.param_groups] == [0.25, 0.1 * 0.25]
    assert schedule.state_dict()["base_lrs"] == [1.0, 0.1]
