"""Compile CUDA C++ for the host: one shared object per kernel and template instance, cached by content."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..engine.files import cache_folder, write_whole
from ..engine.temporary import temporary_folder
from ..errors import KernelError, StorageError

HERE = Path(__file__).parent
RUNTIME = "runtime.cpp"
# Trap on undefined behaviour: misaligned 16-byte accesses, indices out of bounds, overflows, invalid shifts.
CHECKS = ("-fsanitize=undefined", "-fno-sanitize=vptr,object-size", "-fsanitize-undefined-trap-on-error")
# Hidden visibility: otherwise all kernels would share the shared memory of an inline function.
FLAGS = ("-O1", "-g1", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing", "-ffp-contract=off", "-U_FORTIFY_SOURCE")
ADDRESS_CHECKS = ("-fsanitize=address",)  # GPUGRAD_EMULATOR_SANITIZE=1; the process must preload the library

# A declaration of static shared memory: `__shared__ __align__(16) float tile[2][N];`
SHARED = re.compile(
    r"(?<!extern )__shared__\s+(?:__align__\(\d+\)\s*)?"
    r"(?P<type>[\w:<>, ]*?\w[>]?)\s+(?P<name>\w+)\s*(?P<sizes>(?:\[[^\]]*\])*)\s*;"
)


@functools.cache
def find_compiler() -> tuple[str, ...] | None:
    """Return the command of a C++ compiler: $CXX, g++, clang++ or the ziglang package's; None if there is none."""
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and shutil.which(name):
            return (name,)
    return (sys.executable, "-m", "ziglang", "c++") if find_spec("ziglang") else None


def sanitized() -> bool:
    """Return whether to build kernels with the address sanitizer."""
    return os.environ.get("GPUGRAD_EMULATOR_SANITIZE", "") not in ("", "0")


def load_runtime() -> ctypes.CDLL:
    """Load the shared object that runs launches; its functions are visible to the kernels."""

    def arguments(folder: Path) -> list[str]:
        return [str(HERE / RUNTIME), "-std=c++20", f"-I{HERE}", "-pthread"]

    return _load("runtime", _runtime_digest(), arguments, ctypes.RTLD_GLOBAL)


def load(source: Any, kernel: str) -> ctypes.CDLL:
    """Load the shared object of a kernel of a `Source`; compile it unless it is cached."""
    text = _kernel_text(source, kernel)

    def arguments(folder: Path) -> list[str]:
        for path, content in source.files.items():
            rewritten = SHARED.sub(r"SHARED(\g<name>, \g<type>\g<sizes>);", content)
            (folder / path.name).write_text(f'#line 1 "{path}"\n{rewritten}')
        (folder / "kernel.cpp").write_text(text)
        return [str(folder / "kernel.cpp"), "-std=c++17", f"-I{folder}", f"-I{HERE}", "-w", *CHECKS]

    name = re.sub(r"\W+", "_", kernel).strip("_")
    return _load(name, _digest(source.digest, text, _runtime_digest()), arguments)


def _kernel_text(source: Any, kernel: str) -> str:
    """Return C++ that includes the kernel's file and calls the kernel with the arguments of a launch."""
    arguments = []
    for place, parameter in enumerate(source.parameters(kernel)):
        kind = f"{'const ' * parameter.const}{parameter.type}{'*' * parameter.pointer}"
        arguments.append(f"*({kind} const*)(arguments + {place})")
    return (
        "#define GPUGRAD_EMULATOR\n"
        '#include "device.h"\n'
        f'#include "{source.path.name}"\n'
        '#include "gpugrad.cuh"\n'
        '#include "half.h"\n'
        "EMULATOR_API void emulator_kernel(const unsigned long* arguments) {\n"
        f"    {kernel}({', '.join(arguments)});\n"
        "}\n"
    )


# ---- shared objects, cached by the digest of their source; a checksum in the name finds damaged files ----


def _load(
    name: str, digest: str, arguments: Callable[[Path], list[str]], mode: int = ctypes.DEFAULT_MODE
) -> ctypes.CDLL:
    folder = cache_folder() / "emulator"
    with contextlib.suppress(OSError):  # the cache cannot be read
        for cached in folder.glob(f"{name}-{digest}-*.so"):
            if cached.stem.endswith(_checksum(cached.read_bytes())):
                return ctypes.CDLL(str(cached), mode=mode)
            cached.unlink()
    with temporary_folder(Path(tempfile.gettempdir()), "emulator") as place:
        built = place / f"{name}.so"
        _compile(name, built, ["-shared", *FLAGS, *(ADDRESS_CHECKS if sanitized() else ()), *arguments(place)])
        content = built.read_bytes()
        try:
            cached = folder / f"{name}-{digest}-{_checksum(content)}.so"
            write_whole(cached, content)
        except StorageError:
            _warn_once(folder)
            cached = built
        return ctypes.CDLL(str(cached), mode=mode)


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


@functools.cache
def _warn_once(folder: Path) -> None:
    message = f"every process compiles the kernels of the emulator again, since {folder} cannot be written to"
    warnings.warn(f"{message}: name another folder by GPUGRAD_CACHE", RuntimeWarning, stacklevel=2)


def _compile(name: str, target: Path, arguments: list[str]) -> None:
    compiler = find_compiler()
    assert compiler is not None, "emulator.obstacle() checks this first"
    # The preloaded sanitizer is for this process; loading it into the compiler takes half as long again.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    result = subprocess.run(
        [*compiler, *arguments, "-o", str(target)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if result.returncode:
        errors = [line for line in result.stderr.splitlines() if "error" in line] or result.stderr.splitlines()
        raise KernelError(f"{' '.join(compiler)} cannot compile {name}: {'; '.join(errors[:3]) or 'no reason given'}")


@functools.cache
def _runtime_digest() -> str:
    files = sorted(path for path in HERE.iterdir() if path.suffix in (".h", ".cpp"))
    return _digest(*(path.read_text() for path in files), _version(), *FLAGS, *CHECKS, str(sanitized()))


def _version() -> str:
    compiler = find_compiler()
    assert compiler is not None
    return subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False).stdout


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]
