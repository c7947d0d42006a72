"""Dense layer: y = act(x·w + b), its backward pass, and the plain matrix product.

With z = x·w + b and dz = dy · act'(z):

    dx = dz·wᵀ        dw = xᵀ·dz        db = Σ over the batch of dz

The weight is stored input-major, like scikit-learn's `coefs_`; PyTorch's `Linear.weight` is its transpose. All arrays
are C-contiguous and of one dtype, float32 (or float64, on the CPU). The activations and the arrays that they save for
the backward pass are those of `kernels.activation`.

`precision` is the rounding of the two factors of a product before they are multiplied: "float32" does not round, "tf32"
rounds to 10 bits of mantissa, "bfloat16" to 7. Each adds the products in float32, and every array is stored in float32,
so weights, gradients and optimizer state are float32 by construction: no update is lost in a rounded copy of a weight.
db is not a product; it is the sum of dz without rounding. (float64 arrays are rounded in the same way and added in
float64, which is the reference of the two lower precisions.)

`workspace` is flat scratch, undefined afterwards: at least `forward_workspace`, `backward_workspace` or
`matmul_workspace` elements of the dtype of the other arrays, or None where that is 0. The CPU stores dz in it, the GPU
the partial sums of a product that is split over blocks (`variants`). A tuned variant may split a sum into more parts
than the rule that these sizes follow: `Device.workspace` has room for them, and with less room the rule's variant runs.
"""

from __future__ import annotations

from ...errors import choose
from ..activation import check_activation
from ..contract import FLOATS, Cost, check_array, contract
from .rounding import PRECISIONS
from .variants import variant
from .workspace import backward_workspace, check_workspace, forward_workspace, matmul_workspace

__all__ = [
    "PRECISIONS",
    "backward_workspace",
    "dense_backward",
    "dense_forward",
    "forward_workspace",
    "matmul",
    "matmul_workspace",
    "variant",
]


@contract("y", "z", "workspace")
def dense_forward(x, w, b, y, z, workspace, *, activation="identity", negative_slope=0.01, precision="float32"):
    """Compute y = act(z) with z = x·w + b.

    Parameters
    ----------
    x : array, (batch, n_in)
        Input.
    w : array, (n_in, n_out)
        Weight.
    b : array, (n_out,), or None
        Bias; None is 0.
    y : array, (batch, n_out)
        Output, overwritten.
    z : array, (batch, n_out), or None
        Pre-activation, overwritten; must not overlap `y`. Needed for gelu and silu if a backward pass follows.
    workspace : array, (forward_workspace(batch, n_in, n_out),) or longer, or None
        Scratch, undefined afterwards.
    activation : str, default "identity"
        A name of the table in `kernels.activation`.
    negative_slope : float, default 0.01
        Slope of leaky_relu, at least 0.
    precision : {"float32", "tf32", "bfloat16"}, default "float32"
        Rounding of the factors of the product.

    Raises
    ------
    ArgumentError
        For another shape or dtype, an unknown activation or precision, or a workspace that is too small.
    """
    check_activation(activation, negative_slope)
    check_precision(precision)
    check_array("x", x, (None, None), FLOATS)
    batch, n_in = x.shape
    check_array("w", w, (n_in, None), x.dtype)
    n_out = w.shape[1]
    if b is not None:
        check_array("b", b, (n_out,), x.dtype)
    check_array("y", y, (batch, n_out), x.dtype)
    if z is not None:
        check_array("z", z, (batch, n_out), x.dtype)
    check_workspace(workspace, forward_workspace(batch, n_in, n_out), x.dtype)


@contract("dx", "dw", "db", "workspace")
def dense_backward(
    dy,
    x,
    w,
    saved,
    dx,
    dw,
    db,
    workspace,
    *,
    activation="identity",
    negative_slope=0.01,
    accumulate=False,
    precision="float32",
):
    """Compute dx = dz·wᵀ, dw = xᵀ·dz and db = Σ dz with dz = dy · act'.

    Parameters
    ----------
    dy : array, (batch, n_out)
        Gradient of the output.
    x : array, (batch, n_in)
        Input of the forward pass.
    w : array, (n_in, n_out)
        Weight.
    saved : array, (batch, n_out)
        The pre-activation z for gelu and silu, otherwise the output y.
    dx : array, (batch, n_in), or None
        Gradient of the input, always overwritten; None: not computed, as for each gradient.
    dw : array, (n_in, n_out), or None
        Gradient of the weight, overwritten, or added to if `accumulate`.
    db : array, (n_out,), or None
        Gradient of the bias, overwritten, or added to if `accumulate`.
    workspace : array, (backward_workspace(batch, n_in, n_out, activation),) or longer, or None
        Scratch, undefined afterwards.
    activation : str, default "identity"
        A name of the table in `kernels.activation`.
    negative_slope : float, default 0.01
        Slope of leaky_relu, at least 0.
    accumulate : bool, default False
        Whether the gradients of the parameters are added to `dw` and `db`.
    precision : {"float32", "tf32", "bfloat16"}, default "float32"
        Rounding of the factors of the product.

    Raises
    ------
    ArgumentError
        For another shape or dtype, an unknown activation or precision, or a workspace that is too small.
    """
    check_activation(activation, negative_slope)
    check_precision(precision)
    check_array("dy", dy, (None, None), FLOATS)
    batch, n_out = dy.shape
    check_array("x", x, (batch, None), dy.dtype)
    n_in = x.shape[1]
    check_array("w", w, (n_in, n_out), dy.dtype)
    check_array("saved", saved, (batch, n_out), dy.dtype)
    for name, array, shape in (("dx", dx, (batch, n_in)), ("dw", dw, (n_in, n_out)), ("db", db, (n_out,))):
        if array is not None:
            check_array(name, array, shape, dy.dtype)
    check_workspace(workspace, backward_workspace(batch, n_in, n_out, activation), dy.dtype)


@contract("c", "workspace")
def matmul(a, b, c, workspace, *, transpose_a=False, transpose_b=False, precision="float32"):
    """Compute c = a·b, or one product per entry of a leading axis that all three arrays have.

    Parameters
    ----------
    a : array, (m, k), or (k, m) if `transpose_a`
        First factor; one leading axis is allowed.
    b : array, (k, n), or (n, k) if `transpose_b`
        Second factor, with the leading axis of `a`.
    c : array, (m, n)
        Product, overwritten, with the leading axis of `a`.
    workspace : array, (matmul_workspace(m, k, n, entries),) or longer, or None
        Scratch, undefined afterwards.
    transpose_a, transpose_b : bool, default False
        Whether the factor is transposed first.
    precision : {"float32", "tf32", "bfloat16"}, default "float32"
        Rounding of the factors of the product.

    Raises
    ------
    ArgumentError
        For another shape or dtype, an unknown activation or precision, or a workspace that is too small.
    """
    check_precision(precision)
    check_array("a", a, (None,) * max(2, min(getattr(a, "ndim", 2), 3)), FLOATS)
    batch = a.shape[:-2]
    k, m = a.shape[-2:] if transpose_a else a.shape[:-3:-1]
    check_array("b", b, (*batch, None, k) if transpose_b else (*batch, k, None), a.dtype)
    n = b.shape[-2] if transpose_b else b.shape[-1]
    check_array("c", c, (*batch, m, n), a.dtype)
    check_workspace(workspace, matmul_workspace(m, k, n, *batch), a.dtype)


def check_precision(precision: str) -> None:
    """Refuse an unknown precision."""
    if precision not in PRECISIONS:
        choose("precision", precision, PRECISIONS)


def _bytes(*arrays):
    return sum(array.nbytes for array in arrays if array is not None)


@dense_forward.cost
def _(x, w, b, y, z, workspace, **_):
    return Cost(bytes=_bytes(x, w, b, y, z), operations=2 * x.size * w.shape[1])


@dense_backward.cost
def _(dy, x, w, saved, dx, dw, db, workspace, **_):
    products = (dx is not None) + (dw is not None)
    read = _bytes(dy, saved, x if dw is not None else None, w if dx is not None else None)
    return Cost(bytes=read + _bytes(dx, dw, db), operations=2 * products * x.size * dy.shape[1])


@matmul.cost
def _(a, b, c, workspace, *, transpose_a, **_):
    return Cost(bytes=_bytes(a, b, c), operations=2 * c.size * a.shape[-2 if transpose_a else -1])
