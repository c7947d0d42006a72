"""Pictures are complete: each path in its place, each minimum, and no text cut off."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.errors import ArgumentError
from gpugrad.lab import NAMES, surface, theme
from gpugrad.lab import pictures as draw
from gpugrad.lab.animation import animate
from gpugrad.lab.basins import basins
from gpugrad.lab.view import COLOURS, LOOKS, in_view, view_of

pytest.importorskip("matplotlib")

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def race():
    made = surface("himmelblau")
    return [gg.minimize(made, made.starts[0], name, lr=made.rate(name), max_steps=40) for name in ("sgd", "adam")]


def words(figure):
    """Return titles, axis labels and legends of a figure, which must be inside it."""
    figure.draw_without_rendering()
    texts = [axes.title for axes in figure.axes]
    texts += [
        getattr(axes, axis).label for axes in figure.axes for axis in ("xaxis", "yaxis", "zaxis") if hasattr(axes, axis)
    ]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    texts = [text for text in texts if text.get_text()]
    for text in texts:
        box = text.get_window_extent()
        assert min(box.x0, box.y0) >= -1, text
        assert box.x1 <= figure.bbox.width + 1, text
        assert box.y1 <= figure.bbox.height + 1, text
    return [text.get_text() for text in texts]


def line_of(axes, points):
    """Return the line of an axes that has these points."""
    found = [line for line in axes.lines if np.array_equal(line.get_xydata(), points, equal_nan=True)]
    assert len(found) == 1
    return found[0]


def test_paths_over_contours(race, tmp_path):
    figure = draw.plot_paths("himmelblau", race, tmp_path / "paths.png")
    assert (tmp_path / "paths.png").read_bytes().startswith(PNG)
    axes = figure.axes[0]
    for path in race:
        assert line_of(axes, path.points).get_color() == LOOKS[path.optimizer][0]
    stars = [line for line in axes.lines if line.get_marker() == "*"]
    np.testing.assert_allclose(stars[0].get_xydata(), surface("himmelblau").minima)
    assert axes.get_xlim() == (-5, 5)
    assert axes.get_aspect() == 1  # else the gradient would not look perpendicular to the contours
    texts = words(figure)
    assert {"himmelblau", "$x_1$", "$x_2$"} <= set(texts)
    assert "sgd\nη = 0.005: not there yet after 40 steps" in texts


@pytest.mark.parametrize("name", NAMES)
def test_every_surface_is_drawn_with_whole_words(name):
    made = surface(name)
    paths = [gg.minimize(made, made.starts[0], rule, lr=made.rate(rule), max_steps=10) for rule in ("sgd", "adam")]
    figure = draw.plot_paths(name, paths)
    assert name in words(figure)


def test_a_curve_and_the_exercise_on_it(tmp_path):
    paths = gg.minimize(lambda x: x**2, 2.0, lr=[0.1, 1.0, 100.0], max_steps=50)
    figure = draw.plot_paths(lambda x: x**2, paths, tmp_path / "curve.png", bounds=(-2.5, 2.5))
    axes = figure.axes[0]
    curve = axes.lines[0].get_xydata()
    np.testing.assert_allclose(curve[:, 1], curve[:, 0] ** 2)
    for path in paths[:2]:
        line_of(axes, np.column_stack([path.points, path.values]))
    leaves = [line for line in axes.lines if line.get_color() == COLOURS[2] and line.get_linestyle() == "-"]
    assert np.nanmax(leaves[0].get_xydata()) > 100  # the line of the explosion leaves the picture
    assert "sgd, η = 100: diverged after 4 steps" in words(figure)


def test_a_function_s_own_view_is_around_its_paths():
    path = gg.minimize(lambda x: ((x - 7) ** 2).sum(axis=-1), (5.0, 6.0), lr=0.2)
    figure = draw.plot_paths(lambda x: ((x - 7) ** 2).sum(axis=-1), path)
    (left, right), (low, high) = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()
    assert left < 5 < 7 < right < 8
    assert low < 6 < 7 < high < 8


def test_values(race, tmp_path):
    figure = draw.plot_values(race, tmp_path / "values.png", least=0.0)
    axes = figure.axes[0]
    for path, line in zip(race, axes.lines, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), np.maximum(path.values, 1e-16))
        np.testing.assert_array_equal(line.get_xdata(), np.arange(path.steps + 1))
    assert axes.get_yscale() == "log"
    assert {"step", "value (log scale)"} <= set(words(figure))


def test_values_that_explode_are_drawn():
    path = gg.minimize("parabola", (2.0,), lr=100.0)
    assert draw.plot_values(path).axes[0].get_yscale() == "log"
    falls = gg.minimize("saddle", (-1.0, 0.1), lr=0.1)
    assert draw.plot_values(falls).axes[0].get_yscale() == "symlog"


def test_a_surface_in_three_dimensions(race, tmp_path):
    figure = draw.plot_surface("himmelblau", race, tmp_path / "surface.png")
    axes = figure.axes[0]
    x, y, z = axes.lines[0].get_data_3d()
    np.testing.assert_array_equal(np.column_stack([x, y]), race[0].points)
    levels = surface("himmelblau").levels
    np.testing.assert_allclose(z, np.log10(np.clip(race[0].values, levels[1], levels[-1])))
    assert "$\\log_{10} f$" in words(figure)


def test_basins_lead_where_descents_end():
    view = view_of("double well")
    found = basins(view, "sgd", lr=0.05, resolution=15)
    np.testing.assert_allclose(found.ends, [(-1, 0), (1, 0)], atol=1e-3)
    np.testing.assert_allclose(found.values, [0, 2 / 3], atol=1e-6)
    assert found.labels.shape == found.steps.shape == (15, 15)
    sides = np.linspace(-1.8, 1.8, 15)
    expected = np.where(sides < 0.125, 0, 1)
    np.testing.assert_array_equal(found.labels, np.tile(expected, (15, 1)))


def test_starts_that_lead_nowhere_are_told_apart():
    found = basins(view_of("double well"), "sgd", lr=0.05, resolution=6, max_steps=5)
    assert (found.labels == -1).all()
    assert found.ends.shape == (0, 2)


def test_the_picture_of_basins(tmp_path):
    figure = draw.plot_basins("double well", "sgd", tmp_path / "basins.png", resolution=16)
    assert (tmp_path / "basins.png").read_bytes().startswith(PNG)
    texts = words(figure)
    assert "56% to (−1, 0)\nvalue 0" in texts
    assert "44% to (1, 0)\nvalue 0.667" in texts
    assert "double well, sgd, η = 0.05" in texts


def test_a_grid_of_optimizers_and_learning_rates(tmp_path):
    paths = gg.minimize("ravine", (-5.0, 1.0), ["sgd", "adam"], lr=[0.01, 0.045, 0.2], max_steps=60)
    figure = draw.plot_grid("ravine", paths, tmp_path / "grid.png")
    panels = np.reshape(figure.axes, (2, 3))
    for axes, path in zip(panels.flat, paths, strict=True):
        assert axes.get_title() == f"η = {path.lr:g}\n{path.verdict}, {path.steps} steps"
        line_of(axes, in_view(path.points, surface("ravine").bounds))
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["sgd", "adam"]
    assert "diverged" in panels[0, 2].get_title()


def test_points_that_cannot_be_drawn_are_cut():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1e300, 1.0], [np.inf, 0.0], [0.0, 0.0]])
    cut = in_view(points, ((-1, 1), (-1, 1)))
    np.testing.assert_array_equal(cut[:2], points[:2])
    assert 100 < cut[2, 0] < 1e5
    assert np.isnan(cut[3:]).all()


def test_the_same_optimizer_twice_gets_two_colours():
    paths = gg.minimize("ravine", (-5.0, 1.0), lr=[0.01, 0.02], max_steps=9)
    figure = draw.plot_paths("ravine", paths)
    assert len({line_of(figure.axes[0], path.points).get_color() for path in paths}) == 2


# ---- animation ----


def frames_of(file):
    from PIL import Image, ImageSequence

    with Image.open(file) as image:
        return [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


def test_a_gif_has_a_frame_for_each_step_and_the_paths_grow(tmp_path):
    paths = [gg.minimize("saddle", (-1.0, 0.01), name, lr=0.1, max_steps=12) for name in ("sgd", "adam")]
    animate("saddle", paths, tmp_path / "race.gif")
    frames = frames_of(tmp_path / "race.gif")
    assert len(frames) == 13
    adam = np.array([0xD5, 0x5E, 0x00])
    drawn = [int((np.abs(frame.astype(int) - adam).max(axis=2) < 24).sum()) for frame in frames]
    assert drawn[-1] > drawn[6] > drawn[0] > 0
    assert frames[0][0, 0].min() >= 254  # white paper stays white


def test_long_races_have_fewer_frames(tmp_path):
    path = gg.minimize("ravine", (-5.0, 1.0), lr=0.01, max_steps=200)
    animate("ravine", path, tmp_path / "race.gif", frames=7)
    assert len(frames_of(tmp_path / "race.gif")) == 7


def test_only_the_last_frame_says_how_the_paths_ended(tmp_path):
    from PIL import Image

    paths = [gg.minimize("saddle", (-1.0, 0.01), name, lr=0.1, max_steps=40) for name in ("sgd", "adam")]
    animate("saddle", paths, tmp_path / "race.gif", frames=6)
    frames = [frame.astype(int) for frame in frames_of(tmp_path / "race.gif")]
    legend = [frame[: len(frame) // 3, int(frame.shape[1] * 0.6) :] for frame in frames]
    ink = [int((part.max(axis=2) < 90).sum()) for part in legend]
    assert len(set(ink[:-1])) == 1
    assert ink[-1] > 1.5 * ink[0]
    with Image.open(tmp_path / "race.gif") as image:
        said = image.info["comment"].decode()
    steps = [int(np.flatnonzero(np.abs(path.points) > surface("saddle").bounds[1][1])[0]) // 2 for path in paths]
    assert said == "; ".join(
        f"{path.optimizer}, η = 0.1: left the view after {n} steps" for path, n in zip(paths, steps, strict=True)
    )


def test_a_dark_race(tmp_path):
    path = gg.minimize("saddle", (-1.0, 0.01), lr=0.1, max_steps=12)
    with theme("dark"):
        animate("saddle", path, tmp_path / "race.gif", frames=3)
    frames = frames_of(tmp_path / "race.gif")
    assert max(frames[0][0, 0]) < 30
    assert (frames[0].min(axis=2) > 200).any()  # words and axes


def test_a_page_holds_its_frames(tmp_path):
    from PIL import Image

    path = gg.minimize("ravine", (-5.0, 1.0), lr=0.01, max_steps=30)
    animate("ravine", path, tmp_path / "race.html", frames=4)
    page = (tmp_path / "race.html").read_text()
    assert "http" not in page  # it needs nothing from elsewhere
    assert json.loads(re.search(r"steps = (\[.*?\])", page)[1]) == [0, 10, 20, 30]
    frames = re.search(r"frames = \[(.*?)\]", page)[1].replace("'", "").split(", ")
    images = [np.array(Image.open(io.BytesIO(base64.b64decode(frame))).convert("RGBA")) for frame in frames]
    assert len(images) == 4
    assert not images[0][..., 3].any()  # the first one is the picture below the others
    changed = [int((image[..., 3] > 0).sum()) for image in images]
    assert changed[3] > changed[1] > 0
    below = Image.open(io.BytesIO(base64.b64decode(re.search(r'<img src="data:image/png;base64,(.*?)"', page)[1])))
    animate("ravine", path, tmp_path / "race.gif", frames=4)
    for image, frame in zip(images, frames_of(tmp_path / "race.gif"), strict=True):
        together = Image.alpha_composite(below.convert("RGBA"), Image.fromarray(image)).convert("RGB")
        np.testing.assert_array_equal(np.array(together), frame)


# ---- errors ----


def test_what_pictures_refuse(race, tmp_path):
    with pytest.raises(ArgumentError, match="there are no paths"):
        draw.plot_paths("himmelblau", [])
    with pytest.raises(ArgumentError, match=r"expected \.gif or \.html"):
        animate("himmelblau", race, tmp_path / "race.avi")
    with pytest.raises(ArgumentError, match="low < high"):
        draw.plot_paths("himmelblau", race, bounds=((1, -1), (0, 1)))
    with pytest.raises(ArgumentError, match="pass paths of one or two numbers"):
        draw.plot_paths("parabola", gg.minimize("parabola", (1.0, 2.0, 3.0), lr=0.1))
    with pytest.raises(ArgumentError, match="pass bounds="):
        draw.plot_surface(lambda x: x.sum(axis=-1))
    assert not any(tmp_path.iterdir())
