"""Follow the step-by-step pages of docs/ on a copy of the project: files, commands and Python."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpugrad.engine.device import unavailable

ROOT = Path(__file__).parent.parent

# For each page: the thing it adds, and the maximum number of new and changed files.
PAGES = {
    "adding_an_operation.md": ("softplus", 5),
    "adding_a_row_operation.md": ("rms_norm", 9),
    "adding_a_reduction.md": ("dot", 9),
    "adding_an_activation.md": ("mish", 7),
    "adding_an_optimizer.md": ("lion", 9),
    "adding_a_layer.md": ("LayerNorm", 3),
}

# A code block, and the line above it with its file and the place in it.
BLOCK = re.compile(
    r"(?:^`(?P<path>[\w/.]+)`(?:, (?P<place>[^\n]+))?\n\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S
)


@pytest.fixture
def project(tmp_path):
    """Return a copy of the project, including Numba's compiled loops, which processes started in it import."""
    ignored = shutil.ignore_patterns("*.pyc*", "*.tmp.*", "measurements")
    for folder in ("gpugrad", "kernels", "tests", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(project, *command):
    environment = {**os.environ, "PYTHONPATH": str(project)}
    for name in ("NUMBA_CACHE_DIR", "NUMBA_ENABLE_CUDASIM"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, *command], cwd=project, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return done.stdout


def run_line(project, line):
    """Run a line of a console block; `> FILE` at its end stores the output."""
    program, *arguments = shlex.split(line)
    file = arguments[arguments.index(">") + 1] if ">" in arguments else None
    arguments = arguments[: arguments.index(">")] if file else arguments
    if program == "gpugrad":
        if "--compile" in arguments:
            pytest.importorskip("cuda.core")
        elif "simulator" in arguments:
            pytest.importorskip("numba_cuda")
        output = run(project, "-m", "gpugrad", *arguments)
    else:
        assert program == "pytest", line
        output = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
        assert re.search(r"[1-9]\d* passed", output), output
    if file:
        (project / file).write_text(output)
    return output


def write(project, path, place, code):
    """Apply a block with a file name."""
    file = project / path
    if place is None:
        assert not file.exists(), f"{path} already exists"
        file.parent.mkdir(exist_ok=True)
        file.write_text(code)
        return
    text = file.read_text()
    how, _, what = place.partition(" `")
    what = what.removesuffix("`")
    if place == "at the end":
        text = f"{text}\n\n{code}"
    elif how == "at the end of":  # a collection: insert before the line of its last bracket
        lines = text.splitlines(keepends=True)
        lines.insert(last_line(text, what) - 1, code)
        text = "".join(lines)
    else:
        assert text.count(f"{what}\n") == 1, f"{path} has {what!r} {text.count(what)} times"
        text = text.replace(f"{what}\n", {"after": f"{what}\n{code}", "instead of": code}[how])
    file.write_text(text)


def last_line(text, name):
    """Return the line of a collection's closing bracket; for a dict comprehension over rows, that of the rows."""
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            rows = node.value.generators[0].iter if isinstance(node.value, ast.DictComp) else node.value
            return rows.end_lineno
    raise AssertionError(f"{name} does not exist")


def follow(page, project, commands=True):
    """Follow a page from its first block to its last; return the changed files and the output."""
    touched, printed = set(), []
    for block in BLOCK.finditer((ROOT / "docs" / page).read_text()):
        path, place, language, code = block["path"], block["place"], block["language"], block["code"]
        if path is not None:
            write(project, path, place, code)
            touched.add(path)
        elif language == "console":
            for line in code.splitlines():
                assert line.startswith("$ ")
                if match := re.search(r"> (docs/\S+)$", line):
                    touched.add(match[1])
                if commands or match:
                    printed.append(run_line(project, line.removeprefix("$ ")))
        elif commands:
            run(project, "-c", code)
    return touched, "".join(printed)


# Of what they add, the next test runs the kernels' tests for all pages.
LONGEST = ("adding_an_activation.md", "adding_an_optimizer.md", "adding_a_row_operation.md", "adding_a_reduction.md")


# These two copy the compiled loops, so they run late among the slow tests, when all loops are compiled.
@pytest.mark.parametrize("page", [pytest.param(p, marks=pytest.mark.long) if p in LONGEST else p for p in PAGES])
@pytest.mark.slow(6)
def test_following_the_page_works(page, project):
    what, most = PAGES[page]
    touched, printed = follow(page, project)
    assert len(touched) <= most, touched
    assert what in (ROOT / "docs" / page).read_text()
    if (project / "kernels" / what).exists() and unavailable("emulator", "cupy") is None:
        assert re.search(r"emulator with cupy: \d kernels? of \d+ agree", printed)


@pytest.mark.slow(7)
def test_everything_that_the_pages_add_passes_the_kernel_tests(project):
    for page in PAGES:
        follow(page, project, commands=False)
    added = " or ".join(what for what, _ in PAGES.values())
    # Tests of contracts and activations name no operation, those of others are as before.
    run_line(project, f"pytest tests/kernels -k '{added} or contract or activation'")
    others = "tests/optim tests/nn tests/engine tests/estimators tests/export tests/lab tests/bench tests/command"
    run_line(project, f"pytest {others} -k '{added}'")
    assert (project / "docs" / "names.md").read_text() == run(project, "-m", "gpugrad", "names")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_needed(page, project):
    """Without the page's changes its Python fails, so the test above cannot pass trivially."""
    code = [block["code"] for block in BLOCK.finditer((ROOT / "docs" / page).read_text()) if not block["path"]]
    with pytest.raises(AssertionError):
        run(project, "-c", code[-1])


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_in_blocks(page):
    """A command in a sentence must also occur in a console block, since only blocks are run."""
    text = (ROOT / "docs" / page).read_text()
    lines = [
        set(shlex.split(line)) for block in BLOCK.finditer(text) for line in block["code"].splitlines() if "$ " in line
    ]
    for command in re.findall(r"`((?:gpugrad|pytest|python) [^`]+)`", BLOCK.sub("", text)):
        known = command in ("gpugrad bench kernels", "python -m gpugrad") or any(
            set(shlex.split(command)) <= line for line in lines
        )
        assert known, command


def test_the_page_of_names_is_up_to_date():
    shown = subprocess.run([sys.executable, "-m", "gpugrad", "names"], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert (ROOT / "docs" / "names.md").read_text() == shown.stdout, "run gpugrad names > docs/names.md"
