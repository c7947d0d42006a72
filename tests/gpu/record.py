"""Run all checks and measurements that need a GPU, most important first, and write a record to docs/measurements.

    python tests/gpu/record.py --minutes 9 [--out FOLDER]
    python tests/gpu/record.py --minutes 9 --device emulator

The second line rehearses the run without a GPU. The record is a page and a JSON file that `gpugrad bench report` reads.
Both are written after each stage and show the state of every stage. A stage that ends early leaves its time to later
stages; a stage out of time is cut, and so is a kernel that hangs. The exit code is 1 if a stage failed or found an
error, and 128 + the signal if a signal ended the run.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import re
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))  # record the checkout, however gpugrad was installed

from session import stages, tables  # noqa: E402
from session.children import end_all  # noqa: E402
from session.page import page  # noqa: E402
from session.run import Run, Stage, Stopped  # noqa: E402

from gpugrad.bench.measure.machine import revision  # noqa: E402

# In order of execution. A stage gets its share of the remaining minutes.
STAGES = (
    Stage(
        "Numba's kernels that once hung",
        22,
        "Each in its own process, which is killed if it does not end",
        stages.once_hung,
        tables.checked,
    ),
    Stage(
        "Numba's other kernels",
        14,
        "Every other kernel of the toolchain against its reference",
        stages.every_kernel("numba", but=stages.ONCE_HUNG),
        tables.checked,
    ),
    Stage(
        "CuPy's kernels",
        10,
        "Every CUDA C++ kernel against its reference",
        stages.every_kernel("cupy"),
        tables.checked,
    ),
    Stage(
        "training steps",
        34,
        "Whole steps of gpugrad, PyTorch and JAX, in turns, from the same weights and rows; compared before timed",
        # A pool of compile processes, each of which imports PyTorch, is slower than compiling a few kernels in turn.
        stages.bench("training", TORCHINDUCTOR_COMPILE_THREADS="1"),
        tables.trained,
        "training",
    ),
    Stage(
        "kernels and ceilings",
        12,
        "Kernels compared with the copy and the matrix products of the same run, and with libraries",
        stages.bench("kernels"),
        tables.kernels,
        "kernels",
    ),
    Stage("tests", 10, "The tests that need a GPU", stages.suite, tables.tested),
    Stage("launches", 3, "The cost of a launch, and of a whole step", stages.launches, tables.launched, "launches"),
    Stage("growth", 3, "A step against width, depth and batch size", stages.bench("scaling"), tables.grown, "scaling"),
    Stage("memory", 2, "The peak of GPU memory and its bound", stages.bench("memory"), tables.remembered, "memory"),
    Stage("start", 4, "From process start to the first step", stages.bench("startup"), tables.started, "startup"),
    Stage(
        "time to an accuracy",
        2,
        "Seconds of training to 98 % on MNIST",
        stages.bench("accuracy"),
        tables.reached,
        "time_to_accuracy",
    ),
    Stage("compute sanitizer", 4, "Its four tools over the smaller examples", stages.sanitizer, tables.tested),
)

QUERY = ("name", "driver_version", "memory.total", "compute_cap")
QUERY_SECONDS = 30
PACKAGES = ("numpy", "numba", "numba-cuda", "cupy-cuda12x", "cupy-cuda13x", "torch", "jax")


def gpu() -> dict[str, str]:
    """Return nvidia-smi's data on the first GPU; exit if there is none."""
    command = ["nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=QUERY_SECONDS).stdout
        return dict(zip(QUERY, answer.splitlines()[0].split(", "), strict=True))
    except (OSError, subprocess.SubprocessError, IndexError, ValueError) as error:
        sys.exit(f"nvidia-smi finds no GPU ({error}): run this on a machine with one, or with --device emulator")


def versions() -> list[str]:
    """Return the versions of Python and of the installed packages."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return [f"Python {platform.python_version()}", *found]


def free_name(folder: Path, name: str) -> str:
    """Return the name, with a number if the folder already has a record of that name."""
    names = [name, *(f"{name}-{i}" for i in range(2, 1000))]
    return next(free for free in names if not (folder / f"{free}.md").exists())


def stop(number: int, _: Any) -> NoReturn:
    """End the run; ignore further signals, so that the last page is complete."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    raise Stopped(number)


def main() -> None:
    """Run the command."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=9.0, help="time limit of the run (9)")
    arguments.add_argument("--out", type=Path, help="default: docs/measurements, or build/rehearsal for a rehearsal")
    arguments.add_argument("--device", choices=tuple(stages.PLACES), default="cuda")
    given = arguments.parse_args()
    real = given.device == "cuda"
    facts: dict[str, Any] = {"command": f"python tests/gpu/record.py --minutes {given.minutes:g}"}
    facts["command"] += "" if real else f" --device {given.device}"
    facts |= {"gpu": gpu() if real else {}, "versions": versions(), "revision": revision()}
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    what = re.sub(r"\W+", "-", facts["gpu"]["name"].lower()).strip("-") if real else given.device
    folder = given.out or ROOT / ("docs/measurements" if real else "build/rehearsal")
    name = free_name(folder, f"{day}-{what}" if real else f"rehearsal-{day}-{what}")
    run = Run(STAGES, given.minutes, given.device, folder, name, facts, page)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    code = 0
    try:
        run.go()
        code = int(run.bad)
    except Stopped as stopped:
        code = 128 + stopped.signal
    finally:
        end_all()
        run.save()
    print(f"wrote {name}.md and {name}.json to {folder}", flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
