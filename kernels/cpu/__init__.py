"""Shared parts of the compiled CPU kernels.

team       runs a loop over many rows on all cores
program    joins the loops of a recorded step into a few calls of compiled code
sums       sums whose result is the same bit for bit on any number of cores
exp        exponentials and logarithms that the compiler vectorizes
vectors    tiles of matrices in vector registers, written as LLVM instructions
options    the decorators that compile a loop; outline and atomics are their tools
private    the adapter to Numba's private names

A launcher of a `numba_cpu.py` compiles its loops at the first launch. If that fails, the CPU device runs the reference
with the same arguments instead. So a launcher must compile all its loops before it changes an array that it also reads.
"""

from ...errors import DeviceError


class CompilationError(DeviceError):
    """A CPU kernel that cannot be compiled here."""


def summary(error: BaseException) -> str:
    """Return the kind of an error and the first informative line of its message."""
    lines = [line.strip() for line in str(error).splitlines()]
    detail = next((line for line in lines if line and not line.startswith("Failed in ")), "")
    return f"{type(error).__name__}: {detail}".rstrip(": ")
