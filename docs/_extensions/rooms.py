"""The reference of the public names: one page per class and function, found in the modules.

`{public} ROOM` lists the public names of a module: all, those of `:defined-in:`, or those not of `:except:`. A name
that several modules export has its page under the first one of `ROOMS`; the others are further addresses of that page.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from numpydoc.xref import DEFAULT_LINKS
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.domains.python import ObjectEntry
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature

from .pages import plain, table, write_pages

# The modules that a user imports from; a name belongs to the first that has it. Public is what `__all__` or `__dir__`
# lists; in a module without them, the classes and functions that it defines, or those with the prefix given here.
ROOMS = {
    "gpugrad": "",
    "gpugrad.functional": "",
    "gpugrad.nn": "",
    "gpugrad.nn.init": "",
    "gpugrad.nn.losses": "",
    "gpugrad.optim": "",
    "gpugrad.data": "",
    "gpugrad.training": "",
    "gpugrad.estimators": "",
    "gpugrad.export": "",
    "gpugrad.lab": "",
    "gpugrad.lab.pictures": "plot_",
    "gpugrad.lab.animation": "",
    "gpugrad.kernels.contract": "",
    "gpugrad.errors": "",
}
logger = logging.getLogger(__name__)

ON_THEIR_ROOM_S_PAGE = ("data", "exception")


@dataclass(frozen=True)
class Entry:
    """A public name.

    Parameters
    ----------
    room, name : str
        Module and name.
    value : Any
        What has the name.
    kind : {"class", "function", "exception", "module", "data"}
        Its kind.
    page : str
        Name of its page, without folder and suffix.
    same_as : str, optional
        Full name of the entry of an earlier room that is the same object.
    """

    room: str
    name: str
    value: Any
    kind: str
    page: str
    same_as: str | None = None

    @property
    def full(self) -> str:
        """Full name."""
        return f"{self.room}.{self.name}"

    @property
    def shown(self) -> str:
        """Name as a program writes it after `import gpugrad` and `from gpugrad import nn`."""
        return self.full.removeprefix("gpugrad.")

    @property
    def origin(self) -> str:
        """Module that defines it, relative to gpugrad; "values" of a constant."""
        defined_in = getattr(self.value, "__module__", "") if self.kind not in ("data", "module") else "gpugrad.values"
        return defined_in.removeprefix("gpugrad.")


def public_names(room: str) -> list[str]:
    """Return the public names of a module."""
    module = importlib.import_module(room)
    listed = set(getattr(module, "__all__", ()))
    if "__dir__" in vars(module):
        listed |= set(dir(module))
    own = {
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == room and name[0] != "_" and name.startswith(ROOMS[room])
    }
    return sorted(listed or own)


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Return every public name."""
    found: list[Entry] = []
    first: dict[int, str] = {}
    pages: set[str] = set()
    for room in ROOMS:
        module = importlib.import_module(room)
        for name in public_names(room):
            value, full = getattr(module, name), f"{room}.{name}"
            kind = kind_of(value)
            if kind == "module":
                assert value.__name__ in ROOMS or full in ROOMS, f"{full} is no row of ROOMS in {__file__}"
            same_as = first.setdefault(id(value), full) if kind not in ("data", "module") else full
            # Tensor and tensor must not share a file where names do not depend on case.
            page = full if full.lower() not in pages else f"{full}-{kind}"
            pages.add(page.lower())
            found.append(Entry(room, name, value, kind, page, same_as if same_as != full else None))
    return tuple(found)


def kind_of(value: Any) -> str:
    """Return the kind of a public value."""
    if isinstance(value, types.ModuleType):
        return "module"
    if inspect.isclass(value):
        return "exception" if issubclass(value, Exception) else "class"
    return "function" if callable(value) else "data"


def summary(value: Any) -> str:
    """Return the first sentence of a docstring on one line, as Markdown."""
    return plain(" ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split()))


def own_members(cls: type, documented: frozenset[type]) -> Iterator[str]:
    """Yield the public methods and properties that a class has from gpugrad, but not from another documented class."""
    bases = [base for base in cls.__mro__[1:] if base in documented]
    # A class whose `__dir__` leaves out hooks of its own needs an object to ask; one that is not initialized will do.
    listed = dir(cls) if cls.__dir__ is object.__dir__ else dir(object.__new__(cls))
    for name in listed:
        value = inspect.getattr_static(cls, name, None)
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        function = getattr(value, "fget", None) or getattr(value, "func", None) or value
        if name[0] == "_" or not inspect.isfunction(function) or not function.__module__.startswith("gpugrad"):
            continue
        if not any(inspect.getattr_static(base, name, None) is inspect.getattr_static(cls, name) for base in bases):
            yield name


def page_of(entry: Entry) -> str:
    """Return the page of a class or function."""
    aliases = [other.full for other in entries() if other.same_as == entry.full]
    # An orphan: with each name in it, the table of contents of every page would take most of the time of a build.
    lines = ["---", "orphan: true", "---", "", f"{{py:mod}}`{entry.room}`", "", f"# {entry.shown}", ""]
    lines += ["```{eval-rst}", f".. currentmodule:: {entry.room}", ""]
    if entry.kind == "class":
        classes = {e.value: e for e in entries() if e.kind == "class" and e.same_as is None}
        members = ", ".join(own_members(entry.value, frozenset(classes)))
        lines += [f".. autoclass:: {entry.name}", *([f"   :members: {members}"] if members else [])]
        bases = [f":py:class:`{classes[b].shown} <{classes[b].full}>`" for b in entry.value.__mro__[1:] if b in classes]
        lines += ["", f"Inherits from {', '.join(bases)}."] if bases else []
    else:
        lines += [f".. autofunction:: {entry.name}"]
    lines += ["", f"Also {', '.join(f'``{alias}``' for alias in aliases)}."] if aliases else []
    return "\n".join([*lines, "```", ""])


def constant(entry: Entry) -> str:
    """Return the entry of a constant: the names or values that it holds."""
    value = entry.value
    names = [value] if isinstance(value, str) else list(value)
    what = "Rows by name: " if isinstance(value, Mapping) else ""
    text = what + ", ".join(f"`{name}`" for name in names)
    return f"```{{py:data}} {entry.name}\n:module: {entry.room}\n\n{text}.\n```\n"


def signature_of_class(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """Show the parameters of `__init__`; the metaclass that checks a call hides them."""
    if what != "class" or signature != "(*arguments, **options)":
        return None
    own = inspect.signature(obj.__init__)
    without_self = own.replace(parameters=list(own.parameters.values())[1:])
    shown = stringify_signature(without_self, show_annotation=False, show_return_annotation=False)
    return re.sub(r"<class '([\w.]+)'>", r"\1", shown), ""


def keep_bars(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep |x| in docstrings: it is an absolute value, not a substitution of reStructuredText."""
    lines[:] = [re.sub(r"(?<![`\\])\|(?=\S[^|`]*\|)", r"\\|", line) for line in lines]


def listed_names(room: str, places: list[str], elsewhere: list[str]) -> list[Entry]:
    """Return the names of a module that are defined in some places, by default all, and not in others."""

    def is_in(entry: Entry, places: list[str]) -> bool:
        return any(f"{entry.origin}.".startswith(f"{place}.") for place in places)

    own = [e for e in entries() if e.room == room and e.same_as is None and e.kind != "module"]
    return [e for e in own if (not places or is_in(e, places)) and not is_in(e, elsewhere)]


class Public(SphinxDirective):
    """List the public names of a module, with links to their pages."""

    required_arguments = 1
    option_spec: ClassVar = {"defined-in": directives.unchanged, "except": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Return the list, parsed from Markdown."""
        room = self.arguments[0]
        places, elsewhere = (self.options.get(name, "").split() for name in self.option_spec)
        listed = listed_names(room, places, elsewhere)
        if not listed:
            raise self.error(f"{room} has no public names defined in {places}")
        text = [] if places or elsewhere else [f"```{{py:module}} {room}\n```\n"]
        with_page = [entry for entry in listed if entry.kind not in ON_THEIR_ROOM_S_PAGE]
        if with_page:
            text.append(
                table(
                    ["name", "what it is"], [[f"{{py:obj}}`{e.shown} <{e.full}>`", summary(e.value)] for e in with_page]
                )
            )
        text += [constant(entry) for entry in listed if entry.kind == "data"]
        text += [
            f"```{{eval-rst}}\n.. autoexception:: {entry.full}\n```\n" for entry in listed if entry.kind == "exception"
        ]
        return self.parse_text_to_nodes("\n".join(text))


def write(app: Sphinx) -> None:
    """Write the pages of all classes and functions."""
    own = [e for e in entries() if e.same_as is None and e.kind not in (*ON_THEIR_ROOM_S_PAGE, "module")]
    write_pages(Path(app.srcdir) / "reference" / "api", {f"{entry.page}.md": page_of(entry) for entry in own})


def link_types(app: Sphinx, config: Config) -> None:
    """Let numpydoc link the names of classes among the types of parameters."""
    DEFAULT_LINKS.clear()  # they lead to other projects
    links = {e.name: e.full for e in entries() if e.kind in ("class", "exception") and e.same_as is None}
    del links["Path"]  # in docstrings that of pathlib
    links |= {e.shown: e.full for e in entries() if e.kind == "class" and e.same_as is None}
    config.numpydoc_xref_aliases = links  # type: ignore[attr-defined]


def add_aliases(app: Sphinx, env: BuildEnvironment) -> None:
    """Make the further names of an object addresses of its page."""
    objects = env.domains.python_domain.objects
    for entry in entries():
        if entry.same_as in objects:
            found = objects[entry.same_as]
            objects[entry.full] = ObjectEntry(found.docname, found.node_id, found.objtype, True)


def check_that_all_have_an_entry(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of public names that no `{public}` lists, so that a name cannot be added without its entry."""
    for full in sorted({entry.full for entry in entries()} - set(env.domains.python_domain.objects)):
        logger.warning("%s has no entry in the reference: list where it is defined in docs/reference/*.md", full)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("public", Public)
    app.connect("config-inited", link_types, priority=100)  # before numpydoc reads them
    app.connect("builder-inited", write)
    app.connect("autodoc-process-signature", signature_of_class)
    app.connect("autodoc-process-docstring", keep_bars, priority=900)  # after numpydoc
    app.connect("env-updated", add_aliases)
    app.connect("env-check-consistency", check_that_all_have_an_entry)
    return {"parallel_read_safe": True}
