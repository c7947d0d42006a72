"""`import gpugrad` is light: it loads no compiler, no GPU library and nothing that only commands need."""

import subprocess
import sys

HEAVY = {"cupy", "numba", "numba_cuda", "llvmlite", "scipy", "sklearn", "rich", "typer", "matplotlib", "safetensors"}


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_import_loads_nothing_heavy():
    loaded = set(run("import sys, gpugrad; print(*sys.modules)").split())
    assert "gpugrad" in loaded
    assert loaded & HEAVY == set()


def test_import_takes_well_under_a_second():
    program = (
        "import time, numpy\n"  # NumPy itself is needed by everything, and how long it takes is not ours
        "start = time.perf_counter()\nimport gpugrad\nprint(time.perf_counter() - start)"
    )
    # The best of three: the first one may have to compile the bytecode.
    assert min(float(run(program)) for _ in range(3)) < 0.5


def test_every_public_name_exists():
    import gpugrad

    assert set(gpugrad.__all__) <= set(dir(gpugrad))
    assert len(set(gpugrad.__all__)) == len(gpugrad.__all__)
