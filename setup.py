"""The packages, found: the folder kernels/ is imported as gpugrad.kernels; a top-level module of that name never is."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class FreshBuild(build_py):
    """Forgets what an earlier build left: files that have moved since would be installed too."""

    def run(self) -> None:
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
