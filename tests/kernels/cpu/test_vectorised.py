"""The CPU loops are vectorized: a scalar loop computes the same numbers and takes ten times as long."""

import contextlib
import re

import numba
import numpy as np
import pytest

import gpugrad as gg
from gpugrad import kernels
from gpugrad.engine.check import arrays_of
from gpugrad.kernels.cpu import team as cpu_team
from gpugrad.kernels.cpu.options import OPTIONS

CPU = gg.device("cpu")
CONTRACTS = {contract.name: contract for _, contract in kernels.contracts()}

# A vector instruction of each loop, in LLVM code, and the load of a vector from neighbouring elements: vectors made of
# elements that are loaded one by one take six times as long.
LOAD = r"load <\d+ x"
FLOATS = r"f(mul|add|sub|cmp [a-z]+) [^\n]*<\d+ x float>|llvm\.fm[a-z]+\.v\d+f32"
ROOTS = r"llvm\.sqrt\.v\d+f32"
EXPONENTIALS = r"shl [^\n]*<\d+ x i32>"  # 2^n from its bits
SUMS = r"fadd [^\n]*<\d+ x double>"
VECTORS = {
    "activation_forward": FLOATS,
    "activation_backward": FLOATS,
    "adadelta_step": ROOTS,
    "adagrad_step": ROOTS,
    "adagrad_norm_accumulate": SUMS,
    "adagrad_norm_step": FLOATS,
    "adam_step": ROOTS,
    "binary_cross_entropy": EXPONENTIALS,
    "clip_norm": SUMS,
    "clip_value": FLOATS,
    "dropout_forward": r"mul [^\n]*<\d+ x i64>",
    "dropout_backward": FLOATS,
    "gather": r"uitofp <\d+ x i8>|<\d+ x float>",
    "regression_loss": FLOATS,
    "rmsprop_step": ROOTS,
    "sgd_step": FLOATS,
    "softmax_cross_entropy": EXPONENTIALS,
    "sum_elements": SUMS,
}


def loops_of(contract):
    """Return a job of each loop that is distributed over rows, in single precision."""
    jobs = {}
    for example in contract.draw_examples():
        with contextlib.suppress(cpu_team.NotOnlyLoops), cpu_team.collecting() as collected:
            getattr(CPU.kernels, contract.name).launch(*arrays_of(contract, example, np.float32), **example.scalars)
        jobs.update({job.runner: job for job in collected if job.arrays})
    return jobs.values()


def compiled(job):
    """Return the LLVM code of a job, compiled anew since the cache keeps machine code alone."""
    memory = np.zeros(cpu_team.MEMORY, np.uint8)
    function = numba.njit(**OPTIONS)(job.runner.py_func)
    function(0, 0, memory.ctypes.data, job.arrays, job.scalars, job.rows, job.step)
    (code,) = function.inspect_llvm().values()
    return code


# Products, whose vector instructions are written by hand, and loops over a few numbers.
OTHERS = {"dense_forward", "dense_backward", "matmul", "next_rows", "softmax_cross_entropy_norm"}
COMPILED = [name for name in CONTRACTS if getattr(CPU.kernels, name).source.endswith("numba_cpu.py")]


@pytest.mark.parametrize("name", sorted(set(COMPILED) - OTHERS))
@pytest.mark.slow
def test_loops_are_vectorised(name):
    jobs = loops_of(CONTRACTS[name])
    assert jobs
    for job in jobs:
        code = compiled(job)
        assert re.search(VECTORS.get(name, FLOATS), code), f"{job.runner.__name__} is scalar"
        assert re.search(LOAD, code), f"{job.runner.__name__} loads elements one by one"


def test_these_kernels_have_compiled_loops():
    assert {*VECTORS, *OTHERS} <= set(COMPILED)
