import math

import numpy as np
import pytest

from gpugrad import kernels
from gpugrad.kernels.contract import PARTIALS
from gpugrad.kernels.cpu import team as cpu_team
from gpugrad.kernels.cpu.sums import LEAST, PARTS

SIZES = (1, LEAST - 1, LEAST, LEAST + 1, 3 * LEAST + 5, (PARTS + 1) * LEAST)


def sum_of(x):
    out, partials = np.empty(1, x.dtype), np.full(PARTIALS, np.nan, x.dtype)
    kernels.load("numba_cpu").sum_elements(x, out, partials)
    return out[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", SIZES)
def test_every_number_is_added_once(n, dtype):
    x = np.random.default_rng(n).integers(-9, 10, n).astype(dtype)
    assert sum_of(x) == x.sum(dtype=np.int64)


def test_a_sum_in_single_precision_is_exact_to_the_last_bit():
    x = np.random.default_rng(0).random(5 * LEAST, np.float32)
    assert sum_of(x) == np.float32(math.fsum(x))


def test_the_bits_do_not_depend_on_the_cores(monkeypatch):
    x = np.random.default_rng(0).standard_normal(9 * LEAST)
    found = set()
    for size in (1, 2, 5):
        team = cpu_team.Team(size)
        monkeypatch.setattr(cpu_team, "the_team", lambda team=team: team)
        found.add(sum_of(x))
        team.close()
    assert len(found) == 1
