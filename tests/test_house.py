"""The layout of the rooms: no import of a higher layer, no import cycles, few files at the top of the package."""

from __future__ import annotations

import ast
import graphlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LONGEST = 400  # maximum lines per file, except tests; docstrings are not counted
AT_THE_TOP = 6  # maximum files directly in gpugrad/


@pytest.fixture
def package(tmp_path):
    """Return a copy of the package as installed, with kernels inside."""
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "gpugrad", tmp_path / "gpugrad", ignore=without)
    shutil.copytree(ROOT / "kernels", tmp_path / "gpugrad" / "kernels", ignore=without)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder):
    """Run import-linter; return whether the layers hold, and its output."""
    pytest.importorskip("importlinter")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode == 0, done.stdout + done.stderr


def test_the_layers_hold(package):
    held, output = lint(package)
    assert held, output
    assert "1 kept, 0 broken" in output


@pytest.mark.parametrize(
    "upward",
    [
        "from ..training import trainer\n",
        "def late():\n    from ..training import trainer\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..training import trainer\n",
    ],
    ids=["plain", "late", "types only"],
)
def test_an_import_back_up_is_found(package, upward):
    (package / "gpugrad" / "engine" / "planted.py").write_text(upward)
    held, output = lint(package)
    assert not held
    assert "gpugrad.engine.planted -> gpugrad.training" in output


def imports(folder):
    """Map each module to all modules of the package that it imports, including late and type-only imports."""
    files = {}
    for path in (folder / "gpugrad").rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found = {}
    for module, path in files.items():
        package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
        found[module] = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                base = ".".join([*base, *([node.module] if node.module else [])])
                names = [full if (full := f"{base}.{alias.name}") in files else base for alias in node.names]
            else:
                continue
            found[module] |= {name for name in names if name in files and name != module}
    return found


def circle(graph):
    """Return the modules of an import cycle, or None."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return None


def test_no_files_import_each_other(package):
    graph = imports(package)
    assert "gpugrad.kernels.adam.reference" in graph
    assert "gpugrad.kernels.contract" in graph["gpugrad.kernels.adam"]
    assert circle(graph) is None


@pytest.mark.parametrize(
    "back",
    ["from .device import Device\n", "def late():\n    from .device import Device\n"],
    ids=["plain", "late"],
)
def test_two_files_that_import_each_other_are_found(package, back):
    recorder = package / "gpugrad" / "engine" / "recorder.py"  # which device.py imports
    recorder.write_text(recorder.read_text("utf-8") + back)
    assert {"gpugrad.engine.recorder", "gpugrad.engine.device"} <= set(circle(imports(package)))


def test_the_top_of_the_package_is_short():
    files = [path.name for path in (ROOT / "gpugrad").iterdir() if path.is_file()]
    assert len(files) <= AT_THE_TOP, files


def length(path):
    """Count the lines of a file; those of Python's docstrings do not count, so that specifications are free."""
    text = path.read_text("utf-8")
    count = len(text.splitlines())
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                count -= node.body[0].end_lineno - node.body[0].lineno + 1
    return count


def test_no_file_is_long():
    kinds = {".py", ".cu", ".cuh", ".h", ".cpp", ".js", ".html", ".css"}
    folders = [ROOT / name for name in ("gpugrad", "kernels", "examples")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in kinds]
    assert len(files) > 200
    assert {path.name: n for path in files if (n := length(path)) > LONGEST} == {}


def test_docstrings_are_not_counted(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('"""Two\nlines."""\n\nx = """not\none"""\n\n\ndef f():\n    """One."""\n    return 1\n')
    assert length(path) == 10 - 3
