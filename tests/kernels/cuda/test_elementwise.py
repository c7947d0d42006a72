"""A derived launcher passes each parameter the argument of its name, converted to its type."""

import numpy as np
import pytest

from gpugrad import kernels
from gpugrad.errors import ArgumentError
from gpugrad.kernels.contract import contract
from gpugrad.kernels.cuda import source
from gpugrad.kernels.cuda.elementwise import elementwise_launcher
from gpugrad.kernels.cuda.grids import THREADS, elementwise_blocks


@contract("y")
def scale(x, word, y, *, factor=2.0, times=1, negative=False, kind="plain"):
    """Compute y = factor·x."""


@pytest.fixture
def kernel(tmp_path):
    """Return a function that writes scale.cu with these parameters."""

    def write(parameters, name="scale"):
        path = tmp_path / "scale.cu"
        path.write_text(f'extern "C" __global__ void {name}({parameters}) {{}}')
        return path

    return write


def test_arguments_go_by_name_and_have_the_declared_types(kernel, monkeypatch):
    path = kernel("float* y, int negative, const float* x, long long n, int times, float factor, const float* word")
    seen = []
    monkeypatch.setattr(source.Source, "launch", lambda self, *arguments: seen.extend(arguments))
    x, y = np.ones((3, 700), np.float32), np.zeros((3, 700), np.float32)
    elementwise_launcher(scale, path)(x, None, y, **(scale.defaults | {"negative": True, "times": 5}))
    name, blocks, threads, *arguments = seen
    assert (name, blocks, threads) == ("scale", elementwise_blocks(2100), THREADS)
    assert [type(a) for a in arguments] == [
        np.ndarray, np.int32, np.ndarray, np.int64, np.int32, np.float32, type(None),
    ]  # fmt: skip
    assert arguments[0] is y
    assert arguments[2] is x
    assert arguments[1:2] + arguments[3:6] == [1, 2100, 5, 2.0]


@pytest.mark.parametrize(
    ("parameters", "name", "message"),
    [
        (
            "float* y, float speed",
            "scale",
            r"scale\.cu: parameter 'float speed' of scale is no array or number of the contract",
        ),
        ("float* z", "scale", r"parameter 'float\* z' of scale is no array"),
        ("float x", "scale", r"parameter 'float x' of scale is no array or number"),  # an array in the contract
        ("float* y, int kind", "scale", r"parameter 'int kind' of scale is no array or number"),  # a text there
        ("float* y", "other", r"scale\.cu has no kernel 'scale'"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(kernel, parameters, name, message):
    with pytest.raises(ArgumentError, match=message):
        elementwise_launcher(scale, kernel(parameters, name))


def test_the_toolchain_has_it_where_none_is_written():
    assert repr(kernels.load("cupy_cuda").adagrad_step) == "<launcher adagrad_step of kernels/adagrad/adagrad.cu>"
