"""Linear: PyTorch's fully connected layer, with PyTorch's layout of the weight."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.parameter import Parameter
from ..engine.precision import product_precision
from ..engine.random import host_generator
from ..engine.tensor import Tensor, common_device, on_tape
from ..kernels.dense import matmul_workspace
from ..options import CheckedOptions
from .layers import check_dtype, check_input, check_size
from .module import Module
from .state import OUT_IN


class Linear(CheckedOptions, Module):
    """PyTorch's fully connected layer, x·weightᵀ + bias, which loads the state of a ``torch.nn.Linear``.

    Names, shapes, default initial values and repr are PyTorch's. `Dense` is faster: its kernel also adds the bias and
    applies the activation, while Linear needs one more launch per pass for the bias and a module for the activation.

    Parameters
    ----------
    in_features : int
        Size of an input row.
    out_features : int
        Size of an output row.
    bias : bool, default True
        Add a learnable bias.
    device : str or Device, default "auto"
        Device of the parameters.
    dtype : {"float32", "float64"}, default "float32"
        Type of the parameters; float64 is for gradient checks.
    seed : int or numpy.random.Generator, optional
        Seed of the initial values, or the generator that draws them; None uses the generator of `gg.manual_seed`.

    Attributes
    ----------
    weight : Parameter, (out_features, in_features)
        Weight matrix, the transpose of a `Dense` layer's.
    bias : Parameter, (out_features,), or None
        Bias.

    Raises
    ------
    ArgumentError
        If a size is not a positive integer, or an input has another number of features or another dtype.

    Notes
    -----
    Weight and bias start from U(−1/√in_features, 1/√in_features), PyTorch's default. The backward pass computes
    dx = dy·weight, dweight = dyᵀ·x and dbias = Σ dy over the rows.
    """

    _weight_layouts: ClassVar[dict[str, str]] = {"weight": OUT_IN}

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | Device = "auto",
        dtype: Any = np.float32,
        *,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.in_features = check_size("in_features", in_features)
        self.out_features = check_size("out_features", out_features)
        dtype, target, rng = check_dtype(dtype), get_device(device), host_generator(seed)
        limit = 1 / math.sqrt(self.in_features)

        def draw(*shape: int) -> Parameter:
            return Parameter(rng.uniform(-limit, limit, shape).astype(dtype), target)

        self.weight = draw(self.out_features, self.in_features)
        self.bias = draw(self.out_features) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x·weightᵀ + bias: (…, in_features) → (…, out_features)."""
        check_input(self, x)
        if x.ndim == 2:
            return _linear(x, self.weight, self.bias)
        rows = x.reshape(math.prod(x.shape[:-1]), self.in_features)
        return _linear(rows, self.weight, self.bias).reshape(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Return the arguments as PyTorch shows them.

        Returns
        -------
        str
            Text between the parentheses of `repr`.
        """
        bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"


def _linear(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """Return x·wᵀ + b on the tape: x (rows, n_in), w (n_out, n_in), b (n_out,) or None.

    The kernel reads either factor transposed, so no transposed copy of the weight is made.
    """
    parents = (x, w) if b is None else (x, w, b)
    device, precision = common_device(*parents), product_precision(x.dtype)
    (rows, n_in), n_out = x.shape, w.shape[0]

    def launch(a: Any, b: Any, c: Any, k: int, precision: str = precision, **transpose: bool) -> Any:
        """Write the product c = a·b, a sum over k terms."""
        m, n = c.shape
        workspace = device.workspace(matmul_workspace(m, k, n), c.dtype)
        device.run(device.kernels.matmul, a, b, c, workspace, precision=precision, **transpose)
        return c

    y = launch(x.data, w.data, device.empty((rows, n_out), x.dtype), n_in, transpose_b=True)
    if b is not None:
        device.run(device.xp.add, y, b.data, out=y)

    def weight_gradient(dy: Any) -> Any:
        """Compute dyᵀ·x where the weight keeps its gradient, unless there is one to add to."""
        direct = w.is_leaf and not w.has_grad
        dw = w.gradient_buffer()[0] if direct else device.empty(w.shape, w.dtype)
        launch(dy, x.data, dw, rows, transpose_a=True)
        return None if direct else dw

    def backward(dy: Any) -> tuple[Any, ...]:
        dx = launch(dy, w.data, device.empty(x.shape, x.dtype), n_out) if x.requires_grad else None
        dw = weight_gradient(dy) if w.requires_grad else None
        if b is None:
            return dx, dw
        if not b.requires_grad:
            return dx, dw, None
        # The sum over the rows is a product with ones, in full precision.
        ones = device.constant(1.0, dy.dtype, (1, rows))
        return dx, dw, launch(ones, dy, device.empty((1, n_out), dy.dtype), rows, "float32").reshape(n_out)

    return on_tape("linear", y, parents, backward, saved=(x, w))
