import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad import kernels
from gpugrad.errors import ArgumentError
from gpugrad.kernels.dropout import threshold
from gpugrad.kernels.dropout.reference import philox4x32

each_toolchain = pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])

# Known answers published by Random123, the library of the generator's authors: counter, key, output.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def forward(toolchain, x, *, calls=0, p=0.5, seed=0):
    """Return (y, mask, calls) of one checked launch."""
    y, mask, count = np.full_like(x, np.nan), np.full(x.shape, 255, np.uint8), np.array([calls], np.int64)
    kernels.load(toolchain).dropout_forward(x, count, y, mask, p=p, seed=seed)
    return y, mask, int(count[0])


def words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_published_answers(counter, key, expected):
    assert philox4x32(np.array(words(counter), np.uint32), tuple(words(key))).tolist() == words(expected)


@each_toolchain
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS[:1])
def test_the_first_words_of_seed_and_call_zero_are_the_published_ones(toolchain, counter, key, expected):
    """Each word is found by its threshold: the element is kept if the word reaches it, dropped otherwise."""
    for place, word in enumerate(words(expected)):
        assert forward(toolchain, np.ones(4), p=word / 2**32)[1][place] == 1
        assert forward(toolchain, np.ones(4), p=(word + 1) / 2**32)[1][place] == 0


@each_toolchain
@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 70),
    calls=st.integers(0, 2**63 - 2),
    seed=st.integers(0, 2**64 - 1),
    p=st.floats(0, 1, exclude_max=True),
)
def test_mask_follows_counter_and_key(toolchain, size, calls, seed, p):
    x = np.ones(size, np.float32)
    _, mask, after = forward(toolchain, x, calls=calls, p=p, seed=seed)
    expected = [
        philox4x32(np.array([i // 4, 0, calls % 2**32, calls // 2**32]), (seed % 2**32, seed // 2**32))[i % 4]
        >= min(round(p * 2**32), 2**32 - 1)
        for i in range(size)
    ]
    np.testing.assert_array_equal(mask, expected)
    assert after == calls + 1


@each_toolchain
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_kept_elements_are_scaled_and_the_others_zero(toolchain, dtype, p):
    x = np.random.default_rng(0).normal(size=(37, 11)).astype(dtype)
    y, mask, _ = forward(toolchain, x, p=p, seed=9)
    np.testing.assert_allclose(y, np.where(mask == 1, x / (1 - p), 0), rtol=2 * np.finfo(dtype).eps)
    dy, dx = np.full_like(x, 3), np.full_like(x, np.nan)
    kernels.load(toolchain).dropout_backward(dy, mask, dx, p=p)
    np.testing.assert_allclose(dx, np.where(mask == 1, 3 / (1 - p), 0), rtol=2 * np.finfo(dtype).eps)
    if p == 0:
        assert mask.all()


@each_toolchain
def test_input_and_output_may_be_one_array(toolchain):
    x = np.random.default_rng(0).normal(size=103).astype(np.float32)
    expected, mask, _ = forward(toolchain, x)
    launchers = kernels.load(toolchain)
    again = x.copy()
    launchers.dropout_forward(again, np.zeros(1, np.int64), again, np.empty_like(mask), p=0.5, seed=0)
    np.testing.assert_array_equal(again, expected)
    launchers.dropout_backward(again, mask, again, p=0.5)
    np.testing.assert_array_equal(again, expected * 2)


@each_toolchain
def test_a_repeated_launch_draws_anew_and_the_same_call_the_same(toolchain):
    x, y, calls = np.ones(1000), np.empty(1000), np.zeros(1, np.int64)
    masks = np.empty((3, 1000), np.uint8)
    dropout_forward = kernels.load(toolchain).dropout_forward
    for mask in masks:
        dropout_forward(x, calls, y, mask, p=0.5, seed=4)
    assert calls[0] == 3
    assert len({mask.tobytes() for mask in masks}) == 3
    np.testing.assert_array_equal(forward(toolchain, x, calls=1, seed=4)[1], masks[1])


def correlation(a, b):
    """Return the correlation of two masks, in standard deviations of that of two independent masks."""
    a, b = a.ravel() - a.mean(), b.ravel() - b.mean()
    return (a * b).mean() / (a.std() * b.std()) * math.sqrt(a.size)


@each_toolchain
@pytest.mark.parametrize("p", [0.05, 0.5, 0.8])
def test_keep_rate_and_independence(toolchain, p):
    x = np.ones(200_003, np.float32)
    y, mask, _ = forward(toolchain, x, p=p, seed=1)
    deviation = math.sqrt(p * (1 - p) / x.size)
    assert abs(mask.mean() - (1 - p)) < 4 * deviation
    assert abs(y.mean(dtype=float) - 1) < 4 * deviation / (1 - p)
    for name, other in {
        "next call": forward(toolchain, x, p=p, seed=1, calls=1)[1],
        "a later call": forward(toolchain, x, p=p, seed=1, calls=2**32)[1],
        "next seed": forward(toolchain, x, p=p, seed=2)[1],
        "seed of another high word": forward(toolchain, x, p=p, seed=1 + 2**32)[1],
    }.items():
        assert abs(correlation(mask, other)) < 4, name
    for lag in (1, 2, 3, 4, 8, 1000):
        assert abs(correlation(mask[:-lag], mask[lag:])) < 4, f"lag {lag}"


def test_threshold_stays_a_word():
    assert threshold(0.0) == 0
    assert threshold(0.5) == 2**31
    assert threshold(float(np.nextafter(1, 0))) == 2**32 - 1


@each_toolchain
def test_nothing_to_drop(toolchain):
    y, mask, calls = forward(toolchain, np.empty((0, 5), np.float32))
    assert y.shape == mask.shape == (0, 5)
    assert calls == 1


@pytest.mark.parametrize(
    ("change", "scalars", "message"),
    [
        ({}, {"p": 1.0}, "p is 1.0"),
        ({}, {"p": -0.1}, "p is -0.1"),
        ({}, {"p": math.nan}, "p is nan"),
        ({}, {"seed": -1}, "seed is -1"),
        ({}, {"seed": 2**64}, "seed is 18446744073709551616"),
        ({"x": np.ones(3, np.int32)}, {}, "x has dtype int32"),
        ({"y": np.ones(3, np.float32)}, {}, "y has dtype float32, expected float64"),
        ({"y": np.ones(4)}, {}, r"y has shape \(4,\)"),
        ({"mask": np.ones(3, bool)}, {}, "mask has dtype bool, expected uint8"),
        ({"mask": np.ones((3, 1), np.uint8)}, {}, "mask has shape"),
        ({"calls": np.zeros(1, np.int32)}, {}, "calls has dtype int32, expected int64"),
    ],
)
def test_bad_arguments_are_refused(change, scalars, message):
    arrays = {"x": np.ones(3), "calls": np.zeros(1, np.int64), "y": np.ones(3), "mask": np.ones(3, np.uint8)}
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").dropout_forward(*{**arrays, **change}.values(), **{"p": 0.5, "seed": 0, **scalars})


def test_bad_arguments_of_the_backward_are_refused():
    dropout_backward = kernels.load("reference").dropout_backward
    with pytest.raises(ArgumentError, match=r"p is 1\.0"):
        dropout_backward(np.ones(3), np.ones(3, np.uint8), np.ones(3), p=1.0)
    with pytest.raises(ArgumentError, match="mask has shape"):
        dropout_backward(np.ones(3), np.ones(2, np.uint8), np.ones(3), p=0.5)
