"""Do what only a GPU makes possible, most telling first, within some minutes, and leave a record in docs/measurements.

    python tests/gpu/record.py --minutes 9 [--out FOLDER]
    python tests/gpu/record.py --minutes 9 --device emulator

The second line rehearses all of it on a machine with no GPU. The record is a page and a JSON file that
`gpugrad bench report` reads; both are written as each stage ends, and say how each one ended. A stage that ends early
leaves its time to those after it; one that is out of time is cut, and so is a kernel that hangs. The exit code is 1 if
a stage failed or found something wrong, and 128 + the signal if one ended the run.
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
sys.path.insert(0, str(ROOT))  # the checkout is what is recorded, however it was installed

from session import stages, tables  # noqa: E402
from session.children import end_all  # noqa: E402
from session.page import page  # noqa: E402
from session.run import Run, Stage, Stopped  # noqa: E402

from gpugrad.bench.measure.machine import revision  # noqa: E402

# In the order in which they are done. A stage may take its share of what is left of the minutes.
STAGES = (
    Stage(
        "Numba's kernels that once hung",
        22,
        "Each in a process of its own, which is killed if it does not end",
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
        "Whole steps next to PyTorch and JAX, in turns, from the same weights on the same rows; compared before timed",
        # A pool of processes that compile, each of which imports PyTorch, is slower than a few kernels one by one.
        stages.bench("training", TORCHINDUCTOR_COMPILE_THREADS="1"),
        tables.trained,
        "training",
    ),
    Stage(
        "kernels and ceilings",
        12,
        "Kernels next to the copy and the matrix products of the same run, and next to libraries",
        stages.bench("kernels"),
        tables.kernels,
        "kernels",
    ),
    Stage("tests", 10, "The tests of what a GPU does", stages.suite, tables.tested),
    Stage(
        "launches", 3, "What a launch costs, and a whole step of launches", stages.launches, tables.launched, "launches"
    ),
    Stage("growth", 3, "A step against width, depth and batch size", stages.bench("scaling"), tables.grown, "scaling"),
    Stage("memory", 2, "The peak of GPU memory next to its bound", stages.bench("memory"), tables.remembered, "memory"),
    Stage(
        "start", 4, "From the start of a process to its first step", stages.bench("startup"), tables.started, "startup"
    ),
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
    """What nvidia-smi says of the first GPU; ends the program where none answers."""
    command = ["nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=QUERY_SECONDS).stdout
        return dict(zip(QUERY, answer.splitlines()[0].split(", "), strict=True))
    except (OSError, subprocess.SubprocessError, IndexError, ValueError) as error:
        sys.exit(f"no GPU answers nvidia-smi ({error}): run this where one does, or with --device emulator")


def versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return [f"Python {platform.python_version()}", *found]


def free_name(folder: Path, name: str) -> str:
    """The name, with a number if the folder has a record of that name: a second run leaves the first one's alone."""
    names = [name, *(f"{name}-{i}" for i in range(2, 1000))]
    return next(free for free in names if not (folder / f"{free}.md").exists())


def stop(number: int, _: Any) -> NoReturn:
    """End the run; a second signal does not disturb the last page."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    raise Stopped(number)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=9.0, help="that all of it may take (9)")
    arguments.add_argument("--out", type=Path, help="docs/measurements if not given, or build/rehearsal of a rehearsal")
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
    print(f"written {name}.md and {name}.json in {folder}", flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
