"""What the Numba CUDA kernels share.

launch      how a kernel is launched; take `cuda` from there
device      functions for kernels: mathematics in single precision, sums over a block
target      whether numba.cuda is the GPU or Numba's simulator in this process
simulator   a launch in the simulator, checked
ptx         kernels compiled with no GPU
"""
