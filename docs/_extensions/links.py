"""Links that work on GitHub and in the site: to source files and records, and from names to entries. Dark pictures."""

from __future__ import annotations

import html
import os
import posixpath
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

from .command import commands
from .rooms import entries

# Files of the repository that are pages of the site.
PAGES = {"README.md": "index", "CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changelog"}
INCLUDED = ("contributing", "changelog")  # their links start at the root
LANGUAGES = {".py": "python", ".cu": "cuda", ".cuh": "cuda", ".cpp": "cpp", ".h": "cpp", ".toml": "toml", ".md": "md"}
SERVED = (".ipynb", ".json", ".html", ".npz")  # copied as they are


class RepositoryLinks(SphinxTransform):
    """Resolve relative links to files and folders that are no pages.

    Files in docs/ are served under the same path. Others, and folders, are shown on a page below `source/`, or lead to
    `gpugrad_source_url` if it is set. The metadata of a page list what it needs.
    """

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Replace each such link by a plain one."""
        source, docname = Path(self.env.srcdir), self.env.docname
        needed: list[str] = []
        for node in list(
            self.document.findall(
                lambda node: node.get("reftype") == "myst" if isinstance(node, nodes.Element) else False
            )
        ):
            target, _, anchor = unquote(node["reftarget"]).partition("#")
            if node.get("refdomain") == "doc":  # the path of a page from docs/, without its suffix
                if node["reftarget"] in self.env.found_docs:
                    continue
                path = (source / f"{target}.md").resolve()
            else:
                base = source.parent if docname in INCLUDED else (source / docname).parent
                path = base.joinpath(target).resolve()
            if not target or not path.exists() or not path.is_relative_to(source.parent):
                continue
            inside = path.relative_to(source).as_posix() if path.is_relative_to(source) else None
            name = path.relative_to(source.parent).as_posix()
            if page := PAGES.get(name) or (inside and f"{inside}/README" in self.env.found_docs and f"{inside}/README"):
                link: nodes.Element = addnodes.pending_xref(
                    refdomain="doc",
                    reftarget=page,
                    reftargetid=anchor or None,
                    refdoc=docname,
                    reftype="myst",
                    refexplicit=True,
                )
            else:
                url = self.env.config.gpugrad_source_url
                if url and inside is None:
                    address = f"{url.rstrip('/')}/{name}"
                else:
                    address = inside if inside is not None else page_of_source(path, source.parent)
                    address = posixpath.relpath(address, posixpath.dirname(docname) or ".")
                    needed.append(path.relative_to(source.parent).as_posix())
                link = nodes.reference("", "", refuri=address, internal=True)
            link += node.children
            node.replace_self(link)
        if needed:
            self.env.metadata[docname]["files"] = needed


def page_of_source(path: Path, root: Path) -> str:
    """Return the address of a file or folder of the repository in the site."""
    name = path.relative_to(root).as_posix()
    if path.is_dir():
        return f"source/{name}/index.html"
    return f"source/{name}" if path.suffix in SERVED else f"source/{name}.html"


def source_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield a page for each file or folder that a page links to, and copy what is served as it is."""
    source = Path(app.srcdir)
    waiting = {source.parent / name for found in app.env.metadata.values() for name in found.get("files", ())}
    done: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        name = path.relative_to(source.parent).as_posix()
        if path.is_relative_to(source):
            copy(path, Path(app.outdir) / path.relative_to(source))
            continue
        address = page_of_source(path, source.parent)
        if path.is_dir():
            inside = [p for p in sorted(path.iterdir()) if p.name[0] not in "._" and (p.is_dir() or readable(p))]
            waiting |= set(inside)
            here = posixpath.dirname(address)
            items = []
            for file in inside:
                link = posixpath.relpath(page_of_source(file, source.parent), here)
                items.append(f'<li><a href="{link}">{html.escape(file.name)}</a></li>')
            body = f"<ul>{''.join(items)}</ul>"
        elif path.suffix in SERVED:
            copy(path, Path(app.outdir) / address)
            continue
        else:
            language = LANGUAGES.get(path.suffix, "none")
            body = app.builder.highlighter.highlight_block(path.read_text("utf-8"), language)  # type: ignore[attr-defined]
        title = html.escape(name)
        yield address.removesuffix(".html"), {"title": title, "body": f"<h1>{title}</h1>{body}"}, "page.html"


def leave_out_contents(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Show no table of contents beside source code: making hundreds takes longer than all else."""
    if page.startswith(("source/", "_modules/")):
        context["toctree"] = lambda **options: ""


def readable(path: Path) -> bool:
    """Return whether a file of a folder is shown or served."""
    return path.suffix in LANGUAGES or path.suffix in SERVED


def copy(path: Path, target: Path) -> None:
    """Copy a file into the site."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target)


class DarkPictures(SphinxTransform):
    """Show NAME_dark.png instead of NAME.png in dark mode, where it exists; Furo hides one of the two."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Put the dark picture after the light one."""
        for image in list(self.document.findall(nodes.image)):
            stem, suffix = os.path.splitext(image["uri"])
            dark = f"{stem}_dark{suffix}"
            _, file = self.env.relfn2path(dark, self.env.docname)
            if "://" not in dark and Path(file).exists():
                twin = image.deepcopy()
                twin["uri"] = dark
                image["classes"].append("only-light")
                twin["classes"].append("only-dark")
                image.parent.insert(image.parent.index(image) + 1, twin)


class NamesAreLinks(SphinxPostTransform):
    """Link inline code that names something public, such as `gg.Trainer`, `nn.Dense` or `Trainer.fit`, to its entry."""

    default_priority = 300

    def run(self, **kwargs: Any) -> None:
        """Wrap such code in a link."""
        objects = self.env.domains.python_domain.objects
        subcommands = commands()
        for node in list(self.document.findall(nodes.literal)):
            parents = [type(parent) for parent in _above(node)]
            if any(issubclass(kind, (nodes.reference, nodes.title, addnodes.desc_signature)) for kind in parents):
                continue
            text = node.astext()
            if match := re.match(r"gpugrad ((?:bench )?[a-z]+)", text):
                docname, anchor = f"reference/command/{match[1].split()[0]}", f"gpugrad-{match[1]}".replace(" ", "-")
                if match[1] not in subcommands:
                    continue
            elif match := re.fullmatch(r"([A-Za-z_][\w.]*)(\(.*\))?", text):
                full = resolve(match[1], objects)
                if full is None:
                    continue
                docname, anchor = objects[full].docname, objects[full].node_id
            else:
                continue
            if docname != self.env.docname:
                address = f"{self.app.builder.get_relative_uri(self.env.docname, docname)}#{anchor}"
                link = nodes.reference("", "", refuri=address, internal=True)
                node.replace_self(link)
                link += node


def _above(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node


def resolve(name: str, objects: Any) -> str | None:
    """Return the full name of something public that a text calls by a shorter name, or None."""
    first, *rest = name.split(".")
    tail = "".join(f".{part}" for part in rest)
    candidates = [f"gpugrad.{'.'.join(rest)}"] if first in ("gg", "gpugrad") else [f"gpugrad.{name}"] if rest else []
    if first[0].isupper() and first != "Path":  # a class by its name alone
        candidates += [f"{e.same_as or e.full}{tail}" for e in entries() if e.name == first]
    return next((full for full in candidates if full in objects), None)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transforms and the pages of source files."""
    app.add_config_value("gpugrad_source_url", "", "env", str)
    app.add_transform(RepositoryLinks)
    app.add_transform(DarkPictures)
    app.add_post_transform(NamesAreLinks)
    app.connect("html-collect-pages", source_pages)
    app.connect("html-page-context", leave_out_contents, priority=100)  # before Furo uses it
    return {"parallel_read_safe": True}
