"""What an operation promises: a contract, the checks it is made of, and the tolerance its kernels are held to."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError, KernelError

# Partial sums of a reduction: one a block, added in fixed order by the block that finishes last.
PARTIALS = 256

# Shapes that elementwise work is measured at: in a step of a small network, of a large one, and past every cache.
MEASURED_SHAPES = ((64, 128), (512, 1024), (8192, 4096))

# Outputs that are scratch: undefined after the launch.
SCRATCH_NAMES = frozenset({"partials", "workspace"})

# Launches that passed their checks, by all that a check reads: shapes, strides, dtypes and scalars. The same launch is
# not checked again. Whatever else a check reads (`dense.variant`) clears this when it changes.
CHECKED: set[tuple] = set()
MOST_CHECKED = 4096

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
INT32 = np.dtype(np.int32)


@dataclass(frozen=True)
class Example:
    """One call that every toolchain must get right, and why it is in the list."""

    reason: str
    arrays: dict[str, Any]
    scalars: dict[str, Any]
    terms: int = 1  # length of the longest sum behind one output: sets the tolerance


@dataclass(frozen=True)
class Cost:
    """The least a launch must do: bytes read and written once each, and arithmetic operations."""

    bytes: int
    operations: int


class Contract:
    """The specification of one launcher: signature, docstring, argument checks, outputs, examples, cost, workloads.

    A contract is written as a function of the launcher's name and signature; its body raises ArgumentError for
    arguments that a launcher cannot take. Decorators of the contract add what tests and measurements need:

        @contract("y")
        def double(x, y): ...          # docstring: the specification; body: the checks

        @double.examples
        def _(rng): yield Example("one element", {"x": …, "y": …}, {})

        @double.cost
        def _(x, y): return Cost(bytes=x.nbytes + y.nbytes, operations=x.size)

        @double.workloads              # what is measured, if not the costliest example; the reason names the size
        def _(rng): yield Example("1048576", {"x": …, "y": …}, {})
    """

    def __init__(self, check: Callable[..., None], outputs: tuple[str, ...]) -> None:
        functools.update_wrapper(self, check)
        self.name = check.__name__
        self.operation = check.__module__.rpartition(".")[2]
        self.outputs = outputs
        self.signature = inspect.signature(check)
        parameters = self.signature.parameters.values()
        self.arrays = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)  # the others are scalars
        self._check = check
        self._examples: Callable[[np.random.Generator], Iterator[Example]] | None = None
        self._workloads: Callable[[np.random.Generator], Iterator[Example]] | None = None
        self._cost: Callable[..., Cost] | None = None
        if not outputs or not set(outputs) <= set(self.arrays):
            raise KernelError(
                f"@contract of {self.name} names {', '.join(outputs) or 'nothing'}, "
                f"expected what it writes of its arrays {', '.join(self.arrays)}"
            )
        self._output_places = tuple((self.arrays.index(name), name) for name in outputs)

    def __call__(self, *arrays: Any, **scalars: Any) -> None:
        self._check(*arrays, **scalars)

    def written(self, arrays: tuple, keywords: dict) -> Iterator[tuple[str, Any]]:
        """Yield (name, array) for each array that a call with these arguments writes; None is left out."""
        for place, name in self._output_places:
            array = arrays[place] if place < len(arrays) else keywords.get(name)
            if array is not None:
                yield name, array

    def examples(self, function: Callable) -> Callable:
        self._examples = function
        return function

    def workloads(self, function: Callable) -> Callable:
        self._workloads = function
        return function

    def cost(self, function: Callable) -> Callable:
        self._cost = function
        return function

    def draw_examples(self, seed: int = 0) -> list[Example]:
        """The examples, the same ones for the same seed. Outputs that are not also inputs come filled with NaN.

        Raises KernelError if the contract has none, or one of them has other arrays than the signature.
        """
        if self._examples is None:
            raise KernelError(f"{self.name} has no examples, expected one or more: add them with @{self.name}.examples")
        examples = list(self._examples(np.random.default_rng(seed)))
        for example in examples:
            if set(example.arrays) != set(self.arrays):
                raise KernelError(
                    f"an example of {self.name} ({example.reason}) has the arrays {', '.join(example.arrays)}, "
                    f"expected {', '.join(self.arrays)}: give each, None for one that is left out"
                )
        return examples

    def draw_workloads(self, seed: int = 0) -> Iterator[Example]:
        """The sizes that are worth measuring, the smallest first; drawn one at a time since they may be large."""
        if self._workloads is not None:
            yield from self._workloads(np.random.default_rng(seed))
        else:
            yield max(self.draw_examples(seed), key=lambda e: self.cost_of(**e.arrays, **e.scalars).bytes)

    def cost_of(self, *arrays: Any, **scalars: Any) -> Cost:
        """The cost of a call. Raises KernelError if the contract states none."""
        if self._cost is None:
            raise KernelError(f"{self.name} states no cost, expected a Cost: add it with @{self.name}.cost")
        return self._cost(*arrays, **scalars)


def draw(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Standard normal numbers in float32, of a size that is drawn fast."""
    return rng.standard_normal(shape, np.float32)


def contract(*outputs: str) -> Callable[[Callable[..., None]], Contract]:
    """Make a checking function the contract of the launcher of its name; `outputs` name the arrays that it writes."""
    return lambda check: Contract(check, outputs)


def check_array(name: str, array: Any, shape: tuple[int | None, ...], dtype: Any) -> None:
    """Refuse an array that is not C-contiguous, of this shape (None: any size) and of this dtype (or one of these)."""
    dtypes = dtype if isinstance(dtype, tuple) else (np.dtype(dtype),)
    if array.dtype not in dtypes:
        expected = " or ".join(str(d) for d in dtypes)
        raise ArgumentError(f"{name} has dtype {array.dtype}, expected {expected}: convert it with astype")
    if len(array.shape) != len(shape) or any(e is not None and e != s for s, e in zip(array.shape, shape, strict=True)):
        expected = str(tuple("any" if e is None else e for e in shape)).replace("'", "")
        raise ArgumentError(
            f"{name} has shape {tuple(array.shape)}, expected {expected}: check the sizes of the other arguments"
        )
    if not array.flags.c_contiguous:
        raise ArgumentError(f"{name} is not C-contiguous: pass a contiguous copy of it")


def check_same(**arrays: Any) -> None:
    """Refuse arrays that are not all like the first: float32 or float64, same shape, same dtype; None is left out."""
    (first_name, first), *others = arrays.items()
    check_array(first_name, first, tuple(first.shape), FLOATS)
    for name, array in others:
        if array is not None:
            check_array(name, array, tuple(first.shape), first.dtype)


def check_range(name: str, value: float, low: float, high: float = float("inf"), *, open_low: bool = False) -> None:
    """Refuse a scalar outside [low, high], or (low, high] where the lower end is open; NaN is outside every range."""
    if not ((low < value if open_low else low <= value) and value <= high):
        left = "(" if open_low else "["
        raise ArgumentError(f"{name} is {value}, expected a number in {left}{low}, {high}]")


def remember(launch: tuple) -> None:
    """Note that a launch passed its check, and forget all others when there are too many."""
    if len(CHECKED) >= MOST_CHECKED:
        CHECKED.clear()
    CHECKED.add(launch)


def tolerance(dtype: Any, terms: int) -> float:
    """The largest error allowed, as a share of the largest magnitude in the reference array.

    Rounding errors of a sum of n terms in any order grow like √n on average (Higham, Accuracy and Stability of
    Numerical Algorithms, section 2.8); 16 ulps cover the elementary functions around it.
    """
    return float(np.finfo(dtype).eps) * (16 + 4 * np.sqrt(terms))
