"""Animated races: paths that grow step by step over contour lines, as a GIF or an HTML page."""

from __future__ import annotations

import base64
import html
import io
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..engine.files import check_writable_file, write_whole
from ..errors import ArgumentError
from ..training.theme import apply_theme
from . import verdict
from .minimize import Path
from .pictures import as_list, draw_paths
from .view import View, add_legend, broken, draw_contours, in_view, label, slide, view_of

SUFFIXES = (".gif", ".html")
FRAMES = 100
DURATION = 70  # milliseconds per frame
HOLD = 4000  # milliseconds of the last frame
DPI = 80
COLOURS = 128  # size of the palette, which all frames share
CLEAR = 255  # palette index of transparent pixels, above those of the colours
COVERAGE = 1  # Pillow's quantization method that keeps colours of few pixels

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>:root {{ color-scheme: light dark; font-family: system-ui, sans-serif }}
body {{ max-width: 800px; margin: 1rem auto; padding: 0 1rem }} img, input {{ width: 100% }}
figure {{ display: grid; margin: 0 }} figure img {{ grid-area: 1 / 1 }}</style>
<h1>{title}</h1><figure><img src="data:image/png;base64,{first}" alt="the paths over contour lines: {endings}">
<img id="frame" alt=""></figure><label>step <output id="step"></output>
<input id="place" type="range" min="0" max="{last}" value="0"></label><button id="play">pause</button>
<script>
const frames = {frames}, steps = {steps}, [frame, step, place, play] =
  ["frame", "step", "place", "play"].map(name => document.getElementById(name));
let timer = null;
function show() {{ frame.src = "data:image/png;base64," + frames[place.value]; step.value = steps[place.value]; }}
function pause() {{ clearInterval(timer); timer = null; play.textContent = "play"; }}
function advance() {{ if (+place.value === frames.length - 1) return pause(); place.value++; show(); }}
function run() {{
  if (+place.value === frames.length - 1) place.value = 0;
  timer = setInterval(advance, {duration}); play.textContent = "pause";
}}
play.onclick = () => timer ? pause() : run();
place.oninput = () => {{ pause(); show(); }};
show(); run();
</script></html>
"""


def animate(
    f: Any, paths: Path | Sequence[Path], file: str | pathlib.Path, *, bounds: Any = None, frames: int = FRAMES
) -> None:
    """Write a race of paths as a GIF, or as an HTML page to pause and step through.

    Parameters
    ----------
    f : str, Surface or callable
        A surface, its name, or a function as `minimize` accepts it.
    paths : Path or sequence of Path
        The paths.
    file : path_like
        File to write, .gif or .html.
    bounds : tuple, optional
        Limits (low, high) of each coordinate. By default those of the surface, or those that the paths need.
    frames : int, default 100
        Largest number of frames; with longer paths a frame covers several steps.

    Raises
    ------
    ArgumentError
        If the file has another suffix.
    GpugradError
        If Matplotlib is not installed.
    """
    file = pathlib.Path(file)
    if file.suffix not in SUFFIXES:
        raise ArgumentError(f"an animation cannot be written to {file.name}, expected .gif or .html: rename it")
    paths = as_list(paths)
    last = max(path.steps for path in paths)
    steps = np.unique(np.linspace(0, last, min(max(frames, 1), last + 1)).round().astype(int)).tolist()
    view = view_of(f, paths, bounds)
    check_writable_file(file)
    drawn = list(_frames(view, paths, steps))
    images = list(map(reducer(drawn[-1]), drawn))  # the last frame has all the colours
    title = f"{view.name or 'race'}: {', '.join(path.optimizer for path in paths)}"
    endings = "; ".join(label(path, verdict.words(path, view.bounds)).replace("; ", ", ") for path in paths)
    write_whole(file, _gif(images, endings) if file.suffix == ".gif" else _page(images, steps, title, endings))


def reducer(image: Any, colours: int = COLOURS) -> Callable[[Any], Any]:
    """Return a function that gives pictures the palette of one: half of it the most frequent colours, exactly.

    Those are the areas and the paper; Pillow's own reductions tint them.

    Parameters
    ----------
    image : Image
        Pillow's image, RGB, with all the colours.
    colours : int, default 128
        Size of the palette, at most 254.

    Returns
    -------
    callable
        From an RGB image to one with the palette, each pixel in the nearest colour.
    """
    from PIL import Image
    from scipy.spatial import KDTree

    frequent = sorted(image.getcolors(image.width * image.height), reverse=True)[: colours // 2]
    others = image.quantize(colours // 2, method=COVERAGE).getpalette()
    palette = [*(value for _, colour in frequent for value in colour), *others][: 3 * colours]
    nearest = KDTree(np.reshape(palette, (-1, 3)))
    known = np.full(1 << 24, CLEAR, np.uint8)  # the place in the palette of each colour that has been met

    def reduced(image: Any) -> Any:
        pixels = np.asarray(image, np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        new = np.unique(pixels[known[pixels] == CLEAR])
        known[new] = nearest.query(new[:, None] >> np.array([16, 8, 0]) & 255)[1] if len(new) else 0
        made = Image.frombytes("P", image.size, known[pixels].tobytes())
        made.putpalette(palette)
        return made

    return reduced


def _frames(view: View, paths: Sequence[Path], steps: Sequence[int]) -> Iterator[Any]:
    """Yield the frames as Pillow images; the background is drawn once. Only the last one says how the paths ended."""
    with slide(bounds=view.bounds) as figure:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        figure.dpi = DPI
        axes = figure.subplots()
        draw_contours(axes, view)
        moving = draw_paths(axes, view.bounds, paths)
        title = axes.set_title(f"{view.name}, step {steps[-1]}")
        add_legend(figure, paths, view.bounds, [verdict.words(path, view.bounds) for path in paths])
        apply_theme(figure)
        points = [in_view(path.points, view.bounds) for path in paths]
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # places the words of the last frame
        words = _words(figure)
        endings, names = [word.get_text() for word in words], [broken(label(path), view.bounds) for path in paths]
        artists = [title, *(artist for pair in moving for artist in pair), *words]
        for artist in artists:
            artist.set_animated(True)
        canvas.draw()
        still = canvas.copy_from_bbox(figure.bbox)
        for step in steps:
            title.set_text(f"{view.name}, step {step}".removeprefix(", "))
            for (line, end), way in zip(moving, points, strict=True):
                line.set_data(*way[: step + 1].T)
                end.set_data(*way[min(step, len(way) - 1)][:, None])
            for word, text in zip(words, endings if step == steps[-1] else names, strict=False):
                word.set_text(text)
            canvas.restore_region(still)
            for artist in artists:
                figure.draw_artist(artist)
            yield Image.fromarray(np.array(canvas.buffer_rgba())[..., :3])


def _words(figure: Any) -> list[Any]:
    """Replace the words of the legend by texts in the same places, which stay there when the words change."""
    width, height = figure.bbox.size
    found = []
    for legend in figure.legends:
        for old in legend.get_texts():
            box = old.get_window_extent()
            place = (box.x0 / width, (box.y0 + box.y1) / 2 / height)
            look = {"color": old.get_color(), "fontsize": old.get_fontsize(), "va": "center"}
            found.append(figure.text(*place, old.get_text(), **look))
            old.set_alpha(0)
    return found


def _gif(images: Sequence[Any], endings: str) -> bytes:
    content = io.BytesIO()
    durations = [DURATION] * (len(images) - 1) + [HOLD]
    images[0].save(
        content, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, comment=endings.encode()
    )
    return content.getvalue()


def _page(images: Sequence[Any], steps: Sequence[int], title: str, endings: str) -> bytes:
    """Return the page: the first frame and overlays with the differences, a tenth of the size of whole frames."""
    first = np.array(images[0])
    overlays, colours = [], images[0].getpalette()
    for image in images:
        overlay = image.copy()
        overlay.putdata(np.where(np.array(image) == first, CLEAR, np.array(image)).ravel().tolist())
        overlay.putpalette([*colours, *[0] * (3 * 256 - len(colours))])
        overlays.append(_png(overlay, transparency=CLEAR))
    page = PAGE.format(
        title=html.escape(title),
        endings=html.escape(endings),
        first=_png(images[0]),
        frames=overlays,
        steps=list(steps),
        last=len(images) - 1,
        duration=DURATION,
    )
    return page.encode()


def _png(image: Any, **options: Any) -> str:
    content = io.BytesIO()
    image.save(content, "PNG", **options)
    return base64.b64encode(content.getvalue()).decode()
