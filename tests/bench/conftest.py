"""What the tests of measurements share."""

import pytest

from gpugrad.bench.measure import ceilings


@pytest.fixture(autouse=True)
def small_product(monkeypatch):
    """The product that tells the limit of arithmetic is small: of 2048 rows it takes a second at each measurement."""
    monkeypatch.setitem(ceilings.PRODUCT_SIDE, "cpu", 256)
