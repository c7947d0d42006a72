"""Dense, Dropout, activations, Sequential and MLP."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import nn
from gpugrad.engine import functional
from gpugrad.errors import ArgumentError
from gpugrad.kernels.activation import ACTIVATIONS

MODULES = {name: getattr(nn, row.module) for name, row in ACTIVATIONS.items()}


def normal(*shape, seed=0, dtype=np.float32):
    return gg.tensor(np.random.default_rng(seed).normal(size=shape).astype(dtype))


# ---- Dense ----


def test_dense_is_act_of_x_w_plus_b():
    layer = nn.Dense(4, 3, activation="tanh", bias_init=0.5, seed=0)
    x = normal(5, 4)
    expected = np.tanh(x.numpy() @ layer.weight.numpy() + 0.5)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-5)
    assert layer.weight.shape == (4, 3)
    assert layer.bias.shape == (3,)
    assert layer.weight.dtype == layer.bias.dtype == np.float32


@given(
    lead=st.lists(st.integers(1, 4), min_size=0, max_size=3),
    n_in=st.integers(1, 9),
    n_out=st.integers(1, 9),
    bias=st.booleans(),
    activation=st.sampled_from(list(ACTIVATIONS)),
)
@settings(max_examples=30, deadline=None)
def test_dense_with_fused_activation_equals_the_modules_one_by_one(lead, n_in, n_out, bias, activation):
    fused = nn.Dense(n_in, n_out, activation=activation, bias=bias, bias_init=0.1, seed=3)
    parts = nn.Sequential(nn.Dense(n_in, n_out, bias=bias), MODULES[activation]())
    parts[0].load_state_dict(fused.state_dict())
    x = normal(*lead, n_in)
    gradients = []
    for model in (fused, parts):
        out = model(x)
        assert out.shape == (*lead, n_out)
        model.zero_grad()
        (out * out).sum().backward()
        gradients.append([out.numpy(), *(p.grad.numpy() for p in model.parameters())])
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_dense_passes_gradcheck_in_float64():
    model = nn.MLP(3, [4, 3], 2, activation="gelu", seed=0, dtype=np.float64)
    x = normal(5, 3, dtype=np.float64)
    assert gg.gradcheck(lambda *parameters: model(x), list(model.parameters()))


@pytest.mark.parametrize("size", [0, -1, 2.5, "3", None, True, math.nan])
def test_sizes_must_be_positive_integers(size):
    for make in (lambda: nn.Dense(size, 2), lambda: nn.MLP(2, [3, size], 2), lambda: nn.MLP(2, [3], size)):
        with pytest.raises(ArgumentError, match="expected an integer of at least 1"):
            make()


def test_numpy_integers_are_sizes():
    assert nn.MLP(np.int64(3), np.array([4, 5]), np.uint8(2)).config["hidden"] == [4, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "rleu"}, "did you mean 'relu'"),
        ({"weight_init": "he_norml"}, "did you mean 'he_normal'"),
        ({"bias_init": "ones"}, "unknown initialiser of biases 'ones'"),
        ({"bias_init": math.nan}, "bias_init is nan"),
        ({"bias_init": None}, "bias_init is None"),
        ({"weight_init": lambda rng, n_in, n_out, gain: np.zeros((n_out, n_in))}, r"shape \(2, 3\), expected \(3, 2\)"),
        ({"bias_init": lambda rng, n_in, n_out, gain: np.zeros(3)}, r"shape \(3,\), expected \(2,\)"),
        ({"dtype": np.float16}, "expected float32 or float64"),
        ({"dtype": "f33"}, "expected float32 or float64"),
        ({"negative_slope": -0.1}, "negative_slope"),
        ({"seed": -1}, "seed is -1"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
    ],
)
def test_dense_refuses(options, message):
    with pytest.raises(ArgumentError, match=message):
        nn.Dense(3, 2, **options)


def test_inputs_that_do_not_fit_are_refused_by_name():
    layer = nn.Dense(3, 2, activation="relu")
    with pytest.raises(ArgumentError, match=r"Dense\(3, 2, activation='relu'\).*\(5, 4\) with 4 features, expected 3"):
        layer(normal(5, 4))
    with pytest.raises(ArgumentError, match="no axis of features, expected 3"):
        layer(gg.tensor(1.0))
    with pytest.raises(ArgumentError, match=r"dtype float64, its weight has float32.*astype"):
        layer(normal(5, 3, dtype=np.float64))
    for module in (layer, nn.ReLU(), nn.LeakyReLU(), nn.Dropout(), nn.Flatten()):
        with pytest.raises(ArgumentError, match=r"is an ndarray, expected a tensor: make it one with gg\.tensor"):
            module(np.ones((5, 3), np.float32))


# ---- activations, Flatten ----


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_modules_equal_their_functions(name):
    x = normal(6, 5)
    np.testing.assert_array_equal(MODULES[name]()(x).numpy(), functional.activation(x, name).numpy())


def test_activation_modules_have_pickles_and_reprs():
    for module in (make() for make in MODULES.values()):
        copy = pickle.loads(pickle.dumps(module))
        assert type(copy) is type(module)
        assert repr(copy) == repr(module)
    assert repr(nn.LeakyReLU(0.2)) == "LeakyReLU(0.2)"


def test_leaky_relu_keeps_its_slope():
    np.testing.assert_allclose(nn.LeakyReLU(0.25)(gg.tensor([-4.0, 2.0])).numpy(), [-1, 2])
    with pytest.raises(ArgumentError, match="negative_slope"):
        nn.LeakyReLU(-1)


def test_flatten_keeps_the_rows():
    flatten = nn.Flatten()
    assert flatten(normal(2, 3, 4)).shape == (2, 12)
    assert flatten(normal(5)).shape == (5, 1)
    assert flatten(gg.tensor(np.zeros((0, 3, 2), np.float32))).shape == (0, 6)
    with pytest.raises(ArgumentError, match="no axes"):
        flatten(gg.tensor(1.0))


# ---- Dropout ----


def test_dropout_acts_in_training_only():
    dropout = nn.Dropout(0.25, generator=gg.Generator(1, gg.device("cpu")))
    x = gg.tensor(np.ones((200, 200), np.float32))
    out = dropout(x).numpy()
    assert set(np.unique(out)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((out == 0).mean() - 0.25) < 0.01  # 4.6 standard deviations of 40 000 draws
    assert not np.array_equal(dropout(x).numpy(), out)
    assert dropout.eval()(x) is x
    assert nn.Dropout(0)(x) is x


def test_dropout_masks_depend_on_seed_and_call_alone():
    def draws(seed):
        dropout = nn.Dropout(0.5, generator=gg.Generator(seed, gg.device("cpu")))
        return [dropout(normal(50)).numpy() for _ in range(3)]

    np.testing.assert_array_equal(draws(1), draws(1))
    assert not np.array_equal(draws(1), draws(2))


def test_dropout_gradient_has_the_mask_of_the_forward_pass():
    x = gg.tensor(np.ones(100, np.float32), requires_grad=True)
    out = nn.Dropout(0.5)(x)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), out.numpy())


@pytest.mark.parametrize("p", [-0.1, 1.0, 2, math.nan, "0.5", None])
def test_dropout_rates_are_checked(p):
    for make in (lambda: nn.Dropout(p), lambda: nn.MLP(2, [3], 1, dropout=p)):
        with pytest.raises(ArgumentError, match=r"expected a number in \[0, 1\)"):
            make()


def test_a_recording_of_one_mode_is_not_replayed_in_another():
    model = nn.Sequential(nn.Dropout(0.5, generator=gg.Generator(0, gg.device("cpu"))))
    step = gg.record(lambda x: model(x) * 1.0)
    x = np.ones(64, np.float32)
    first, second = step(x).numpy(), step(x).numpy()
    assert 0 in first
    assert not np.array_equal(first, second)
    model.eval()
    np.testing.assert_array_equal(step(x).numpy(), x)
    model.train()
    assert 0 in step(x).numpy()
    assert step.recordings == 2
    model[0].p = 0.75
    assert 4.0 in step(x).numpy()
    model[0].generator = gg.Generator(0, gg.device("cpu"))
    step(x)
    assert step.recordings == 4


def test_the_generator_moves_with_the_module():
    model = nn.MLP(2, [8], 1, dropout=0.5, seed=0)
    model[1].generator = gg.Generator(0, gg.device("cpu"))
    other = gg.device("cpu", "numpy")
    model.to(other)
    assert model[1].generator.device is other
    assert model(normal(4, 2).to(other)).shape == (4, 1)


# ---- Sequential, MLP ----


def test_sequential_is_a_sequence():
    parts = [nn.Dense(2, 3), nn.ReLU(), nn.Dense(3, 1)]
    model = nn.Sequential(*parts)
    assert len(model) == 3
    assert list(model) == parts
    assert model[-1] is parts[-1]
    assert isinstance(model[:2], nn.Sequential)
    assert list(model[:2]) == parts[:2]
    x = normal(4, 2)
    np.testing.assert_array_equal(model(x).numpy(), parts[2](parts[1](parts[0](x))).numpy())
    assert nn.Sequential()(x) is x
    with pytest.raises(IndexError):
        model[3]
    with pytest.raises(ArgumentError, match=r"part 1 of Sequential is .*expected a module"):
        nn.Sequential(parts[0], parts[1].forward)
    with pytest.raises(
        ArgumentError, match=r"part 0 of Sequential is a list.* one by one, nn\.Sequential\(\*modules\)"
    ):
        nn.Sequential(parts)


def test_mlp_has_dropout_and_activation_between_its_layers_only():
    model = nn.MLP(4, [8, 6], 3, activation="silu", dropout=0.2, bias=False)
    kinds = [type(module) for module in model]
    assert kinds == [nn.Dense, nn.Dropout, nn.Dense, nn.Dropout, nn.Dense]
    assert [model[i].activation for i in (0, 2, 4)] == ["silu", "silu", "identity"]
    assert [model[i].weight.shape for i in (0, 2, 4)] == [(4, 8), (8, 6), (6, 3)]
    assert all(model[i].bias is None for i in (0, 2, 4))
    assert [type(module) for module in nn.MLP(4, [], 3)] == [nn.Dense]


def test_mlp_is_built_again_from_its_config():
    model = nn.MLP(4, (8, 6), 3, activation="leaky_relu", negative_slope=0.3, dropout=0.2, dtype=np.float64, seed=4)
    config = json.loads(json.dumps(model.config))
    again = nn.MLP.from_config(config)
    assert repr(again) == repr(model)
    assert again.config == model.config
    again.load_state_dict(model.state_dict())
    x = normal(5, 4, dtype=np.float64)
    np.testing.assert_array_equal(again.eval()(x).numpy(), model.eval()(x).numpy())
    for bad in ({**config, "layers": 3}, {**config, "hidden": [0]}):
        with pytest.raises(ArgumentError):
            nn.MLP.from_config(bad)
    with pytest.raises(TypeError):
        nn.MLP.from_config({k: v for k, v in config.items() if k != "hidden"})


def test_building_from_a_config_leaves_the_common_generator_alone():
    config = nn.MLP(4, [8], 3).config
    gg.manual_seed(0)
    expected = nn.Dense(3, 3).weight.numpy()
    gg.manual_seed(0)
    nn.MLP.from_config(config)
    np.testing.assert_array_equal(nn.Dense(3, 3).weight.numpy(), expected)


@pytest.mark.parametrize("hidden", [16, "16", None])
def test_hidden_must_be_a_sequence(hidden):
    with pytest.raises(ArgumentError, match=r"expected the sizes of the hidden layers, such as \[256, 128\]"):
        nn.MLP(4, hidden, 3)


def test_same_seed_same_weights_and_other_layers_other_weights():
    first, second, other = (nn.MLP(5, [5, 5], 5, seed=seed).state_dict() for seed in (0, 0, 1))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    assert not np.array_equal(first["0.weight"], other["0.weight"])
    assert not np.array_equal(first["0.weight"], first["1.weight"])
    double = nn.MLP(5, [5, 5], 5, seed=0, dtype=np.float64).state_dict()
    np.testing.assert_array_equal(double["2.weight"], first["2.weight"])
    gg.manual_seed(3)
    a = nn.MLP(5, [5], 5).state_dict()["1.weight"]
    gg.manual_seed(3)
    np.testing.assert_array_equal(nn.MLP(5, [5], 5).state_dict()["1.weight"], a)
