"""The operations of networks: values by their formulas, gradients by finite differences, and both against PyTorch."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad.engine import functional as F
from gpugrad.errors import ArgumentError, DeviceError, GraphError
from gpugrad.kernels import regression
from gpugrad.kernels.activation import ACTIVATIONS

TOOLCHAINS = ("numba", "numpy")
NAMED_ACTIVATIONS = set(ACTIVATIONS) - {"identity"}
LOSSES = {"cross_entropy", "binary_cross_entropy_with_logits", "regression_loss"}
REGRESSION = regression.LOSSES
SEEDS = st.integers(0, 2**16)
few = settings(max_examples=20, deadline=None)


@pytest.fixture(params=TOOLCHAINS)
def device(request):
    return gg.device("cpu", request.param)


def leaf(rng, device, *shape):
    """A float64 leaf whose elements are at least 0.01 from 0, where relu and its like have their kink."""
    values = rng.uniform(0.01, 2, shape) * rng.choice([-1, 1], shape)
    return gg.tensor(values, requires_grad=True, device=device)


def constant(values, device):
    return gg.tensor(values, device=device)


PUBLIC = {
    name: value
    for name, value in vars(F).items()
    if inspect.isfunction(value) and value.__module__ == F.__name__ and not name.startswith("_")
}
TESTED_BELOW = {"dense", "activation", "dropout", *NAMED_ACTIVATIONS, *LOSSES}


def test_the_operations_below_are_there():
    assert set(PUBLIC) >= TESTED_BELOW


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - TESTED_BELOW))
def test_gradients_of_any_other_operation(name, device):
    """Check functions of tensors of one shape by finite differences; the others are tested below."""
    parameters = inspect.signature(PUBLIC[name]).parameters.values()
    tensors = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    rng = np.random.default_rng(0)
    assert gg.gradcheck(PUBLIC[name], [leaf(rng, device, 4, 3) for _ in tensors])


# ---- activations ----


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (2, 3, 4)])
def test_activation_gradients(name, shape, device):
    x = leaf(np.random.default_rng(1), device, *shape)
    assert gg.gradcheck(lambda x: F.activation(x, name, negative_slope=0.2), x)


@pytest.mark.parametrize("name", sorted(NAMED_ACTIVATIONS))
def test_named_activations_are_activation(name, device):
    x = leaf(np.random.default_rng(2), device, 4, 3)
    assert getattr(F, name)(x).tolist() == F.activation(x, name).tolist()


def test_activation_formulas(device):
    x = constant(np.array([-2.0, -0.5, 0.0, 0.5, 2.0]), device)
    z = x.numpy()
    np.testing.assert_array_equal(F.relu(x).numpy(), np.maximum(z, 0))
    np.testing.assert_allclose(F.leaky_relu(x, 0.1).numpy(), np.where(z > 0, z, 0.1 * z))
    np.testing.assert_allclose(F.sigmoid(x).numpy(), 1 / (1 + np.exp(-z)))
    np.testing.assert_allclose(F.silu(x).numpy(), z / (1 + np.exp(-z)))
    np.testing.assert_allclose(F.tanh(x).numpy(), np.tanh(z))
    np.testing.assert_allclose(x.relu().numpy(), F.relu(x).numpy())


def test_unknown_activation():
    with pytest.raises(ArgumentError, match=r"unknown activation 'rellu': did you mean 'relu'"):
        F.activation(gg.tensor([1.0]), "rellu")


# ---- dense ----


@given(
    lead=st.lists(st.integers(0, 3), max_size=2),
    sizes=st.tuples(st.integers(0, 4), st.integers(1, 4)),
    activation=st.sampled_from(list(ACTIVATIONS)),
    toolchain=st.sampled_from(TOOLCHAINS),
    bias=st.booleans(),
    seed=SEEDS,
)
@settings(max_examples=80, deadline=None)
def test_dense_gradients(lead, sizes, activation, toolchain, bias, seed):
    device, rng = gg.device("cpu", toolchain), np.random.default_rng(seed)
    x, w, b = leaf(rng, device, *lead, sizes[0]), leaf(rng, device, *sizes), leaf(rng, device, sizes[1])
    z = x.numpy() @ w.numpy() + (b.numpy() if bias else 0)
    if np.any(np.abs(z) < 1e-3):
        return  # at the kink there is no derivative to compare with
    y = F.dense(x, w, b if bias else None, activation=activation)
    assert y.shape == z.shape
    np.testing.assert_allclose(y.numpy(), F.activation(constant(z, device), activation).numpy(), rtol=1e-12, atol=1e-13)
    if bias:
        assert gg.gradcheck(lambda x, w, b: F.dense(x, w, b, activation=activation), [x, w, b])
    else:
        assert gg.gradcheck(lambda x, w: F.dense(x, w, activation=activation), [x, w])


@pytest.mark.parametrize("activation", ["identity", "relu", "gelu"])
@pytest.mark.parametrize("wanted", ["x", "w", "b", "xw", "xb", "wb"])
def test_dense_with_frozen_parts(wanted, activation, device):
    rng = np.random.default_rng(3)
    parts = {"x": leaf(rng, device, 5, 3), "w": leaf(rng, device, 3, 2), "b": leaf(rng, device, 2)}
    for name, part in parts.items():
        part.requires_grad = name in wanted
    assert gg.gradcheck(lambda x, w, b: F.dense(x, w, b, activation=activation), list(parts.values()))
    assert [name for name, part in parts.items() if part.grad is not None] == list(wanted)


def test_dense_shares_a_weight_within_one_graph(device):
    rng = np.random.default_rng(4)
    x, w, b = leaf(rng, device, 4, 3), leaf(rng, device, 3, 3), leaf(rng, device, 3)

    def twice(x, w, b):
        return F.dense(F.dense(x, w, b, activation="tanh"), w, b, activation="gelu")

    assert gg.gradcheck(twice, [x, w, b])
    assert gg.gradcheck(lambda x, w, b: F.dense(F.dense(x, w, b), w), [x, w, b])  # the bias once, the weight twice


def test_dense_and_a_penalty_on_its_weight(device):
    rng = np.random.default_rng(5)
    x, w, b = leaf(rng, device, 4, 3), leaf(rng, device, 3, 2), leaf(rng, device, 2)

    def penalised(x, w, b):
        return (w * w).sum() + F.dense(x, w, b, activation="sigmoid").sum() + (b**2).sum() * (w**3).mean()

    assert gg.gradcheck(penalised, [x, w, b])


def test_dense_with_parameters_that_were_computed(device):
    rng = np.random.default_rng(6)
    x, v, b = leaf(rng, device, 4, 3), leaf(rng, device, 2, 3), leaf(rng, device, 2)
    assert gg.gradcheck(lambda x, v, b: F.dense(x, v.T.exp(), b * 2, activation="silu"), [x, v, b])
    assert gg.gradcheck(lambda x, v, b: F.dense(x, v.T, b), [x, v, b])
    w = leaf(rng, device, 3, 3)
    assert gg.gradcheck(lambda w: F.dense(w, w), w)


def test_dense_accumulates_where_only_one_parameter_has_a_gradient(device):
    rng = np.random.default_rng(7)
    x, w, b = leaf(rng, device, 4, 3), leaf(rng, device, 3, 2), leaf(rng, device, 2)
    F.dense(x, w, b).sum().backward()
    once = [w.grad.numpy(), b.grad.numpy()]
    F.dense(x, w, b).sum().backward()
    w.zero_grad()
    F.dense(x, w, b).sum().backward()  # overwrites in w, adds in b
    np.testing.assert_allclose(w.grad.numpy(), once[0])
    np.testing.assert_allclose(b.grad.numpy(), 3 * once[1])


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "gelu"])
def test_dense_notices_that_a_saved_array_changed(activation, device):
    rng = np.random.default_rng(8)
    for changed in ("x", "w", "y"):
        tensors = {"x": leaf(rng, device, 4, 3), "w": leaf(rng, device, 3, 2)}
        y = tensors["y"] = F.dense(tensors["x"], tensors["w"], activation=activation)
        tensors[changed].detach()[0] = 1.0
        if changed == "y" and activation == "gelu":
            y.sum().backward()  # saves z, not y
        else:
            with pytest.raises(GraphError, match="dense needs for its gradient was changed in place"):
                y.sum().backward()


def test_dense_errors():
    x, w = gg.tensor(np.zeros((2, 3))), gg.tensor(np.zeros((4, 2)))
    with pytest.raises(ArgumentError, match=r"w has shape \(4, 2\), expected \(3, any\)"):
        F.dense(x, w)
    with pytest.raises(ArgumentError, match=r"w has dtype float32, expected float64: convert it with astype"):
        F.dense(x, gg.tensor(np.zeros((3, 2), np.float32)))
    with pytest.raises(
        ArgumentError, match=r"dense takes x \(…, n_in\) and w \(n_in, n_out\), got the shapes \(\) and"
    ):
        F.dense(gg.tensor(1.0), w)
    with pytest.raises(DeviceError, match="move one of them"):
        F.dense(x, gg.tensor(np.zeros((3, 2)), device=gg.device("cpu", "numpy")))


# ---- dropout ----


def test_dropout_keeps_and_scales(device):
    x = gg.tensor(np.ones((100, 100)), requires_grad=True, device=device)
    y = F.dropout(x, 0.25, generator=gg.Generator(0, device))
    values, counts = np.unique(y.numpy(), return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / 0.75])
    assert abs(counts[0] / x.size - 0.25) < 0.02  # five standard deviations
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())
    assert F.dropout(x, 0.0).tolist() == x.tolist()


@given(shape=st.lists(st.integers(1, 4), max_size=3), p=st.floats(0, 0.9), toolchain=st.sampled_from(TOOLCHAINS))
@few
def test_dropout_gradients(shape, p, toolchain):
    device = gg.device("cpu", toolchain)
    generator = gg.Generator(3, device)

    def same_mask(x):
        generator.set_calls(5)
        return F.dropout(x, p, generator=generator)

    assert gg.gradcheck(same_mask, leaf(np.random.default_rng(9), device, *shape))


def test_dropout_depends_on_seed_and_count_alone():
    def masks(toolchain, seed, n):
        device = gg.device("cpu", toolchain)
        generator = gg.Generator(seed, device)
        x = gg.tensor(np.ones(50), device=device)
        return [F.dropout(x, 0.5, generator=generator).tolist() for _ in range(n)]

    first, second = masks("numba", 1, 2)
    assert first != second
    assert masks("numpy", 1, 2) == [first, second]
    assert masks("numba", 2, 1)[0] not in (first, second)


def test_manual_seed_repeats_the_default_generator():
    x = gg.tensor(np.ones(50))
    gg.manual_seed(7)
    first = [F.dropout(x).tolist(), F.dropout(x).tolist()]
    gg.manual_seed(7)
    assert [F.dropout(x).tolist(), F.dropout(x).tolist()] == first


def test_dropout_errors():
    x = gg.tensor(np.ones(5))
    with pytest.raises(ArgumentError, match=r"p is 1\.0, expected a number in"):
        F.dropout(x, 1.0)
    with pytest.raises(DeviceError, match=r"the generator lives on .*'numpy'.*move it with to\(\)"):
        F.dropout(x, generator=gg.Generator(0, gg.device("cpu", "numpy")))
    for seed in (-1, 1.5, 2**63, "a"):
        with pytest.raises(ArgumentError, match="expected an integer in"):
            gg.Generator(seed, gg.device("cpu"))


# ---- losses ----


@st.composite
def loss_inputs(draw):
    rng = np.random.default_rng(draw(SEEDS))
    batch, columns = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    device = gg.device("cpu", draw(st.sampled_from(TOOLCHAINS)))

    def weights(n):
        return constant(rng.uniform(0.2, 2, n), device) if draw(st.booleans()) else None

    return {
        "rng": rng,
        "predictions": leaf(rng, device, batch, columns),
        "column_weight": weights(columns),
        "sample_weight": weights(batch),
        "reduction": draw(st.sampled_from(F.REDUCTIONS)),
    }


def reduced(losses, inputs, denominator):
    if inputs["reduction"] == "none":
        return losses
    return losses.sum() / (denominator if inputs["reduction"] == "mean" else 1)


def sample_weights(inputs):
    weight, batch = inputs["sample_weight"], inputs["predictions"].shape[0]
    return np.ones(batch) if weight is None else weight.numpy()


@given(inputs=loss_inputs(), smoothing=st.sampled_from([0.0, 0.1, 1.0]))
@settings(max_examples=60, deadline=None)
def test_cross_entropy(inputs, smoothing):
    logits = inputs["predictions"]
    batch, n_classes = logits.shape
    labels = inputs["rng"].integers(0, n_classes, batch)

    def loss(logits):
        return F.cross_entropy(
            logits,
            constant(labels, logits.device),
            weight=inputs["column_weight"],
            sample_weight=inputs["sample_weight"],
            reduction=inputs["reduction"],
            label_smoothing=smoothing,
        )

    weight = np.ones(n_classes) if inputs["column_weight"] is None else inputs["column_weight"].numpy()
    z = logits.numpy()
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    target = (1 - smoothing) * np.eye(n_classes)[labels] * weight + smoothing / n_classes * weight
    s = sample_weights(inputs)
    losses = s * -(target * log_p).sum(axis=1)
    expected = reduced(losses, inputs, (s * weight[labels]).sum())
    np.testing.assert_allclose(loss(logits).numpy(), expected, rtol=1e-12, atol=1e-14)
    assert gg.gradcheck(loss, logits)


@given(inputs=loss_inputs())
@settings(max_examples=60, deadline=None)
def test_binary_cross_entropy(inputs):
    logits = inputs["predictions"]
    t = inputs["rng"].uniform(0, 1, logits.shape)

    def loss(logits):
        return F.binary_cross_entropy_with_logits(
            logits,
            constant(t, logits.device),
            pos_weight=inputs["column_weight"],
            sample_weight=inputs["sample_weight"],
            reduction=inputs["reduction"],
        )

    q = 1.0 if inputs["column_weight"] is None else inputs["column_weight"].numpy()
    p = 1 / (1 + np.exp(-logits.numpy()))
    s = sample_weights(inputs)
    losses = s[:, None] * -(q * t * np.log(p) + (1 - t) * np.log(1 - p))
    np.testing.assert_allclose(
        loss(logits).numpy(), reduced(losses, inputs, s.sum() * t.shape[1]), rtol=1e-12, atol=1e-14
    )
    assert gg.gradcheck(loss, logits)


@pytest.mark.parametrize("name", REGRESSION)
@given(inputs=loss_inputs())
@settings(max_examples=30, deadline=None)
def test_regression_losses(name, inputs):
    predictions = inputs["predictions"]
    t = 0.5 * inputs["rng"].choice([-1, 1], predictions.shape) + predictions.numpy()
    t += inputs["rng"].uniform(0.3, 1, t.shape) * np.sign(t - predictions.numpy())
    delta = 1.0 if not np.any(np.abs(np.abs(t - predictions.numpy()) - 1) < 1e-3) else 0.4

    def loss(predictions):
        return F.regression_loss(
            predictions,
            constant(t, predictions.device),
            loss=name,
            delta=delta,
            sample_weight=inputs["sample_weight"],
            reduction=inputs["reduction"],
        )

    p = predictions.numpy()
    d = np.abs(p - t)
    losses = {
        "squared_error": d**2,
        "absolute_error": d,
        "huber": np.where(d <= delta, d**2 / 2, delta * (d - delta / 2)),
        "poisson": np.exp(p) - t * p,
    }[name]
    s = sample_weights(inputs)
    expected = reduced(s[:, None] * losses, inputs, s.sum() * t.shape[1])
    np.testing.assert_allclose(loss(predictions).numpy(), expected, rtol=1e-12, atol=1e-14)
    assert gg.gradcheck(loss, predictions)


def test_a_loss_inside_a_larger_graph(device):
    """The kernel's gradient is scaled by the incoming one: a number, one per row, or one per element."""
    rng = np.random.default_rng(10)
    logits = leaf(rng, device, 4, 3)
    labels = constant([0, 2, 1, 1], device)
    row, element = constant(rng.uniform(1, 2, 4), device), constant(rng.uniform(1, 2, (4, 3)), device)
    targets = constant(rng.uniform(0, 1, (4, 3)), device)
    assert gg.gradcheck(lambda z: 3 * F.cross_entropy(z, labels) ** 2 + z.sum(), logits)
    assert gg.gradcheck(lambda z: (F.cross_entropy(z, labels, reduction="none") * row).sum(), logits)
    loss = F.regression_loss
    assert gg.gradcheck(
        lambda z: (loss(z, targets, loss="squared_error", reduction="none") * element).sum() + z.mean(), logits
    )


def test_a_label_outside_the_classes_is_refused_on_a_cpu():
    logits = gg.zeros(2, 3)
    for label in (3, -100):
        with pytest.raises(
            ArgumentError, match=rf"labels hold {label} in row 1, expected classes from 0 to 2: .*ignore_"
        ):
            F.cross_entropy(logits, gg.tensor([1, label]))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_labels_of_any_integer_dtype(dtype):
    """A label outside the classes gives NaN where it is not read, and 2³² does not become 0 on its way to int32."""
    limits = np.iinfo(dtype)
    outside = [value for value in (-1, 3, 2**31 - 1, 2**32, -(2**32), 2**63 - 1) if limits.min <= value <= limits.max]
    labels = np.array([2, *outside], dtype)
    logits = gg.tensor(np.zeros((len(labels), 3)))
    losses = gg.record(lambda labels: F.cross_entropy(logits, labels, reduction="none"))(labels)
    assert np.isnan(losses.numpy()).tolist() == [False] + [True] * len(outside)
    with pytest.raises(ArgumentError, match=f"labels hold {outside[0]} in row 1"):
        F.cross_entropy(logits, gg.tensor(labels))


def test_loss_errors():
    z, t, labels = gg.tensor(np.zeros((2, 3))), gg.tensor(np.zeros((2, 3))), gg.tensor([0, 1])
    with pytest.raises(ArgumentError, match=r"unknown reduction 'avg': .*choose one of mean, sum, none"):
        F.cross_entropy(z, labels, reduction="avg")
    with pytest.raises(ArgumentError, match="labels have dtype float64, expected integers: convert them with astype"):
        F.cross_entropy(z, gg.tensor(np.zeros(2)))
    with pytest.raises(ArgumentError, match=r"labels has shape \(3,\), expected \(2,\)"):
        F.cross_entropy(z, gg.tensor([0, 1, 2]))
    with pytest.raises(ArgumentError, match=r"targets has shape \(2,\), expected \(2, 3\)"):
        F.regression_loss(z, gg.tensor(np.zeros(2)), loss="huber")
    with pytest.raises(ArgumentError, match=r"unknown .*'hubert': did you mean 'huber'"):
        F.regression_loss(z, t, loss="hubert")
    with pytest.raises(ArgumentError, match="label_smoothing is 2, expected a number in"):
        F.cross_entropy(z, labels, label_smoothing=2)
    with pytest.raises(DeviceError, match="move one of them"):
        F.cross_entropy(z, gg.tensor([0, 1], device=gg.device("cpu", "numpy")))
    empty = gg.tensor(np.zeros((0, 3)))
    with pytest.raises(ArgumentError, match=r"no predictions: their shape is \(0, 3\), expected at least one row"):
        F.regression_loss(empty, empty, loss="squared_error")
    learned = gg.tensor(np.zeros((2, 3)), requires_grad=True)
    with pytest.raises(GraphError, match=r"targets of a loss requires a gradient.*pass detach\(\)"):
        F.regression_loss(z, learned, loss="squared_error")
    with gg.no_grad():  # irrelevant in evaluation
        assert F.regression_loss(z, learned, loss="squared_error").item() == 0


# ---- PyTorch ----


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def compare(torch, ours, theirs, arrays):
    """The value and all gradients of a scalar function of float32 arrays agree with PyTorch's to 1e-5."""
    tensors = [gg.tensor(a, requires_grad=True) for a in arrays]
    others = [torch.tensor(a, requires_grad=True) for a in arrays]
    loss, expected = ours(*tensors), theirs(*others)
    np.testing.assert_allclose(loss.numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    (loss * loss).sum().backward()
    (expected * expected).sum().backward()
    for tensor, other in zip(tensors, others, strict=True):
        expected = other.grad.numpy()
        np.testing.assert_allclose(tensor.grad.numpy(), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def arrays(*shapes, seed=11):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_dense_as_in_pytorch(torch, activation, bias):
    act = getattr(torch.nn.functional, activation, lambda z: z)
    if bias:
        given = arrays((17, 9), (9, 5), (5,))
        compare(
            torch,
            lambda x, w, b: F.dense(x, w, b, activation=activation),
            lambda x, w, b: act(torch.nn.functional.linear(x, w.T, b)),
            given,
        )
    else:
        given = arrays((3, 4, 9), (9, 5))
        compare(torch, lambda x, w: F.dense(x, w, activation=activation), lambda x, w: act(x @ w), given)


@pytest.mark.parametrize("reduction", F.REDUCTIONS)
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_as_in_pytorch(torch, reduction, weighted, smoothing):
    labels = np.random.default_rng(12).integers(0, 7, 19)
    weight = np.linspace(0.5, 2, 7, dtype=np.float32) if weighted else None
    options = {"reduction": reduction, "label_smoothing": smoothing}
    compare(
        torch,
        lambda z: F.cross_entropy(
            z, gg.tensor(labels), weight=weight if weight is None else gg.tensor(weight), **options
        ),
        lambda z: torch.nn.functional.cross_entropy(
            z, torch.tensor(labels), weight=weight if weight is None else torch.tensor(weight), **options
        ),
        arrays((19, 7)),
    )


@pytest.mark.parametrize("reduction", F.REDUCTIONS)
@pytest.mark.parametrize("weighted", [True, False])
def test_binary_cross_entropy_as_in_pytorch(torch, reduction, weighted):
    t = np.random.default_rng(13).uniform(size=(19, 7)).astype(np.float32)
    q = np.linspace(0.5, 2, 7, dtype=np.float32)
    ours = {"pos_weight": gg.tensor(q)} if weighted else {}
    theirs = {"pos_weight": torch.tensor(q)} if weighted else {}
    compare(
        torch,
        lambda z: F.binary_cross_entropy_with_logits(z, gg.tensor(t), reduction=reduction, **ours),
        lambda z: torch.nn.functional.binary_cross_entropy_with_logits(
            z, torch.tensor(t), reduction=reduction, **theirs
        ),
        arrays((19, 7)),
    )


@pytest.mark.parametrize("reduction", F.REDUCTIONS)
@pytest.mark.parametrize("name", REGRESSION)
def test_regression_losses_as_in_pytorch(torch, reduction, name):
    functions = torch.nn.functional
    theirs = {
        "squared_error": functions.mse_loss,
        "absolute_error": functions.l1_loss,
        "huber": lambda p, t, reduction: functions.huber_loss(p, t, delta=0.7, reduction=reduction),
        "poisson": functions.poisson_nll_loss,
    }[name]
    t = np.abs(np.random.default_rng(14).normal(size=(19, 7))).astype(np.float32)
    compare(
        torch,
        lambda p: F.regression_loss(p, gg.tensor(t), loss=name, delta=0.7, reduction=reduction),
        lambda p: theirs(p, torch.tensor(t), reduction=reduction),
        arrays((19, 7)),
    )


@pytest.mark.parametrize("function", [gg.relu, gg.gelu, gg.silu, gg.tanh, gg.sigmoid, gg.leaky_relu])
def test_activations_take_numbers_and_arrays_as_exp_does(function):
    expected = function(gg.tensor([-1.0, 2.0])).numpy()
    assert (function([-1.0, 2.0]).numpy() == expected).all()
    assert (function(np.array([-1.0, 2.0], np.float32)).numpy() == expected).all()


@pytest.mark.parametrize("slope", ["steep", None, [1]])
def test_a_slope_that_is_no_number_is_refused(slope):
    with pytest.raises(ArgumentError, match=r"negative_slope is .*, expected a number in"):
        gg.leaky_relu(gg.ones(2), slope)
