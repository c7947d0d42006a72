"""Compare gradients with finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import ArgumentError, GpugradError
from .tape import no_grad
from .tensor import Tensor


class GradientMismatch(GpugradError, AssertionError):
    """Gradient of the tape that differs from the finite difference."""


def gradcheck(
    function: Callable[..., Tensor],
    inputs: Tensor | Sequence[Tensor],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Compare the tape's gradients of `function(*inputs)` with central differences.

    A result of several elements is checked through a weighted sum with fixed, irregular weights, so that no error
    cancels.

    Parameters
    ----------
    function : function
        From tensors to one tensor of any shape; each call must return the same result.
    inputs : Tensor or sequence of Tensor
        Float64 leaves. Those that require a gradient are checked, element by element.
    eps : float, default 1e-6
        The step of the differences.
    atol, rtol : float, default 1e-5 and 1e-3
        The tolerance: atol + rtol·|numeric|.

    Returns
    -------
    bool
        True; anything else raises.

    Raises
    ------
    ArgumentError
        If an input is not a float64 leaf, or none requires a gradient.
    GradientMismatch
        If a gradient differs; names the input, the element and both values.

    Notes
    -----
    (f(x + eps) − f(x − eps)) / (2·eps) is wrong by O(eps²) of truncation and O(1e−16/eps) of rounding: about 1e-10 at
    the default, with values and third derivatives near 1.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [i for i, x in enumerate(inputs) if x.requires_grad]
    if not checked:
        raise ArgumentError("gradcheck got no input that requires a gradient: set requires_grad=True on one")
    for i in checked:
        if not inputs[i].is_leaf:
            raise ArgumentError(
                f"input {i} of gradcheck is the result of an operation, expected a leaf: detach() it first"
            )
        if inputs[i].dtype != np.float64:
            raise ArgumentError(
                f"input {i} of gradcheck has dtype {inputs[i].dtype}, expected float64: "
                "finite differences drown in the rounding of float32"
            )

    def evaluate() -> np.ndarray:
        with no_grad():
            return function(*inputs).numpy()

    weights = np.cos(np.arange(evaluate().size) + 1.0).reshape(evaluate().shape) + 1.5

    for i in checked:
        inputs[i].zero_grad()
    result = function(*inputs)
    result.backward(Tensor(result.device.upload(weights), result.device))
    for i in checked:
        gradient = inputs[i].grad
        analytic = np.zeros(inputs[i].shape) if gradient is None else gradient.numpy()
        numeric = _central_differences(lambda: float(np.sum(evaluate() * weights)), inputs[i], eps)
        _compare(i, analytic, numeric, atol, rtol)
    return True


def _central_differences(value: Callable[[], float], x: Tensor, eps: float) -> np.ndarray:
    start = x.numpy()
    numeric = np.empty(start.shape)
    try:
        for index in np.ndindex(start.shape):
            values: list[float] = []
            for step in (eps, -eps):
                moved = start.copy()
                moved[index] += step
                x.device.write(x.data, moved)
                values.append(value())
            numeric[index] = (values[0] - values[1]) / (2 * eps)
    finally:
        x.device.write(x.data, start)
    return numeric


def _compare(i: int, analytic: np.ndarray, numeric: np.ndarray, atol: float, rtol: float) -> None:
    wrong = ~np.isclose(analytic, numeric, rtol=rtol, atol=atol)
    if wrong.any():
        index = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise GradientMismatch(
            f"input {i} at {index}: the tape's gradient is {analytic[index]:.9g}, "
            f"the finite difference {numeric[index]:.9g} ({int(wrong.sum())} of {wrong.size} elements differ)"
        )
