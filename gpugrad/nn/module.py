"""Module: parameters and other modules as one object that can be called, moved, saved and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..engine import elsewhere
from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.elsewhere import has_no
from ..engine.parameter import Parameter
from ..engine.surroundings import PLAIN
from ..engine.tensor import Tensor
from ..errors import ArgumentError, CheckpointError, a_or_an
from .state import StateDict, arrange, check_state

# Functions of (module, output), called after each forward pass of this context; `summary` reads the shapes with one.
watchers: ContextVar[tuple[Callable[[Module, Any], None], ...]] = ContextVar("watchers", default=())


class Module:
    """Base class of all building blocks: set parameters and modules as attributes, and define `forward`.

    Every attribute that is a `Parameter` or a `Module`, alone or in a list, tuple or dict, is a part of the module, in
    the order of assignment. Its name is the path to it: "encoder.weight", "layers.0.bias". A part with several paths
    counts once, under the first of its names. `copy.deepcopy` and pickle copy values, not gradients.

    Attributes
    ----------
    training : bool
        True at first and after `train`, False after `eval`.
    input_scale : float or None
        Factor of stored features, set by `Trainer.fit`. Trainers and exports multiply features by it, `forward` does
        not. None if it is not known.
    """

    training = True
    input_scale: float | None = None
    _weight_layouts: ClassVar[Mapping[str, str]] = {}
    forward: Callable[..., Any]

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Return the output of `forward`."""
        if inputs and isinstance(inputs[0], Tensor) and (recorder := inputs[0].device.thread.recorder) is not None:
            recorder.read_options(self, self._options_and_parts())
        output = self.forward(*inputs, **options)
        for watch in watchers.get():
            watch(self, output)
        return output

    if not TYPE_CHECKING:  # or mypy would accept every name

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):  # a property that raises AttributeError, with its own message
                return object.__getattribute__(self, name)
            raise AttributeError(has_no(a_or_an(type(self)), name, elsewhere.MODULE), name=name, obj=self)

    # ---- parts ----

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Iterate over the modules directly in this one.

        Yields
        ------
        (str, Module)
            Name and module.
        """
        for name, part in self._parts():
            if isinstance(part, Module):
                yield name, part

    def children(self) -> Iterator[Module]:
        """Iterate over the modules directly in this one.

        Yields
        ------
        Module
            The next module.
        """
        for _, module in self.named_children():
            yield module

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Iterate over this module and all modules in it, each before its children.

        Yields
        ------
        (str, Module)
            Dotted name and module; the name of this module is empty.
        """
        yield from self._named_modules("", set())

    def modules(self) -> Iterator[Module]:
        """Iterate over this module and all modules in it.

        Yields
        ------
        Module
            The next module.
        """
        for _, module in self.named_modules():
            yield module

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Iterate over all parameters of this module and the modules in it.

        Yields
        ------
        (str, Parameter)
            Dotted name and parameter.
        """
        seen: set[int] = set()
        for prefix, module in self.named_modules():
            for name, part in module._parts():
                if isinstance(part, Parameter) and id(part) not in seen:
                    seen.add(id(part))
                    yield _join(prefix, name), part

    def parameters(self) -> Iterator[Parameter]:
        """Iterate over all parameters of this module and the modules in it.

        Yields
        ------
        Parameter
            The next parameter.
        """
        for _, parameter in self.named_parameters():
            yield parameter

    def _options_and_parts(self) -> Iterator[str]:
        """Yield the attributes on which `forward` may depend: plain values, modules, and the versions of parameters.

        Of plain values, a `forward` of the user's own says itself which it reads (`Surroundings`).
        """
        yield "training"
        ours = next(kind for kind in type(self).__mro__ if kind.__module__.startswith("gpugrad.")) is not Module
        kinds = (*PLAIN, Module) if ours else Module
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield f"{name}.version"  # another parameter has another one
            elif isinstance(value, kinds) and name != "training":
                yield name

    def _parts(self) -> Iterator[tuple[str, Parameter | Module]]:
        return _parts_in(vars(self))

    def _named_modules(self, prefix: str, seen: set[int]) -> Iterator[tuple[str, Module]]:
        if id(self) not in seen:
            seen.add(id(self))
            yield prefix, self
            for name, child in self.named_children():
                yield from child._named_modules(_join(prefix, name), seen)

    # ---- all parts at once ----

    def train(self, mode: bool = True) -> Self:
        """Set the mode of this module and all modules in it; dropout is active in training mode only.

        Parameters
        ----------
        mode : bool, default True
            True for training, False for evaluation.

        Returns
        -------
        Module
            This module.
        """
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Set the evaluation mode of this module and all modules in it.

        Returns
        -------
        Module
            This module.
        """
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget all gradients. Nothing is written."""
        for parameter in self.parameters():
            parameter.zero_grad()

    @property
    def device(self) -> Device | None:
        """Return the device of the first parameter, or None without parameters."""
        first = next(self.parameters(), None)
        return None if first is None else first.device

    def to(self, device: str | Device) -> Self:
        """Move all parameters to a device in place, and drop the gradients.

        Parameters
        ----------
        device : str or Device
            The new device.

        Returns
        -------
        Module
            This module.
        """
        target = get_device(device)
        for module in self.modules():
            module._to_device(target)
        return self

    def _to_device(self, device: Device) -> None:
        for _, part in self._parts():
            if isinstance(part, Parameter):
                part.to_device(device)

    # ---- values ----

    def state_dict(self) -> StateDict:
        """Copy all parameters to the host, by name.

        Returns
        -------
        StateDict
            A dict of arrays, which also keeps the layout of every weight matrix.
        """
        return StateDict({name: p.numpy() for name, p in self.named_parameters()}, self.weight_layouts())

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, *, layout: str | None = None) -> None:
        """Overwrite the parameters with the values of a state, cast to their dtype.

        Parameters
        ----------
        state : mapping of str to array_like
            Values by name: the result of `state_dict`, or a mapping of arrays, tensors or PyTorch tensors.
        strict : bool, default True
            Require an entry for every parameter and a parameter for every entry; False ignores those without a match.
        layout : {"own", "in_out", "out_in"}, optional
            Order of the axes of the weight matrices in `state`: "own" is the order of this module's `state_dict`,
            "in_out" that of `Dense`, "out_in" that of PyTorch and `Linear`. Matrices in another layout are transposed.
            None reads the layouts from a `StateDict`. Without them it expects the layouts of this module, and accepts
            square weights of Dense layers only if a weight that is not square shows which layout the state has.

        Raises
        ------
        ArgumentError
            If `state` is not a mapping, or `layout` is unknown.
        CheckpointError
            If entries are missing, unexpected, of the wrong shape, not numbers, or square with no known layout; the
            message names all of them. No parameter was changed.
        """
        check_state("state", state)
        parameters = dict(self.named_parameters())
        own = self.weight_layouts()
        arrays = arrange(state, {name: p.shape for name, p in parameters.items()}, own, layout)
        problems, transposed = [], False
        if strict:
            problems += [f"missing {name} {p.shape}" for name, p in parameters.items() if name not in state]
            problems += [f"unexpected {name} {np.shape(state[name])}" for name in state if name not in parameters]
        for name, array in arrays.items():
            if array.shape != parameters[name].shape:
                problems.append(f"{name} has shape {array.shape}, expected {parameters[name].shape}")
                transposed |= name in own and array.shape[::-1] == parameters[name].shape
            elif array.dtype.kind not in "fiub":
                problems.append(f"{name} has dtype {array.dtype}, expected numbers")
        if problems:
            remedy = (
                "these weights are transposed, load PyTorch's with nn.load_pytorch"
                if transposed
                else "build the model with the sizes it was saved with"
            )
            raise CheckpointError(f"the weights do not fit {type(self).__name__} ({'; '.join(problems)}): {remedy}")
        for name, array in arrays.items():
            parameter = parameters[name]
            parameter.device.write(parameter.data, array.astype(parameter.dtype, order="C"))
            parameter.changed_in_place()

    def weight_layouts(self) -> dict[str, str]:
        """Return the order of the axes of every weight matrix that has one.

        Returns
        -------
        dict of str to {"in_out", "out_in"}
            Layout by name of the parameter.
        """
        names = {id(parameter): name for name, parameter in self.named_parameters()}
        layouts: dict[str, str] = {}
        for module in self.modules():
            for attribute, layout in module._weight_layouts.items():
                name = names.get(id(getattr(module, attribute, None)))
                if name is not None:
                    layouts.setdefault(name, layout)
        return layouts

    # ---- repr ----

    def extra_repr(self) -> str:
        """Return the text between the parentheses of `repr`; derived classes override it.

        Returns
        -------
        str
            Options of the module, by default empty.
        """
        return ""

    def __repr__(self) -> str:
        """Return the class and its options, and one line per module in it."""
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        body = "".join(f"\n  {line}" for line in lines) + "\n" if lines else ""
        return f"{type(self).__name__}({self.extra_repr()}{body})"


def check_tensor(owner: Module, name: str, value: Any, expected: str = "a tensor") -> None:
    """Refuse anything except a tensor: an array would be uploaded at each call."""
    if not isinstance(value, Tensor):
        are = "are" if name.endswith("s") else "is"
        raise ArgumentError(
            f"{name} of {type(owner).__name__} {are} {a_or_an(type(value))}, expected {expected}: "
            "make it one with gg.tensor(...)"
        )


_PARTS_AND_GROUPS = Parameter, Module, list, tuple, dict  # a tuple: a union takes four times as long


def _parts_in(group: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Parameter | Module]]:
    for key, value in group.items():
        if isinstance(value, _PARTS_AND_GROUPS):
            name = f"{prefix}{key}"
            if isinstance(value, _PARTS_AND_GROUPS[:2]):
                yield name, value
            else:
                yield from _parts_in(value if isinstance(value, dict) else dict(enumerate(value)), f"{name}.")


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
