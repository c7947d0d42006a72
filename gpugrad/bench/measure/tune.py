"""Which variant of each product of a model is the fastest on a device: compared with the reference, then timed."""

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

NOISE = 0.03  # two medians that are each known within 1 % may differ by this much with nothing behind it

Clock = Callable[[Device, Callable[[], None]], Timing]


@dataclass(frozen=True)
class Row:
    """One product: the rule's variant and the chosen one, with their times, and how many were timed."""

    product: Product
    rule: Variant
    rule_timing: Timing
    chosen: Variant
    timing: Timing
    candidates: int

    @property
    def speedup(self) -> float:
        return self.rule_timing.median / self.timing.median

    def record(self) -> dict[str, Any]:
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
    """The products of a training step of an MLP, each one once, with the activation of (one of) its layers.

    sizes: of the inputs, the hidden layers and the outputs.
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
    """Times a call until its median settles or the budget is spent."""
    return lambda device, call: repeat(sampler(device, call), budget)


def measure(
    device: Device, products: dict[Product, str], time: Clock, on_row: Callable[[Row], None] = lambda _: None
) -> list[Row]:
    """Choose a variant for each product; `on_row` is told of each as it is chosen.

    The fastest one is chosen, but the rule's where none is faster by more than noise: no choice is made by chance.
    Raises ArgumentError for a device without variants, KernelError for a variant whose result is wrong.
    """
    check_variants(device)
    rows = []
    for product, activation in products.items():
        rows.append(_choose(product, _measure(device, product, activation, time)))
        on_row(rows[-1])
    return rows


def choices(rows: Sequence[Row]) -> Choices:
    """What is to be kept of these rows."""
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
    """A call that launches this product and no other, with the workspace of the variant that is set."""
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
