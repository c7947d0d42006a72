"""Recording: a replay equals the unrecorded step bit for bit; a step that cannot be replayed is refused."""

import collections
import contextlib
import dataclasses
import functools
import threading
import tracemalloc
import types
from types import SimpleNamespace

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.engine import functional as F
from gpugrad.engine.recording import MOST_VARIANTS
from gpugrad.engine.surroundings import MOST
from gpugrad.errors import GraphError, RecordingError
from gpugrad.kernels import Launcher

TOOLCHAINS = ("numba", "numpy")


class Training:
    """Two dense layers with dropout, trained by gradient descent: the step that the tests record, or do not."""

    def __init__(self, toolchain="numba", *, dropout=0.3, activation="gelu"):
        self.device = gg.device("cpu", toolchain)
        rng = np.random.default_rng(0)
        shapes = ((6, 8), (8,), (8, 3), (3,))
        self.parameters = [
            gg.tensor(rng.normal(size=s).astype(np.float32), requires_grad=True, device=self.device) for s in shapes
        ]
        self.generator = gg.Generator(1, self.device)
        self.dropout, self.activation, self.runs = dropout, activation, 0

    def loss(self, x, y):
        w1, b1, w2, b2 = self.parameters
        hidden = F.dense(x, w1, b1, activation=self.activation)
        if self.dropout:
            hidden = F.dropout(hidden, self.dropout, generator=self.generator)
        penalty = (w1 * w1).sum() * 1e-3
        return F.cross_entropy(F.dense(hidden, w2, b2), y) + penalty

    def gradients(self, x, y):
        self.runs += 1
        for p in self.parameters:
            p.zero_grad()
        loss = self.loss(x, y)
        loss.backward()
        return loss

    def step(self, x, y):
        loss = self.gradients(x, y)
        with gg.no_grad():
            for p in self.parameters:
                p[...] = p - 0.1 * p.grad
        return loss

    def state(self):
        gradients = [None if p.grad is None else p.grad.numpy() for p in self.parameters]
        return [*(p.numpy() for p in self.parameters), *gradients, self.generator.get_calls()]


def batches(sizes, seed=2):
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(n, 6)).astype(np.float32), rng.integers(0, 3, n).astype(np.int32)) for n in sizes]


def tensors(device, *arrays):
    return [gg.tensor(a, device=device) for a in arrays]


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b)


# ---- a replay is the step ----


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("as_tensors", [True, False], ids=["tensors", "arrays"])
def test_replay_equals_the_step_bit_for_bit(toolchain, activation, as_tensors):
    plain, other = Training(toolchain, activation=activation), Training(toolchain, activation=activation)
    recorded = gg.record(other.step, other.device)
    for x, y in batches([16] * 6):
        expected = plain.step(*tensors(plain.device, x, y))
        loss = recorded(*tensors(other.device, x, y)) if as_tensors else recorded(x, y)
        assert loss.item() == expected.item()
        assert_same(plain.state(), other.state())
    assert other.runs == recorded.recordings == 1
    assert other.generator.get_calls() == 6


def test_changed_shapes_record_anew_and_old_ones_are_kept():
    plain, other = Training(), Training()
    recorded = gg.record(other.step)
    for x, y in batches([16, 16, 5, 16, 5, 5, 1]):
        assert recorded(x, y).item() == plain.step(*tensors(plain.device, x, y)).item()
        assert_same(plain.state(), other.state())
    assert recorded.recordings == 3


def test_changed_plain_arguments_and_dtypes_record_anew():
    recorded = gg.record(lambda x, factor: x * factor)
    x = np.array([1, 2], np.int64)
    results = [recorded(x, factor).numpy() for factor in (2, 3, 2, 2.0, True)]
    assert [r.tolist() for r in results] == [[2, 4], [3, 6], [2, 4], [2, 4], [1, 2]]
    assert [r.dtype.name for r in results] == ["int64"] * 3 + ["float64", "int64"]  # 2, 2.0 and True are not the same
    assert recorded.recordings == 4
    recorded(x.astype(np.float32), 2)
    recorded(gg.tensor(x), 2)
    assert recorded.recordings == 6


def test_without_zero_grad_gradients_accumulate():
    """The first pass writes, the others add: two recordings."""

    def make(record):
        w = gg.tensor([[1.0], [2.0]], requires_grad=True)

        def step(x):
            F.dense(x, w, activation="tanh").sum().backward()
            (w * w).sum().backward()

        return w, gg.record(step) if record else step

    (w, step), (v, recorded) = make(False), make(True)
    rng = np.random.default_rng(3)
    for i in range(6):
        x = gg.tensor(rng.normal(size=(4, 2)).astype(np.float32))
        step(x)
        recorded(x)
        assert v.grad.tolist() == w.grad.tolist()
        if i == 3:
            w.zero_grad()
            v.zero_grad()
    assert recorded.recordings == 2


def test_zero_grad_alone_at_the_end_is_repeated():
    training = Training()

    def step(x, y):
        loss = training.gradients(x, y)
        training.parameters[0].zero_grad()
        return loss

    recorded = gg.record(step)
    for x, y in batches([4] * 3):
        training.parameters[0].has_grad = True  # whatever it was, the step leaves no gradient
        recorded(x, y)
        assert training.parameters[0].grad is None
        assert training.parameters[1].grad is not None
    assert recorded.recordings == 1


def test_a_step_that_reads_gradients_notices_that_they_are_gone():
    w = gg.tensor([1.0, 2.0], requires_grad=True)

    def step():
        with gg.no_grad():
            w[...] = w - (w.grad if w.grad is not None else 100.0)

    recorded = gg.record(step)
    (w * w).sum().backward()
    recorded()
    assert w.tolist() == [-1, -2]
    w.zero_grad()
    recorded()
    assert w.tolist() == [-101, -102]


def test_attributes_that_a_step_reads():
    """Train and eval mode, as nn.Dropout reads it."""

    class Mode:
        training = True

    mode, cpu = Mode(), gg.device("cpu")
    runs = []

    def step(x):
        runs.append(mode.training)
        if cpu.thread.recorder is not None:
            cpu.thread.recorder.read_attribute(mode, "training")
        return x * 2 if mode.training else x * 3

    recorded = gg.record(step)
    results = []
    for mode.training in (True, True, False, True, False):
        results.append(recorded(np.ones(1)).item())
    assert results == [2, 2, 3, 2, 3]
    assert runs == [True, False]


def test_freezing_a_parameter_records_anew():
    training = Training()
    recorded = gg.record(training.gradients)
    (x, y), *_ = batches([4])
    recorded(x, y)
    training.parameters[0].zero_grad()
    training.parameters[0].requires_grad = False
    recorded(x, y)
    assert training.parameters[0].grad is None
    assert training.parameters[2].grad is not None
    assert recorded.recordings == 2


def test_no_grad_is_another_step():
    w = gg.tensor([2.0], requires_grad=True)
    recorded = gg.record(lambda x: x * w)
    with gg.no_grad():
        assert recorded(np.ones(1)).item() == 2
    assert not recorded(np.ones(1)).requires_grad  # a replay has no tape
    assert recorded.recordings == 2


def test_manual_seed_reaches_a_recorded_step():
    recorded = gg.record(lambda x: F.dropout(x, 0.5))
    x = np.ones(40, np.float32)

    def run(function, argument):
        gg.manual_seed(11)
        first = [function(argument).tolist() for _ in range(3)]
        gg.manual_seed(12)
        return first, [function(argument).tolist() for _ in range(2)]

    expected = run(lambda x: F.dropout(x, 0.5), gg.tensor(x))
    assert run(recorded, x) == expected
    assert run(recorded, x) == expected


def test_in_place_changes_in_a_replay_are_seen_by_the_tape():
    w = gg.tensor([1.0, 2.0], requires_grad=True)

    def update():
        with gg.no_grad():
            w[...] = w * 0.5

    recorded = gg.record(update)
    recorded()
    y = (w * w).sum()
    recorded()
    assert w.tolist() == [0.25, 0.5]
    with pytest.raises(GraphError, match="changed in place"):
        y.backward()


def test_indices_and_conditions_follow_their_values():
    def step(x, i):
        return gg.concatenate([x[i], gg.where(x > 0, x, -1.0), x[1:]]), x.argmax()

    recorded = gg.record(step)
    rng = np.random.default_rng(4)
    for _ in range(4):
        x, i = rng.normal(size=5), rng.integers(0, 5, 7)
        result, largest = recorded(x, i)
        np.testing.assert_array_equal(result.numpy(), np.concatenate([x[i], np.where(x > 0, x, -1), x[1:]]))
        assert largest.item() == x.argmax()
    assert recorded.recordings == 1


# ---- results ----


Pair = collections.namedtuple("Pair", "sum difference")


def test_a_result_that_was_overwritten_cannot_be_read():
    w = gg.tensor([1.0], requires_grad=True)
    recorded = gg.record(lambda x: {"pair": Pair(x + w, [x - w]), "name": "kept", "w": w})
    first = recorded(np.array([1.0]))
    assert (first["pair"].sum.item(), first["pair"].difference[0].item(), first["name"]) == (2, 0, "kept")
    second = recorded(np.array([5.0]))
    for stale in (first["pair"].sum, first["pair"].difference[0], first["w"]):
        for read in (float, gg.Tensor.numpy, repr, np.asarray, lambda t: t + 1, lambda t: t.shape, lambda t: t.sum()):
            with pytest.raises(GraphError, match=r"a later call .* has overwritten this result: read it before"):
                read(stale)
    assert (second["pair"].sum.item(), second["pair"].difference[0].item()) == (6, 4)
    assert w.item() == 1  # what the step did not compute stays readable outside
    recorded(np.array([1.0, 2.0]))  # another recording, with memory of its own
    assert second["pair"].sum.item() == 6


FACTOR = 2.0


def test_plain_values_around_a_step_are_noticed(monkeypatch):
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    settings, scales, shift, calls = {"on": True, "other": np.ones(2)}, [3.0], 0, []

    def step(x):
        calls.append(len(calls))
        return x * FACTOR * scales[0] + shift if settings["on"] else x * 0

    recorded, x = gg.record(functools.partial(step)), np.ones(1)
    assert [recorded(x).item() for _ in range(3)] == [6, 6, 6]
    for change, expected in (
        (lambda: scales.__setitem__(0, 5.0), 10),
        (lambda: monkeypatch.setitem(globals(), "FACTOR", 3.0), 15),
        (lambda: settings.update(on=False), 0),
        (lambda: settings.update(on=True), 15),
    ):
        change()
        assert [recorded(x).item() for _ in range(3)] == [expected] * 3
    shift = 1
    assert [recorded(x).item() for _ in range(3)] == [16, 16, 16]
    assert recorded.recordings == len(calls) == 5


CONFIG = types.ModuleType("config_of_a_user")
CONFIG.scale = 2.0


class Options:
    """An object of the user's."""

    shared = 1.0

    def __init__(self):
        self.own, self.nested = 2.0, {"list": [3.0, {"deep": 4.0}], "set": {5.0}}

    def step(self, x):
        return x * self.own

    def __call__(self, x):
        return x * self.own

    @property
    def doubled(self):
        return 2 * FACTOR

    @staticmethod
    def scaled(x):
        return x * FACTOR

    @classmethod
    def scaled_by_class(cls, x):
        return x * cls.shared

    def by_helper(self, x):
        return helper(x)


@dataclasses.dataclass(slots=True)
class Slots:
    scale: float = 2.0


class Lookup:
    """An object that finds its attributes in a dict."""

    def __init__(self):
        self._held = {"scale": 2.0}

    def __getattr__(self, name):
        return self.__dict__["_held"][name]


def helper(x, scale=[7.0]):  # noqa: B006
    return x * FACTOR * scale[0]


@functools.cache
def cached(x):
    return FACTOR


OPTIONS, SLOTS, LOOKUP = Options(), Slots(), Lookup()
LONG, QUEUE, BYTES, ARRAY = [1.0] * 300, collections.deque([2.0]), bytearray([2]), np.array([2.0, 3.0])
OBJECTS = [Slots() for _ in range(300)]


def change_cached():
    globals().update(FACTOR=9.0)
    cached.cache_clear()


STEPS = {
    "nested": (lambda x: x * OPTIONS.nested["list"][1]["deep"], lambda: OPTIONS.nested["list"][1].update(deep=9.0)),
    "a set": (lambda x: x * max(OPTIONS.nested["set"]), lambda: OPTIONS.nested["set"].add(9.0)),
    "an attribute": (lambda x: x * OPTIONS.own, lambda: setattr(OPTIONS, "own", 9.0)),
    "of a class": (lambda x: x * Options.shared, lambda: setattr(Options, "shared", 9.0)),
    "a default of a class": (lambda x: x * OPTIONS.shared, lambda: setattr(OPTIONS, "shared", 7.0)),
    "a class method": (lambda x: Options.scaled_by_class(x), lambda: setattr(Options, "shared", 8.0)),
    "a static method": (lambda x: Options.scaled(x), lambda: globals().update(FACTOR=9.0)),
    "a property": (lambda x: x * OPTIONS.doubled, lambda: globals().update(FACTOR=9.0)),
    "a helper of a method": (lambda x: OPTIONS.by_helper(x), lambda: globals().update(FACTOR=9.0)),
    "slots": (lambda x: x * SLOTS.scale, lambda: setattr(SLOTS, "scale", 9.0)),
    "__getattr__": (lambda x: x * LOOKUP.scale, lambda: LOOKUP._held.update(scale=9.0)),
    "a module": (lambda x: x * CONFIG.scale, lambda: setattr(CONFIG, "scale", 9.0)),
    "a long list": (lambda x: x * LONG[299], lambda: LONG.__setitem__(299, 9.0)),
    "after a long list": (lambda x: x * LONG[0] * FACTOR, lambda: globals().update(FACTOR=9.0)),
    "many objects": (lambda x: x * OBJECTS[299].scale, lambda: setattr(OBJECTS[299], "scale", 9.0)),
    "a queue": (lambda x: x * QUEUE[0], lambda: QUEUE.__setitem__(0, 9.0)),
    "bytes": (lambda x: x * BYTES[0], lambda: BYTES.__setitem__(0, 9)),
    "an array": (lambda x: x * float(ARRAY[1]), lambda: ARRAY.__setitem__(1, 9.0)),
    "a function with a cache": (lambda x: x * cached(0), change_cached),
    "a method": (OPTIONS.step, lambda: setattr(OPTIONS, "own", 9.5)),
    "a callable object": (OPTIONS, lambda: setattr(OPTIONS, "own", 9.75)),
    "a helper's global": (lambda x: helper(x), lambda: globals().update(FACTOR=9.0)),
    "a default": (lambda x: helper(x), lambda: helper.__defaults__[0].__setitem__(0, 9.0)),
    "a function within": (lambda x: (lambda: x * FACTOR)(), lambda: globals().update(FACTOR=8.0)),
    "bound": (functools.partial(lambda scale, x: x * scale[0], OPTIONS.nested["list"]), None),
}


@pytest.mark.parametrize("name", STEPS)
def test_whatever_is_around_a_step_is_noticed(name, monkeypatch):
    monkeypatch.setitem(globals(), "FACTOR", 2.0)  # and restored afterwards
    step, change = STEPS[name]
    recorded, x = gg.record(step), np.full(1, 3.0)
    for _ in range(2):
        before = recorded(x).item()
        assert before == step(gg.tensor(x)).item()
    if change is None:
        OPTIONS.nested["list"][0] = 9.0
    else:
        change()
    for _ in range(2):
        assert recorded(x).item() == step(gg.tensor(x)).item() != before
    assert recorded.recordings == 2


def test_a_step_with_too_many_values_around_it_is_recorded_each_time():
    objects = [Slots() for _ in range(2 * MOST)]
    recorded, x = gg.record(lambda x: x * objects[-1].scale), np.full(1, 3.0)
    for scale in (2.0, 3.0):
        objects[-1].scale = scale
        with pytest.warns(RuntimeWarning, match=f"more than {MOST} values"):
            assert recorded(x).item() == 3 * scale


def test_a_recorded_step_cannot_be_called_within_itself(monkeypatch):
    recorded, x, y = gg.record(lambda x: x * 2), np.ones(1), np.full(1, 5.0)
    recorded(x)
    device = gg.device("auto")
    write = device.write

    def write_interrupted(array, value):  # as by a signal handler
        write(array, value)
        if value is x:
            recorded(y)

    monkeypatch.setattr(device, "write", write_interrupted)
    with pytest.raises(RecordingError, match="within itself"):
        recorded(x)
    monkeypatch.undo()
    assert recorded(x).item() == 2


def test_another_object_in_a_variable_is_noticed():
    w, activation = gg.tensor([2.0]), gg.relu
    recorded, x = gg.record(lambda x: activation(x * w)), np.ones(1, np.float32)
    assert recorded(x).item() == 2
    w[:] = 3.0  # the same tensor
    assert (recorded(x).item(), recorded.recordings) == (3, 1)
    w = gg.tensor([5.0])
    assert recorded(x).item() == 5
    activation = gg.tanh
    assert (recorded(x).item(), recorded.recordings) == (pytest.approx(np.tanh(5.0)), 3)


def test_nan_is_one_argument_and_minus_zero_another():
    recorded, x = gg.record(lambda x, factor: x * factor), np.ones(1)
    for _ in range(5):
        assert np.isnan(recorded(x, float("nan")).item())
    assert not np.signbit(recorded(x, 0.0).item())
    assert np.signbit(recorded(x, -0.0).item())
    assert recorded.recordings == 3


@pytest.mark.parametrize("contain", [lambda t: {t}, lambda t: collections.deque([t]), lambda t: SimpleNamespace(t=t)])
def test_tensors_in_other_containers_are_refused(contain):
    with pytest.raises(RecordingError, match=r"returned a .* with tensors, expected tensors, or lists"):
        gg.record(lambda x: contain(x * 2))(np.ones(1))


def test_a_thread_reads_a_whole_result_or_none():
    recorded = gg.record(lambda x: x * 2)
    first, second = np.zeros(300_000), np.ones(300_000)
    for _ in range(20):
        result = recorded(first)
        thread = threading.Thread(target=recorded, args=(second,))
        thread.start()
        with contextlib.suppress(GraphError):
            while thread.is_alive():
                result.numpy()
        thread.join()
        with pytest.raises(GraphError, match="has overwritten this result"):
            result.numpy()


def test_recordings_are_not_kept_without_end():
    scale = 0.0
    recorded = gg.record(lambda x: x * scale)
    for i in range(2 * MOST_VARIANTS):
        scale = float(i)
        assert recorded(np.ones(1)).item() == i
    assert recorded.recordings == MOST_VARIANTS


def test_arguments_are_copied_in():
    recorded = gg.record(lambda x: x * 2)
    x = gg.tensor([1.0])
    result = recorded(x)
    x[0] = 3.0
    assert result.item() == 2
    assert recorded(x).item() == 6
    assert x.item() == 3


def test_recorded_keeps_the_name_of_the_step():
    def training_step():
        """Train."""

    recorded = gg.record(training_step)
    assert (recorded.__name__, recorded.__doc__) == ("training_step", "Train.")


# ---- work that a replay skips ----


def test_a_replay_has_no_tape_and_allocates_nothing(monkeypatch):
    training = Training(activation="relu")
    recorded = gg.record(training.step)
    (x, y), *_ = batches([512])
    recorded(x, y)

    def refuse(*_, **__):
        raise AssertionError("a replay called this")

    monkeypatch.setattr(gg.Device, "empty", refuse)
    monkeypatch.setattr(gg.Device, "run", refuse)
    monkeypatch.setattr(Launcher, "__call__", refuse)  # arguments that the contract checked are not checked again
    recorded(x, y)
    tracemalloc.start()
    recorded(x, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes  # not even one array of the batch: only the arguments of calls remain


def test_an_observed_replay_shows_each_launch():
    training = Training()
    recorded = gg.record(training.step)
    launches = [[], [], []]
    for seen, (x, y) in zip(launches, batches([8] * 3), strict=True):
        with training.device.observe(lambda launch, *_, seen=seen: seen.append(launch.__name__)):
            recorded(x, y)
    assert "dense_forward" in launches[0]
    # Recording also copies the arguments in; it launches all that a replay does.
    assert launches[0][-len(launches[1]) :] == launches[1] == launches[2]
    assert training.runs == 1


# ---- steps that cannot be recorded ----


def cpu_is_usable():
    device = gg.device("cpu")
    return device.thread.recorder is None and not device.observed and gg.record(lambda x: x + 1)(np.ones(1)).item() == 2


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            lambda x: x * float(x.sum()),
            "read a value back to the host.*return the tensor from the step and read it outside",
        ),
        (lambda x: x * (2 if x.sum() > 0 else 3), "read a value back to the host"),
        (lambda x: x.numpy(), "read a value back to the host"),
        (lambda x: x * gg.tensor([1.0]), "a host array was uploaded.*create it before the step, or pass it"),
        (lambda x: x * [1.0], "a host array was uploaded"),
        (lambda x: x[x > 0], r"an index of booleans .* use where\(\)"),
        (lambda x: x[np.array([True, False])], r"an index of booleans .* use where\(\)"),
        (
            lambda x: gg.record(lambda x: x + 1)(x),
            "a recorded step was called inside another one: record the outer step only",
        ),
        (
            lambda x: None,
            r"the step launched nothing on device\('cpu', toolchain='numba'\): pass record\(\) the device",
        ),
    ],
    ids=["float", "branch", "numpy", "upload", "list", "bool index", "bool array", "nested", "nothing"],
)
def test_a_step_that_cannot_be_recorded_says_why(step, message):
    recorded = gg.record(step)
    for _ in range(2):
        with pytest.raises(RecordingError, match=message):
            recorded(np.array([1.0, -1.0]))
    assert recorded.recordings == 0
    assert cpu_is_usable()


def test_a_host_value_written_in_place_cannot_be_recorded():
    x = gg.tensor(np.zeros(2))

    def write(value):
        x[:] = value

    gg.record(lambda: write(1.5))()
    assert x.tolist() == [1.5, 1.5]
    with pytest.raises(RecordingError, match="a host array was uploaded"):
        gg.record(lambda: write(np.ones(2)))()


def test_a_recorded_step_inside_another_one_that_was_recorded_before():
    inner = gg.record(lambda x: x + 1)
    inner(np.ones(1))
    with pytest.raises(RecordingError, match="called inside another one"):
        gg.record(lambda x: inner(x))(np.ones(1))
    assert cpu_is_usable()


def test_arguments_that_a_step_cannot_take():
    recorded = gg.record(lambda *arguments: gg.tensor)
    with pytest.raises(
        RecordingError, match="tensors, NumPy arrays and hashable plain values: pass lists and dicts as arrays"
    ):
        recorded([1, 2])
    with pytest.raises(
        RecordingError, match=r"an argument lives on .*'numpy'.*recorded for .*'numba'.*move it with .to\(\)"
    ):
        recorded(gg.tensor([1.0], device=gg.device("cpu", "numpy")))
    with pytest.raises(RecordingError, match=r"an argument of a recorded step requires a gradient.*pass detach\(\)"):
        recorded(gg.tensor([1.0], requires_grad=True))


def test_an_exception_in_the_step_leaves_everything_usable():
    training = Training()
    fail = True

    def step(x, y):
        loss = training.gradients(x, y)
        if fail:
            raise ZeroDivisionError("in the middle")
        return loss

    recorded = gg.record(step)
    (x, y), *_ = batches([4])
    with pytest.raises(ZeroDivisionError, match="in the middle"):
        recorded(x, y)
    assert cpu_is_usable()
    fail = False
    training.generator.set_calls(0)
    plain = Training()
    assert recorded(x, y).item() == plain.gradients(*tensors(plain.device, x, y)).item()
    assert recorded.recordings == 1


def test_a_recorded_step_takes_its_arguments_by_position():
    step = gg.record(lambda x: x * 2.0)
    with pytest.raises(RecordingError, match="a recorded step got x by name, expected arguments by position"):
        step(x=gg.tensor([1.0]))


def test_reprs_are_one_line():
    step = gg.record(lambda x: x * 2.0, "cpu")
    step(gg.tensor([1.0], device="cpu"))
    assert repr(step).endswith("<lambda>, 1 recorded, on cpu)")
    assert repr(gg.Generator(3, gg.device("cpu"))) == "Generator(seed=3, 0 draws on cpu)"
    assert repr(gg.Profile("cpu")) == "Profile(0 steps launch by launch, 0 whole, on cpu)"
