"""The packages, found: the folder kernels/ is imported as gpugrad.kernels; a top-level module of that name never is."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["gpugrad", "gpugrad.*"]),
        "gpugrad.kernels",
        *(f"gpugrad.kernels.{name}" for name in find_packages("kernels")),
    ],
    package_dir={"gpugrad": "gpugrad", "gpugrad.kernels": "kernels"},
)
