"""Shared parts of the CUDA C++ kernels: headers, launches (source, grids, elementwise) and compilation (nvrtc)."""
