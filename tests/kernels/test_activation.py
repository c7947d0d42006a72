import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gpugrad as gg
from gpugrad import kernels
from gpugrad.engine.check import check_kernel
from gpugrad.errors import ArgumentError
from gpugrad.kernels.activation import ACTIVATIONS
from gpugrad.kernels.activation.numba_cpu import FORWARD

SLOPE = 0.1
FORMULAS = {
    "identity": lambda z: z,
    "relu": lambda z: max(z, 0.0),
    "leaky_relu": lambda z: z if z > 0 else SLOPE * z,
    "tanh": lambda z: (math.exp(z) - math.exp(-z)) / (math.exp(z) + math.exp(-z)),
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "gelu": lambda z: z * (1 + math.erf(z / math.sqrt(2))) / 2,
    "silu": lambda z: z / (1 + math.exp(-z)),
}

each_toolchain = pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])
each_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
shapes = hnp.array_shapes(min_dims=1, max_dims=3, max_side=20)


def forward(toolchain, activation, z):
    y = np.full_like(z, np.nan)
    kernels.load(toolchain).activation_forward(z, y, activation=activation, negative_slope=SLOPE)
    return y


def backward(toolchain, activation, dy, z):
    saved = z if ACTIVATIONS[activation].saves_input else forward(toolchain, activation, z)
    dz = np.full_like(z, np.nan)
    kernels.load(toolchain).activation_backward(dy, saved, dz, activation=activation, negative_slope=SLOPE)
    return dz


@each_toolchain
@pytest.mark.parametrize("activation", FORMULAS)
def test_forward_is_the_formula(toolchain, activation):
    z = np.linspace(-12, 12, 241)
    np.testing.assert_allclose(
        forward(toolchain, activation, z), [FORMULAS[activation](x) for x in z], rtol=1e-13, atol=1e-15
    )


@each_toolchain
@each_activation
@settings(max_examples=15, deadline=None)
@given(shape=shapes, seed=st.integers(0, 2**32 - 1))
def test_backward_is_the_slope_of_forward(toolchain, activation, shape, seed):
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.01, 4, shape) * rng.choice([-1, 1], shape)  # off the kink at zero
    dy, h = rng.normal(size=shape), 1e-5
    slope = (forward(toolchain, activation, z + h) - forward(toolchain, activation, z - h)) / (2 * h)
    np.testing.assert_allclose(backward(toolchain, activation, dy, z), dy * slope, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("activation", ["identity", *FORWARD])
@settings(max_examples=15, deadline=None)
@given(z=hnp.arrays(np.float32, shapes, elements=st.floats(-200, 200, width=32)))
def test_compiled_single_precision_is_good_at_every_element(activation, z):
    """Compare each element with its own magnitude, not the largest one: small values far from zero count too."""
    exact = forward("reference", activation, z.astype(np.float64))
    # x² in e^(−x²/2) has a rounding error of x²/2 half ulps, and float32 may flush values below 1e-36 to zero.
    relative = 1e-6 * (1 + z.astype(np.float64) ** 2 / 8 if activation == "gelu" else 1)
    assert np.all(np.abs(forward("numba_cpu", activation, z) - exact) <= relative * np.abs(exact) + 1e-35)
    dy = np.ones_like(z)
    exact = backward("reference", activation, dy.astype(np.float64), z.astype(np.float64))
    assert np.all(np.abs(backward("numba_cpu", activation, dy, z) - exact) <= 1e-6)


@each_toolchain
@each_activation
def test_nan_stays_nan(toolchain, activation):
    z = np.array([np.nan, 1.0] * 20, np.float32)  # long enough for vector loops
    with np.errstate(invalid="ignore"):
        assert (np.isnan(forward(toolchain, activation, z)) == np.isnan(z)).all()


@each_toolchain
@each_dtype
@pytest.mark.parametrize("activation", FORMULAS)
def test_infinity_and_nan(toolchain, dtype, activation):
    far = {"relu": 0, "leaky_relu": -np.inf, "identity": -np.inf, "tanh": -1, "sigmoid": 0}
    z = np.array([np.nan, np.inf, -np.inf if activation in far else -1e30] * 11, dtype)  # long enough for vector loops
    limit = np.inf if activation in ("identity", "relu", "leaky_relu", "gelu", "silu") else 1
    expected = np.array([np.nan, limit, far.get(activation, 0)] * 11, dtype)
    np.testing.assert_array_equal(forward(toolchain, activation, z), expected)


@each_toolchain
@each_activation
def test_in_place_is_the_same(toolchain, activation):
    rng = np.random.default_rng(0)
    z, dy = rng.normal(size=(2, 5, 13)).astype(np.float32)
    launchers, options = kernels.load(toolchain), {"activation": activation, "negative_slope": SLOPE}
    y, dz = z.copy(), dy.copy()
    launchers.activation_forward(y, y, **options)
    np.testing.assert_array_equal(y, forward(toolchain, activation, z))
    launchers.activation_backward(dz, z if ACTIVATIONS[activation].saves_input else y, dz, **options)
    np.testing.assert_array_equal(dz, backward(toolchain, activation, dy, z))


@each_toolchain
@pytest.mark.parametrize(("activation", "slope"), [("relu", 0), ("leaky_relu", SLOPE)])
def test_the_kink_takes_the_left_slope(toolchain, activation, slope):
    z = np.zeros(20, np.float32)
    np.testing.assert_array_equal(backward(toolchain, activation, np.ones_like(z), z), np.full_like(z, slope))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "rely"}, "unknown activation 'rely': did you mean 'relu'"),
        ({"activation": "leaky_relu", "negative_slope": -0.1}, "negative_slope is -0.1"),
    ],
)
def test_bad_options_are_refused(options, message):
    z = np.ones(3)
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").activation_forward(z, z, **options)
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").activation_backward(z, z, z, **options)


def test_arrays_that_differ_are_refused():
    launchers = kernels.load("reference")
    with pytest.raises(ArgumentError, match=r"y has shape \(4,\), expected \(3,\)"):
        launchers.activation_forward(np.ones(3), np.ones(4), activation="relu")
    with pytest.raises(ArgumentError, match="saved has dtype float32, expected float64"):
        launchers.activation_backward(np.ones(3), np.ones(3, np.float32), np.ones(3), activation="relu")


@pytest.mark.parametrize("name", ["activation_backward", "dense_backward"])
@pytest.mark.parametrize("activation", [name for name, row in ACTIVATIONS.items() if row.saves_input])
@pytest.mark.parametrize("side", [-1, 1])
def test_the_check_finds_a_derivative_that_is_wrong_away_from_zero(monkeypatch, name, activation, side):
    """Change the derivative by a tenth for saved inputs beyond 2 on one side."""
    device, contract = gg.device("cpu"), next(contract for _, contract in kernels.contracts() if contract.name == name)
    right = getattr(device.kernels, name)

    def wrong(dy, *arrays, **scalars):
        saved = arrays[contract.arrays.index("saved") - 1]
        if scalars["activation"] == activation:
            dy = np.where(side * saved > 2, 1.1 * dy, dy).astype(dy.dtype)
        right(dy, *arrays, **scalars)

    monkeypatch.setattr(device.kernels, name, wrong)
    problems = check_kernel(device, contract.operation, contract).problems
    assert problems
    assert all(activation in problem for problem in problems)
