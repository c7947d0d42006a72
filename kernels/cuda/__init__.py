"""What the CUDA C++ kernels share: the headers, how a kernel is launched (source, grids) and compiled (nvrtc)."""
