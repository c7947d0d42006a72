"""Fixtures for kernels written in a test."""

import pytest

from gpugrad import emulator
from gpugrad.kernels.cuda.source import Source


@pytest.fixture(autouse=True)
def a_machine_with_a_compiler():
    if emulator.obstacle():
        pytest.skip(f"the emulator: {emulator.obstacle()}")


@pytest.fixture
def kernel(tmp_path):
    """Return a function that makes a Source from a kernel's text."""

    def make(text, name="test.cu"):
        (tmp_path / name).write_text(f'#include "gpugrad.cuh"\n{text}')
        return Source(tmp_path / "launcher.py", name)

    return make
