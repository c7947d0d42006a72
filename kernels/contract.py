"""Contracts of the kernels: the specification of a launcher, its checks, and the tolerance of its tests."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError, KernelError, a_or_an

# Partial sums of a reduction: one per block, added in a fixed order by the block that finishes last.
PARTIALS = 256

# Shapes of the elementwise workloads: a step of a small network, of a large one, and larger than every cache.
MEASURED_SHAPES = ((64, 128), (512, 1024), (8192, 4096))

# Outputs that are scratch: undefined after the launch.
SCRATCH_NAMES = frozenset({"partials", "workspace"})

# Launches that passed their checks, by all that a check reads: shapes, strides, dtypes and scalars. The same launch is
# not checked again. Whatever else a check reads (`dense.variant`) clears this when it changes. The value runs a launch
# with its arrays, without what follows from the key; None if the launcher has nothing to prepare.
CHECKED: dict[tuple, Callable[..., None] | None] = {}
MOST_CHECKED = 4096

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
INT32 = np.dtype(np.int32)


@dataclass(frozen=True)
class Example:
    """One call that every toolchain must get right.

    Parameters
    ----------
    reason : str
        Case that the example covers; unique within its contract.
    arrays : dict
        Arrays by name, every one of the contract; None for one that is left out. Outputs that are not also inputs are
        filled with NaN, or with another value that no kernel writes.
    scalars : dict
        Scalars by name; the others have the contract's defaults.
    terms : int, default 1
        Length of the longest sum behind one output element, which sets the tolerance.
    """

    reason: str
    arrays: dict[str, Any]
    scalars: dict[str, Any]
    terms: int = 1


@dataclass(frozen=True)
class Cost:
    """Lower bound on the work of a launch.

    Parameters
    ----------
    bytes : int
        Bytes read and written, each once.
    operations : int
        Arithmetic operations.
    """

    bytes: int
    operations: int


class Contract:
    """Specification of one launcher: signature, defaults, argument checks, outputs, examples, cost and workloads.

    A contract is written as a function with the launcher's name and parameters. Its docstring is the specification, its
    body raises ArgumentError for arguments that no launcher accepts, and it alone declares the defaults of the scalars.
    Decorators add what tests and measurements need:

        @contract("y")
        def double(x, y): ...          # docstring: the specification; body: the checks

        @double.examples
        def _(rng): yield Example("one element", {"x": …, "y": …}, {})

        @double.cost
        def _(x, y): return Cost(bytes=x.nbytes + y.nbytes, operations=x.size)

        @double.workloads              # sizes to measure instead of the costliest example; the reason names the size
        def _(rng): yield Example("1048576", {"x": …, "y": …}, {})

    Examples and workloads may be in `examples.py` next to the contract, where the contract would not fit on a screen
    with them; that file is imported when they are first needed.

    Parameters
    ----------
    check : callable
        The function that is decorated: positional parameters are arrays, keyword-only ones are scalars.
    outputs : tuple of str
        Names of the arrays that a launch writes.

    Attributes
    ----------
    name : str
        Name of the launcher.
    operation : str
        Folder of the operation.
    arrays, scalars : tuple of str
        Names of the parameters, in order.
    defaults : dict
        Values of the scalars that may be left out.
    outputs : tuple of str
        Names of the arrays that a launch writes.
    signature : inspect.Signature
        Signature of the contract.

    Raises
    ------
    KernelError
        If `outputs` is empty or names something else than an array of the contract.
    """

    def __init__(self, check: Callable[..., None], outputs: tuple[str, ...]) -> None:
        functools.update_wrapper(self, check)
        self.name = check.__name__
        self.operation = check.__module__.rpartition(".")[2]
        self.outputs = outputs
        self.signature = inspect.signature(check)
        parameters = list(self.signature.parameters.values())
        self.arrays = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        self.scalars = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        self.defaults = {p.name: p.default for p in parameters if p.name in self.scalars and p.default is not p.empty}
        self._check = check
        self._examples: Callable[[np.random.Generator], Iterator[Example]] | None = None
        self._workloads: Callable[[np.random.Generator], Iterator[Example]] | None = None
        self._cost: Callable[..., Cost] | None = None
        if not outputs or not set(outputs) <= set(self.arrays):
            raise KernelError(
                f"@contract of {self.name} names {', '.join(outputs) or 'nothing'}, "
                f"expected one or more of its arrays {', '.join(self.arrays)}: name those that it writes"
            )
        self._output_places = tuple((self.arrays.index(name), name) for name in outputs)

    def __call__(self, *arrays: Any, **scalars: Any) -> None:
        """Raise ArgumentError for arguments that no launcher accepts."""
        self._check(*arrays, **scalars)

    def written(self, arrays: tuple, keywords: dict) -> Iterator[tuple[str, Any]]:
        """Yield (name, array) for each array that a call writes, without those that are None.

        Parameters
        ----------
        arrays : tuple
            Positional arguments of the call.
        keywords : dict
            Keyword arguments of the call.

        Yields
        ------
        tuple of (str, array)
            An output and its name.
        """
        for place, name in self._output_places:
            array = arrays[place] if place < len(arrays) else keywords.get(name)
            if array is not None:
                yield name, array

    def examples(self, function: Callable) -> Callable:
        """Set the generator of the examples (decorator).

        Parameters
        ----------
        function : callable
            Generator function of a NumPy random generator that yields examples.

        Returns
        -------
        callable
            The same function.
        """
        self._examples = function
        return function

    def workloads(self, function: Callable) -> Callable:
        """Set the generator of the workloads (decorator).

        Parameters
        ----------
        function : callable
            Generator function of a NumPy random generator that yields examples, the smallest first.

        Returns
        -------
        callable
            The same function.
        """
        self._workloads = function
        return function

    def cost(self, function: Callable) -> Callable:
        """Set the cost of a call (decorator).

        Parameters
        ----------
        function : callable
            Function of all arrays and scalars of a call that returns its Cost.

        Returns
        -------
        callable
            The same function.
        """
        self._cost = function
        return function

    def draw_examples(self, seed: int = 0) -> list[Example]:
        """Return the examples, the same ones for the same seed.

        Parameters
        ----------
        seed : int, default 0
            Seed of the generator.

        Returns
        -------
        list of Example
            At least one.

        Raises
        ------
        KernelError
            If the contract has no examples, or one of them has other arrays than the signature.
        """
        self._import_examples()
        if self._examples is None:
            raise KernelError(f"{self.name} has no examples, expected one or more: add them with @{self.name}.examples")
        examples = list(self._examples(np.random.default_rng(seed)))
        for example in examples:
            if set(example.arrays) != set(self.arrays):
                raise KernelError(
                    f"an example of {self.name} ({example.reason}) has the arrays {', '.join(example.arrays)}, "
                    f"expected {', '.join(self.arrays)}: pass each of them, None for one that is left out"
                )
        return examples

    def draw_workloads(self, seed: int = 0) -> Iterator[Example]:
        """Yield the sizes worth measuring, the smallest first; one at a time, since they may be large.

        Parameters
        ----------
        seed : int, default 0
            Seed of the generator.

        Yields
        ------
        Example
            A workload, or the costliest example of a contract without workloads.
        """
        self._import_examples()
        if self._workloads is not None:
            yield from self._workloads(np.random.default_rng(seed))
        else:
            yield max(self.draw_examples(seed), key=lambda e: self.cost_of(**e.arrays, **e.scalars).bytes)

    def cost_of(self, *arrays: Any, **scalars: Any) -> Cost:
        """Return the cost of a call.

        Parameters
        ----------
        *arrays : array or None
            Arrays of the call.
        **scalars : Any
            Scalars of the call; the others have their defaults.

        Returns
        -------
        Cost
            Least bytes and operations of the call.

        Raises
        ------
        KernelError
            If the contract states no cost.
        """
        if self._cost is None:
            raise KernelError(f"{self.name} states no cost, expected a Cost: add it with @{self.name}.cost")
        return self._cost(*arrays, **(self.defaults | scalars))

    def _import_examples(self) -> None:
        """Import `examples.py` of the operation's folder, if it exists: its decorators add to this contract."""
        package = self._check.__module__
        is_folder = hasattr(sys.modules.get(package), "__path__")
        if None in (self._examples, self._workloads) and is_folder and importlib.util.find_spec(f"{package}.examples"):
            importlib.import_module(f"{package}.examples")


def contract(*outputs: str) -> Callable[[Callable[..., None]], Contract]:
    """Make a function that checks arguments the contract of the launcher with its name (decorator).

    Parameters
    ----------
    *outputs : str
        Names of the arrays that a launch writes.

    Returns
    -------
    callable
        Decorator that returns a Contract.
    """
    return lambda check: Contract(check, outputs)


def draw(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw standard normal numbers directly in float32, which is fast for large arrays.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator.
    *shape : int
        Shape of the array.

    Returns
    -------
    numpy.ndarray
        Numbers in float32.
    """
    return rng.standard_normal(shape, np.float32)


# ---- checks ----


def check_array(name: str, array: Any, shape: tuple[int | None, ...] | None, dtype: Any) -> None:
    """Refuse anything but a C-contiguous array of this shape and dtype.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    array : Any
        The argument.
    shape : tuple of (int or None), or None
        Expected shape; None accepts any size of an axis, or any shape.
    dtype : dtype or tuple of dtype
        Expected dtype, or several to choose from.

    Raises
    ------
    ArgumentError
        For another dtype, shape or memory order, or for an argument that is no array.
    """
    found = getattr(array, "dtype", None)
    if not (found in dtype if isinstance(dtype, tuple) else found == dtype) or found is None:
        expected = " or ".join(str(np.dtype(d)) for d in (dtype if isinstance(dtype, tuple) else (dtype,)))
        if array is None:
            raise ArgumentError(f"{name} is None, expected an array of {expected}: it cannot be left out here")
        if found is None:
            kind = a_or_an(type(array))
            raise ArgumentError(f"{name} is {kind}, expected an array of {expected}: pass an array of this device")
        raise ArgumentError(f"{name} has dtype {found}, expected {expected}: convert it with astype")
    if shape is not None and array.shape != shape and not _fits(array.shape, shape):
        expected = str(tuple("any" if e is None else e for e in shape)).replace("'", "")
        raise ArgumentError(
            f"{name} has shape {tuple(array.shape)}, expected {expected}: check the sizes of the other arguments"
        )
    if not array.flags.c_contiguous:
        raise ArgumentError(f"{name} is not C-contiguous: pass a contiguous copy of it")


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    if len(shape) != len(expected):
        return False
    for size, wanted in zip(shape, expected, strict=True):  # noqa: SIM110  a loop is faster than a generator
        if wanted is not None and size != wanted:
            return False
    return True


def check_same(**arrays: Any) -> None:
    """Refuse arrays that are not all float32 or all float64, and all of the first one's shape.

    Parameters
    ----------
    **arrays : Any
        Arguments by name, at least one.

    Raises
    ------
    ArgumentError
        For an argument that is no array, or another shape or dtype than the first.
    """
    (first_name, first), *others = arrays.items()
    check_array(first_name, first, None, FLOATS)
    for name, array in others:
        check_array(name, array, first.shape, first.dtype)


def check_range(name: str, value: float, low: float, high: float = float("inf"), *, open_low: bool = False) -> None:
    """Refuse a scalar outside [low, high]; NaN is outside every range.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : float
        The argument.
    low, high : float
        Limits of the range, both allowed.
    open_low : bool, default False
        Whether `low` itself is refused.

    Raises
    ------
    ArgumentError
        For a value outside the range.
    """
    try:
        inside = (low < value if open_low else low <= value) and value <= high
    except TypeError:  # not a number
        inside = False
    if not inside:
        left = "(" if open_low else "["
        shown = repr(value) if isinstance(value, str) else value
        raise ArgumentError(f"{name} is {shown}, expected a number in {left}{low}, {high}]")


def remember(launch: tuple, prepared: Callable[..., None] | None = None) -> None:
    """Note that a launch passed its check, and forget all others when there are too many.

    Parameters
    ----------
    launch : tuple
        Launcher, shapes, strides and dtypes of its arrays, and its scalars with their types.
    prepared : callable, optional
        Function of the arrays that does the same as the launch.
    """
    if len(CHECKED) >= MOST_CHECKED:
        CHECKED.clear()
    CHECKED[launch] = prepared


def tolerance(dtype: Any, terms: int) -> float:
    """Return the largest error allowed, as a share of the largest magnitude in the reference array.

    Parameters
    ----------
    dtype : dtype
        Floating-point dtype of the array.
    terms : int
        Length of the longest sum behind one element.

    Returns
    -------
    float
        The share, eps·(16 + 4·√terms).

    Notes
    -----
    Rounding errors of a sum of n terms in any order grow like √n on average; 16 ulps cover the elementary functions
    around it.

    References
    ----------
    Higham, Accuracy and Stability of Numerical Algorithms, section 2.8.
    """
    return float(np.finfo(dtype).eps) * (16 + 4 * np.sqrt(terms))
