"""Shared parts of the Numba CUDA kernels.

launch      launches a kernel; import `cuda` from there
device      functions for kernels: mathematics in single precision, sums over a block
target      chooses the GPU or Numba's simulator as this process's numba.cuda
simulator   runs a launch in the simulator, with checks
ptx         compiles kernels without a GPU
private     every private name of Numba and numba-cuda
"""
