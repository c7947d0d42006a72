"""Find the fastest variant of each product of a model on a device, after comparing with the reference."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...engine.check import arrays_of, compare, reference_of
from ...engine.device import Device
from ...engine.tuning import check_variants
from ...errors import KernelError
from ...kernels import dense
from ...kernels.contract import Contract, Example, draw
from ...kernels.dense.variants import Choices, Product, Variant, candidates, variant
from .timing import Budget, Timing, repeat, sampler

NOISE = 0.03  # relative difference that two medians known to 1 % can have by chance

Clock = Callable[[Device, Callable[[], None]], Timing]


@dataclass(frozen=True)
class Row:
    """One product: the default variant and the chosen one, with their times, and the number of candidates."""

    product: Product
    rule: Variant
    rule_timing: Timing
    chosen: Variant
    timing: Timing
    candidates: int

    @property
    def speedup(self) -> float:
        """Time of the default variant over that of the chosen one."""
        return self.rule_timing.median / self.timing.median

    def record(self) -> dict[str, Any]:
        """Return the row as a JSON-able dict."""
        return {
            **self.product._asdict(),
            "rule_tile": self.rule.tile,
            "rule_splits": self.rule.splits,
            "rule_median": self.rule_timing.median,
            "tile": self.chosen.tile,
            "splits": self.chosen.splits,
            **asdict(self.timing),
            "speedup": self.speedup,
            "candidates": self.candidates,
        }


def products_of(sizes: Sequence[int], batch: int, precision: str) -> dict[Product, str]:
    """Return the distinct products of a training step of an MLP, each with the activation of one of its layers.

    Parameters
    ----------
    sizes : sequence of int
        Sizes of the input, hidden and output layers.
    batch : int
        Batch size.
    precision : str
        Precision of the products.

    Returns
    -------
    dict
        {product: activation}.
    """
    layers = list(itertools.pairwise(sizes))
    found: dict[Product, str] = {}
    for i, (n_in, n_out) in enumerate(layers):
        activation = "relu" if i < len(layers) - 1 else "identity"
        found.setdefault(Product("dense_forward", precision, batch, n_out, n_in), activation)
        if i > 0:
            found.setdefault(Product("dense_backward_x", precision, batch, n_in, n_out), activation)
        found.setdefault(Product("dense_backward_w", precision, n_in, n_out, batch), activation)
    return found


def clock(budget: Budget) -> Clock:
    """Return a function that times a call until its median settles or the budget is spent."""
    return lambda device, call: repeat(sampler(device, call), budget)


def measure(
    device: Device, products: dict[Product, str], time: Clock, on_row: Callable[[Row], None] = lambda _: None
) -> list[Row]:
    """Choose the fastest variant for each product; keep the default unless another is faster by more than noise.

    Parameters
    ----------
    device : Device
        A device with variants.
    products : dict
        {product: activation}.
    time : callable
        Times a call on a device.
    on_row : callable, optional
        Receives each row as it is chosen.

    Returns
    -------
    list of Row
        One row per product.

    Raises
    ------
    ArgumentError
        If the device has no variants.
    KernelError
        If the result of a variant is wrong.
    """
    check_variants(device)
    rows = []
    for product, activation in products.items():
        rows.append(_choose(product, _measure(device, product, activation, time)))
        on_row(rows[-1])
    return rows


def choices(rows: Sequence[Row]) -> Choices:
    """Return the choices to store from these rows."""
    return {row.product: (row.chosen.tile, row.chosen.splits) for row in rows}


def _choose(product: Product, timings: dict[Variant, Timing]) -> Row:
    rule, best = next(iter(timings)), min(timings, key=lambda candidate: timings[candidate].median)
    before, after = timings[rule], timings[best]
    faster = after.median < (1 - NOISE) * before.median and after.high < before.low
    chosen = best if faster else rule
    return Row(product, rule, before, chosen, timings[chosen], len(timings))


def _measure(device: Device, product: Product, activation: str, time: Clock) -> dict[Variant, Timing]:
    timings: dict[Variant, Timing] = {}
    expected = None
    for candidate in candidates(product):
        with variant(tile=candidate.tile, splits=candidate.splits):
            contract, example = _example(product, activation)
            launcher = getattr(device.kernels, contract.name)
            expected = expected or reference_of(contract, example)
            for name, _, problem in compare(device, contract, example, expected=expected):
                if problem:
                    raise KernelError(f"{product} of {launcher.source}, {candidate}: {name} {problem}")
            arrays = [None if a is None else device.upload(a) for a in arrays_of(contract, example, np.float32)]
            timings[candidate] = time(device, functools.partial(launcher.launch, *arrays, **example.scalars))
    return timings


def _example(product: Product, activation: str) -> tuple[Contract, Example]:
    """Return a call that launches only this product, with the workspace of the current variant."""
    rng = np.random.default_rng(0)
    kernel, precision, m, n, k, _ = product
    batch, n_in, n_out = {
        "dense_forward": (m, k, n),
        "dense_backward_x": (m, n, k),
        "dense_backward_w": (k, m, n),
    }[kernel]
    x, w, dy = draw(rng, batch, n_in), draw(rng, n_in, n_out) / np.sqrt(np.float32(n_in)), draw(rng, batch, n_out)
    arrays: dict[str, Any] = {"x": x, "w": w}
    if kernel == "dense_forward":
        contract, workspace = dense.dense_forward, dense.forward_workspace(batch, n_in, n_out)
        arrays |= {"b": draw(rng, n_out), "y": np.zeros_like(dy), "z": None}
    else:
        contract, workspace = dense.dense_backward, dense.backward_workspace(batch, n_in, n_out, activation)
        arrays |= {"dy": dy, "saved": draw(rng, batch, n_out), "dx": None, "dw": None, "db": None}
        if kernel == "dense_backward_x":
            arrays["dx"] = np.zeros_like(x)
        else:
            arrays |= {"dw": np.zeros_like(w), "db": np.zeros(n_out, np.float32)}
    arrays["workspace"] = np.zeros(workspace, np.float32)
    return contract, Example(kernel, arrays, {"activation": activation, "precision": precision}, terms=k)
