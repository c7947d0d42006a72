"""A launch of a CUDA C++ kernel refuses arguments that do not fit, and every launcher fits its kernel."""

import numpy as np
import pytest

from gpugrad import kernels
from gpugrad.engine.check import arrays_of
from gpugrad.errors import ArgumentError
from gpugrad.kernels.cuda.source import Source, dry_run, launches

TEXT = """
#include "gpugrad.cuh"
template <typename T, bool ADD>
__global__ void __launch_bounds__(64) scale(const T* __restrict__ x, float* y, long long n, float factor) {}
__global__ void plain(int* counter) {}
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "some.cu").write_text(TEXT)
    return Source(tmp_path / "launchers.py", "some.cu")


def good():
    return [np.ones(3, np.uint8), np.ones(3, np.float32), np.int64(3), np.float32(2)]


def test_the_declaration_is_read(source):
    words = [str(parameter) for parameter in source.parameters("scale<unsigned char, true>")]
    assert words == ["const unsigned char* x", "float* y", "long long n", "float factor"]


def test_what_fits_is_launched_and_noted(source):
    with launches() as outer, dry_run() as seen:
        source.launch("scale<unsigned char, true>", (2, 3), 64, *good(), shared=16)
        source.launch("plain", 1, 1, None)
    assert outer == seen
    assert [(launch.kernel, launch.grid, launch.block, launch.shared) for launch in seen] == [
        ("scale<unsigned char, true>", (2, 3, 1), (64, 1, 1), 16),
        ("plain", (1, 1, 1), (1, 1, 1), 0),
    ]


@pytest.mark.parametrize(
    ("place", "argument", "message"),
    [
        (0, np.ones(3, np.float32), r"const unsigned char\* x.*an array of float32, expected an array of uint8"),
        (1, np.ones(3), r"float\* y.*an array of float64, expected an array of float32"),
        (1, np.float32(1), r"float\* y.*expected an array of float32"),
        (2, 3, r"long long n.*3 of type int, expected np.int64"),
        (2, np.int32(3), r"long long n.*of type int32, expected np.int64"),
        (3, 2.0, r"float factor.*2.0 of type float, expected np.float32"),
        (3, np.float64(2), r"float factor.*of type float64, expected np.float32"),
        (3, None, r"float factor.*None of type NoneType"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(source, place, argument, message):
    arguments = good()
    arguments[place] = argument
    with dry_run() as seen, pytest.raises(ArgumentError, match=message):
        source.launch("scale<unsigned char, true>", 1, 64, *arguments)
    assert not seen


@pytest.mark.parametrize(
    ("kernel", "grid", "arguments", "message"),
    [
        ("plain", 1, [], "plain takes 1 argument .*, 0 were given"),
        ("plain", 0, [None], "the grid is"),
        ("plain", (1, 2.0), [None], "the grid is"),
        ("other", 1, [], "has no kernel 'other'"),
        ("scale<float>", 1, good(), "has 1 template arguments, expected 2"),
        ("scale<short, true>", 1, good(), "has a type that launches do not support"),
    ],
)
def test_a_launch_that_does_not_fit(source, kernel, grid, arguments, message):
    with dry_run(), pytest.raises(ArgumentError, match=message):
        source.launch(kernel, grid, 64, *arguments)


def test_a_changed_header_changes_the_digest(tmp_path):
    (tmp_path / "own.cuh").write_text("constexpr int A = 1;")
    (tmp_path / "some.cu").write_text('#include "own.cuh"\n')
    before = Source(tmp_path / "x", "some.cu").digest
    (tmp_path / "own.cuh").write_text("constexpr int A = 2;")
    assert Source(tmp_path / "x", "some.cu").digest != before
    (tmp_path / "own.cuh").unlink()
    with pytest.raises(ArgumentError, match=r"includes 'own\.cuh', which is neither in its folder nor in"):
        _ = Source(tmp_path / "x", "some.cu").digest


@pytest.mark.parametrize("contract", [c for _, c in kernels.contracts()], ids=lambda c: c.name)
def test_every_launcher_passes_what_its_kernel_declares(contract):
    launch = getattr(kernels.load("cupy_cuda"), contract.name)
    with dry_run() as seen:
        for example in contract.draw_examples():
            launch(*arrays_of(contract, example, np.float32), **example.scalars)
    assert seen
