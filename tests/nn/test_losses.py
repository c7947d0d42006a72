"""Losses as modules: values and gradients against PyTorch, and errors."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn
from gpugrad.errors import ArgumentError, DeviceError, RecordingError

BATCH, N_OUT = 9, 4
CLASS_WEIGHT = [0.5, 2.0, 0.0, 1.25]


def draw(kind, dtype=np.float32):
    """(predictions, targets) of a kind of loss."""
    rng = np.random.default_rng(3)
    predictions = rng.normal(0, 2, (BATCH, N_OUT)).astype(dtype)
    targets = {
        "labels": lambda: rng.integers(0, N_OUT, BATCH),
        "shares": lambda: rng.uniform(size=(BATCH, N_OUT)).astype(dtype),
        "counts": lambda: rng.poisson(2, (BATCH, N_OUT)).astype(dtype),
        "values": lambda: rng.normal(0, 2, (BATCH, N_OUT)).astype(dtype),
    }[kind]()
    return predictions, targets


# (our class, PyTorch's class, options of both, kind of target)
CASES = [
    ("CrossEntropyLoss", {}, "labels"),
    ("CrossEntropyLoss", {"weight": CLASS_WEIGHT}, "labels"),
    ("CrossEntropyLoss", {"label_smoothing": 0.2}, "labels"),
    ("CrossEntropyLoss", {"weight": CLASS_WEIGHT, "label_smoothing": 0.3}, "labels"),
    ("BCEWithLogitsLoss", {}, "shares"),
    ("BCEWithLogitsLoss", {"pos_weight": CLASS_WEIGHT}, "shares"),
    ("MSELoss", {}, "values"),
    ("L1Loss", {}, "values"),
    ("HuberLoss", {}, "values"),
    ("HuberLoss", {"delta": 0.4}, "values"),
    ("PoissonNLLLoss", {}, "counts"),
]
IDS = [f"{name} {' '.join(options)}".strip() for name, options, _ in CASES]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "options", "kind"), CASES, ids=IDS)
def test_values_and_gradients_are_those_of_pytorch(name, options, kind, reduction, dtype):
    torch = pytest.importorskip("torch")
    predictions, targets = draw(kind, dtype)
    theirs = {k: torch.tensor(v, dtype=torch.float64) if isinstance(v, list) else v for k, v in options.items()}
    x = torch.tensor(predictions, dtype=torch.float64, requires_grad=True)
    y = torch.tensor(targets if kind == "labels" else targets.astype(np.float64))
    expected = getattr(torch.nn, name)(**theirs, reduction=reduction)(x, y)
    factor = np.linspace(0.5, 2, expected.numel()).reshape(expected.shape)
    expected.backward(torch.tensor(factor))

    p = gg.tensor(predictions, requires_grad=True)
    loss = getattr(nn, name)(**options, reduction=reduction)(p, gg.tensor(targets))
    assert loss.shape == tuple(expected.shape)
    loss.backward(gg.tensor(factor.astype(dtype)))
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(loss.numpy(), expected.detach().numpy(), rtol=rtol, atol=rtol)
    scale = float(x.grad.abs().max())
    np.testing.assert_allclose(p.grad.numpy(), x.grad.numpy(), rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize(("name", "options", "kind"), CASES, ids=IDS)
def test_sample_weights_make_a_weighted_mean(name, options, kind):
    predictions, targets = draw(kind)
    weight = np.random.default_rng(4).uniform(0, 2, BATCH).astype(np.float32)
    make = getattr(nn, name)

    def loss(reduction, *sample_weight):
        arguments = (gg.tensor(predictions), gg.tensor(targets), *map(gg.tensor, sample_weight))
        return make(**options, reduction=reduction)(*arguments).numpy()

    each = loss("none")
    rows = weight.reshape(-1, *[1] * (each.ndim - 1))
    np.testing.assert_allclose(loss("none", weight), each * rows, rtol=1e-5)
    np.testing.assert_allclose(loss("sum", weight), (each * rows).sum(), rtol=1e-5)
    norm = (weight * np.array(options.get("weight", [1] * N_OUT))[targets]).sum() if kind == "labels" else 0
    norm = norm or weight.sum() * N_OUT
    np.testing.assert_allclose(loss("mean", weight), (each * rows).sum() / norm, rtol=1e-5)
    np.testing.assert_allclose(loss("mean", np.ones(BATCH)), loss("mean"), rtol=1e-5)  # float64 weights are cast


@pytest.mark.parametrize(("name", "options", "kind"), CASES, ids=IDS)
def test_gradcheck(name, options, kind):
    predictions, targets = draw(kind, np.float64)
    loss = getattr(nn, name)(**options)
    y = gg.tensor(targets)
    weight = gg.tensor(np.linspace(0, 2, BATCH))
    assert gg.gradcheck(lambda p: loss(p, y, weight), gg.tensor(predictions, requires_grad=True))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_labels_of_any_integer_dtype(dtype):
    predictions, labels = draw("labels")
    loss = nn.CrossEntropyLoss()
    expected = loss(gg.tensor(predictions), gg.tensor(labels.astype(np.int32))).numpy()
    np.testing.assert_array_equal(loss(gg.tensor(predictions), gg.tensor(labels.astype(dtype))).numpy(), expected)


def test_integer_targets_of_regression():
    assert float(nn.MSELoss()(gg.tensor([[1.0], [3.0]]), gg.tensor([[1], [1]]))) == 2


# ---- errors ----


@pytest.mark.parametrize(
    "make", [lambda w: nn.CrossEntropyLoss(weight=w), lambda w: nn.BCEWithLogitsLoss(pos_weight=w)]
)
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, -1.0], "at least 0"),
        ([1.0, math.nan], "at least 0"),
        ([1.0, math.inf], "at least 0"),
        ([0.0, 0.0], "one above"),
        ([], r"shape \(0,\)"),
        (2.0, r"shape \(\)"),
        ([[1.0, 2.0]], r"shape \(1, 2\)"),
        ([[1.0], [2.0, 3.0]], "expected a list of numbers"),
        ("balanced", "expected a list of numbers"),
    ],
)
def test_weights_are_checked_early(make, weight, message):
    with pytest.raises(ArgumentError, match=message):
        make(weight)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.CrossEntropyLoss(reduction="average"), "unknown reduction 'average'"),
        (lambda: nn.MSELoss("man"), "did you mean 'mean'"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=1.1), r"label_smoothing is 1.1, expected a number in \[0, 1\]"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=math.nan), "label_smoothing is nan"),
        (lambda: nn.HuberLoss(delta=0), "delta is 0, expected a positive number"),
        (lambda: nn.HuberLoss(delta=math.inf), "delta is inf"),
        (lambda: nn.losses.make("hubert"), "did you mean 'huber'"),
        (lambda: nn.losses.make("hubert_x"), "unknown loss 'hubert_x'"),
    ],
)
def test_options_are_checked_early(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_arguments_that_do_not_fit():
    x, y = gg.tensor(np.zeros((3, 2), np.float32)), gg.tensor([0, 1, 1])
    with pytest.raises(ArgumentError, match=r"weight has 3 numbers for predictions of shape \(3, 2\).*one per class"):
        nn.CrossEntropyLoss([1, 2, 3])(x, y)
    with pytest.raises(ArgumentError, match=r"pos_weight has 3 numbers for predictions.*one per output"):
        nn.BCEWithLogitsLoss([1, 2, 3])(x, x)
    with pytest.raises(ArgumentError, match=r"dtype float32, expected integer labels.*astype"):
        nn.CrossEntropyLoss()(x, gg.tensor([0.0, 1.0, 1.0]))
    with pytest.raises(ArgumentError, match=r"sample_weight of MSELoss has shape \(2,\), expected \(3,\)"):
        nn.MSELoss()(x, x, gg.tensor([1.0, 2.0]))
    with pytest.raises(ArgumentError, match=r"targets has shape \(3,\), expected \(3, 2\)"):
        nn.MSELoss()(x, gg.tensor([1.0, 2.0, 3.0]))
    with pytest.raises(ArgumentError, match=r"labels has shape \(3, 1\), expected \(3,?\)"):
        nn.CrossEntropyLoss()(x, y.reshape(3, 1))
    for loss in (nn.MSELoss(), nn.BCEWithLogitsLoss()):
        flat = gg.tensor([1.0, 2.0, 3.0])
        with pytest.raises(ArgumentError, match=r"have shape \(3,\), expected \(batch, n_out\): .*reshape\(-1, 1\)"):
            loss(flat, flat)
    with pytest.raises(ArgumentError, match=r"targets of MSELoss are an ndarray, expected a tensor"):
        nn.MSELoss()(x, np.zeros((3, 2)))
    with pytest.raises(
        ArgumentError, match=r"targets of CrossEntropyLoss are an ndarray, expected a tensor of integer"
    ):
        nn.CrossEntropyLoss()(x, np.zeros(3))


# ---- weights are part of the module ----


def test_weights_move_with_the_module_and_are_kept_with_it():
    numpy = gg.device("cpu", "numpy")
    loss = nn.CrossEntropyLoss(weight=np.array([1.0, 3.0]))
    x, y = gg.tensor([[0.5, -1.0], [2.0, 0.0]]), gg.tensor([1, 0])
    expected = float(loss(x, y))
    np.testing.assert_array_equal(loss.state_dict()["weight"], [1, 3])
    assert not loss.weight.requires_grad
    with pytest.raises(DeviceError):
        loss(x.to(numpy), y.to(numpy))
    assert float(loss.to(numpy)(x.to(numpy), y.to(numpy))) == pytest.approx(expected, rel=1e-6)
    assert float(pickle.loads(pickle.dumps(loss))(x.to(numpy), y.to(numpy))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_replay_reads_the_current_weights(dtype):
    loss = nn.CrossEntropyLoss(weight=[1.0, 3.0], reduction="sum")
    step = gg.record(lambda x, y: loss(x, y))
    x, y = np.array([[0.5, -1.0], [2.0, 0.0]], dtype), np.array([1, 1], np.int32)
    first = float(step(x, y))
    loss.load_state_dict({"weight": np.array([1.0, 6.0])})
    assert float(step(x, y)) == pytest.approx(2 * first)
    assert step.recordings == 1


def test_a_loss_made_inside_a_recorded_step_is_refused():
    with pytest.raises(RecordingError, match="uploaded inside a recorded step"):
        gg.record(lambda x, y: nn.CrossEntropyLoss(weight=[1.0, 2.0]).to("cpu")(x, y).item())(
            np.zeros((1, 2), np.float32), np.zeros(1, np.int32)
        )


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(nn.MSELoss()) == "MSELoss()"
    loss = nn.CrossEntropyLoss([1.0, 2.5], "sum", label_smoothing=0.1)
    assert repr(loss) == "CrossEntropyLoss(weight=[1.0, 2.5], reduction='sum', label_smoothing=0.1)"
    assert repr(nn.BCEWithLogitsLoss(np.ones(50))) == "BCEWithLogitsLoss(pos_weight=<50 weights>)"


def test_losses_by_name():
    assert set(map(type, map(nn.losses.make, nn.losses.LOSSES))) == set(nn.losses.LOSSES.values())
    assert nn.losses.make("huber", delta=2.0).delta == 2


@pytest.mark.parametrize("loss", [nn.MSELoss, nn.L1Loss, nn.HuberLoss, nn.BCEWithLogitsLoss, nn.PoissonNLLLoss])
def test_targets_in_one_axis_are_refused_with_the_remedy(loss):
    with pytest.raises(ArgumentError, match=r"have shape \(3,\), expected \(3, 1\): reshape targets of one output"):
        loss()(gg.ones(3, 1), gg.ones(3))


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 1.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_rows_of_the_ignored_label_count_as_in_pytorch(recorded, weight, smoothing, reduction):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(7, 3)).astype(np.float32), np.array([0, -100, 2, 1, -100, 1, 0])
    z = torch.tensor(logits, requires_grad=True)
    theirs = torch.nn.CrossEntropyLoss(
        None if weight is None else torch.tensor(weight), reduction=reduction, label_smoothing=smoothing
    )(z, torch.tensor(labels))
    theirs.sum().backward()
    x, y = gg.tensor(logits, requires_grad=True, device="cpu"), gg.tensor(labels, device="cpu")
    loss_of = nn.CrossEntropyLoss(weight, reduction, smoothing, ignore_index=-100)

    def step():
        x.zero_grad()
        loss = loss_of(x, y)
        loss.sum().backward()
        return loss

    loss = (gg.record(step, device="cpu") if recorded else step)()
    np.testing.assert_allclose(loss.numpy(), theirs.detach().numpy(), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_an_ignored_label_is_an_integer_and_shown():
    assert repr(nn.CrossEntropyLoss(ignore_index=-100)) == "CrossEntropyLoss(ignore_index=-100)"
    assert nn.CrossEntropyLoss(ignore_index=1)(gg.zeros(2, 3), gg.tensor([1, 1])).item() == 0
    for wrong in (1.5, True, "a"):
        with pytest.raises(ArgumentError, match=f"ignore_index is {wrong!r}, expected an integer label"):
            nn.CrossEntropyLoss(ignore_index=wrong)
