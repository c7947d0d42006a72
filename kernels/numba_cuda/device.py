"""Functions for Numba CUDA kernels: mathematics in single precision, sums over a block, the scaled gradient."""

from __future__ import annotations

import math

import numpy as np

from .launch import SIMULATED, THREADS, cuda

# Inlined before type inference, so that a kernel compiles as one function, also without a GPU.
device_function = cuda.jit(device=True, inline="always")

ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
INFINITY, NAN = np.float32(np.inf), np.float32(np.nan)

# In compiled code a function of `math` has the precision of its argument. In the simulator it would compute in double
# precision and raise where a GPU returns an infinity; there NumPy's functions behave like the GPU's.
if SIMULATED:
    exp, expm1, log, log1p, sqrt, tanh = np.exp, np.expm1, np.log, np.log1p, np.sqrt, np.tanh

    def erfc(x):
        return np.float32(math.erfc(x))

else:
    exp, expm1, log, log1p, sqrt, tanh = math.exp, math.expm1, math.log, math.log1p, math.sqrt, math.tanh
    erfc = math.erfc


@device_function
def block_sum(value):
    """Return the sum of `value` over the block to every thread, added in a fixed order; all threads must call it.

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
    cuda.syncthreads()  # the next call overwrites shared memory
    return total


@device_function
def block_max(value):
    """Return the maximum of `value` over the block, like block_sum; a NaN may be lost."""
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
    """Return the sum of the first `count` ≤ THREADS partial sums, in a kernel of one block of THREADS threads.

    It is a loop on purpose: kernels with a conditional expression here hung on an H200, and neither their PTX nor their
    machine code shows why.
    """
    total = ZERO
    for i in range(cuda.threadIdx.x, count, cuda.blockDim.x):
        total += partials[i]
    return block_sum(total)


@device_function
def signed_scale(grad_scale, sign):
    """Return the factor of the gradient: grad_scale, or 1 without one; negative (sign −1) to maximize."""
    return sign if grad_scale.size == 0 else sign * grad_scale[0]


@device_function
def weight_at(weight, i):
    """Return element i of an optional weight: 1 if the weight is left out."""
    return ONE if weight.size == 0 else weight[i]


@cuda.jit
def advance_kernel(counter, amount):
    """Add `amount` to a counter, in a launch after the kernel that reads it: no thread then reads the new value."""
    counter[0] += amount
