"""The precision of matrix products: how their factors are rounded before they are multiplied."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Hashable, Iterator

import numpy as np

from .errors import ArgumentError
from .kernels.dense import check_precision, variants

_precision = contextvars.ContextVar("precision", default="float32")


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Within the block, dense layers and `@` multiply in this precision: "float32", "tf32" or "bfloat16".

    The factors are rounded, to 10 bits of mantissa in "tf32" and to 7 in "bfloat16"; the products are added up and
    stored in float32. On a GPU the lower two run on its tensor cores, which those since Ampere have; the CPU rounds as
    they do, and is not faster for it. A backward pass has the precision that its forward pass had.

    Raises ArgumentError for another name; the products raise it for float64 tensors in a precision below float32.
    """
    check_precision(name)
    token = _precision.set(name)
    try:
        yield
    finally:
        _precision.reset(token)


def product_precision(dtype: np.dtype) -> str:
    """The precision of a product of this dtype that is launched now."""
    name = _precision.get()
    if name != "float32" and dtype == np.float64:
        raise ArgumentError(f"the precision is {name} and the tensors are float64: convert them, or use float32")
    return name


def product_settings() -> Hashable:
    """All that a product depends on beside its arguments: a step is recorded once for each."""
    return _precision.get(), variants.forced()
