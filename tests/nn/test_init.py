"""Initial weights: moments, orthogonality, defaults, determinism."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import nn
from gpugrad.errors import ArgumentError
from gpugrad.kernels.activation import ACTIVATIONS
from gpugrad.nn import init

N_IN, N_OUT = 300, 200
VARIANCE = {
    "he_uniform": 1 / N_IN,
    "he_normal": 1 / N_IN,
    "glorot_uniform": 2 / (N_IN + N_OUT),
    "glorot_normal": 2 / (N_IN + N_OUT),
}


@pytest.mark.parametrize("gain", [1.0, 1.7])
@pytest.mark.parametrize("name", VARIANCE)
def test_moments(name, gain):
    w = init.INITIALISERS[name](np.random.default_rng(0), N_IN, N_OUT, gain)
    assert w.shape == (N_IN, N_OUT)
    assert w.dtype == np.float32
    deviation = gain * math.sqrt(VARIANCE[name])
    # 60 000 draws: the mean is off by σ/245, the deviation by less than σ/346; five of each are allowed.
    assert abs(w.mean()) < 5 * deviation / 245
    assert abs(w.std() / deviation - 1) < 5 / 346
    if name.endswith("uniform"):
        limit = deviation * math.sqrt(3)
        assert 0.999 * limit < np.abs(w).max() <= limit * (1 + 1e-6)
    else:
        assert 0.0015 < (np.abs(w) > 3 * deviation).mean() < 0.004  # 0.0027 of a normal distribution


def test_he_has_the_gain_of_relu_by_default():
    w = init.he_normal(np.random.default_rng(0), N_IN, N_OUT)
    assert abs(w.std() / math.sqrt(2 / N_IN) - 1) < 0.02


@given(n_in=st.integers(1, 12), n_out=st.integers(1, 12), gain=st.floats(0.5, 3))
@settings(max_examples=30, deadline=None)
def test_orthogonal_has_orthonormal_columns_or_rows(n_in, n_out, gain):
    w = init.orthogonal(np.random.default_rng(1), n_in, n_out, gain).astype(np.float64) / gain
    assert w.shape == (n_in, n_out)
    product = w.T @ w if n_in >= n_out else w @ w.T
    np.testing.assert_allclose(product, np.eye(min(n_in, n_out)), atol=1e-6)


def test_orthogonal_matrices_are_equally_likely():
    # Without the signs the first diagonal element would always be negative.
    corners = [init.orthogonal(np.random.default_rng(seed), 3, 3)[0, 0] for seed in range(200)]
    assert abs(np.mean(corners)) < 5 * math.sqrt(1 / 3 / 200)


def test_zeros():
    assert not init.zeros(np.random.default_rng(0), 3, 4).any()


HE = {"leaky_relu": math.sqrt(1.6)} | dict.fromkeys(("relu", "gelu", "silu"), math.sqrt(2))


@pytest.mark.parametrize("activation", [*HE, "tanh", "sigmoid", "identity"])
def test_the_default_of_an_activation(activation):
    assert init.activation_gain(activation, 0.5) == pytest.approx(HE.get(activation, 1.0))
    assert init.default_initialiser(activation).__name__ == ("he_normal" if activation in HE else "glorot_uniform")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_a_default(activation):
    assert math.isfinite(init.activation_gain(activation, 0.5))
    assert init.default_initialiser(activation) in init.INITIALISERS.values()


@pytest.mark.parametrize(
    ("activation", "layers", "low", "high"),
    [("relu", 20, 0.3, 3), ("leaky_relu", 20, 0.3, 3), ("gelu", 5, 0.5, 1), ("silu", 5, 0.2, 0.6)],
)
def test_deep_networks_keep_the_scale(activation, layers, low, high):
    model = nn.MLP(200, [200] * layers, 200, activation=activation, negative_slope=0.2, seed=0)
    x = gg.tensor(np.random.default_rng(1).normal(size=(300, 200)).astype(np.float32), requires_grad=True)
    first = x @ model[0].weight
    last = model[:layers](x) @ init_weight(model[0].weight, seed=1)
    assert low < np.var(last.numpy()) / np.var(first.numpy()) < high
    last.backward(gg.tensor(np.random.default_rng(2).normal(size=last.shape).astype(np.float32)))
    assert low < np.var(x.grad.numpy()) / np.var(model[0].weight.numpy()) / 200 < high


def init_weight(like, seed):
    """A weight of the same shape and variance, drawn independently."""
    values = np.random.default_rng(seed).normal(0, float(np.std(like.numpy())), like.shape)
    return gg.tensor(values.astype(np.float32))


def test_layers_draw_what_their_activation_needs():
    relu, tanh = nn.Dense(N_IN, N_OUT, activation="relu", seed=0), nn.Dense(N_IN, N_OUT, activation="tanh", seed=0)
    np.testing.assert_array_equal(
        relu.weight.numpy(), init.he_normal(np.random.default_rng(0), N_IN, N_OUT, math.sqrt(2))
    )
    np.testing.assert_array_equal(tanh.weight.numpy(), init.glorot_uniform(np.random.default_rng(0), N_IN, N_OUT, 1.0))
    assert not relu.bias.numpy().any()
    chosen = nn.Dense(5, 4, weight_init="orthogonal", seed=0).weight.numpy()
    np.testing.assert_allclose(chosen.T @ chosen, np.eye(4), atol=1e-6)
    own = nn.Dense(3, 2, weight_init=lambda rng, n_in, n_out, gain: np.full((n_in, n_out), gain), activation="relu")
    np.testing.assert_allclose(own.weight.numpy(), math.sqrt(2))


def test_layers_draw_one_after_the_other_from_a_generator():
    rng = np.random.default_rng(7)
    first, second = nn.Dense(3, 3, seed=rng).weight.numpy(), nn.Dense(3, 3, seed=rng).weight.numpy()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(nn.Dense(3, 3, seed=7).weight.numpy(), first)


def test_an_unknown_initialiser_names_the_nearest():
    with pytest.raises(ArgumentError, match=r"unknown initialiser 'xavier_uniform'.*choose one of he_uniform"):
        nn.MLP(3, [3], 3, weight_init="xavier_uniform")
