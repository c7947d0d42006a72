"""The differentiable operations of networks: each pairs a forward kernel with its backward kernel."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..errors import ArgumentError, DeviceError, GraphError, choose
from ..kernels.activation import ACTIVATIONS, check_activation
from ..kernels.dense import backward_workspace, forward_workspace
from . import arithmetic
from .creation import tensor
from .device import Device
from .operations import operation
from .precision import product_precision
from .random import Generator, default_generator
from .tape import grad_enabled
from .tensor import Tensor, common_device, on_tape

REDUCTIONS = ("mean", "sum", "none")

ACTIVATION_DOC = """Apply {name} elementwise.

Parameters
----------
x : Tensor
    The input.

Returns
-------
Tensor
    A new tensor of the same shape.

Notes
-----
{name}(x) = {formula}
"""


def dense(
    x: Tensor, w: Tensor, b: Tensor | None = None, *, activation: str = "identity", negative_slope: float = 0.01
) -> Tensor:
    """Return act(x·w + b) in one launch.

    Parameters
    ----------
    x : Tensor, (..., n_in)
        The input.
    w : Tensor, (n_in, n_out)
        The weight.
    b : Tensor, (n_out,), optional
        The bias.
    activation : str, default "identity"
        A name of `kernels.activation.ACTIVATIONS`.
    negative_slope : float, default 0.01
        Slope of leaky_relu.

    Returns
    -------
    Tensor, (..., n_out)
        The output.

    Raises
    ------
    ArgumentError
        If the shapes, dtypes or the activation do not fit.
    DeviceError
        If the tensors are on several devices.
    """
    if x.ndim == 0 or w.ndim != 2:
        raise ArgumentError(f"dense takes x (…, n_in) and w (n_in, n_out), got the shapes {x.shape} and {w.shape}")
    if x.ndim != 2:
        rows = arithmetic.reshape(x, math.prod(x.shape[:-1]), x.shape[-1])
        out = dense(rows, w, b, activation=activation, negative_slope=negative_slope)
        return arithmetic.reshape(out, *x.shape[:-1], w.shape[-1])
    if activation not in ACTIVATIONS:  # the launcher checks the slope
        check_activation(activation, negative_slope)
    parents = (x, w) if b is None else (x, w, b)
    device = common_device(*parents)
    value_x, value_w = x.data, w.data
    dtype, shape_x, shape_w = value_x.dtype, value_x.shape, value_w.shape
    options = {
        "activation": activation,
        "negative_slope": negative_slope,
        "precision": product_precision(dtype),  # the backward pass uses it too, even if the setting has changed by then
    }
    sizes = (shape_x[0], *shape_w)
    shape_y = (shape_x[0], shape_w[1])
    y = device.empty(shape_y, dtype)
    saves_input = ACTIVATIONS[activation].saves_input and grad_enabled() and any(p.requires_grad for p in parents)
    z = device.empty(shape_y, dtype) if saves_input else None
    workspace = device.workspace(forward_workspace(*sizes), dtype)
    device.run(device.kernels.dense_forward, value_x, value_w, _data(b), y, z, workspace, **options)

    def backward(dy):
        wants_w = w.requires_grad
        # The kernel adds to the gradients of leaves in place, or overwrites both; gradients of others are returned.
        in_place = w.node is None or not wants_w
        if b is not None and b.requires_grad:
            in_place = in_place and b.node is None and (not wants_w or w.has_grad == b.has_grad)
        dx = device.empty(shape_x, dtype) if x.requires_grad else None
        dw = db = None
        add = False
        if wants_w:
            dw, add = w.gradient_buffer() if in_place else (device.empty(shape_w, dtype), False)
        if b is not None and b.requires_grad:
            db, add = b.gradient_buffer() if in_place else (device.empty(b.shape, dtype), False)
        workspace = device.workspace(backward_workspace(*sizes, activation), dtype)
        arrays = (dy, x.data, w.data, y if z is None else z, dx, dw, db, workspace)
        device.run(device.kernels.dense_backward, *arrays, accumulate=add, **options)
        if in_place:
            dw = db = None
        return (dx, dw) if b is None else (dx, dw, db)

    return on_tape("dense", y, parents, backward, (x, w), saves_output=z is None and activation != "identity")


@operation
def activation(x: Tensor, name: str, negative_slope: float = 0.01) -> Tensor:
    """Apply an activation elementwise.

    Parameters
    ----------
    x : Tensor
        The input.
    name : str
        A name of `kernels.activation.ACTIVATIONS`.
    negative_slope : float, default 0.01
        Slope of leaky_relu.

    Returns
    -------
    Tensor
        A new tensor of the same shape.

    Raises
    ------
    ArgumentError
        If the name is unknown or the slope negative.
    """
    if name not in ACTIVATIONS:  # the launcher checks the slope
        check_activation(name, negative_slope)
    if not isinstance(x, Tensor):  # numbers, as for gg.exp
        x = tensor(x)
    device, value = x.device, x.data
    shape, dtype = value.shape, value.dtype
    y = device.empty(shape, dtype)
    key = device.kernels.activation_forward, shape, value.strides, dtype, name, negative_slope, type(negative_slope)
    device.run_known(key, value, y, activation=name, negative_slope=negative_slope)
    saves_input = ACTIVATIONS[name].saves_input
    backward = partial(_activation_gradient, device, value if saves_input else y, name, negative_slope)
    return on_tape(name, y, (x,), backward, (x,) if saves_input else (), saves_output=not saves_input)


def _activation_gradient(device: Device, saved: Any, name: str, negative_slope: float, dy: Any) -> tuple[Any]:
    dx = device.empty(saved.shape, saved.dtype)
    device.run(device.kernels.activation_backward, dy, saved, dx, activation=name, negative_slope=negative_slope)
    return (dx,)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Return x where it is positive, otherwise negative_slope·x.

    Parameters
    ----------
    x : Tensor
        The input.
    negative_slope : float, default 0.01
        At least 0.

    Returns
    -------
    Tensor
        A new tensor of the same shape.
    """
    return activation(x, "leaky_relu", negative_slope)


def _named(name: str) -> Callable[[Tensor], Tensor]:
    """Return the function of an activation."""

    def function(x: Tensor) -> Tensor:
        return activation(x, name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = ACTIVATION_DOC.format(name=name, formula=ACTIVATIONS[name].formula)
    return function


relu, tanh, sigmoid, gelu, silu = map(_named, ("relu", "tanh", "sigmoid", "gelu", "silu"))
for _name in ACTIVATIONS:  # a row is enough for a function of its name
    if _name != "identity":
        globals().setdefault(_name, _named(_name))

__all__ = [
    "REDUCTIONS",
    "activation",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dense",
    "dropout",
    "regression_loss",
    *(name for name in ACTIVATIONS if name != "identity"),
]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)


def dropout(x: Tensor, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Set each element to 0 with probability p, and divide the others by 1 − p.

    Parameters
    ----------
    x : Tensor
        The input.
    p : float, default 0.5
        The probability, in [0, 1).
    generator : Generator, optional
        By default that of the device.

    Returns
    -------
    Tensor
        A new tensor of the same shape.

    Raises
    ------
    DeviceError
        If the generator is on another device.
    ArgumentError
        If p is outside [0, 1).
    """
    device = x.device
    generator = generator or default_generator(device)
    if generator.device is not device:
        raise DeviceError(f"the generator lives on {generator.device}, the tensor on {device}: move it with to()")
    if device.thread.recorder is not None:
        device.thread.recorder.read_attribute(generator, "seed")
    y = device.empty(x.shape, x.dtype)
    mask = device.empty(x.shape, np.uint8)
    device.run(device.kernels.dropout_forward, x.data, generator.calls, y, mask, p=p, seed=generator.seed)

    def backward(dy):
        dx = device.empty(x.shape, x.dtype)
        device.run(device.kernels.dropout_backward, dy, mask, dx, p=p)
        return (dx,)

    return on_tape("dropout", y, (x,), backward)


# ---- losses: each kernel writes the losses and the gradient of the predictions in one pass ----


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    weight: Tensor | None = None,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return softmax and cross-entropy, as PyTorch defines them.

    Parameters
    ----------
    logits : Tensor, (batch, n_classes)
        The predictions.
    labels : Tensor, (batch,)
        Integer classes from 0 to n_classes − 1. Another label is refused on a CPU; on a GPU, where that would wait for
        the device, and in a recorded step its loss is NaN.
    weight : Tensor, (n_classes,), optional
        A weight per class.
    sample_weight : Tensor, (batch,), optional
        A weight per row.
    reduction : {"mean", "sum", "none"}, default "mean"
        "none" returns the losses one by one.
    label_smoothing : float, default 0.0
        In [0, 1].

    Returns
    -------
    Tensor
        The loss, shape (); (batch,) without reduction.

    Raises
    ------
    GraphError
        If an argument other than the predictions requires a gradient.
    ArgumentError
        If a shape, dtype or option does not fit.

    Notes
    -----
    The mean is weighted: it divides by the sum of the weights, or by 1 if that is 0.
    """
    device = _loss_device(logits, labels=labels, weight=weight, sample_weight=sample_weight)
    if labels.dtype.kind not in "iu":
        raise ArgumentError(f"labels have dtype {labels.dtype}, expected integers: convert them with astype")
    if device.xp is np and device.thread.recorder is None and logits.ndim == 2:
        _check_labels(labels.data, logits.shape[-1])
    if labels.dtype != np.int32:
        if labels.dtype.itemsize >= np.dtype(np.int32).itemsize:  # so that one beyond int32 stays outside the classes
            lowest = -1 if labels.dtype.kind == "i" else 0
            labels = arithmetic.clip(labels, lowest, logits.shape[-1])
        labels = arithmetic.astype(labels, np.int32)
    weighting = (labels.data, _data(weight), _data(sample_weight))
    dtype = logits.dtype
    if reduction != "mean" or (weight is None and sample_weight is None):
        norm = device.constant(labels.size if reduction == "mean" else 1.0, dtype)
    else:
        norm = device.empty(1, dtype)
        device.run(device.kernels.softmax_cross_entropy_norm, *weighting, norm)
        norm = _not_zero(device, norm)

    def launch(losses, dlogits):
        kernel = device.kernels.softmax_cross_entropy
        device.run(kernel, logits.data, *weighting, norm, losses, dlogits, label_smoothing=label_smoothing)

    return _loss("cross_entropy", logits, (logits.shape[0],), reduction, launch)


def binary_cross_entropy_with_logits(
    logits: Tensor,
    targets: Tensor,
    *,
    pos_weight: Tensor | None = None,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross-entropy of independent yes/no outputs.

    Parameters
    ----------
    logits : Tensor, (batch, n_out)
        The predictions.
    targets : Tensor, (batch, n_out)
        In [0, 1].
    pos_weight : Tensor, (n_out,), optional
        The weight of the targets that are 1.
    sample_weight : Tensor, (batch,), optional
        A weight per row.
    reduction : {"mean", "sum", "none"}, default "mean"
        "none" returns the losses one by one.

    Returns
    -------
    Tensor
        The loss, shape (); (batch, n_out) without reduction.

    Raises
    ------
    GraphError
        If an argument other than the predictions requires a gradient.
    ArgumentError
        If a shape, dtype or option does not fit.
    """
    device = _loss_device(logits, targets=targets, pos_weight=pos_weight, sample_weight=sample_weight)
    norm = _row_norm(device, logits, sample_weight, reduction)

    def launch(losses, dlogits):
        weights = (_data(pos_weight), _data(sample_weight))
        device.run(device.kernels.binary_cross_entropy, logits.data, targets.data, *weights, norm, losses, dlogits)

    return _loss("binary_cross_entropy", logits, logits.shape, reduction, launch)


def regression_loss(
    predictions: Tensor,
    targets: Tensor,
    *,
    loss: str,
    delta: float = 1.0,
    sample_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return a regression loss.

    Parameters
    ----------
    predictions : Tensor, (batch, n_out)
        The predictions; for poisson, logarithms of expected counts.
    targets : Tensor, (batch, n_out)
        The targets.
    loss : {"squared_error", "absolute_error", "huber", "poisson"}
        The loss.
    delta : float, default 1.0
        The difference at which huber switches from quadratic to linear.
    sample_weight : Tensor, (batch,), optional
        A weight per row.
    reduction : {"mean", "sum", "none"}, default "mean"
        "none" returns the losses one by one.

    Returns
    -------
    Tensor
        The loss, shape (); (batch, n_out) without reduction.

    Raises
    ------
    GraphError
        If an argument other than the predictions requires a gradient.
    ArgumentError
        If a shape, dtype or option does not fit.
    """
    device = _loss_device(predictions, targets=targets, sample_weight=sample_weight)
    norm = _row_norm(device, predictions, sample_weight, reduction)

    def launch(losses, dpredictions):
        arrays = (predictions.data, targets.data, _data(sample_weight), norm, losses, dpredictions)
        device.run(device.kernels.regression_loss, *arrays, loss=loss, delta=delta)

    return _loss(loss, predictions, predictions.shape, reduction, launch)


def _check_labels(labels: np.ndarray, n_classes: int) -> None:
    """Refuse labels outside the classes."""
    if labels.size and (np.minimum.reduce(labels, None) < 0 or np.maximum.reduce(labels, None) >= n_classes):
        labels = labels.reshape(-1)
        row = int(np.argmax((labels < 0) | (labels >= n_classes)))
        raise ArgumentError(
            f"labels hold {labels[row]} in row {row}, expected classes from 0 to {n_classes - 1}: correct them, or "
            "leave such rows out by ignore_index of nn.CrossEntropyLoss"
        )


def _loss_device(predictions: Tensor, **constants: Tensor | None) -> Device:
    """Return the common device; refuse arguments that wait for a gradient which losses do not compute."""
    tensors = [predictions]
    for name, t in constants.items():
        if t is not None:
            tensors.append(t)
            if t.requires_grad and grad_enabled():
                raise GraphError(f"{name} of a loss requires a gradient, which losses do not compute: pass detach()")
    return common_device(*tensors)


def _data(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.data


def _row_norm(device: Device, predictions: Tensor, sample_weight: Tensor | None, reduction: str) -> Any:
    """Return the divisor of the losses of (batch, n_out) predictions: 1, their number, or n_out · Σ sample_weight."""
    if reduction != "mean" or sample_weight is None:
        return device.constant(float(predictions.size) if reduction == "mean" else 1.0, predictions.dtype)
    norm = device.empty(1, predictions.dtype)
    scale = float(predictions.size // max(predictions.shape[0], 1))
    device.run(device.kernels.sum_elements, sample_weight.data, norm, device.partials(norm.dtype), scale=scale)
    return _not_zero(device, norm)


def _not_zero(device: Device, norm: Any) -> Any:
    """Return 1 instead of a sum of weights that is 0: a minibatch of rows without weight has the loss 0, not 0/0."""
    return device.call(device.xp.add, norm, device.call(device.xp.equal, norm, 0.0))


def _loss(name: str, predictions: Tensor, shape: tuple[int, ...], reduction: str, launch: Any) -> Tensor:
    """Launch a loss kernel and reduce its losses; up to a factor, the gradient that it wrote is the backward pass."""
    if reduction not in REDUCTIONS:
        choose("reduction", reduction, REDUCTIONS)
    if predictions.size == 0:
        raise ArgumentError(f"{name} of no predictions: their shape is {predictions.shape}, expected at least one row")
    device = predictions.device
    losses = device.empty(shape, predictions.dtype)
    wanted = grad_enabled() and predictions.requires_grad
    gradient = device.empty(predictions.shape, predictions.dtype) if wanted else None
    launch(losses, gradient)
    out = losses
    if reduction != "none":
        total = device.empty(1, losses.dtype)
        device.run(device.kernels.sum_elements, losses, total, device.partials(losses.dtype))
        out = total.reshape(())

    def backward(dy):
        assert gradient is not None
        if dy is device.constant(1.0, dy.dtype, ()):  # the start of loss.backward(): no factor
            return (gradient,)
        factor = dy if dy.ndim in (0, gradient.ndim) else dy.reshape(-1, 1)
        return (device.call(device.xp.multiply, gradient, factor),)

    return on_tape(name, out, (predictions,), backward)
