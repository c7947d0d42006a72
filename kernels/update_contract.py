"""Shared parts of the contracts of all optimizers: checks of an update over flat buffers, examples, the gradient."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from .contract import FLOATS, INT32, check_array, check_range, draw


def check_gradient(g: Any, grad_scale: Any, p: Any, *, weight_decay: float) -> None:
    """Check the gradient of an update.

    Parameters
    ----------
    g : array, (n,)
        Gradient.
    grad_scale : array, (1,), or None
        Factor of the gradient.
    p : array, (n,)
        Parameters.
    weight_decay : float
        At least 0.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a negative weight decay.
    """
    check_array("p", p, (None,), FLOATS)
    check_array("g", g, p.shape, p.dtype)
    if grad_scale is not None:
        check_array("grad_scale", grad_scale, (1,), p.dtype)
    check_range("weight_decay", weight_decay, 0.0)


def check_update(
    g: Any, lr: Any, grad_scale: Any, p: Any, *, weight_decay: float, optional: Collection[str] = (), **state: Any
) -> None:
    """Check the arguments that every optimizer has: the gradient, the learning rate and the state.

    Parameters
    ----------
    g : array, (n,)
        Gradient.
    lr : array, (1,)
        Learning rate.
    grad_scale : array, (1,), or None
        Factor of the gradient.
    p : array, (n,)
        Parameters.
    weight_decay : float
        At least 0.
    optional : collection of str
        Names of the state that this rule may leave out.
    **state : array, (n,)
        State by name, of the shape and dtype of p; a `step` counts steps and is int32, (1,).

    Raises
    ------
    ArgumentError
        For another shape or dtype, for None in a state that is not optional, or a negative weight decay.
    """
    check_gradient(g, grad_scale, p, weight_decay=weight_decay)
    check_array("lr", lr, (1,), p.dtype)
    for name, array in state.items():
        if name == "step":
            check_array(name, array, (1,), INT32)
        elif array is not None or name not in optional:
            check_array(name, array, p.shape, p.dtype)


def draw_update(rng: np.random.Generator) -> Iterator[tuple[str, dict[str, Any]]]:
    """Draw updates of the sizes that every optimizer is tested at.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator.

    Yields
    ------
    tuple of (str, dict)
        A reason, and the arrays g, lr, grad_scale and p by name.
    """
    for n, reason in {1: "one element", 7: "shorter than a vector", 4099: "many blocks and a ragged end"}.items():
        for scale in (None, 0.25):
            yield (
                f"{reason}, grad_scale {scale}",
                {
                    "g": rng.normal(size=n).astype(np.float32),
                    "lr": np.array([0.05], np.float32),
                    "grad_scale": None if scale is None else np.array([scale], np.float32),
                    "p": rng.normal(size=n).astype(np.float32),
                },
            )


def draw_measured_update(rng: np.random.Generator) -> Iterator[tuple[str, dict[str, Any]]]:
    """Draw updates of the sizes that every optimizer is measured at.

    These are the parameters of the networks 784-128-10 and 784-1024-1024-10, and more than any cache holds.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator.

    Yields
    ------
    tuple of (str, dict)
        The size as text, and the arrays g, lr, grad_scale and p by name.
    """
    for n in (101_770, 1_863_690, 1 << 24):
        lr = np.array([1e-3], np.float32)
        yield str(n), {"g": draw(rng, n), "lr": lr, "grad_scale": None, "p": draw(rng, n)}


def update_bytes(g: Any, *in_out: Any) -> int:
    """Return the bytes of one update: the gradient is read; parameters and state are read and written.

    Parameters
    ----------
    g : array
        Gradient.
    *in_out : array or None
        Parameters and state.

    Returns
    -------
    int
        Bytes read and written.
    """
    return g.nbytes + 2 * sum(array.nbytes for array in in_out if array is not None)


def effective_gradient(g: Any, grad_scale: Any, p: Any, weight_decay: float, maximize: bool) -> Any:
    """Return ±grad_scale·g + weight_decay·p in NumPy, the gradient of the rules without decoupled decay.

    Parameters
    ----------
    g : array, (n,)
        Gradient.
    grad_scale : array, (1,), or None
        Factor of the gradient; None is 1.
    p : array, (n,)
        Parameters.
    weight_decay : float
        Factor of the decay.
    maximize : bool
        Ascend instead of descend.

    Returns
    -------
    array, (n,)
        The gradient to descend.
    """
    g = g if grad_scale is None else g * grad_scale
    return (-g if maximize else g) + weight_decay * p


def signed_scale(grad_scale: Any, maximize: bool, number: Any) -> Any:
    """Return a compiled loop's factor of the gradient.

    Parameters
    ----------
    grad_scale : array, (1,), or None
        Factor of the gradient; None is 1.
    maximize : bool
        Make the factor negative.
    number : type
        Scalar type of the loop.

    Returns
    -------
    number
        The signed factor.
    """
    scale = number(1) if grad_scale is None else grad_scale[0]
    return -scale if maximize else scale
