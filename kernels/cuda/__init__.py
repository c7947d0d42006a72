"""What the CUDA C++ kernels share: headers, launches (source, grids, elementwise) and compilation (nvrtc)."""
