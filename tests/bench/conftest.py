"""Fixtures shared by the tests of benchmarks."""

import pytest

from gpugrad.bench.measure import ceilings


@pytest.fixture(autouse=True)
def small_product(monkeypatch):
    """Make the product that measures the compute limit small: with 2048 rows each measurement takes a second."""
    monkeypatch.setitem(ceilings.PRODUCT_SIDE, "cpu", 256)
