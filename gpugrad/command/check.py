"""`gpugrad check`: compare every kernel with its reference, or compile it for every architecture."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import asdict
from typing import Annotated, Any

import typer

from .. import kernels
from ..engine.check import QUICK_WORK, Finding, available_devices
from ..engine.check import check as check_kernels
from ..engine.device import TOOLCHAINS
from ..errors import counted
from .options import RUN, Json, ToolchainName, completing, finish, listed, names, option, status

WIDTH = 170  # minimum width, in characters, of the table of compiled kernels


def check(
    only_these: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Kernels or operations; default: all.", autocompletion=completing(kernels.OPERATIONS)
        ),
    ] = None,
    only: Annotated[str | None, option(RUN, "The same as NAME, separated by commas.")] = None,
    device: Annotated[
        str | None, option(RUN, f"{listed(TOOLCHAINS)}; default: all on this machine.", choices=TOOLCHAINS)
    ] = None,
    toolchain: ToolchainName = None,
    quick: Annotated[bool, option(RUN, "Skip the expensive examples.", "--quick")] = False,
    only_compile: Annotated[
        bool, option(RUN, "Only compile every CUDA kernel for seven architectures; needs no GPU.", "--compile")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare kernels with their references; exit with 1 if one is wrong.

    The simulator needs minutes for all kernels, so it runs only on request: --device simulator.

    Example: gpugrad check adam --device emulator
    """
    wanted = [*(only_these or ()), *(names(only) or ())]
    if only_compile:
        _compile(wanted, as_json)
        return
    with status("checking …") as line:
        findings = check_kernels(
            available_devices(device, toolchain),
            lambda finding: line.update(f"{finding.kernel} on {finding.device}, {finding.toolchain} …"),
            only=wanted,
            most_work=QUICK_WORK if quick else float("inf"),
        )
    if not as_json:
        show(findings)
    finish(summary(findings), as_json)
    if not all(finding.passed for finding in findings):
        raise typer.Exit(1)


def _compile(wanted: list[str], as_json: bool) -> None:
    from ..engine import compilation

    with status("compiling …"):
        compiled, assembled = compilation.compile_all(only=wanted), compilation.assemble_all(only=wanted)
    if not as_json:
        show_compiled(compiled, assembled)
    finish(as_records(compiled, assembled), as_json)
    if any(entry.problem for entry in (*compiled, *assembled)):
        raise typer.Exit(1)


def summary(findings: list[Finding]) -> dict[str, Any]:
    """Return the findings as a JSON-able report."""
    return {
        "folder": str(kernels.FOLDER),
        "kernels": len({finding.kernel for finding in findings}),
        "toolchains": sorted({f"{f.device}/{f.toolchain}" for f in findings}),
        "checks": len(findings),
        "examples": sum(finding.examples for finding in findings),
        "failed": [finding.kernel for finding in findings if not finding.passed],
        "findings": [asdict(finding) for finding in findings],
    }


def show(findings: list[Finding]) -> None:
    """Print a table of the findings, each problem, and the counts."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    table = Table("kernel", "device", "toolchain", "examples", "error", "verdict", box=SIMPLE_HEAD, pad_edge=False)
    console.print(f"Largest error of each kernel in {kernels.FOLDER}, as a fraction of the tolerance", soft_wrap=True)
    for f in findings:
        examples = f"{f.examples} of {f.examples + f.left_out}" if f.left_out else str(f.examples)
        row = (f.kernel, f.device, f.toolchain, examples, f"{f.error:.2g}")
        verdict = "ran the reference" if f.by_reference else "right"
        table.add_row(*row, verdict if f.passed else "WRONG")
    console.print(table)
    for f in findings:
        for problem in _distinct(f.problems) if f.examples else ["no example is small enough for this device"]:
            console.print(f"{f.kernel} ({f.device}, {f.toolchain}): {problem}", soft_wrap=True)
    report = summary(findings)
    counts = (
        counted(report["kernels"], "kernel"),
        counted(len(report["toolchains"]), "toolchain"),
        counted(report["checks"], "check"),
        counted(report["examples"], "example"),
    )
    console.print(f"{', '.join(counts)}: {len(report['failed'])} failed", soft_wrap=True)


# What differs between the examples and the variants of a kernel that have the same problem.
SPECIFIC = re.compile(r"cannot compile [^:]+: |\[[\d, ]*\]|(?<![:\w])-?\d[\d.e+-]*|-?\b(nan|inf)\b")


def _distinct(problems: list[str]) -> list[str]:
    """Join the same problem of several examples; an example's name is the text before the first colon."""
    groups: dict[str, list[str]] = defaultdict(list)
    for problem in problems:
        groups[SPECIFIC.sub("", problem.partition(": ")[2])].append(problem)
    return [
        first + (f" (and in {counted(len(rest), 'more example')})" if rest else "") for first, *rest in groups.values()
    ]


def as_records(compiled: list[Any], assembled: list[Any]) -> dict[str, list[dict[str, Any]]]:
    """Return JSON-able rows of both toolchains."""
    return {
        "cupy": [{**asdict(c), "shared": c.shared, "occupancy": c.occupancy, "problem": c.problem} for c in compiled],
        "numba": [asdict(assembly) for assembly in assembled],
    }


def show_compiled(compiled: list[Any], assembled: list[Any]) -> None:
    """Print one row per CUDA C++ kernel, and each problem."""
    from rich.console import Console
    from rich.table import Table

    rows: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for entry in compiled:
        rows[entry.file, entry.kernel][entry.architecture] = entry
    architectures = list(dict.fromkeys(entry.architecture for entry in compiled))
    table = Table("kernel", "threads", *architectures, "shared", "stack", "spilled")
    for (_, kernel), cells in rows.items():
        words = [
            f"{cells[a].resources.registers}, {cells[a].occupancy:.0%}" if a in cells else "-" for a in architectures
        ]
        most = {name: max(getattr(c.resources, name) for c in cells.values()) for name in ("stack", "spilled")}
        shared = max(c.shared for c in cells.values())
        threads = next(iter(cells.values())).threads
        table.add_row(kernel, str(threads), *words, *map(str, (shared, most["stack"], most["spilled"])))
    console = Console(highlight=False, markup=False)
    console.width = max(console.width, WIDTH)
    console.print("Registers per thread, occupancy; bytes of shared memory per block, of stack and spills per thread")
    console.print(table)
    for entry in (*compiled, *assembled):
        if entry.problem:
            console.print(f"{entry.kernel} for {entry.architecture} {entry.problem}", soft_wrap=True)
    failed = sum(entry.problem is not None for entry in compiled)
    on_each = f"× {counted(len(architectures), 'architecture')}"
    console.print(f"CUDA C++: {counted(len(rows), 'kernel')} {on_each}, {failed} failed")
    failed = sum(assembly.problem is not None for assembly in assembled)
    signatures = len({(assembly.kernel, assembly.signature) for assembly in assembled})
    console.print(f"Numba CUDA, to PTX: {counted(signatures, 'kernel')} {on_each}, {failed} failed")
