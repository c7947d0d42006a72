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


def times_listed(rooms):
    """Return how often the pages of the reference list each public name."""
    text = "\n".join(path.read_text("utf-8") for path in (DOCS / "reference").glob("*.md"))
    times = {e.full: 0 for e in rooms.entries() if e.same_as is None and e.kind != "module"}
    for room, lines in re.findall(r"^```\{public\} (\S+)\n((?::.*\n)*)```$", text, re.M):
        options = dict(re.findall(r":(\S+): (.*)", lines))
        for entry in rooms.listed_names(room, *(options.get(name, "").split() for name in ("defined-in", "except"))):
            times[entry.full] += 1
    return times


@pytest.mark.filterwarnings("ignore")  # those of Sphinx's and numpydoc's own imports
def test_each_public_name_is_listed_once(extension):
    times = times_listed(extension("rooms"))
    assert len(times) > 150
    assert {name: n for name, n in times.items() if n != 1} == {}


@pytest.mark.filterwarnings("ignore")
def test_a_name_without_a_place_is_missed(extension, monkeypatch):
    rooms = extension("rooms")

    def added():
        """A public function of a new file."""

    added.__module__ = "gpugrad.engine.planted"
    planted = rooms.Entry("gpugrad", "added", added, "function", "gpugrad.added")
    found = (*rooms.entries(), planted)
    monkeypatch.setattr(rooms, "entries", lambda: found)
    assert [name for name, n in times_listed(rooms).items() if n != 1] == ["gpugrad.added"]


def test_each_page_is_in_a_table_of_contents():
    listed = set()
    pages = [path for path in DOCS.rglob("*.md") if path.parent not in GENERATED]
    for page in pages:
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S):
            lines = [line for line in tree.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / f"{line}.md").resolve() for line in lines}
    assert {path.relative_to(DOCS).as_posix() for path in set(pages) - listed} == {"index.md"}


SMALL = """# A page

`nn.Dense` has an entry, `numpy.dot` has none; [code](../code.py), [a folder](../folder),
[a record](measurements/record.json), [what changed](../CHANGELOG.md).

![A picture](images/one.png) ![Another](images/two.png)
"""


@pytest.fixture
def small(extension, tmp_path):
    """Return a function that builds a site of one page, or two with another page's text, and returns its folder."""
    extension("links")

    def build(text=SMALL, **options):
        from sphinx.cmd.build import main

        for name in ("code.py", "folder/more.py", "docs/measurements/record.json"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("{}")
        for name in ("one", "one_dark", "two"):
            (tmp_path / "docs/images").mkdir(exist_ok=True)
            (tmp_path / f"docs/images/{name}.png").write_bytes(b"")
        (tmp_path / "CHANGELOG.md").write_text("")
        (tmp_path / "docs/index.md").write_text("# Index\n```{toctree}\npage\nchangelog\n```\n")
        (tmp_path / "docs/changelog.md").write_text("# Changes\n```{py:class} gpugrad.nn.Dense\n```\n")
        (tmp_path / "docs/page.md").write_text(text)
        extensions = "myst_parser,_extensions.links"
        settings = [f"-D{name}={value}" for name, value in {"extensions": extensions, **options}.items()]
        code = main(["-C", "-W", "--keep-going", "-n", "-q", *settings, str(tmp_path / "docs"), str(tmp_path / "site")])
        return code, tmp_path / "site"

    return build


@pytest.mark.filterwarnings("ignore")
def test_links_to_the_repository_and_to_names_work_in_the_site(small):
    code, site = small()
    assert code == 0
    page = (site / "page.html").read_text()
    links = re.findall(r'<a class="reference internal" href="([^"]+)"', page)
    targets = ("source/code.py.html", "source/folder/index.html", "measurements/record.json", "changelog.html")
    assert set(targets) <= set(links)
    assert "changelog.html#gpugrad.nn.Dense" in links
    assert all((site / target).exists() for target in targets)
    assert "more.py.html" in (site / "source/folder/index.html").read_text()
    assert re.findall(r'class="(only-\w+)" src="_images/(\w+).png"', page) == [
        ("only-light", "one"),
        ("only-dark", "one_dark"),
    ]
    assert (site / "_images" / "two.png").exists()


@pytest.mark.filterwarnings("ignore")
def test_links_to_the_repository_lead_to_its_address_if_it_has_one(small):
    code, site = small(gpugrad_source_url="https://example.org/blob/main")
    assert code == 0
    page = (site / "page.html").read_text()
    assert 'href="https://example.org/blob/main/code.py"' in page
    assert 'href="measurements/record.json"' in page


@pytest.mark.filterwarnings("ignore")
def test_a_dead_link_fails_the_build(small, capsys):
    code, _ = small("# A page\n\n[gone](../gone.py)\n")
    assert code == 1
    assert "gone.py" in capsys.readouterr().err


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
