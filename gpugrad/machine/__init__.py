"""The machine: run the PTX of both toolchains on NumPy arrays, with checks that a GPU does not have.

docs/machine.md describes what it finds. Environment variables:

- GPUGRAD_MACHINE_ARCHITECTURE: architecture that kernels are compiled for (default sm_90).
- GPUGRAD_MACHINE_CHECKS=0: without the checks for races and for words that nobody has written.
- GPUGRAD_MACHINE_SECONDS: time limit of a launch in seconds (default 300).
- GPUGRAD_CACHE: folder of the compiled and translated kernels.

ptx, kinds         parse PTX; its types
emit, translate    translate a function to Python: emit_arithmetic and emit_memory have the instructions
arithmetic, fused  functions that a translation calls
program            a translated kernel, and where its instructions are in the source
group              threads that run together, and registers
core               state of a launch, and faults
memory, arrays     addresses; accesses to arrays
shared             shared memory
warps              shuffles, votes, tensor-core products
machine            the schedule
counters           counts of sectors, wavefronts and instructions
launch, cache      the launchers of both toolchains; stored PTX and translations
"""

from .device import MachineDevice, obstacle

__all__ = ["MachineDevice", "obstacle"]
