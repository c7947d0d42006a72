"""Summary of a model: layers, output shapes, parameters, bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.device import device as get_device
from ..engine.parameter import Parameter
from ..engine.tape import no_grad
from ..engine.tensor import Tensor
from ..errors import ArgumentError
from .containers import Sequential
from .layers import Dense, check_size
from .linear import Linear
from .module import Module, watchers

# Columns of the printed table.
WIDTH = 100


@dataclass(frozen=True)
class Layer:
    """One row of a summary: a module with parameters of its own, or with no modules in it.

    Attributes
    ----------
    name : str
        Dotted name in the model.
    kind : str
        Name of the class.
    output_shape : tuple of int or None
        Shape of the output for one sample, None if unknown.
    parameters : int
        Elements of its parameters; a shared parameter counts in its first layer.
    bytes : int
        Bytes of these parameters.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    parameters: int
    bytes: int


@dataclass(frozen=True)
class Summary:
    """Layers of a model with totals; `print` shows a table.

    Parameters
    ----------
    title : str
        Name of the model's class.
    layers : tuple of Layer
        One row per layer.
    parameters : int
        Elements of all parameters.
    trainable : int
        Elements of the parameters that are not frozen.
    bytes : int
        Bytes of all parameters.
    """

    title: str
    layers: tuple[Layer, ...]
    parameters: int
    trainable: int
    bytes: int

    def __str__(self) -> str:
        """Return the table."""
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table

        table = Table(title=self.title, title_justify="left", box=SIMPLE_HEAD, show_footer=True)
        table.add_column("layer", "total")
        table.add_column("kind")
        table.add_column("output shape")
        table.add_column("parameters", f"{self.parameters:,}", justify="right")
        table.add_column("bytes", f"{self.bytes:,}", justify="right")
        for layer in self.layers:
            row = (layer.name, layer.kind, _shape_text(layer.output_shape), f"{layer.parameters:,}", f"{layer.bytes:,}")
            table.add_row(*row)
        console = Console(file=io.StringIO(), width=WIDTH, color_system=None, markup=False, highlight=False)
        console.print(table)
        console.print(f"{self.trainable:,} trainable, {self.parameters - self.trainable:,} frozen")
        assert isinstance(console.file, io.StringIO)
        return "\n".join(line.rstrip() for line in console.file.getvalue().strip("\n").splitlines())

    __repr__ = __str__


def summary(model: Module, input_shape: int | Sequence[int] | None = None) -> Summary:
    """Summarize the layers of a model; `print` shows the result as a table.

    Parameters
    ----------
    model : Module
        The model.
    input_shape : int or sequence of int, optional
        Shape of one sample, without the batch axis; a forward pass of one row of zeros then finds the output shapes.
        None uses the features of the first layer of a Sequential, or leaves the output shapes open.

    Returns
    -------
    Summary
        Layers and totals.

    Raises
    ------
    ArgumentError
        If the model does not accept the input shape.
    """
    shapes: dict[int, tuple[int, ...]] = {}
    shape = _first_features(model) if input_shape is None else _as_shape(input_shape)
    if shape is not None:
        shapes = _output_shapes(model, shape)
    layers = []
    counted: set[int] = set()
    for name, module in model.named_modules():
        own = [p for _, p in module._parts() if isinstance(p, Parameter)]
        if not own and any(True for _ in module.children()):
            continue
        new = list({id(p): p for p in own if id(p) not in counted}.values())
        counted.update(map(id, new))
        layers.append(Layer(name, type(module).__name__, shapes.get(id(module)), sum(p.size for p in new), _bytes(new)))
    parameters = list(model.parameters())
    return Summary(
        title=type(model).__name__,
        layers=tuple(layers),
        parameters=sum(p.size for p in parameters),
        trainable=sum(p.size for p in parameters if p.requires_grad),
        bytes=_bytes(parameters),
    )


def _output_shapes(model: Module, shape: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Return the output shape of each module for one sample, by id; the modes of the model are restored."""
    shapes: dict[int, tuple[int, ...]] = {}

    def watch(module: Module, output: Any) -> None:
        if isinstance(output, Tensor):
            shapes[id(module)] = output.shape[1:]

    first = next(model.parameters(), None)
    device = get_device() if first is None else first.device
    x = Tensor(device.zeros((1, *shape), np.float32 if first is None else first.dtype), device)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    before = watchers.set((*watchers.get(), watch))
    try:
        with no_grad():
            model(x)
    finally:
        watchers.reset(before)
        for module, training in modes:
            module.training = training
    return shapes


def _first_features(model: Module) -> tuple[int, ...] | None:
    while isinstance(model, Sequential) and len(model):
        model = model[0]
    return (model.in_features,) if isinstance(model, Dense | Linear) else None


def _as_shape(input_shape: int | Sequence[int]) -> tuple[int, ...]:
    sizes = input_shape if isinstance(input_shape, Sequence) else (input_shape,)
    if isinstance(sizes, str):
        raise ArgumentError(f"input_shape is {input_shape!r}, expected the shape of one sample, such as (784,)")
    return tuple(check_size("input_shape", size) for size in sizes)


def _shape_text(shape: tuple[int, ...] | None) -> str:
    return "?" if shape is None else f"({', '.join(['batch', *map(str, shape)])})"


def _bytes(parameters: Sequence[Parameter]) -> int:
    return sum(p.size * p.dtype.itemsize for p in parameters)
