"""`import gpugrad` is light: it loads no compiler, no GPU library and no code that only commands need."""

import functools
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

# The rooms that a program with a model needs; commands, benchmarks, the lab, exports and estimators load on demand.
ROOMS = {
    "data",
    "emulator",
    "engine",
    "errors",
    "functional",
    "kernels",
    "machine",
    "nn",
    "optim",
    "options",
    "training",
}

# Modules of the standard library that are slow to load and serve servers, databases, windows, tests or processes.
HEAVY = {"asyncio", "http.server", "multiprocessing", "pydoc", "sqlite3", "tkinter", "unittest", "webbrowser"}

# Modules that NumPy or the interpreter load do not count.
PROGRAM = """
import sys, numpy, numpy.random
before = set(sys.modules)
import gpugrad
print(*sorted(set(sys.modules) - before))
"""


@functools.cache
def loaded() -> set[str]:
    """Return the modules that `import gpugrad` adds to those of NumPy, from a new process."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split())


def test_import_loads_only_numpy_and_the_standard_library():
    """Each of Numba, CuPy, SciPy, scikit-learn and rich takes longer to load than all of gpugrad."""
    libraries = {name.partition(".")[0] for name in loaded()} - sys.stdlib_module_names
    assert libraries == {"gpugrad"}


def test_import_loads_no_heavy_part_of_the_standard_library():
    assert loaded() & HEAVY == set()


def test_import_loads_only_the_rooms_of_a_model():
    """Code for a command, the lab or an estimator cannot slow down the start of every program."""
    found = {name.split(".")[1] for name in loaded() if name.startswith("gpugrad.")}
    assert found == ROOMS


def test_import_loads_no_launcher():
    """The first device loads the launchers of its toolchain, and their compiler."""
    from gpugrad.kernels import LAUNCHER_FILES

    files = {file for names in LAUNCHER_FILES.values() for file in names}
    assert "numba_cpu" in files
    assert {name for name in loaded() if name.rpartition(".")[2] in files} == set()


def test_every_public_name_exists():
    import gpugrad

    assert set(gpugrad.__all__) <= set(dir(gpugrad))
    assert len(set(gpugrad.__all__)) == len(gpugrad.__all__)


def test_the_package_does_not_contain_itself():
    """In a checkout the folder of the kernels is found, but not its parent folder."""
    import gpugrad

    assert [path for path in gpugrad.__path__ if (Path(path) / "gpugrad").exists()] == []
    assert importlib.util.find_spec("gpugrad.gpugrad") is None


# The ways to import the old name.
OLD_NAMES = [
    "import gpugrad as gg; found = gg.descent.minimize; gg.lab.minimize",
    "from gpugrad.descent import minimize as found",
    "import gpugrad.descent; found = gpugrad.descent.minimize",
    "import gpugrad.descent.surfaces; from gpugrad.descent.minimize import minimize as found",
]


@pytest.mark.parametrize("program", OLD_NAMES)
def test_the_old_name_of_the_lab_works_with_a_warning(program):
    program += "\nimport gpugrad.lab.minimize\nassert found is gpugrad.lab.minimize"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("DeprecationWarning: gpugrad.descent is now gpugrad.lab") == 1
