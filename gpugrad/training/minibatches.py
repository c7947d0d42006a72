"""Minibatches: the training data on the device, or streamed to it, in a new order each epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..data.maps import is_mapped
from ..engine.device import Device
from ..engine.tensor import Tensor
from ..errors import ArgumentError
from .streaming import MEMORY, Stream, shuffled_in_blocks


def epoch_order(seed: int, epoch: int, rows: int, window: int | None = None) -> np.ndarray:
    """Return the order of the rows in an epoch, an int32 permutation that depends on the arguments alone."""
    generator = np.random.default_rng([seed, epoch])
    if window is not None:
        return shuffled_in_blocks(generator, rows, window)
    return generator.permutation(np.arange(rows, dtype=np.int32))


class Minibatches:
    """A checked data set on a device, in its stored dtype, gathered into minibatches by a kernel.

    The order of an epoch depends only on seed and epoch, and for memory maps larger than `memory`, which are shuffled
    in blocks, on `window`.

    Parameters
    ----------
    device : Device
        The device.
    x : ndarray, (n_rows, n_features)
        Features.
    y : ndarray, (n_rows,) int32 or (n_rows, n_out) floats
        Labels or values.
    weight : ndarray, (n_rows,), optional
        Weights of the rows.
    rows : ndarray of int, optional
        Indices of the rows to train on. By default all.
    batch_size : int
        Rows of a minibatch.
    accumulation_steps : int, default 1
        Minibatches per group, which is one optimizer step.
    shuffle : bool, default True
        Whether each epoch has a new order.
    dtype : dtype, default float32
        Of the minibatches.
    scale : float, default 1.0
        Factor of stored features.
    seed : int, default 0
        Seed of the orders.
    on_device : bool, optional
        Whether to keep the data on the device, or stream them in parts, with bit-for-bit identical results. By default
        they are kept there if they fit, unless that would leave the rows of a memory map to be read one by one.
    memory : int, optional
        Bytes of the parts in memory, at least two optimizer steps. By default MEMORY, or two steps.

    Attributes
    ----------
    rows : int
        Rows of an epoch.
    window : int or None
        Rows that are shuffled together, where the data are shuffled in blocks.
    scale : float
        Factor of stored features.
    groups : list of list of int
        Sizes of the minibatches of each group. The last minibatch may be smaller, and the last group shorter.
    settings : dict
        Settings that a resumed run must share.
    """

    def __init__(
        self,
        device: Device,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None = None,
        *,
        rows: np.ndarray | None = None,
        batch_size: int,
        accumulation_steps: int = 1,
        shuffle: bool = True,
        dtype: Any = np.float32,
        scale: float = 1.0,
        seed: int = 0,
        on_device: bool | None = None,
        memory: int | None = None,
    ) -> None:
        self.device = device
        self.rows = len(x if rows is None else rows)
        self._chosen = None if rows is None else rows.astype(np.int32)
        full, rest = divmod(self.rows, batch_size)
        sizes = [batch_size] * full + [rest] * (rest > 0)
        self.groups = [sizes[i : i + accumulation_steps] for i in range(0, len(sizes), accumulation_steps)]
        self._shuffle, self._seed = shuffle, seed
        self._dtype = np.dtype(dtype)
        self.scale = scale
        arrays = [x, y]
        if weight is not None:  # normalized to mean 1; dividing by the largest first avoids overflow of the sum
            chosen = weight if rows is None else weight[rows]
            largest = chosen.max()
            arrays.append((weight / largest / (chosen / largest).mean()).astype(self._dtype))
        self._stream: Stream | None = None
        self._left = self.rows  # rows on the device that this epoch has not used
        size = sum(array.nbytes for array in arrays)
        step_rows = min(batch_size * accumulation_steps, self.rows)
        two_steps = math.ceil(2 * step_rows * size / len(x))
        memory = max(MEMORY, two_steps) if memory is None else memory
        in_blocks = sum(array.nbytes for array in arrays if is_mapped(array)) > memory
        if on_device is None:
            on_device = device.fits(size) and (not in_blocks or device.kind == "cuda")
        if memory < two_steps and (in_blocks or not on_device):
            raise ArgumentError(
                f"memory is {memory} bytes, expected at least {two_steps} for two optimizer steps of {step_rows} rows: "
                "raise it, or lower batch_size or accumulation_steps"
            )
        part = memory // two_steps * step_rows
        self.window = part if in_blocks else None
        self.settings = {
            "rows": self.rows,
            "batch_size": batch_size,
            "accumulation_steps": accumulation_steps,
            "shuffle": shuffle,
            "memory": memory if in_blocks else None,
        }
        if on_device:
            self._x, self._y, *weights = map(device.resident, arrays)
            self._order = device.empty(self.rows, np.int32)
        else:
            self._stream = Stream(device, arrays, min(part, -(-self.rows // step_rows) * step_rows))
            self._x, self._y, *weights = self._stream.buffers
            self._order = device.empty(self._stream.rows, np.int32)
        self._weight = weights[0] if weights else None
        self._cursor = device.empty(1, np.int32)

    def __repr__(self) -> str:
        return (
            f"Minibatches(rows={self.rows}, features={self._x.shape[1]} {self._x.dtype}, "
            f"steps_per_epoch={len(self.groups)}, on_device={self._stream is None})"
        )

    def begin_epoch(self, epoch: int, order: np.ndarray | None = None) -> None:
        """Start an epoch in a given order of the rows (int32), by default that of the epoch's number."""
        if order is None:
            order = np.arange(self.rows, dtype=np.int32)
            if self._shuffle:
                order = epoch_order(self._seed, epoch, self.rows, self.window)
        if self._chosen is not None:
            order = self._chosen[order]
        if self._stream is None:
            self.device.write(self._order, order)
            self.device.write(self._cursor, 0)
        else:
            self._stream.begin(order)
            self._left = 0

    def prepare(self, size: int) -> None:
        """Bring the rows of the next minibatch to the device; call it before `next`, outside a recorded step."""
        if self._stream is None:
            return
        if self._left == 0:
            places = self._stream.advance()
            self.device.write(self._order[: len(places)], places)
            self.device.write(self._cursor, 0)
            self._left = self._stream.rows
        self._left -= size

    def next(self, size: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the next `size` rows of the epoch: features, targets, weights or None. Recordable."""
        device = self.device
        rows = device.empty(size, np.int32)
        device.run(device.kernels.next_rows, self._order, self._cursor, rows)

        def take(data: Any, dtype: Any, scale: float = 1.0) -> Tensor:
            out = device.empty((size, *data.shape[1:]), dtype)
            device.run(device.kernels.gather, data, rows, out, scale=scale)
            return Tensor(out, device)

        x = take(self._x, self._dtype, self.scale)
        y = take(self._y, np.int32 if self._y.dtype == np.int32 else self._dtype)
        return x, y, None if self._weight is None else take(self._weight, self._dtype)

    def share(self, weight: Tensor | None, size: int, group_rows: int) -> Tensor | None:
        """Return the factor of a minibatch's loss, a mean over `size` rows, in the loss of its group; None for 1.

        It is size / group_rows without weights, Σ weight / group_rows with them. As the mean weight is 1, a row of
        weight 2 counts as two rows in any minibatch, and the losses of an epoch add up to the weighted mean over all
        rows. Recordable.
        """
        device = self.device
        if weight is None:
            if size == group_rows:
                return None
            return Tensor(device.constant(size / group_rows, self._dtype, ()), device)
        out = device.empty(1, self._dtype)
        device.run(device.kernels.sum_elements, weight.data, out, device.partials(self._dtype), scale=1.0 / group_rows)
        return Tensor(out.reshape(()), device)
