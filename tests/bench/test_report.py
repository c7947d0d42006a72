"""`gpugrad bench report`: the page of a record and its pictures."""

import itertools
import json
import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from gpugrad.bench import pictures
from gpugrad.bench.records import record, report
from gpugrad.bench.records.compare import compare, lines
from gpugrad.bench.records.rows import COLUMNS, largest
from gpugrad.bench.records.summary import summary, training_table
from gpugrad.command.app import app
from gpugrad.errors import DataError, GpugradError

KERNELS = [("adam_step", "101770", 0.9), ("sgd_step", "101770, plain", 0.6), ("dense_forward", "tf32, 64 × 784", 0.8)]
ALL = {"roofline", "limits", "peers", "training", "time-to-accuracy", "scaling"}


def time(median):
    return {"median": median, "low": 0.9 * median, "high": 1.1 * median, "runs": 9}


def kernel(name, size, share, by="gpugrad", median=20e-6, scale=1):
    limit = "arithmetic" if name.startswith("dense") else "memory"
    operations = 10**9 if limit == "arithmetic" else 10**6
    return {
        "kernel": name,
        "size": size,
        "by": by,
        "toolchain": "numba",
        "cache": "hot",
        **time(scale * median),
        "bytes": scale * 2_849_560,
        "operations": scale * operations,
        "limit": limit,
        "share": share,
        "compile": 0.0,
        "bandwidth": 2_849_560 / median,
        "speed": operations / median,
        "intensity": operations / 2_849_560,
        "times_ours": None if by == "gpugrad" else 2.0,
    }


def full_record():
    own = [kernel(*each) for each in KERNELS]
    problem = {"network": "784-128-10", "batch": 64, "data": "mnist", "accuracy": 0.977}
    engines = {"gpugrad": 150e-6, "PyTorch <fused> & more": 600e-6, "JAX scan": 300e-6}
    start = {"cache": "warm", "seconds": 1.25, "low": 1.2, "high": 1.3, "runs": 3}
    sections = {
        "kernels": {
            "ceilings": [
                {"name": "copy", "size": 1 << 29, "cache": "hot", "rate": 40e9},
                {"name": "float32", "size": 2048, "cache": "hot", "rate": 250e9},
            ],
            "rows": [*own, kernel(*KERNELS[0], scale=2), *(kernel(*each, by="torch") for each in KERNELS)],
        },
        "training": {
            "missing": ["cuML"],
            "rows": [
                {**problem, **time(t), "engine": name, "first": 1.0, "times_ours": t / 150e-6}
                for name, t in engines.items()
            ],
        },
        "training_in_company": {
            "busy": 1,
            "rows": [{**problem, **time(2e-4), "engine": "gpugrad", "first": 1.0, "times_ours": 1.0}],
        },
        "latency": {
            "rows": [
                {**problem, **time(5e-5), "engine": "gpugrad", "training": training, "p99": 3e-4, "times_ours": 1.0}
                for training in (False, True)
            ]
        },
        "time_to_accuracy": {
            "rows": [
                {**problem, "engine": "gpugrad", "target": 0.975, "seconds": 1.5, "epochs": 5},
                {**problem, "engine": "JAX scan", "target": 0.975, "seconds": None, "epochs": 20},
            ]
        },
        "scaling": {
            "rows": [
                {
                    "axis": axis,
                    "value": value,
                    "network": "784-64-10",
                    "batch": 128,
                    **time(value * 1e-5),
                    "operations": 1e6 * value,
                    "speed": 1e11,
                    "update_bytes": 28 * value,
                }
                for axis in ("width", "depth", "batch size")
                for value in (1, 2, 4, 8)
            ],
            "slopes": [
                {"axis": axis, "slope": 1.0, "from": 4, "to": 8, "explanation": f"{axis}: the products set it"}
                for axis in ("width", "depth", "batch size")
            ],
        },
        "startup": {"rows": [{**start, "what": "total"}]},
        "memory": {
            "rows": [
                {
                    "network": "784-128-10",
                    "batch": 64,
                    "rows": 59904,
                    "data": 47_000_000,
                    "parameters": 407_080,
                    "activations": 304_128,
                    "constant": 180_000_000,
                    "bound": 231_000_000,
                    "peak": 273_000_000,
                    "holds": False,
                }
            ]
        },
        "coffee": {"rows": [{"bean": "arabica", "cups": 3}, {"bean": "robusta", "strength": 0.7312345}]},
    }
    machine = {"processor": "AMD <EPYC>", "cores": 2, "python": "3.11.7", "packages": {"numpy": "2.4.6"}}
    head = {"format": 1, "created": "2026-11-26T12:00:00+00:00", "command": "gpugrad bench all", "quick": False}
    return {**head, "machine": machine, "sections": sections}


@pytest.fixture(scope="module")
def drawn():
    return pictures.draw(full_record())


@pytest.fixture(scope="module")
def page(drawn):
    return report.page(full_record(), drawn)


class Outline(HTMLParser):
    """A parser that collects open tags, texts of titles and cells, and all attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.texts = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


def test_the_page_is_well_formed_and_needs_no_other_file(page):
    outline = Outline(page)
    assert outline.open == []
    assert not re.search(r"(?i)https?:|<script|<link|<img|@import|src=", page)
    assert all(value.startswith("#") for name, value in outline.attributes if name == "href")
    names = [value for name, value in outline.attributes if name == "id"]
    assert len(names) == len(set(names))
    used = {value.removeprefix("#") for name, value in outline.attributes if name == "href"}
    assert used <= set(names)
    assert set(re.findall(r"url\(#([^)]*)\)", page)) <= set(names)


def test_the_page_has_every_section_and_every_row(page):
    outline = Outline(page)
    assert outline.texts["h2"] == [
        *("Kernels", "Training steps", "Training steps beside busy processes", "Predictions of one row"),
        *("Time to an accuracy", "Growth with width, depth and batch size"),
        *("Startup", "Memory", "coffee", "Machine"),
    ]
    rows = sum(len(section["rows"]) for section in full_record()["sections"].values())
    tables, machine = len(full_record()["sections"]), len(full_record()["machine"])
    assert page.count("<tr>") == rows + tables + machine
    cells = outline.texts["td"]
    for text in ("20.0 µs", "142.5", "273.0 MB", "NO", "97.70%", "arabica", "0.7312", "numpy 2.4.6", "2.00"):
        assert text in cells
    assert {f"{axis}: the products set it" in page for axis in ("width", "depth", "batch size")} == {True}
    assert "Not available here: cuML." in page
    assert "Not reached: 784-128-10, batch 64, JAX scan." in page


def test_text_of_the_record_is_not_markup(page):
    assert "PyTorch &lt;fused&gt; &amp; more" in page
    assert "<fused>" not in page
    assert "AMD &lt;EPYC&gt;" in page


def test_the_page_follows_the_colours_of_the_reader(page, drawn):
    style = page[page.index("<style>") : page.index("</style>")]
    light, dark = style.split("prefers-color-scheme: dark")
    for picture in drawn:
        svg = picture.svg()
        ElementTree.fromstring(svg)
        assert "<text" in svg  # text, not outlines, can be searched and read aloud
        for variable in re.findall(r"var\((--\w+)\)", svg):
            assert f"{variable}:" in light
            assert f"{variable}:" in dark
        fixed = set(re.findall(r"#[0-9a-fA-F]{6}\b", svg))
        assert not fixed, f"{picture.name} has colours that stay the same on a dark page"


def test_the_pictures_of_a_record(drawn):
    assert {picture.name for picture in drawn} == ALL
    for picture in drawn:
        data = picture.png()
        assert data.startswith(b"\x89PNG")
        assert int.from_bytes(data[16:20], "big") == 1080
        assert picture.alt
        assert picture.caption


def test_the_roofline_names_the_largest_of_each_kernel(drawn):
    (roofline,) = (picture for picture in drawn if picture.name == "roofline")
    svg = roofline.svg()
    for text in ("dense_forward, tf32", "copy of 512 MiB, 40 GB/s", "float32, 250 GFLOP/s", "limited by arithmetic"):
        assert text in svg
    assert svg.count(">adam_step<") == 1


def crossing(lines):
    """Return the pairs of line segments that cross."""

    def side(a, b, c):
        return np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    return [
        (i, j)
        for (i, (a, b)), (j, (c, d)) in itertools.combinations(enumerate(lines), 2)
        if side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
    ]


def test_the_lines_from_the_points_of_the_roofline_to_their_names_do_not_cross():
    record = full_record()
    rng = np.random.default_rng(0)
    rows = [
        kernel("adam_step", "1", 0.9) | {"kernel": f"kernel_{i}", "intensity": a, "speed": b}
        for i, (a, b) in enumerate(10 ** rng.uniform((-1, 8), (0, 11), (25, 2)))
    ]
    record["sections"]["kernels"]["rows"] = rows
    figure = pictures.draw(record)[0].figure
    axes = figure.axes[0]
    lines = [line.get_transform().transform(line.get_xydata()[:2]) for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(lines) == 25
    assert crossing(lines) == []
    ends = [line[1] for line in lines]
    assert crossing(list(zip([line[0] for line in lines], reversed(ends), strict=True)))  # it can fail
    named = {(text.get_text(), round(text.get_position()[1], 6)) for text in axes.texts if "kernel_" in text.get_text()}
    places = {(f"kernel_{i}", round(line.get_ydata()[-1], 6)) for i, line in enumerate(at_names(axes, rows))}
    assert named == places


def at_names(axes, rows):
    """Return the line of each row, which starts at its point."""
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
    points = axes.transData.transform([(row["intensity"], row["speed"]) for row in rows])
    starts = np.array([axes.transAxes.transform(line.get_xydata()[0]) for line in lines])
    return [lines[int(np.abs(starts - point).sum(axis=1).argmin())] for point in points]


def test_a_bar_that_is_cut_ends_in_an_arrow():
    record = full_record()
    record["sections"]["kernels"]["rows"][1]["share"] = 6.2
    (shares,) = (picture for picture in pictures.draw(record) if picture.name == "limits")
    axes = shares.figure.axes[0]
    arrows = [line for line in axes.lines if line.get_marker() == ">" and len(line.get_xdata())]
    assert [list(line.get_ydata()) for line in arrows] == [[2]]
    assert max(bar.get_width() for bar in axes.patches) == axes.get_xlim()[1]
    assert "An arrow ends a bar that is cut, at 250%." in shares.caption
    assert "sgd_step  620%" in [label.get_text() for label in axes.get_yticklabels()]
    (whole,) = (picture for picture in pictures.draw(full_record()) if picture.name == "limits")
    assert not [line for line in whole.figure.axes[0].lines if line.get_marker() == ">" and len(line.get_xdata())]
    assert "arrow" not in whole.caption


def test_the_training_picture_shows_ratios_and_one_time(drawn):
    (training,) = (picture for picture in drawn if picture.name == "training")
    axes = training.figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([1, 4, 2])
    assert [text.get_text() for text in axes.texts] == ["150 µs, 97.70%", "4.00 ×, 97.70%", "2.00 ×, 97.70%"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["gpugrad", "JAX scan", "PyTorch <fused> & more"]
    assert training.figure.get_figheight() < 3


def test_the_table_shows_one_time_and_ratios():
    record = full_record()
    assert training_table(record).splitlines() == [
        "| network, batch | gpugrad | JAX scan | PyTorch <fused> & more |",
        "| --- | ---: | ---: | ---: |",
        "| 784-128-10, 64 | 150 µs | 2.00 × | 4.00 × |",
    ]
    record["sections"]["training"]["rows"][2] |= {"times_ours_low": 1.9, "times_ours_high": 2.25}
    assert "| 2.00 × (1.90 – 2.25) |" in training_table(record)
    record["sections"]["training"]["rows"].append({**record["sections"]["training"]["rows"][0], "batch": 128})
    assert training_table(record).endswith("| 784-128-10, 128 | 150 µs |  |  |")
    with pytest.raises(DataError, match="no training steps"):
        training_table({"sections": {}})


def test_the_slopes_are_drawn_as_steep_as_they_are(drawn):
    (scaling,) = (picture for picture in drawn if picture.name == "scaling")
    assert scaling.figure.axes[0].get_xscale() == scaling.figure.axes[0].get_yscale() == "log"
    for axes in scaling.figure.axes:
        curve, slope = axes.get_lines()
        assert list(curve.get_xdata()) == [1, 2, 4, 8]
        (x0, x1), (y0, y1) = slope.get_data()
        assert (x0, x1) == (4, 8)
        assert y1 / y0 == pytest.approx(2.0)


@pytest.mark.parametrize("section", [*COLUMNS, "coffee"])
def test_one_section_is_enough_for_a_page(section):
    record = full_record()
    record["sections"] = {section: record["sections"][section]}
    found = pictures.draw(record)
    page = report.page(record, found)
    Outline(page)
    assert page.count("<h2>") == 2
    assert page.count("<svg") == len(found)


def test_a_record_without_limits_has_no_roofline():
    record = full_record()
    del record["sections"]["kernels"]["ceilings"]
    assert {picture.name for picture in pictures.draw(record)} == ALL - {"roofline"}


def test_without_a_product_library_the_roofline_shows_only_memory():
    record = full_record()
    del record["sections"]["kernels"]["ceilings"][1]
    roofline = pictures.draw(record)[0].figure.axes[0]
    x, y = roofline.get_lines()[0].get_data()
    assert x[1] > 100 * x[0]
    assert list(y / x) == pytest.approx([40e9, 40e9])


def test_a_quick_run_is_marked():
    assert "A quick run" in report.page(full_record() | {"quick": True}, [])
    assert "A quick run" not in report.page(full_record(), [])


def test_the_summary_of_a_record():
    sentences = summary(full_record())
    assert sentences == [
        "2 of 3 kernels reach at least 70% of their limit, each at its largest size.",
        "torch takes 2.00 times as long as gpugrad (geometric mean over 3 kernels); gpugrad is faster in 3 of them.",
        "784-128-10, batch 64: gpugrad takes 150 µs per training step; "
        "the fastest peer, JAX scan, takes 2.00 times as long (median of the ratios per round).",
        "With a warm kernel cache, the first training step ends 1.25 s after the start of the process.",
        "Training 784-128-10, batch 64 has a peak of 273 MB; the bound is 231 MB.",
    ]
    assert summary({"sections": {}}) == []


def test_the_largest_row_represents_a_kernel():
    rows = full_record()["sections"]["kernels"]["rows"]
    cold = dict(rows[3], cache="cold")
    found = {(row["kernel"], row["by"]): row for row in largest([*rows, cold, rows[3]])}
    assert found["adam_step", "gpugrad"] is cold
    assert found["adam_step", "torch"]["bytes"] == rows[0]["bytes"]


# ---- the command ----


def invoked(folder, content, *options):
    (folder / "record.json").write_text(json.dumps(content))
    return CliRunner().invoke(app, ["bench", "report", str(folder / "record.json"), *options])


def test_the_command_writes_the_page_and_the_pictures(tmp_path):
    result = invoked(tmp_path, full_record(), "--png", str(tmp_path / "new" / "folder"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "record.html").read_text().startswith("<!DOCTYPE html>")
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {f"{name}.png" for name in ALL}
    again = invoked(tmp_path, full_record(), "--out", str(tmp_path / "page.html"))
    assert again.exit_code == 0
    assert (tmp_path / "page.html").read_text() == (tmp_path / "record.html").read_text()


def test_the_command_prints_the_table_or_draws_dark_pictures(tmp_path):
    from PIL import Image

    result = invoked(tmp_path, full_record(), "--markdown")
    assert result.output == training_table(full_record()) + "\n"
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    refused = invoked(tmp_path, full_record(), "--dark")
    assert "--dark has no effect without --png" in str(refused.exception)
    assert invoked(tmp_path, full_record(), "--png", str(tmp_path / "dark"), "--dark").exit_code == 0
    for path in (tmp_path / "dark").iterdir():
        with Image.open(path) as image:
            assert max(image.convert("RGB").getpixel((0, 0))) < 30
    assert "#0d1117" not in (tmp_path / "record.html").read_text()


def test_rows_that_lack_columns_are_an_error(tmp_path):
    record = full_record()
    del record["sections"]["training"]["rows"][1]["median"]
    result = invoked(tmp_path, record)
    assert isinstance(result.exception, DataError)
    assert str(result.exception).startswith("row 1 of the section training has no median")
    assert not (tmp_path / "record.html").exists()


def test_without_matplotlib_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = invoked(tmp_path, full_record())
    assert isinstance(result.exception, GpugradError)
    assert 'pip install "gpugrad[plot]"' in str(result.exception)


def test_damaged_records_are_read_or_refused(survives):
    whole = full_record()

    def read(path):
        with record.made_from(path):
            found = record.read(path)
            list(lines(compare(whole, found), every=True))
            report.page(found, [])

    assert survives("record.json", json.dumps(whole).encode(), read) > 300


def test_a_record_of_other_values_is_an_error_of_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for change in ({"median": "fast"}, {"median": 0}, {"low": [1]}, {"size": None}, {"times_ours": -1}, {"share": "x"}):
        broken = full_record()
        for row in broken["sections"]["kernels"]["rows"]:
            row.update(change)
        for name, content in (("a.json", full_record()), ("b.json", broken)):
            (tmp_path / name).write_text(json.dumps(content))
        for command in (["compare", "a.json", "b.json"], ["report", "b.json"])[: 1 + ("share" in change)]:
            result = CliRunner().invoke(app, ["bench", *command])
            assert result.exception is None or isinstance(result.exception, SystemExit | GpugradError), change
    (tmp_path / "b.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"cannot read b\.json"):
        record.read("b.json")
