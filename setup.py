"""Find the packages: the folder kernels/ becomes gpugrad.kernels, never a top-level module."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class FreshBuild(build_py):
    """A build that deletes the results of earlier builds, so that moved files are not installed."""

    def run(self) -> None:
        """Delete earlier results and build."""
        shutil.rmtree(Path(self.build_lib) / "gpugrad", ignore_errors=True)
        super().run()


setup(
    cmdclass={"build_py": FreshBuild},
    packages=[
        *find_packages(include=["gpugrad", "gpugrad.*"]),
        "gpugrad.kernels",
        *(f"gpugrad.kernels.{name}" for name in find_packages("kernels")),
    ],
    package_dir={"gpugrad": "gpugrad", "gpugrad.kernels": "kernels"},
)
