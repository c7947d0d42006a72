"""The documentation site: every public name, contract and option has its entry, and every page its place."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from gpugrad import kernels

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
GENERATED = [DOCS / "reference" / name for name in ("api", "command", "kernels")]


@pytest.fixture
def extension(monkeypatch):
    """Return a function that imports an extension of the site."""
    pytest.importorskip("sphinx")
    pytest.importorskip("numpydoc")
    monkeypatch.syspath_prepend(DOCS)
    yield lambda name: importlib.import_module(f"_extensions.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "_extensions"]:
        del sys.modules[name]


def directives():
    """Return (room, places) of each `{public}` in the pages of the reference."""
    text = "\n".join(path.read_text("utf-8") for path in (DOCS / "reference").glob("*.md"))
    found = re.findall(r"^```\{public\} (\S+)\n(?::defined-in: ([^\n]+)\n)?```$", text, re.M)
    return [(room, tuple(places.split())) for room, places in found]


def times_listed(entry):
    """Return how often the pages of the reference list a name."""
    return sum(
        room == entry.room and (not places or any(f"{entry.origin}.".startswith(f"{place}.") for place in places))
        for room, places in directives()
    )


@pytest.mark.filterwarnings("ignore")  # those of Sphinx's and numpydoc's own imports
def test_each_public_name_is_listed_once(extension):
    entries = extension("rooms").entries()
    assert len(entries) > 200
    wrong = {e.full: times_listed(e) for e in entries if e.same_as is None and e.kind != "module"}
    assert {name: times for name, times in wrong.items() if times != 1} == {}


@pytest.mark.filterwarnings("ignore")
def test_a_name_of_a_new_file_is_missed(extension):
    rooms = extension("rooms")

    def added():
        """A public name that a file without a place in the reference defines."""

    added.__module__ = "gpugrad.nn.planted"
    assert times_listed(rooms.Entry("gpugrad.nn", "added", added, "function", "gpugrad.nn.added")) == 0


def test_each_page_is_in_a_table_of_contents():
    listed = set()
    pages = [path for path in DOCS.rglob("*.md") if path.parent not in GENERATED]
    for page in pages:
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S):
            lines = [line for line in tree.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / f"{line}.md").resolve() for line in lines}
    assert {path.relative_to(DOCS).as_posix() for path in set(pages) - listed} == {"index.md"}


def inventory(file):
    """Return {(role, name): address} of an objects.inv."""
    content = file.read_bytes().split(b"\n", 4)[4]
    found = re.findall(r"^(.+?) (\S+:\S+) -?\d+ (\S*) .*$", zlib.decompress(content).decode(), re.M)
    return {(role, name): address.replace("$", name) for name, role, address in found}


@pytest.mark.long  # a minute and a half of one core; .ci/site builds it in CI, and fails if a name has no entry
@pytest.mark.slow(30)
@pytest.mark.filterwarnings("ignore")
def test_the_site_builds_without_a_warning_and_names_everything(extension, tmp_path):
    pytest.importorskip("furo")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-E", "-q", "-j", "auto", DOCS, tmp_path],
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = inventory(tmp_path / "objects.inv")
    names = {name for role, name in found if role.startswith("py:")}
    assert {entry.full for entry in extension("rooms").entries()} - names == set()
    contracts = {f"{kernels.__name__}.{operation}.{contract.name}" for operation, contract in kernels.contracts()}
    assert contracts - names == set()
    options = {
        f"gpugrad-{command.replace(' ', '-')}.{option}"
        for command, row in extension("command").commands().items()
        for parameter in row.params
        if parameter.param_type_name == "option"
        for option in parameter.opts
    }
    shown = {name.replace(" ", "-") for role, name in found if role == "std:cmdoption"}
    assert len(options) > 50
    assert options - shown == set(), sorted(shown)[:5]
    for address in found.values():
        assert (tmp_path / address.partition("#")[0]).exists(), address
