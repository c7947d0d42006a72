"""Every code block of the pages runs: Python in order, commands in the same folder; shown outputs are compared."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gpugrad.command.app import app
from gpugrad.engine.device import unavailable

ROOT = Path(__file__).parent.parent
GENERATED = ("reference/api/", "reference/command/", "reference/kernels/")  # by the build of the site

# Pages whose blocks another test runs: tests/test_docs.py follows these step by step.
FOLLOWED = "adding_*.md"

# What a block's language says: these are not programs.
NO_PROGRAMS = ("text", "output", "cpp")

# Lines that do not run here, or not as they are: the start of the line, what runs instead (None: nothing; OPTIONS: only
# its options are checked), and why.
OPTIONS = "--help"
INSTEAD = {
    "python3 -m venv": (None, "needs a package index: .ci/run runs both commands of the README"),
    "pip install": (None, "needs a package index: .ci/run installs the extras"),
    "python -m pytest": (None, "this run"),
    "python examples/lecture/": (None, "tests/test_lecture.py runs every script"),
    "python tests/gpu/record.py": (None, "minutes: tests/gpu rehearses it"),
    "gpugrad train table.csv": (OPTIONS, "the reader's file: docs/tutorials/csv.md has one"),
    "gpugrad predict runs/price": (OPTIONS, "of that run"),
    "gpugrad descend --serve": (None, "serves until Ctrl-C: tests/lab/test_page_server.py"),
    "gpugrad train mnist --data-dir": ("gpugrad train digits --dropout 0.2 --epochs 1 --out runs/mnist", "needs MNIST"),
    "gpugrad train mnist --profile": ("gpugrad train digits --epochs 2 --profile trace.json", "needs MNIST"),
    "gpugrad train digits --profile": ("gpugrad train digits --epochs 2 --profile trace.json", "shows times"),
    "gpugrad train digits --device emulator": (
        "gpugrad train digits --device emulator --hidden 4 --epochs 1 --batch-size 512", "half a minute",
    ),
    "gpugrad descend saddle": ("gpugrad descend saddle --optimizer sgd,adam --steps 5 --out race.gif", "half a minute"),
    "gpugrad check adam --device emulator": ("gpugrad check adagrad --device emulator", "compiles for seconds"),
    "gpugrad check --device emulator": ("gpugrad check adagrad --device emulator", "minutes: tests/kernels"),
    "gpugrad check --device machine": (OPTIONS, "a minute: tests/machine"),
    "gpugrad check adam --device machine": (OPTIONS, "tests/machine runs it"),
    "gpugrad train digits --device machine": (
        "gpugrad train digits --device machine --toolchain numba --hidden 4 --epochs 1 --batch-size 512",
        "half a minute",
    ),
    "gpugrad check --compile": (OPTIONS, "minutes: tests/kernels compiles all"),
    "gpugrad check": ("gpugrad check adagrad --device cpu", "a minute: tests/kernels runs all"),
    "gpugrad bench compare before.json": ("gpugrad bench compare before.json after.json", "files: RECORD"),
    "gpugrad bench report record.json": ("gpugrad bench report record.json", "files: RECORD"),
    "gpugrad bench": (OPTIONS, "minutes: tests/bench runs each at tiny sizes"),
}  # fmt: skip
# A record, under the names that the pages use.
RECORD, AS = ROOT / "docs" / "measurements" / "2026-11-28-cpu.json", ("record.json", "before.json", "after.json")

BLOCK = re.compile(
    r"^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$(?P<after>\s*^```output\n(?P<output>.*?)^```$)?", re.M | re.S
)


def pages():
    """Return the pages with blocks, relative to the root."""
    docs = [path for path in sorted((ROOT / "docs").rglob("*.md")) if not path.match(FOLLOWED)]
    names = [path.relative_to(ROOT).as_posix() for path in docs]
    written = [name for name in names if not name.removeprefix("docs/").startswith(GENERATED)]
    return [name for name in ("README.md", *written) if BLOCK.search((ROOT / name).read_text("utf-8"))]


def blocks(page):
    """Yield (language, code, output or None) for each program on a page."""
    for block in BLOCK.finditer((ROOT / page).read_text("utf-8")):
        language = block["language"].strip()
        if language == "" or language.startswith("{") or language in NO_PROGRAMS:
            continue
        assert language in ("python", "console", "sh"), f"{page} has a block in {language!r}: say how it is tested"
        yield language, block["code"], block["output"]


def commands(code, language):
    """Yield (command, expected output) for each command of a console block, or for each line of a script."""
    if language == "sh":
        for line in code.splitlines():
            yield from ((part, "") for part in parts(line))
        return
    assert code.startswith("$ "), code
    for entry in re.split(r"^\$ ", code, flags=re.M)[1:]:
        line, _, output = entry.partition("\n")
        *first, last = parts(line)
        yield from ((part, "") for part in first)
        yield last, output


def parts(line):
    """Return the commands of a line, without its comment."""
    return [
        part.strip().removeprefix(".venv/bin/") for part in re.sub(r"\s+#.*", "", line).split(" && ") if part.strip()
    ]


def run(command, expected, used):
    """Run a command in this process, or what the table has instead; compare the output that a page shows."""
    start = max((start for start in INSTEAD if command.startswith(start)), key=len, default=None)
    if start is not None:
        used.add(start)
        instead, _ = INSTEAD[start]
        if instead is None:
            return
        command, expected = (f"{command} {OPTIONS}" if instead is OPTIONS else instead), ""
    program, *arguments = shlex.split(command)
    assert program == "gpugrad", f"{command!r} is no gpugrad command, and not in INSTEAD"
    if "emulator" in arguments and unavailable("emulator", "cupy"):
        return
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, f"{command}\n{result.output}"
    compare(expected, result.stdout, command)


def compare(expected, printed, what):
    """Compare text with text, numbers with a point to 5 %; lines that a page leaves out are marked by …."""
    if not expected.strip():
        return
    shown = printed.rstrip()
    pattern, wanted = [], []
    for text, number in re.findall(r"(.*?)(\d+\.\d+(?:e[+-]\d+)?|$)", expected.rstrip(), re.S):
        pattern.append(re.escape(text).replace("…", ".*?"))
        if number:
            pattern.append(r"(\d+\.\d+(?:e[+-]\d+)?)")
            wanted.append(float(number))
    found = re.fullmatch("".join(pattern), shown, re.S)
    assert found, f"{what}\nprints\n{shown}\nand the page shows\n{expected}"
    for number, page in zip(found.groups(), wanted, strict=True):
        assert float(number) == pytest.approx(page, rel=0.05), f"{what} prints {number}, the page shows {page}"


def follow(page, used):
    """Run the blocks of a page in order, in the current folder."""
    for name in AS:
        shutil.copy(RECORD, name)
    namespace = {"__name__": "__main__"}
    for language, code, output in blocks(page):
        if language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(code, page, "exec"), namespace)
            assert output is None or output.strip(), (
                f"{page} shows no output of\n{code}\nwhich prints\n{printed.getvalue()}"
            )
            compare(output or "", printed.getvalue(), code)
        else:
            for command, expected in commands(code, language):
                run(command, expected, used)


@pytest.mark.parametrize("page", [page for page in pages() if any(blocks(page))])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # short fits of the examples
@pytest.mark.slow(8)
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    follow(page, set())


def test_each_row_of_the_table_is_needed():
    lines = [
        command
        for page in pages()
        for language, code, _ in blocks(page)
        if language != "python"
        for command, _ in commands(code, language)
    ]
    used = {max((s for s in INSTEAD if line.startswith(s)), key=len, default=None) for line in lines}
    assert set(INSTEAD) - used == set()


def test_every_block_has_the_form_that_runs():
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        assert re.findall(r"^(?:[ \t]+```|[ \t]*~~~|[ \t]*````).*", path.read_text("utf-8"), re.M) == [], path


def test_no_command_hides_where_nothing_runs():
    programs = r"(?:\$ |>>> |(?:gpugrad|python|pytest|pip) )"
    for page in pages():
        text = (ROOT / page).read_text("utf-8")
        quiet = [b["code"] for b in BLOCK.finditer(text) if b["language"].strip() not in ("python", "console", "sh")]
        assert re.findall(f"^{programs}.*", "\n".join(quiet), re.M) == [], page
        assert re.findall(f"^    {programs}.*", BLOCK.sub("", text), re.M) == [], page
