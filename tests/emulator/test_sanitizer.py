"""Kernels built with the address sanitizer, in a process that preloads its library."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpugrad.emulator import compiler

SECONDS = 900

pytestmark = pytest.mark.slow

BAD = """
import sys
from pathlib import Path
import numpy as np
from gpugrad.kernels.cuda.source import Source
Path(sys.argv[1], "bad.cu").write_text('''#include "gpugrad.cuh"
__global__ void bad(float* x, int i) { volatile float on_stack[4] = {}; volatile float* p = on_stack; x[0] = p[i]; }
''')
Source(Path(sys.argv[1]) / "x.py", "bad.cu").launch("bad", 1, 1, np.zeros(1, np.float32), np.int32(int(sys.argv[2])))
"""


@pytest.fixture
def sanitized():
    """Return a function that runs Python with the sanitizer's library."""
    command = compiler.find_compiler()
    asked = subprocess.run([*command, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    library = asked.stdout.strip()
    if not Path(library).is_absolute():
        pytest.skip(f"{' '.join(command)} has no libasan.so to preload")

    def run(*arguments):
        environment = os.environ | {
            "GPUGRAD_EMULATOR_SANITIZE": "1",
            "LD_PRELOAD": library,
            "ASAN_OPTIONS": "detect_leaks=0",  # Python itself frees some memory only at exit
        }
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    return run


def test_every_kernel(sanitized):
    result = sanitized("-m", "gpugrad", "check", "--device", "emulator", "--quick")
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    assert "0 failed" in result.stdout


def test_an_access_outside_a_local_array(sanitized, tmp_path):
    assert sanitized("-c", BAD, str(tmp_path), "3").returncode == 0
    result = sanitized("-c", BAD, str(tmp_path), "5")
    assert result.returncode != 0
    assert "AddressSanitizer: stack-buffer-overflow" in result.stderr
