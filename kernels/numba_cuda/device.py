"""What the Numba CUDA kernels share: mathematics in single precision, sums over a block, the scaled gradient."""

from __future__ import annotations

import math

import numpy as np

from .launch import SIMULATED, THREADS, cuda

# Inlined before types are known, so that a kernel is compiled as one function, without a GPU too.
device_function = cuda.jit(device=True, inline="always")

ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
INFINITY, NAN = np.float32(np.inf), np.float32(np.nan)

# Compiled, a function of math has the precision of its argument. Simulated, it would compute in double precision and
# raise where a GPU gives an infinity; NumPy's is the one that behaves like the GPU's.
if SIMULATED:
    exp, expm1, log, log1p, sqrt, tanh = np.exp, np.expm1, np.log, np.log1p, np.sqrt, np.tanh

    def erfc(x):
        return np.float32(math.erfc(x))

else:
    exp, expm1, log, log1p, sqrt, tanh = math.exp, math.expm1, math.log, math.log1p, math.sqrt, math.tanh
    erfc = math.erfc


@device_function
def block_sum(value):
    """The sum of `value` over the block, in a fixed order, known to all its threads, which all must call it.

    A block has a power of two threads, at most THREADS.
    """
    shared = cuda.shared.array(THREADS, np.float32)
    thread = cuda.threadIdx.x
    shared[thread] = value
    half = cuda.blockDim.x // 2
    while half > 0:
        cuda.syncthreads()
        if thread < half:
            shared[thread] += shared[thread + half]
        half //= 2
    cuda.syncthreads()
    total = shared[0]
    cuda.syncthreads()  # before the next call overwrites it
    return total


@device_function
def block_max(value):
    """The maximum of `value` over the block, like block_sum; NaN need not win."""
    shared = cuda.shared.array(THREADS, np.float32)
    thread = cuda.threadIdx.x
    shared[thread] = value
    half = cuda.blockDim.x // 2
    while half > 0:
        cuda.syncthreads()
        if thread < half:
            shared[thread] = max(shared[thread], shared[thread + half])
        half //= 2
    cuda.syncthreads()
    largest = shared[0]
    cuda.syncthreads()
    return largest


@device_function
def sum_of_partials(partials, count):
    """The sum of the first `count` ≤ THREADS partial sums, for a kernel of one block of THREADS threads.

    A loop, the form of the kernels that ran on an H200: those with a conditional expression here hung there, and
    neither their PTX nor their machine code shows why.
    """
    total = ZERO
    for i in range(cuda.threadIdx.x, count, cuda.blockDim.x):
        total += partials[i]
    return block_sum(total)


@device_function
def signed_scale(grad_scale, sign):
    """What the gradient is multiplied by: grad_scale, or 1 without one; negative (sign −1) to maximize."""
    return sign if grad_scale.size == 0 else sign * grad_scale[0]


@device_function
def weight_at(weight, i):
    """An optional weight: 1 where none is given."""
    return ONE if weight.size == 0 else weight[i]


@cuda.jit
def advance_kernel(counter, amount):
    """counter ← counter + amount, by one thread, after the kernel that read the counter: so none reads too late."""
    counter[0] += amount
