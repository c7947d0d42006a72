"""Network of an estimator: outputs and loss, from weights and intercepts as scikit-learn keeps them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..data.maps import parts
from ..engine import functional
from ..engine.device import Device
from ..engine.precision import precision
from ..engine.random import Generator
from ..engine.tape import no_grad
from ..engine.tensor import Tensor
from ..kernels.activation import SKLEARN_NAMES
from ..training.evaluation import ROWS_AT_ONCE


def forward(
    x: Tensor,
    weights: Sequence[Tensor],
    intercepts: Sequence[Tensor],
    activation: str,
    dropout: float = 0.0,
    generator: Generator | None = None,
) -> Tensor:
    """Return the outputs of the last layer before its activation; hidden layers have activation and dropout."""
    last = len(weights) - 1
    for i, (w, b) in enumerate(zip(weights, intercepts, strict=True)):
        x = functional.dense(x, w, b, activation="identity" if i == last else SKLEARN_NAMES[activation])
        if dropout and i != last:
            x = functional.dropout(x, dropout, generator=generator)
    return x


OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "softmax": lambda z: z.softmax(1),
    "logistic": lambda z: z.sigmoid(),
    "exp": lambda z: z.exp(),
}


def outputs(
    x: Any,
    weights: Sequence[np.ndarray],
    intercepts: Sequence[np.ndarray],
    *,
    activation: str,
    out_activation: str,
    device: Device,
    precision_name: str,
) -> np.ndarray:
    """Return the outputs (rows, n_outputs) for a checked array or sparse x, in the wider dtype of x and weights.

    Wider dtypes than float64 are computed in float64, as `fit` does.
    """
    dtype = np.result_type(x.dtype, weights[0].dtype)
    dtype = np.dtype(np.float64) if dtype.itemsize > 8 else dtype
    on_device = dtype if device.kind == "cpu" else np.dtype(np.float32)

    def there(array: np.ndarray) -> Tensor:
        return Tensor(device.resident(np.ascontiguousarray(array, on_device)), device)

    with no_grad(), precision(precision_name), np.errstate(all="ignore"):
        network = [there(w) for w in weights], [there(b) for b in intercepts], activation
        found = [
            OUTPUTS[out_activation](forward(there(dense(part)), *network)).numpy() for part in parts(x, ROWS_AT_ONCE)
        ]
    return np.concatenate(found).astype(dtype, copy=False)


def dense(x: Any) -> np.ndarray:
    """Return a sparse matrix as an array, an array unchanged."""
    return x.toarray() if hasattr(x, "toarray") else x


def summed_loss(
    kind: str, out: Tensor, y: Tensor, weight: Tensor | None, label_smoothing: float = 0.0, delta: float = 1.0
) -> Tensor:
    """Return the loss summed over rows and outputs, each row times its weight.

    Its gradient is the one that scikit-learn descends, except for the squared error, which scikit-learn halves.
    """
    options: dict[str, Any] = {"sample_weight": weight, "reduction": "sum"}
    if kind == "softmax":
        return functional.cross_entropy(out, y, label_smoothing=label_smoothing, **options)
    if kind == "logistic":
        if label_smoothing:
            y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
        return functional.binary_cross_entropy_with_logits(out, y, **options)
    return functional.regression_loss(out, y, loss=kind, delta=delta, **options)
