"""The command `gpugrad descend`: its options, its text output and its pictures."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from ..engine.files import check_writable_file, to_json
from ..errors import ArgumentError, choose, counted
from ..lab.race import USUAL, WITH_MOMENTUM, entrants, point, race
from ..lab.surfaces import NAMES
from ..lab.surfaces import surface as surface_of
from ..lab.verdict import words
from ..optim import RULES
from ..training.theme import theme
from .options import DEVICES, completing, is_explicit, listed, option, refuse_others

PICTURES = ("paths", "values", "surface", "basins", "grid")
ANIMATED = (".gif", ".html")
OF_SERVER_ALONE = {"port", "host", "allowed_host"}
OF_SERVER = {"surface", "device", *OF_SERVER_ALONE}
DESCENT, OUTPUT, PAGE = "Descent", "Output", "Interactive page"


def descend(
    context: typer.Context,
    surface: Annotated[str | None, typer.Argument(help=f"{listed(NAMES)}.", autocompletion=completing(NAMES))] = None,
    optimizer: Annotated[
        str | None,
        option(
            DESCENT,
            "Names separated by commas, as in `train`; adam:0.1 sets the learning rate of one. Default: "
            f"{','.join(USUAL)}.",
            choices=RULES,
        ),
    ] = None,
    lr: Annotated[
        str | None,
        option(
            DESCENT,
            "Learning rates separated by commas, for every optimizer without its own; default: a suitable one.",
        ),
    ] = None,
    start: Annotated[list[str] | None, option(DESCENT, "A point such as -1,2; may be repeated.", "--start")] = None,
    steps: Annotated[int, option(DESCENT, "Maximum number of steps.")] = 300,
    tol: Annotated[float, option(DESCENT, "Stop when the norm of the gradient is at most this.")] = 1e-6,
    momentum: Annotated[float | None, option(DESCENT, "Momentum of momentum and nesterov; default: 0.9.")] = None,
    noise: Annotated[float, option(DESCENT, "Standard deviation of the noise in each element of the gradient.")] = 0.0,
    perturb: Annotated[float, option(DESCENT, "Radius of perturbed gradient descent.")] = 0.0,
    seed: Annotated[int, option(DESCENT, "Seed of noise and perturbation.")] = 0,
    device: Annotated[str, option(DESCENT, f"{listed(DEVICES)}; cuda:1 is the second GPU.", choices=DEVICES)] = "cpu",
    out: Annotated[
        Path | None,
        option(OUTPUT, "A .png of --picture, a .gif or .html of the race; the page, without SURFACE."),
    ] = None,
    picture: Annotated[str, option(OUTPUT, f"Content of a .png: {listed(PICTURES)}.", choices=PICTURES)] = "paths",
    dark: Annotated[bool, option(OUTPUT, "Draw for dark paper.", "--dark")] = False,
    as_json: Annotated[bool, option(OUTPUT, "Print the result as one JSON object on the last line.", "--json")] = False,
    served: Annotated[bool, option(PAGE, "Serve an interactive page for races, until Ctrl-C.", "--serve")] = False,
    port: Annotated[int, option(PAGE, "Port of the page; 0: any free port.")] = 8000,
    host: Annotated[str, option(PAGE, "Address to listen on; 0.0.0.0 also accepts other devices, such as a phone.")] = (
        "127.0.0.1"
    ),
    allowed_host: Annotated[
        list[str] | None,
        option(PAGE, "Another name of this machine in the address of the page; may be repeated.", "--allowed-host"),
    ] = None,
) -> None:
    """Run optimizers on a surface, report how each one ended and why, and plot the race.

    With --serve, or with --out page.html and no SURFACE, create an interactive page.

    Example: gpugrad descend saddle --optimizer sgd,adam:0.1 --out race.gif
    """
    choose("picture", picture, PICTURES)
    if served:
        refuse_others(context, ("served", *OF_SERVER), "with --serve")
        _serve(surface, host, port, device, allowed_host or [])
        return
    if surface is None:
        if out is not None:
            refuse_others(context, ("out", "optimizer"), "on the page that --out writes without SURFACE")
        _write_page(out, optimizer)
        return
    refuse_others(context, {*context.params} - OF_SERVER_ALONE, "without --serve")
    if is_explicit(context, "picture") and (out is None or out.suffix != ".png"):
        found = "there is no --out" if out is None else f"--out is {out}"
        raise ArgumentError(f"--picture {picture} is the content of a .png, and {found}: write --out {picture}.png")
    if dark and out is None:
        raise ArgumentError("--dark has no effect without --out, which writes the picture: leave it out")
    f = surface_of(surface)
    entered = entrants(",".join(USUAL) if optimizer is None else optimizer, lr, f)
    if momentum is not None and not any(name in WITH_MOMENTUM for name, _ in entered):
        raise ArgumentError(f"--momentum has no effect without one of {listed(WITH_MOMENTUM)}: leave it out")
    starts = [point(text) for text in start] if start else [list(f.starts[0])]
    if out is not None:
        _check_out(out)
    options: dict[str, Any] = {"tol": tol, "max_steps": steps, "noise": noise, "perturb": perturb, "seed": seed}
    paths = race(f, starts, entered, momentum=momentum, device=device, **options)
    if not as_json:
        typer.echo(f"{f.name}: {f.about}")
        for path in paths:
            typer.echo(_line(path, f.bounds))
    if out is not None:
        with theme("dark" if dark else "light"):
            _draw(f, paths, out, picture, entered, steps)
        typer.echo(f"wrote {out}", err=as_json)
    if as_json:
        written = None if out is None else str(out)
        print(to_json({"surface": f.name, "paths": [path.as_dict() for path in paths], "written": written}))


def _serve(surface: str | None, host: str, port: int, device: str, allowed_hosts: list[str]) -> None:
    from urllib.parse import urlencode

    from ..lab.serve import serve

    link = "" if surface is None else urlencode({"surface": choose("surface", surface, NAMES)})
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as by Ctrl-C
    try:
        serve(
            host,
            port,
            device,
            link,
            allowed_hosts=allowed_hosts,
            on_start=lambda url: typer.echo(f"serving {url} (Ctrl-C to stop)"),
        )
    finally:
        signal.signal(signal.SIGTERM, before)


def _write_page(out: Path | None, optimizers: str | None) -> None:
    from ..lab.page import write_page

    if out is None:
        raise ArgumentError("SURFACE is missing: name one, such as saddle, or pass --serve or --out page.html")
    names = USUAL if optimizers is None else [name.strip() for name in optimizers.split(",")]
    write_page(out, optimizers=names)
    typer.echo(f"wrote {out}")


def _check_out(out: Path) -> None:
    """Refuse an output that could not be drawn or written, before the descent."""
    from ..training.plots import figure_type

    if out.suffix not in (".png", *ANIMATED):
        raise ArgumentError(f"--out is {out}, expected a file name ending in .png, .gif or .html")
    figure_type()
    check_writable_file(out)


def _draw(
    f: Any, paths: list[Any], out: Path, picture: str, entered: list[tuple[str, list[float]]], steps: int
) -> None:
    from ..lab import pictures
    from ..lab.animation import animate

    if out.suffix in ANIMATED:
        animate(f, paths, out)
    elif picture == "paths":
        pictures.plot_paths(f, paths, out)
    elif picture == "values":
        pictures.plot_values(paths, out)
    elif picture == "surface":
        pictures.plot_surface(f, paths, out)
    elif picture == "basins":
        name, rates = entered[0]
        pictures.plot_basins(f, name, out, lr=rates[0], max_steps=steps)
    else:
        pictures.plot_grid(f, paths, out)


def _line(path: Any, bounds: Any) -> str:
    where = ", ".join(f"{number:.4g}" for number in path.x)
    return (
        f"{path.optimizer:<13}lr {path.lr:<8g}{counted(path.steps, 'step'):>11} to ({where}), value {path.value:.4g}\n"
        f"{'':13}{words(path, bounds)}: {path.reason}"
    )
