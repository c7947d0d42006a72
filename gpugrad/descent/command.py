"""The command `gpugrad descend`: its options, what it prints and what it draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..bench.options import names
from ..errors import ArgumentError, choose
from ..files import check_writable, to_json

PICTURES = ("paths", "values", "surface", "basins", "grid")
ANIMATED = (".gif", ".html")
WITH_MOMENTUM = ("momentum", "nesterov")


def _option(panel: str, words: str, *flags: str) -> Any:
    return typer.Option(*flags, help=words, rich_help_panel=panel)


DESCENT, OUTPUT = "Descent", "Output"


def descend(
    surface: Annotated[str, typer.Argument(help="rosenbrock, saddle, 'network loss' …; a wrong name lists them all.")],
    optimizer: Annotated[
        str,
        _option(DESCENT, "Names with commas between, as in `train`; adam:0.1 gives one a learning rate of its own."),
    ] = "sgd,momentum,adam",
    lr: Annotated[
        str | None,
        _option(DESCENT, "Learning rates with commas between, each for every optimizer; if not given, ones that suit."),
    ] = None,
    start: Annotated[
        list[str] | None, _option(DESCENT, "A point such as -1,2; may be given several times.", "--start")
    ] = None,
    steps: Annotated[int, _option(DESCENT, "The most steps.")] = 300,
    tol: Annotated[float, _option(DESCENT, "The norm of the gradient at which a descent ends.")] = 1e-6,
    momentum: Annotated[float | None, _option(DESCENT, "Of momentum and nesterov; 0.9 if not given.")] = None,
    noise: Annotated[float, _option(DESCENT, "Standard deviation of noise on each number of a gradient.")] = 0.0,
    perturb: Annotated[float, _option(DESCENT, "Radius of perturbed gradient descent.")] = 0.0,
    seed: Annotated[int, _option(DESCENT, "Seed of noise and perturbation.")] = 0,
    device: Annotated[str, _option(DESCENT, "auto, cpu, cuda, cuda:1, emulator or simulator.")] = "cpu",
    out: Annotated[Path | None, _option(OUTPUT, "A .png of --picture, or a .gif or .html of the race.")] = None,
    picture: Annotated[str, _option(OUTPUT, "What a .png shows: paths, values, surface, basins or grid.")] = "paths",
    as_json: Annotated[
        bool, _option(OUTPUT, "Make the last line of standard output one JSON object.", "--json")
    ] = False,
) -> None:
    """Let optimizers descend a surface, say what became of each and why, and draw the race."""
    from . import surfaces
    from .minimize import minimize

    choose("picture", picture, PICTURES)
    f = surfaces.surface(surface)
    entrants = _entrants(optimizer, lr, f)
    starts = [_point(text) for text in start] if start else [list(f.starts[0])]
    if out is not None:
        _check_out(out)
    paths = []
    for name, rates in entrants:
        options: dict[str, Any] = {"momentum": momentum} if momentum is not None and name in WITH_MOMENTUM else {}
        options |= {"tol": tol, "max_steps": steps, "noise": noise, "perturb": perturb, "seed": seed, "device": device}
        paths += minimize(f, starts, name, lr=rates, **options)
    if not as_json:
        typer.echo(f"{f.name}: {f.about}")
        for path in paths:
            typer.echo(_line(path))
    if out is not None:
        _draw(f, paths, out, picture, entrants, steps)
        typer.echo(f"written {out}", err=as_json)
    if as_json:
        written = None if out is None else str(out)
        print(to_json({"surface": f.name, "paths": [path.as_dict() for path in paths], "written": written}))


def _entrants(text: str, lr: str | None, f: Any) -> list[tuple[str, list[float]]]:
    """(name, learning rates) of each optimizer."""
    from .. import optim

    common = [_number("--lr", part) for part in names(lr) or []]
    entrants = []
    for part in names(text) or []:
        name, colon, own = part.partition(":")
        choose("optimizer", name, optim.NAMES)
        entrants.append((name, [_number(f"the rate of {name}", own)] if colon else common or [f.rate(name)]))
    if not entrants:
        raise ArgumentError("--optimizer names none, expected at least one: adam,sgd for instance")
    return entrants


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ArgumentError(f"{name} is {text!r}, expected a learning rate such as 0.1") from None


def _point(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentError(f"--start is {text!r}, expected numbers with commas between: -1.5,2 for instance") from None


def _check_out(out: Path) -> None:
    """Refuse what could not be drawn or written, before the descent."""
    from ..plots import figure_type

    if out.suffix not in (".png", *ANIMATED):
        raise ArgumentError(f"--out is {out}, expected a name that ends in .png, .gif or .html")
    figure_type()
    check_writable(out.parent)


def _draw(
    f: Any, paths: list[Any], out: Path, picture: str, entrants: list[tuple[str, list[float]]], steps: int
) -> None:
    from . import pictures
    from .animation import animate

    if out.suffix in ANIMATED:
        animate(f, paths, out)
    elif picture == "paths":
        pictures.plot_paths(f, paths, out)
    elif picture == "values":
        pictures.plot_values(paths, out)
    elif picture == "surface":
        pictures.plot_surface(f, paths, out)
    elif picture == "basins":
        name, rates = entrants[0]
        pictures.plot_basins(f, name, out, lr=rates[0], max_steps=steps)
    else:
        pictures.plot_grid(f, paths, out)


def _line(path: Any) -> str:
    where = ", ".join(f"{number:.4g}" for number in path.x)
    return (
        f"{path.optimizer:<13}lr {path.lr:<8g}{path.steps:>5} steps to ({where}), value {path.value:.4g}\n"
        f"{'':13}{path.verdict}: {path.reason}"
    )
