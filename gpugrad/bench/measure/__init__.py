"""Measurements: kernels, training, scaling, startup, memory and estimators."""
