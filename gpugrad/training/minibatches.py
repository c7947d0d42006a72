"""Minibatches: the training data on the device, or streamed to it, in a new order each epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.device import Device
from ..engine.tensor import Tensor
from .streaming import Stream, rows_of_part


def epoch_order(seed: int, epoch: int, rows: int) -> np.ndarray:
    """Return the order of the rows in an epoch, an int32 permutation that depends only on seed and epoch."""
    return np.random.default_rng([seed, epoch]).permutation(np.arange(rows, dtype=np.int32))


class Minibatches:
    """A checked data set on a device, in its stored dtype, gathered into minibatches by a kernel.

    The order of an epoch depends only on seed and epoch.

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
        they are kept there if they fit.

    Attributes
    ----------
    rows : int
        Rows of an epoch.
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
    ) -> None:
        self.device = device
        self.rows = len(x if rows is None else rows)
        self._chosen = None if rows is None else rows.astype(np.int32)
        full, rest = divmod(self.rows, batch_size)
        sizes = [batch_size] * full + [rest] * (rest > 0)
        self.groups = [sizes[i : i + accumulation_steps] for i in range(0, len(sizes), accumulation_steps)]
        self.settings = {
            "rows": self.rows,
            "batch_size": batch_size,
            "accumulation_steps": accumulation_steps,
            "shuffle": shuffle,
        }
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
        if on_device is None:
            on_device = device.fits(sum(array.nbytes for array in arrays))
        if on_device:
            self._x, self._y, *weights = map(device.resident, arrays)
            self._order = device.empty(self.rows, np.int32)
        else:
            self._stream = Stream(device, arrays, rows_of_part(arrays, batch_size * accumulation_steps))
            self._x, self._y, *weights = self._stream.buffers
            self._order = device.upload(np.arange(self._stream.rows, dtype=np.int32))
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
            order = epoch_order(self._seed, epoch, self.rows) if self._shuffle else np.arange(self.rows, dtype=np.int32)
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
            self._stream.advance()
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
