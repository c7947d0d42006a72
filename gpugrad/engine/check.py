"""Check every kernel of this machine against its reference, over the examples of its contract."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import kernels
from ..errors import ArgumentError, DeviceError, GpugradError, choose
from ..kernels.contract import SCRATCH_NAMES, Contract, Example, tolerance
from .device import TOOLCHAINS, Device, device, unavailable

# Skip examples above this cost (arithmetic operations and bytes) on slow devices, so that a check takes a minute.
MOST_WORK = {"emulator": 3e8, "machine": 3e8, "simulator": 2.5e5}
SHIFTED = ("machine",)  # devices whose results do not depend on the addresses of arrays
QUICK_WORK = 1e6  # the same limit for a quick check, for tools that make a GPU slow


@dataclass
class Finding:
    """Result of the check of one kernel.

    Parameters
    ----------
    operation : str
        The operation.
    kernel : str
        The kernel.
    device, toolchain : str
        Device and toolchain of the check.
    source : str
        The file of the launcher.
    examples : int
        Number of examples checked.
    left_out : int
        Examples that are too much work for a slow device, or that it refuses.
    error : float
        The largest error, as a share of the tolerance.
    problems : list of str
        Faults found, one sentence each.
    """

    operation: str
    kernel: str
    device: str
    toolchain: str
    source: str = ""  # the file of the launcher
    examples: int = 0
    left_out: int = 0  # examples that are too much work for a slow device, or that it refuses
    error: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def by_reference(self) -> bool:
        """Whether the toolchain has no launcher of its own and runs the reference."""
        return self.toolchain != "numpy" and self.source.endswith("/reference.py")

    @property
    def passed(self) -> bool:
        """Whether there were examples and no problems."""
        return not self.problems and self.examples > 0


def chosen(names: Collection[str] = ()) -> list[tuple[str, Contract]]:
    """Return the kernels and operations of these names.

    Parameters
    ----------
    names : collection of str
        Names of kernels and operations; all if there are none.

    Returns
    -------
    list of (str, Contract)
        Operation and contract, in order.

    Raises
    ------
    ArgumentError
        If a name is unknown, or names a folder that is not an operation yet.
    """
    found = list(kernels.contracts())
    known = {*kernels.OPERATIONS, *(contract.name for _, contract in found)}
    for name in names:
        if name in kernels.OPERATIONS and name not in dict(found):
            raise ArgumentError(f"kernels/{name}/__init__.py has no contract: write one for each launcher")
        if name and name not in known and (kernels.FOLDER / name / "__init__.py").exists():
            raise ArgumentError(f"kernels/{name} is not an operation: a folder is one when it has a reference.py")
        choose("kernel or operation", name, sorted(known))
    return [(operation, c) for operation, c in found if not names or operation in names or c.name in names]


def check(
    devices: list[Device],
    on_finding: Callable[[Finding], None] = lambda _: None,
    *,
    only: Collection[str] = (),
    most_work: float = np.inf,
) -> list[Finding]:
    """Check every kernel of these devices.

    Parameters
    ----------
    devices : list of Device
        The devices.
    on_finding : function, optional
        Called with each finding.
    only : collection of str, optional
        Names of kernels and operations; all if empty.
    most_work : float, optional
        Examples with more arithmetic operations and bytes are left out.

    Returns
    -------
    list of Finding
        One per device and kernel.
    """
    findings = []
    for target in devices:
        for operation, contract in chosen(only):
            findings.append(check_kernel(target, operation, contract, most_work))
            on_finding(findings[-1])
    return findings


def available_devices(kind: str | None = None, toolchain: str | None = None) -> list[Device]:
    """Return a device for each toolchain that this machine can run, or those of one kind and toolchain.

    Parameters
    ----------
    kind : str, optional
        The kind of device.
    toolchain : str, optional
        The toolchain.

    Returns
    -------
    list of Device
        The devices. The simulator, which takes numba.cuda away from the GPU for the rest of the process, is one of
        them only if it is named.

    Raises
    ------
    ArgumentError
        If the toolchain is unknown.
    DeviceError
        If the kind or toolchain cannot be used here.
    """
    if kind is not None:
        names = [toolchain] if toolchain else TOOLCHAINS.get(kind.partition(":")[0], {None: None})
        return [device(kind, name) for name in names]
    if toolchain is not None:
        choose("toolchain", toolchain, {name: None for toolchains in TOOLCHAINS.values() for name in toolchains})
    found = [
        device(kind, name)
        for kind, toolchains in TOOLCHAINS.items()
        for name in toolchains
        if kind != "simulator" and toolchain in (None, name) and unavailable(kind, name) is None
    ]
    if not found:
        raise DeviceError(
            f"no device of this machine has the toolchain {toolchain}: `gpugrad info` shows how to add it"
        )
    return found


def check_kernel(
    target: Device,
    operation: str,
    contract: Contract,
    most_work: float = np.inf,
    on_example: Callable[[Example], None] = lambda _: None,
) -> Finding:
    """Run one kernel over the examples of its contract, twice each, and compare.

    Parameters
    ----------
    target : Device
        The device.
    operation : str
        The operation.
    contract : Contract
        The contract.
    most_work : float, optional
        Examples with more arithmetic operations and bytes are left out.
    on_example : function, optional
        Called with each example before it runs.

    Returns
    -------
    Finding
        The result.
    """
    launcher = getattr(target.kernels, contract.name)
    finding = Finding(operation, contract.name, target.name, target.toolchain, getattr(launcher, "source", ""))
    most_work = min(most_work, MOST_WORK.get(target.kind, np.inf))
    for example in contract.draw_examples():
        if _work(contract, example) > most_work:
            finding.left_out += 1
            continue
        on_example(example)
        try:
            for name, error, problem in compare(target, contract, example):
                finding.error = max(finding.error, error)
                if problem:
                    finding.problems.append(f"{example.reason}: {name} {problem}")
            finding.examples += 1
        except DeviceError:  # such as a precision that the toolchain does not have
            finding.left_out += 1
        except GpugradError as error:
            finding.problems.append(f"{example.reason}: {error}")
            finding.error, finding.examples = np.inf, finding.examples + 1
    return finding


def reference_of(contract: Contract, example: Example) -> list[np.ndarray | None]:
    """Return the arrays of an example after the reference has run in double precision.

    Parameters
    ----------
    contract : Contract
        The contract.
    example : Example
        The example.

    Returns
    -------
    list of numpy.ndarray or None
        The arrays in the order of the signature.
    """
    arrays = arrays_of(contract, example, np.float64)
    getattr(kernels.load("reference"), contract.name)(*arrays, **example.scalars)
    return arrays


def compare(
    target: Device,
    contract: Contract,
    example: Example,
    dtype: Any = np.float32,
    *,
    expected: list[np.ndarray | None] | None = None,
) -> Iterator[tuple]:
    """Compare a kernel with the reference, which computes in double precision.

    An output must be bit-for-bit identical in two runs; an input must be unchanged. In the second run in the machine,
    arrays begin up to three elements after a boundary of 16 bytes, like views of a flat buffer.

    Parameters
    ----------
    target : Device
        The device.
    contract : Contract
        The contract.
    example : Example
        The example.
    dtype : dtype, default float32
        Dtype of the float arrays.
    expected : list of numpy.ndarray, optional
        Result of `reference_of` for an example with the same arrays.

    Yields
    ------
    tuple of (str, float, str or None)
        An array, its largest error in units of the tolerance, and what is wrong with it.
    """
    launcher = getattr(target.kernels, contract.name)
    expected, before = expected or reference_of(contract, example), arrays_of(contract, example, dtype)
    runs = []
    for run in range(2):
        shifts = _shifts(contract, example) if run == 1 and target.kind in SHIFTED else [0] * len(before)
        arrays = [None if a is None else _upload(target, a, shift) for a, shift in zip(before, shifts, strict=True)]
        target.run(launcher, *arrays, **example.scalars)
        runs.append([None if array is None else target.download(array) for array in arrays])
    for name, old, new, again, right in zip(contract.arrays, before, *runs, expected, strict=True):
        if old is not None and name not in SCRATCH_NAMES:
            yield name, *_judge(name in contract.outputs, old, new, again, right, example.terms)


def _shifts(contract: Contract, example: Example) -> list[int]:
    """Return by how many elements each array of an example is shifted: all by the same, or each by another number."""
    same = zlib.crc32(example.reason.encode()) % 4
    return [0 if name in SCRATCH_NAMES else same or 1 + k % 3 for k, name in enumerate(contract.arrays)]


def _upload(target: Device, array: np.ndarray, shift: int) -> Any:
    """Return a copy on the device that begins so many elements after the beginning of its memory."""
    if not shift:
        return target.upload(array)
    whole = target.upload(np.concatenate([np.zeros(shift, array.dtype), array.reshape(-1)]))
    return whole[shift:].reshape(array.shape)


def _judge(is_output: bool, old: Any, new: Any, again: Any, right: Any, terms: int) -> tuple[float, str | None]:
    if new.tobytes() != again.tobytes():
        return np.inf, "differs between two runs"
    if not is_output:
        return 0.0, None if new.tobytes() == old.tobytes() else "is an input and was changed"
    if new.dtype.kind != "f":
        wrong = new != right
        return (np.inf, f"is wrong in {_places(wrong, new, right)}") if wrong.any() else (0.0, None)
    finite = np.isfinite(right)
    if not np.array_equal(new[~finite], right[~finite].astype(new.dtype), equal_nan=True):
        return np.inf, "is finite where the reference is not, or has the other infinity"
    wrong = finite & ~np.isfinite(new)
    if wrong.any():
        return np.inf, f"is not finite in {_places(wrong, new, right)}"
    unit = tolerance(new.dtype, terms) * np.abs(right[finite]).max(initial=0)
    errors = np.abs(np.where(finite, new, 0) - np.where(finite, right, 0))
    largest = errors.max(initial=0)
    error = float(largest / unit) if unit else float(np.inf if largest else 0)
    if error <= 1:
        return error, None
    return error, f"is wrong by up to {error:.3g} times the tolerance, in {_places(errors > unit, new, right)}"


def _places(wrong: np.ndarray, new: np.ndarray, right: np.ndarray) -> str:
    """Return how many elements are wrong, where the first one is, what it holds and what it should."""
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f", at {list(first)}" if first else ""
    return f"{int(wrong.sum())} of {new.size} elements{place}: {new[first]:g}, expected {right[first]:g}"


def arrays_of(contract: Contract, example: Example, dtype: Any) -> list[np.ndarray | None]:
    """Copy an example's arrays in the order of the signature.

    Parameters
    ----------
    contract : Contract
        The contract.
    example : Example
        The example.
    dtype : dtype
        Dtype of the float arrays.

    Returns
    -------
    list of numpy.ndarray or None
        The copies.
    """
    arrays = [example.arrays[name] for name in contract.arrays]
    return [None if a is None else a.astype(dtype) if a.dtype == np.float32 else a.copy() for a in arrays]


def _work(contract: Contract, example: Example) -> float:
    cost = contract.cost_of(*arrays_of(contract, example, np.float32), **example.scalars)
    return cost.operations + cost.bytes
