"""Memory behind 64-bit addresses: the arrays of a launch, the variables of a module, shared memory.

An address in global memory is `number of the allocation << 40 | offset`. The offset is congruent to the host's address,
so a view that is not aligned to 16 bytes there is not aligned here. Shared memory has addresses of its own, so that a
generic address tells where it points. No address is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

ALLOCATION_SHIFT = 40
FIRST_OFFSET = 1 << ALLOCATION_SHIFT - 1  # a wrong index, below 0 too, stays among the addresses of its array
PARAMETERS = 1 << 16  # address of the parameters of a kernel
SHARED, SHARED_END = 1 << 24, 1 << 25


class Allocation:
    """An array of the host as kernels see it, with the history of its words in one launch.

    Parameters
    ----------
    number : int
        Number of the allocation.
    array : numpy.ndarray
        C-contiguous.
    name : str
        Name for messages.
    writable : bool
        Whether kernels may write to it.

    Attributes
    ----------
    base : int
        Address of the first element.
    unit : int
        Bytes of a word whose accesses are ordered: at most 4.
    writer, reader : numpy.ndarray
        Last access to each word, `time << 32 | thread of the grid`; −1 for none.
    early : dict of (int, int)
        An earlier access to words that all threads read at once, from the first block that read it.
    """

    def __init__(self, number: int, array: np.ndarray, name: str, writable: bool) -> None:
        self.name, self.writable, self.shape = name, writable, array.shape
        self.array = array.reshape(-1)
        self.size, self.itemsize = array.nbytes, array.itemsize
        self.base = (number << ALLOCATION_SHIFT) + FIRST_OFFSET + array.ctypes.data % 256
        self.unit = min(4, array.itemsize)
        self._views: dict[str, np.ndarray] = {}
        self.forget()

    def forget(self) -> None:
        """Forget all accesses: a launch begins."""
        self.writer: Any = None
        self.reader: Any = None
        self.early: dict[int, int] = {}

    def remember(self) -> None:
        """Begin to keep the accesses."""
        if self.writer is None:
            count = -(-self.size // self.unit)
            self.writer, self.reader = np.full(count, -1, "i8"), np.full(count, -1, "i8")

    def view(self, dtype: np.dtype) -> np.ndarray:
        """Return the bytes as elements of a dtype."""
        found = self._views.get(dtype.str)
        if found is None:
            whole = self.array.view("u1")
            found = self._views[dtype.str] = whole[: whole.size // dtype.itemsize * dtype.itemsize].view(dtype)
        return found

    def element(self, offset: int, size: int) -> str:
        """Return what an access at a byte is called: "y[3]", or "y[4:8]" for several elements."""
        first, count = offset // self.itemsize, size // self.itemsize
        rest = f" + {offset % self.itemsize} bytes" if offset % self.itemsize else ""
        return f"{self.name}[{first}{f':{first + count}' if count > 1 else ''}{rest}]"

    def __str__(self) -> str:
        count = self.array.size
        shape = f" ({' × '.join(map(str, self.shape))})" if len(self.shape) > 1 else ""
        return f"{count} element{'s' * (count != 1)}{shape}"


class GlobalMemory:
    """The allocations of a launch; arrays that are the same memory share one.

    Parameters
    ----------
    variables : list of Allocation
        Variables of the module, which keep their contents from launch to launch.
    """

    def __init__(self, variables: list[Allocation]) -> None:
        self.allocations = {variable.base >> ALLOCATION_SHIFT: variable for variable in variables}
        for variable in variables:
            variable.forget()
        self._known: dict[tuple[int, int], Allocation] = {}

    def address(self, array: np.ndarray, name: str, writable: bool) -> int:
        """Return the address of an array.

        Parameters
        ----------
        array : numpy.ndarray
            C-contiguous; an empty one has an address at which there is nothing.
        name : str
            Name for messages.
        writable : bool
            Whether the kernel may write to it.

        Returns
        -------
        int
            The address.
        """
        key = (array.ctypes.data, array.nbytes)
        found = self._known.get(key) if array.size else None
        if found is None:
            number = len(self.allocations) + 1
            found = self.allocations[number] = self._known[key] = Allocation(number, array, name, writable)
        found.writable |= writable
        return found.base
