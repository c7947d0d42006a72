"""The description of the machine in a record."""

import shutil
from pathlib import Path

import pytest

from gpugrad.bench.measure.machine import revision

CHECKOUT = Path(__file__).parents[2] / ".git"


@pytest.mark.skipif(not (CHECKOUT.exists() and shutil.which("git")), reason="this is no checkout")
def test_the_revision_is_that_of_the_checkout():
    assert revision()
