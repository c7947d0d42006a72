"""`gpugrad descend` as a user runs it."""

from __future__ import annotations

import json
import sys

import pytest

from gpugrad.command import app as cli
from gpugrad.training import plots


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs the command in this process: (exit code, standard output, standard error)."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["gpugrad", "descend", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as exit:
            code = exit.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_it_reports_how_each_optimizer_ended_and_why(run):
    code, out, _ = run("saddle", "--optimizer", "sgd,adam:0.2", "--start", "-1,0", "--start", "-1,0.1", "--steps", 150)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("saddle: Up in one direction")
    heads, reasons = lines[1::2], [line.strip() for line in lines[2::2]]
    assert [head.split()[:3] for head in heads] == [["sgd", "lr", "0.05"]] * 2 + [["adam", "lr", "0.2"]] * 2
    assert reasons[0].startswith("stuck at a saddle after 138 steps: the gradient's norm is")
    assert reasons[1].startswith("left the view after 27 steps: the value still falls")


def test_json_is_one_object(run):
    code, out, err = run("ravine", "--optimizer", "momentum", "--momentum", 0.5, "--lr", "0.01,0.045", "--json")
    assert (code, err) == (0, "")
    (line,) = out.strip().splitlines()
    result = json.loads(line)
    assert result["surface"] == "ravine"
    assert [path["lr"] for path in result["paths"]] == [0.01, 0.045]
    assert [path["momentum"] for path in result["paths"]] == [0.5, 0.5]
    assert result["paths"][1]["verdict"] == "converged"
    assert result["paths"][1]["eigenvalues"] == pytest.approx([1, 40], rel=1e-6)
    assert result["written"] is None


@pytest.mark.parametrize(
    ("name", "start", "options"),
    [
        ("race.gif", b"GIF8", ()),
        ("race.html", b"<!doctype html>", ()),
        ("paths.png", b"\x89PNG", ()),
        ("values.png", b"\x89PNG", ("--picture", "values")),
        ("surface.png", b"\x89PNG", ("--picture", "surface")),
        ("basins.png", b"\x89PNG", ("--picture", "basins")),
        ("grid.png", b"\x89PNG", ("--picture", "grid", "--lr", "0.01,0.05")),
    ],
)
def test_out_is_written(run, tmp_path, name, start, options):
    pytest.importorskip("matplotlib")
    file = tmp_path / "pictures" / name
    code, out, _ = run("double well", "--optimizer", "sgd,adam", "--steps", 12, "--out", file, *options)
    assert code == 0
    assert f"wrote {file}" in out.replace("\n", "")
    assert file.read_bytes().startswith(start)


def test_dark_pictures(run, tmp_path):
    pytest.importorskip("matplotlib")
    from PIL import Image

    for name in ("race.gif", "paths.png"):
        assert run("double well", "--optimizer", "sgd", "--steps", 3, "--out", tmp_path / name, "--dark")[0] == 0
        with Image.open(tmp_path / name) as image:
            assert max(image.convert("RGB").getpixel((0, 0))) < 30
    code, _, err = run("double well", "--dark")
    assert (code, err) == (1, "gpugrad: --dark has no effect without --out, which writes the picture: leave it out\n")


def test_one_step_is_singular(run):
    _, out, _ = run("parabola", "--optimizer", "sgd", "--lr", 0.5)
    assert "    1 step to (" in out
    _, out, _ = run("parabola", "--optimizer", "sgd", "--lr", 0.1, "--steps", 2)
    assert "   2 steps to (" in out


def test_noise_and_seed_are_passed_on(run):
    ends = [
        json.loads(run("ravine", "--optimizer", "sgd", "--noise", 0.5, "--seed", seed, "--json")[1])["paths"][0]["end"]
        for seed in (1, 1, 2)
    ]
    assert ends[0] == ends[1] != ends[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rosenbrok",), "unknown surface 'rosenbrok': did you mean 'rosenbrock'?"),
        (("beale", "--start", "1,2,3"), "a start has 3 numbers, beale is a function of 2"),
        (("beale", "--start", "1;2"), "--start is '1;2', expected numbers separated by commas"),
        (("beale", "--lr", "fast"), "--lr is 'fast', expected a learning rate"),
        (("beale", "--lr", "-1"), "lr is -1.0, expected a finite number of at least 0"),
        (("beale", "--optimizer", "adam:quick"), "the rate of adam is 'quick', expected a learning rate"),
        (("beale", "--optimizer", "adm"), "unknown optimizer 'adm': did you mean 'adam'?"),
        (("beale", "--optimizer", ","), "--optimizer is ',', expected at least one optimizer"),
        (("beale", "--picture", "path"), "unknown picture 'path': did you mean 'paths'?"),
        (("beale", "--out", "race.avi"), "expected a file name ending in .png, .gif or .html"),
        (("beale", "--steps", "0"), "max_steps is 0"),
        (("beale", "--picture", "grid"), "--picture grid is the content of a .png, and there is no --out: write --out"),
        (("beale", "--picture", "grid", "--out", "a.gif"), "--out is a.gif: write --out grid.png"),
        (("beale", "--optimizer", "adam:0.1,sgd:1", "--lr", 0.3), "--lr is 0.3, but adam:0.1,sgd:1 sets the rate of"),
        (
            ("--out", "page.html", "--lr", 0.3),
            "--lr has no effect on the page that --out writes without SURFACE: leave it out",
        ),
        (("beale", "--serve", "--out", "page.html"), "--out has no effect with --serve: leave it out"),
        (("beale", "--optimizer", "adam", "--momentum", 0.5), "no effect without one of momentum or nesterov: leave"),
        (("--lr", 0.3), "SURFACE is missing"),
        (("beale", "--port", 0), "--port has no effect without --serve: leave it out"),
    ],
)
def test_bad_input_is_one_sentence(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("gpugrad: ")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_without_matplotlib_the_command_fails_before_the_descent(run, monkeypatch, tmp_path):
    def refuse(name, *rest, **named):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return importing(name, *rest, **named)

    importing = __import__
    monkeypatch.setattr("builtins.__import__", refuse)
    code, out, err = run("beale", "--out", tmp_path / "race.gif")
    assert (code, out) == (1, "")
    assert 'pip install "gpugrad[plot]"' in err
    assert plots.available()


def test_minimize_is_a_public_name():
    import gpugrad as gg
    from gpugrad.lab import minimize

    assert gg.minimize is minimize
    assert "minimize" in dir(gg)
