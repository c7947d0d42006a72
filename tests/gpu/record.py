"""Run everything that a GPU makes possible and leave the record in docs/measurements/.

    python tests/gpu/record.py [--out FOLDER]

The whole test suite with --require-gpu (the compute sanitizer's four tools in it), every kernel of both toolchains
against its reference, what a launch costs, and `gpugrad bench all`, whose record is kept beside the page. The exit code
is 1 if any of them failed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGES = ("gpugrad", "numpy", "numba", "numba-cuda", "cupy-cuda12x", "cupy-cuda13x", "torch", "jax")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    print("$", " ".join(command), flush=True)
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)


def gpu() -> dict[str, str]:
    query = ["name", "driver_version", "memory.total", "compute_cap"]
    answer = subprocess.run(
        ["nvidia-smi", f"--query-gpu={','.join(query)}", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(query, answer.stdout.splitlines()[0].split(", "), strict=True))


def versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return [f"Python {platform.python_version()}", *found]


def tests(workers: str) -> tuple[str, bool]:
    plugins = ["-p", "no:benchmark", "-p", "no:cacheprovider"]
    result = run("-m", "pytest", "-q", "--require-gpu", "-n", workers, *plugins)
    lines = result.stdout.splitlines()
    told = [line for line in lines if "agree with their reference" in line or line.startswith(("FAILED", "ERROR"))]
    reasons = sorted({re.sub(r"^SKIPPED \[\d+\] \S+ ", "", line) for line in lines if line.startswith("SKIPPED")})
    skipped = ["", "Skipped:", "", *(f"- {reason}" for reason in reasons)] if reasons else []
    return "\n".join(["```text", *told, *lines[-1:], "```", *skipped]), result.returncode == 0


def kernels() -> tuple[str, bool]:
    """A table of every kernel: examples and largest error as a share of the tolerance, in each toolchain."""
    reports = {}
    for toolchain in ("cupy", "numba"):
        result = run("-m", "gpugrad", "check", "--device", "cuda", "--toolchain", toolchain, "--json")
        if not result.stdout.strip():
            return f"```text\n{result.stderr[-2000:]}\n```", False
        reports[toolchain] = json.loads(result.stdout.splitlines()[-1])["findings"]
    lines = ["| kernel | CuPy: examples | error / tolerance | Numba: examples | error / tolerance |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    right = True
    for pair in zip(*reports.values(), strict=True):
        cells = []
        for finding in pair:
            wrong = bool(finding["problems"]) or not finding["examples"]
            right &= not wrong
            cells += [str(finding["examples"]), "WRONG" if wrong else f"{finding['error']:.2g}"]
        lines.append(f"| {pair[0]['kernel']} | {' | '.join(cells)} |")
    return "\n".join(lines), right


def costs() -> tuple[str, bool]:
    result = run(str(HERE / "launch_costs.py"))
    return result.stdout or f"```text\n{result.stderr[-2000:]}\n```", result.returncode == 0


def benchmarks(file: Path) -> tuple[str, bool]:
    options = ["--device", "cuda", "--against", "cupy,torch", "--json", str(file)]
    result = run("-m", "gpugrad", "bench", "all", *options)
    told = f"{result.stdout}{result.stderr[-2000:]}"
    return f"Kept in `{file.name}`.\n\n```text\n{told}```", result.returncode == 0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, default=ROOT / "docs" / "measurements")
    arguments.add_argument("--workers", default="auto", help="processes that run tests")
    given = arguments.parse_args()
    card, day = gpu(), datetime.date.today().isoformat()
    name = day + "-" + re.sub(r"\W+", "-", card["name"].lower()).strip("-")
    given.out.mkdir(parents=True, exist_ok=True)
    sections = {
        "Launches": costs,
        "Every kernel against its reference": kernels,
        "The test suite": lambda: tests(given.workers),
        "Benchmarks": lambda: benchmarks(given.out / f"{name}.json"),
    }
    texts, failed = [], []
    for title, section in sections.items():
        text, right = section()
        texts.append(f"## {title}\n\n{text}\n")
        if not right:
            failed.append(title)
        print(text, flush=True)
    described = ", ".join(f"{key} {value}" for key, value in card.items() if key != "name")
    head = f"# {card['name']}, {day}\n\n{described}.\n{', '.join(versions())}.\n\n"
    head += f"Failed: {', '.join(failed) or 'nothing'}.\n"
    (given.out / f"{name}.md").write_text("\n".join([head, *texts]))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
