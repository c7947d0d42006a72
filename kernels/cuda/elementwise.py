"""Derive the launcher of an elementwise kernel from its contract and its declaration, so that none is written."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import ArgumentError
from ..contract import Contract
from .grids import THREADS, elementwise_blocks
from .source import Source


@functools.cache
def _source(path: Path) -> Source:
    return Source(path, path.name)


def elementwise_launcher(contract: Contract, path: Path) -> Callable[..., None]:
    """Return a launcher of the contract's kernel over the elements of the first array that it writes.

    Each parameter of the kernel gets the argument of the same name, converted to its type; `n` is the number of
    elements, unless the contract has a scalar `n`.

    Parameters
    ----------
    contract : Contract
        The contract; the kernel has its name.
    path : Path
        The .cu file.

    Returns
    -------
    callable
        Function of all arrays and scalars of the contract.

    Raises
    ------
    ArgumentError
        If the file has no such kernel, or a parameter of the kernel has no argument of its name.
    """
    numbers = [name for name in contract.scalars if not isinstance(contract.defaults.get(name, 0), str | None)]
    source = _source(path)
    parameters = source.parameters(contract.name)
    for parameter in parameters:
        if parameter.name not in (contract.arrays if parameter.pointer else [*numbers, "n"]):
            raise ArgumentError(
                f"{path.name}: parameter {str(parameter)!r} of {contract.name} is no array or number of the contract: "
                "name it as one, or write the launcher in cupy_cuda.py"
            )
    written = contract.arrays.index(contract.outputs[0])

    def launch(*given: Any, **scalars: Any) -> None:
        n = given[written].size
        values = {"n": n, **scalars, **dict(zip(contract.arrays, given, strict=True))}
        arguments = (values[p.name] if p.pointer else p.dtype.type(values[p.name]) for p in parameters)
        source.launch(contract.name, elementwise_blocks(n), THREADS, *arguments)

    return launch
