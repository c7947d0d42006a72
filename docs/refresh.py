"""Regenerate what the docs show: the output of commands, tables and pictures.

    python docs/refresh.py [WORD …]           # rewrite what is stale; with words, only what has one in its name
    python docs/refresh.py --check [WORD …]   # name what is stale, and exit with 1 if anything is

Texts are declared where they are shown. A console block runs its own commands, all blocks of a page in one folder, if
it shows output; a line of … stands for lines that are left out. A table follows the comment `<!-- $ COMMAND -->`.
Times, and why a device was chosen, differ between machines: `MASKS` are not compared, everything else is exact.

Pictures are declared in `PICTURES`. Each PNG carries a summary of the numbers and words it draws, and a GIF says how
its paths ended. The check compares these instead of pixels: another Matplotlib or another font moves pixels, and
changed data may move few. So a change of style is not noticed; a run without --check draws everything again, for white
paper and for dark paper (NAME_dark.png).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

DOCS = Path(__file__).resolve().parent
ROOT, IMAGES = DOCS.parent, DOCS / "images"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
RECORD = "docs/measurements/2026-11-28-cpu.json"
RACE = "sgd,momentum,nesterov,adagrad,adadelta,rmsprop,adam"

# Command, file that it makes, name in docs/images; * is any text, and --dark makes the dark counterpart.
PICTURES = [
    ("gpugrad train mnist --data-dir ~/data/mnist --out runs/mnist --resume", "runs/mnist/*.png", "mnist_*.png"),
    ("gpugrad descend 'double well' --optimizer sgd --picture basins --out b.png", "b.png", "descent_basins.png"),
    (f"gpugrad descend saddle --optimizer {RACE} --steps 90 --out race.gif", "race.gif", "descent_race.gif"),
    (f"gpugrad bench report {RECORD} --out report.html --png bench", "bench/*.png", "bench_*.png"),
]
for script in sorted(ROOT.glob("examples/lecture/point*.py")):
    number = script.stem[len("point") :][:2]
    suffix = "gif" if number == "10" else "png"
    command = f"python examples/lecture/{script.name} lecture"
    PICTURES.append((command, f"lecture/{number}_*.{suffix}", f"lecture_{number}_*.{suffix}"))
RUN_ON_MNIST = "command_line.md"  # the page whose block makes runs/mnist
MEASURED = ("lecture_05_", "lecture_06_batch_size")  # pictures of times: their numbers differ each time

MASKS = (
    (r"^(device  \w+, toolchain \w+) \(.*\)$", r"\1"),
    (r"\d+(\.\d+)? (s|ms|µs)\b", "# s"),
    # A row of a profile: µs, share, GB/s and GFLOP/s; the launches and kB are those of the shapes.
    (r"^(.*\S +\d+) +[\d.]+ +[\d.]+% +([\d.]+) +[\d.]+ +[\d.]+$", r"\1 \2"),
    (r"^(all launches|the step, whole) +[\d.]+$", r"\1"),
)
UNSHOWN = re.compile(r"^epoch +\d+/")  # lines that a terminal shows as a bar
GAP = "…"
BLOCK = re.compile(r"^```console\n(.*?)^```$|^<!-- \$ (.+?) -->\n((?:\|[^\n]*\n)+)", re.M | re.S)
SHOWN = re.compile(r"images/([\w-]+?)(?:_dark)?\.(png|gif)")

WIDTH, MOST_BYTES = 900, 80_000  # of a PNG in the docs
KEY = "drawn"  # of the summary, among a PNG's texts
RELATIVE, OF_LARGEST = 0.01, 0.0005  # tolerance of a number of a summary


# ---- commands ----

# What a process of `run` executes: the program, with the numbers of its pictures kept in them.
PROGRAM = """
import runpy, sys
folder, program, *sys.argv = sys.argv[1:]
sys.path.insert(0, folder)
import refresh
with refresh.keeping_numbers():
    if program == "gpugrad":
        sys.argv.insert(0, program)
        runpy.run_module("gpugrad", run_name="__main__")
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Unavailable(Exception):
    """What a command needs is not on this machine."""


def run(command: str, folder: Path) -> list[str]:
    """Run a command in a folder that has the examples, the measurements and MNIST; return its lines."""
    for name in ("examples", "docs"):
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(ROOT / name)
    if "mnist" in command:
        data = os.environ.get("GPUGRAD_DATA")
        if not data:
            raise Unavailable("MNIST is not here: set GPUGRAD_DATA to the folder of its files")
        (folder / "data").mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (folder / "data" / "mnist").symlink_to(data)
    program, *words = shlex.split(command.replace("~/", f"{folder}/"))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(DOCS), program, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return [line.rstrip() for line in done.stdout.splitlines() if not UNSHOWN.match(line)]


# ---- texts ----


@dataclasses.dataclass(frozen=True)
class Text:
    """A command, the output that a page shows of it, and where that is in the page; a table of a record is exact."""

    page: Path
    command: str
    shown: list[str]
    start: int
    end: int
    exact: bool = False

    def comparable(self, lines: list[str]) -> list[str]:
        """Return lines without what differs between machines."""
        return lines if self.exact else masked(lines)

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.command}"


def texts_of(page: Path, content: str) -> list[Text]:
    """Return the commands of the blocks of a page that show output, also those that show none, and of its tables."""
    found = []
    for block in BLOCK.finditer(content):
        if block[2]:
            found.append(Text(page, block[2], block[3].splitlines(), block.start(3), block.end(3), exact=True))
            continue
        lines = block[1].splitlines(keepends=True)
        if all(line.startswith("$ ") for line in lines):
            continue
        place = block.start(1)
        for line in lines:
            if line.startswith("$ "):
                command = line[2:].split("  #")[0].strip()
                found.append(Text(page, command, [], place + len(line), place + len(line)))
            else:
                last = found.pop()
                found.append(dataclasses.replace(last, shown=[*last.shown, line.rstrip("\n")], end=place + len(line)))
            place += len(line)
    return found


def masked(lines: list[str]) -> list[str]:
    """Return lines without what differs between machines."""
    found = []
    for line in lines:
        for pattern, what in MASKS:
            line = re.sub(pattern, what, line)
        found.append(line.rstrip())
    return found


def fitted(shown: list[str], made: list[str]) -> list[str]:
    """Return the lines to show: all, or those between the same first words where a … stands for the others."""
    if GAP not in shown:
        return made
    result: list[str] = []
    place, parts = 0, "\n".join(shown).split(GAP)
    for i, part in enumerate(parts):
        lines = part.strip("\n").splitlines()
        if i:
            result.append(GAP)
        if not lines:
            continue
        first, last = (re.escape(line.split()[0]) for line in (lines[0], lines[-1]))
        starts = [k for k in range(place, len(made)) if re.match(first, made[k])] if i else [0]
        ends = [k for k in range(starts[0], len(made)) if re.match(last, made[k])] if starts else []
        if not ends:
            raise SystemExit(f"the output has no lines from {lines[0]!r} to {lines[-1]!r}: correct the … of the block")
        place = (ends[-1] if i < len(parts) - 1 else len(made) - 1) + 1
        result += made[starts[0] : place]
    return result


def refresh_texts(page: Path, folder: Path, check: bool) -> Iterator[str]:
    """Rewrite the outputs of a page that are stale, or only name them."""
    content = page.read_text("utf-8")
    changes = []
    for text in texts_of(page, content):
        made = run(text.command, folder)
        if not text.shown:
            continue
        new = fitted(text.shown, made)
        before, after = text.comparable(text.shown), text.comparable(new)
        if before != after:
            yield f"{text}\n{difference(before, after)}"
            changes.append((text, new))
    if not check:
        for text, new in reversed(changes):
            content = content[: text.start] + "".join(f"{line}\n" for line in new) + content[text.end :]
        page.write_text(content, "utf-8")


def difference(old: list[str], new: list[str]) -> str:
    """Return the lines that differ, as - and +."""
    import difflib

    lines = difflib.unified_diff(old, new, n=0, lineterm="")
    return "\n".join(f"    {line}" for line in lines if not line.startswith(("---", "+++", "@@")))


# ---- pictures ----


@contextlib.contextmanager
def keeping_numbers() -> Iterator[None]:
    """Let every PNG that Matplotlib saves within the block carry a summary of what it draws."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        yield
        return
    savefig = Figure.savefig

    def save(self: Any, file: Any, **options: Any) -> None:
        if options.get("format") == "png":
            options["metadata"] = {**options.get("metadata", {}), KEY: json.dumps(summary(self))}
        savefig(self, file, **options)

    Figure.savefig = save  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Figure.savefig = savefig  # type: ignore[method-assign]


def summary(figure: Any) -> list[dict[str, Any]]:
    """Return what a figure draws: per axes its words, and of each artist the numbers."""
    found = [{"words": [text.get_text() for legend in figure.legends for text in legend.get_texts()], "numbers": {}}]
    for axes in figure.axes:
        legend = axes.get_legend()
        words = [axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale(), axes.get_yscale()]
        words += [text.get_text() for text in (*axes.texts, *(legend.get_texts() if legend else ()))]
        for axis in (axes.xaxis, axes.yaxis):
            words += [str(name) for name in getattr(axis.get_major_formatter(), "seq", ())]
        numbers = {}
        for kind, artists in (("line", axes.lines), ("patch", axes.patches), ("image", axes.images)):
            for i, artist in enumerate(artists):
                numbers[f"{kind} {i + 1}"] = [digest(part) for part in _parts(artist)]
        for i, artist in enumerate(axes.collections):
            numbers[f"collection {i + 1}"] = [digest(part) for part in _parts(artist)]
        found.append({"words": words, "numbers": numbers})
    return found


def _parts(artist: Any) -> Iterator[Any]:
    """Yield the arrays that an artist draws."""
    if hasattr(artist, "get_data_3d"):
        yield from artist.get_data_3d()
    elif hasattr(artist, "get_xydata"):
        yield from np.transpose(artist.get_xydata())
    elif hasattr(artist, "levels"):  # contours
        yield artist.levels
    elif getattr(artist, "get_array", lambda: None)() is not None:  # colours of an image, a mesh or a surface
        yield artist.get_array()
    elif hasattr(artist, "get_offsets") and len(artist.get_offsets()) > 1:  # a scatter plot
        yield from np.transpose(artist.get_offsets())
    elif hasattr(artist, "get_paths"):
        yield from (path.vertices for path in artist.get_paths())
    else:
        yield artist.get_path().transformed(artist.get_patch_transform()).vertices


def digest(values: Any) -> list[float]:
    """Return an array's size, first, last, least, largest and mean number, and a mean whose weights see their order."""
    values = np.ma.filled(np.ma.asarray(values, float), np.nan).ravel()
    finite = np.where(np.isfinite(values), values, 0.0)
    if not len(values):
        return [0]
    mixed = np.mean(finite * np.cos(np.arange(len(finite))))
    numbers = (finite[0], finite[-1], finite.min(), finite.max(), finite.mean(), mixed)
    return [len(values), *(float(f"{number:.6g}") for number in numbers)]


def differs(old: list[Any], new: list[Any], *, measured: bool = False) -> str | None:
    """Return the first difference of two summaries, or None; of measured times only the words without numbers count."""
    if len(old) != len(new):
        return f"has {len(new)} parts instead of {len(old)}"
    for a, b in zip(old, new, strict=True):
        words = [[re.sub(r"[\d.]+", "#", w) if measured else w for w in part["words"]] for part in (a, b)]
        if words[0] != words[1]:
            gone, come = ([w for w in x if w not in y] for x, y in (words, words[::-1]))
            return f"says {come} instead of {gone}" if gone or come else "has its words in another order"
        if {k: len(v) for k, v in a["numbers"].items()} != {k: len(v) for k, v in b["numbers"].items()}:
            return f"draws {list(b['numbers'])} instead of {list(a['numbers'])}"
        for name, before in a["numbers"].items():
            for one, other in zip(before, b["numbers"][name], strict=True):
                if not measured and not _close(one, other):
                    return f"draws {name} ({b['words'][0] or 'untitled'}) from {other} instead of {one}"
    return None


def _close(a: list[float], b: list[float]) -> bool:
    """Compare two digests."""
    largest = max(map(abs, a[1:]), default=0)
    return a[0] == b[0] and all(
        abs(x - y) <= max(RELATIVE * abs(x), OF_LARGEST * largest) for x, y in zip(a[1:], b[1:], strict=True)
    )


def kept(picture: Path) -> Any:
    """Return the summary that a PNG carries, or what a GIF says; None if it carries nothing."""
    from PIL import Image

    with Image.open(picture) as image:
        if picture.suffix == ".gif":
            comment = image.info.get("comment", b"")
            return [{"words": comment.decode().split("; "), "numbers": {}}] if comment else None
        text = image.info.get(KEY)
    return None if text is None else json.loads(text)


def stale(made: Path, name: str) -> str | None:
    """Return why a picture of the docs, or its dark counterpart, is not what a command has just made; None if it is."""
    new = kept(made)
    for picture in (IMAGES / name, dark(IMAGES / name)):
        if not picture.exists():
            return f"docs/images/{picture.name} does not exist"
        old = kept(picture)
        if old is None or new is None:
            return f"docs/images/{picture.name} carries no numbers to compare"
        if found := differs(old, new, measured=name.startswith(MEASURED)):
            return f"docs/images/{picture.name}: the command now {found}"
    return None


def dark(picture: Path) -> Path:
    """Return the dark counterpart of a picture."""
    return picture.with_stem(f"{picture.stem}_dark")


def place(made: Path, picture: Path) -> None:
    """Write a picture that a command made into the docs, small; a GIF as it is."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    sys.path.insert(0, str(ROOT))  # the checkout, however it was installed
    from gpugrad.lab.animation import reducer

    content = made.read_bytes()
    if made.suffix == ".png":
        image = Image.open(io.BytesIO(content))
        texts = PngInfo()
        texts.add_text(KEY, image.info[KEY], zip=True)
        image = image.convert("RGB")
        if image.width > WIDTH:
            size = (WIDTH, round(image.height * WIDTH / image.width))
            image = image.resize(size, Image.Resampling.BILINEAR)
        small = io.BytesIO()
        reducer(image)(image).save(small, "PNG", optimize=True, pnginfo=texts)
        content = small.getvalue()
        if len(content) > MOST_BYTES:
            raise SystemExit(f"docs/images/{picture.name} has {len(content)} bytes, expected at most {MOST_BYTES}")
    picture.write_bytes(content)


def shown() -> set[str]:
    """Return the names of the pictures that pages show."""
    return {f"{name}.{suffix}" for page in PAGES for name, suffix in SHOWN.findall(page.read_text("utf-8"))}


def fits(name: str, names: str) -> bool:
    """Return whether a name is one of a pattern's."""
    return bool(re.fullmatch(re.escape(names).replace(r"\*", ".*"), name))


def made_by(folder: Path, files: str, names: str) -> Iterator[tuple[Path, str]]:
    """Yield the pictures in a folder that pages show, with their names in the docs."""
    pattern = re.escape(Path(files).name).replace(r"\*", "(.*)")
    for file in sorted(folder.glob(files)):
        middle = re.fullmatch(pattern, file.name)
        name = names.replace("*", middle[1]) if middle and "*" in names else names
        if name in shown():
            yield file, name


def refresh_pictures(command: str, files: str, names: str, folder: Path, check: bool) -> Iterator[str]:
    """Draw the pictures of a command again, or only name those that are stale."""
    for options, counterpart in (("", lambda picture: picture), (" --dark", dark)):
        if check and options:
            return
        run(command + options, folder)
        pictures = list(made_by(folder, files, names))
        for name in sorted(shown() - {name for _, name in pictures}):
            if fits(name, names):
                yield f"docs/images/{name}: {command} does not make it"
        for made, name in pictures:
            if check:
                if why := stale(made, name):
                    yield why
                elif not is_dark(dark(IMAGES / name)):
                    yield f"docs/images/{dark(IMAGES / name).name}: it is not drawn for dark paper"
            else:
                place(made, counterpart(IMAGES / name))
                yield f"docs/images/{counterpart(IMAGES / name).name}"


def is_dark(picture: Path) -> bool:
    """Return whether a picture's corner is dark."""
    from PIL import Image

    with Image.open(picture) as image:
        return max(image.convert("RGB").getpixel((0, 0))) < 60


# ---- the command ----


def jobs(words: list[str], check: bool, folder: Path) -> Iterator[tuple[str, Callable[[], Iterator[str]]]]:
    """Yield what there is to do, with a name."""

    def wanted(name: str) -> bool:
        return not words or any(word in name for word in words)

    pictures = [entry for entry in PICTURES if wanted(entry[2]) or wanted(entry[0])]
    for page in PAGES:
        needed = page.name == RUN_ON_MNIST and any("runs/mnist" in command for command, *_ in pictures)
        if (wanted(page.name) or needed) and texts_of(page, page.read_text("utf-8")):
            yield page.name, lambda page=page: refresh_texts(page, folder, check)
    for command, files, names in pictures:
        yield names, lambda entry=(command, files, names): refresh_pictures(*entry, folder, check)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Regenerate the outputs, tables and pictures of the docs.")
    parser.add_argument("--check", action="store_true", help="name what is stale, and exit with 1 if anything is")
    parser.add_argument("words", nargs="*", metavar="WORD", help="a part of a page's or picture's name")
    given = parser.parse_args()
    names = [page.name for page in PAGES] + [text for command, _, name in PICTURES for text in (command, name)]
    for word in given.words:
        if not any(word in name for name in names):
            parser.error(f"{word} is in no page's or picture's name: leave it out, or one of {', '.join(names)}")
    found = []
    with tempfile.TemporaryDirectory(prefix="gpugrad-docs-") as folder:
        for name, job in jobs(given.words, given.check, Path(folder)):
            try:
                for what in job():
                    print(f"{'stale' if given.check else 'wrote'}: {what}", flush=True)
                    found.append(what)
            except Unavailable as reason:
                print(f"left out {name}: {reason}", flush=True)
    if given.check:
        print(f"{len(found)} stale" if found else "everything is up to date")
        sys.exit(bool(found))


if __name__ == "__main__":
    main()
