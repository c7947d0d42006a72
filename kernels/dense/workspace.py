"""Sizes of the scratch of the dense layer and the matrix product, which follow from the rule for variants."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, counted
from ..contract import check_array
from .variants import choose_variant


def forward_workspace(batch: int, n_in: int, n_out: int) -> int:
    """Return the elements of scratch that dense_forward needs.

    Parameters
    ----------
    batch, n_in, n_out : int
        Sizes of the layer.

    Returns
    -------
    int
        Elements of scratch; 0 means that none is needed.
    """
    return matmul_workspace(batch, n_in, n_out)


def backward_workspace(batch: int, n_in: int, n_out: int, activation: str) -> int:
    """Return the elements of scratch that dense_backward needs: for dz, or partial sums of dx, or of dw and db.

    Parameters
    ----------
    batch, n_in, n_out : int
        Sizes of the layer.
    activation : str
        A name of the table in `kernels.activation`.

    Returns
    -------
    int
        Elements of scratch; 0 means that none is needed.
    """
    splits = choose_variant(n_in, n_out, batch).splits
    dw_db = splits * (n_in + 1) * n_out if splits > 1 else 0
    return max(0 if activation == "identity" else batch * n_out, matmul_workspace(batch, n_out, n_in), dw_db)


def matmul_workspace(m: int, k: int, n: int, entries: int = 1) -> int:
    """Return the elements of scratch that matmul needs: partial sums, if the sum over k is split.

    Parameters
    ----------
    m, k, n : int
        Sizes of a product (m, k)·(k, n).
    entries : int, default 1
        Length of the leading axis.

    Returns
    -------
    int
        Elements of scratch; 0 means that none is needed.
    """
    splits = choose_variant(m, n, k, entries).splits
    return splits * entries * m * n if splits > 1 else 0


def check_workspace(workspace: Any, size: int, dtype: Any) -> None:
    """Refuse a workspace that is not flat, of this dtype and large enough.

    Parameters
    ----------
    workspace : array or None
        The argument; None has size 0.
    size : int
        Elements that the launch needs.
    dtype : dtype
        Dtype of the other arrays.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a workspace that is too small.
    """
    if workspace is not None:
        check_array("workspace", workspace, (None,), dtype)
    if size > (0 if workspace is None else workspace.size):
        given = "None" if workspace is None else f"an array of {counted(workspace.size, 'element')}"
        raise ArgumentError(f"workspace is {given}, expected at least {size} elements: pass scratch of that size")
