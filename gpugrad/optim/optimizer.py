"""Optimizer: the common part of all rules: parameter groups, clipping, learning rates on the device, saved state."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine.device import Device
from ..engine.parameter import FlatParameters, Parameter
from ..engine.tensor import Tensor
from ..errors import ArgumentError, CheckpointError, GpugradError, GraphError, RecordingError, a_or_an, choose, counted
from ..options import CheckedCall, changed_options, check_option, show
from .groups import check_number, parse, trainable

# Kinds of state: one value per element; one step count (int32) per parameter group; one value for all parameters.
ELEMENTS, COUNT, TOTAL = KINDS = ("elements", "count", "total")
# Attributes in device memory, which a copy allocates again.
ON_DEVICE = frozenset({"flat", "_device", "_rates", "_written", "_norm", "_grad_scale", "_clip_pending"})


class Optimizer(CheckedCall):
    """Move parameters against their gradients; base class of the rules in `rules.py`.

    The values of all parameters are stored in one buffer, and a step is one launch per parameter group. Optimizers over
    the same parameters in the same groups share the buffer; any other later optimizer over some of them takes them away
    from this one, whose step then raises an error. `copy.deepcopy` and pickle copy parameters and state, but no
    gradients; copied together with its model, an optimizer trains the copied model.

    Parameters
    ----------
    params : iterable of Parameter or of dict
        Parameters, or parameter groups: dicts ``{"params": parameters, option: value, …}``. Parameters with
        requires_grad False are left out.
    lr : float
        Learning rate, for groups that do not override it.
    **options : Any
        Options of the rule, for groups that do not override them.

    Attributes
    ----------
    param_groups : list of dict
        Parameters and options of each group; lr and options may be changed at any time.
    defaults : dict
        lr and options, as passed.
    flat : FlatParameters
        Buffers of the values and gradients.
    decoupled : bool
        True if weight_decay acts on the parameters directly, not through the gradient.

    Raises
    ------
    ArgumentError
        If there are no parameters, an option is unknown, or the rule does not accept a value.
    """

    decoupled = False
    _first = "model.parameters()"

    def __init__(self, params: Iterable[Parameter] | Iterable[Mapping[str, Any]], lr: float, **options: Any) -> None:
        self.defaults = {"lr": lr, **options}
        self.param_groups = [self._make_group(group) for group in parse(params)]
        self._options = operator.itemgetter(*options)
        self.flat = FlatParameters.over(group["params"] for group in self.param_groups)
        for group, kept in zip(self.param_groups, self.flat.groups, strict=True):
            group["params"] = list(kept)
        self._allocate()

    def __repr__(self) -> str:
        """Return a summary in one line."""
        options = []
        for group in self.param_groups:
            shown = {k: v for k, v in group.items() if k not in ("params", "lr")}
            changed = {"lr": group["lr"], **changed_options(type(self), shown)}
            options.append(", ".join(f"{name}={show(value)}" for name, value in changed.items()))
        if len(options) > 1:
            options = [f"{len(options)} groups: {'; '.join(options)}"]
        count = len(self.flat.parameters)
        size = sum(p.size for p in self.flat.parameters)
        parameters, values = counted(count, "parameter"), counted(size, "value")
        stale = ", replaced by a later optimizer" if self.flat.stale else ""
        return f"{type(self).__name__}({options[0]}, {parameters}, {values} on {self.flat.device.name}{stale})"

    # ---- overridden by rules ----

    def _check(self, group: dict[str, Any]) -> None:
        """Refuse options that the rule does not accept; lr and weight_decay are checked for all rules."""

    def _state_kinds(self, group: dict[str, Any]) -> dict[str, str]:
        """Return name and kind of each state of a group."""
        return {}

    def _initial(self, name: str, group: dict[str, Any]) -> float:
        """Return the initial value of a state."""
        return 0.0

    def _launch(self, device: Device, updates: list[Update]) -> None:
        """Launch the step of every group."""
        for update in updates:
            self._update(device, update)

    def _update(self, device: Device, update: Update) -> None:
        """Launch the step of one group."""
        raise NotImplementedError

    # ---- the step ----

    def zero_grad(self) -> None:
        """Forget all gradients; the next backward pass overwrites them. Nothing is written."""
        for p in self.flat.parameters:
            p.zero_grad()
        self._set_clip_pending(False)

    def step(self) -> None:
        """Update all parameters, with one launch per parameter group.

        A parameter that no backward pass has reached since `zero_grad` has a gradient of zero: momentum and weight
        decay still move it. (PyTorch skips it. To freeze a parameter, leave it out of the optimizer.)

        Raises
        ------
        GraphError
            If no parameter has a gradient.
        ArgumentError
            If a later optimizer has taken over some of the parameters, or the rule does not accept a changed option.
        """
        self._prepare()
        for group in self.param_groups:
            self._check_group(group)
        self._make_state()
        recorder = self.flat.device.thread.recorder
        if recorder is not None:
            recorder.read_attribute(self, "_clip_pending")
            if recorder.first((id(self), "step")):
                recorder.before_replay.append(self._write_rates)
                options = self._baked_options()
                recorder.require(lambda: self._baked_options() == options)
            elif any(self._changed_rates()):
                raise RecordingError("lr changed between two steps of one recorded step: record one step at a time")
        self._write_rates()
        scale = self._grad_scale if self._clip_pending else None
        self._launch(self.flat.device, [Update(self, i, scale) for i in range(len(self.param_groups))])
        self._set_clip_pending(False)
        self.flat.parameters[0].changed_in_place()  # all parameters share one version

    def clip_grad_norm(self, max_norm: float) -> Tensor:
        """Clip the gradient norm of the next step to `max_norm`.

        The gradients stay unchanged; the update kernel applies the factor when it reads them. Call it after the last
        backward pass before the step.

        Parameters
        ----------
        max_norm : float
            Upper limit of the norm over all parameters, more than 0; infinity only measures.

        Returns
        -------
        Tensor
            Norm before clipping, shape (), on the device. The next call overwrites it.

        Raises
        ------
        GraphError
            If no parameter has a gradient.
        ArgumentError
            If max_norm is not more than 0.

        Notes
        -----
        The update multiplies the gradients by min(1, max_norm / (norm + 1e-6)), PyTorch's factor.

        References
        ----------
        Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", arXiv:1211.5063.
        """
        max_norm = _limit("max_norm", max_norm)
        self._prepare()
        flat, device = self.flat, self.flat.device
        arrays = (flat.gradients, self._norm, self._grad_scale, device.partials(flat.dtype))
        device.run(device.kernels.clip_norm, *arrays, max_norm=max_norm)
        self._set_clip_pending(True)
        return Tensor(self._norm.reshape(()), device)

    def clip_grad_value(self, limit: float) -> None:
        """Clip every element of the gradients to [−limit, limit], in place; call it before `clip_grad_norm`.

        Parameters
        ----------
        limit : float
            Largest absolute value, more than 0.

        Raises
        ------
        GraphError
            If no parameter has a gradient.
        ArgumentError
            If limit is not more than 0, or `clip_grad_norm` was called first.
        """
        limit = _limit("limit", limit)
        self._prepare()
        device = self.flat.device
        if device.thread.recorder is not None:
            device.thread.recorder.read_attribute(self, "_clip_pending")
        if self._clip_pending:
            raise ArgumentError(
                "clip_grad_value came after clip_grad_norm, whose norm it would change: clip by value first"
            )
        device.run(device.kernels.clip_value, self.flat.gradients, limit=limit)

    def to(self, device: str | Device) -> None:
        """Move parameters and state to another device in place, and drop the gradients.

        Parameters
        ----------
        device : str or Device
            The new device.
        """
        self._check_current()
        self.flat.to(device)
        self._follow()

    def is_finite(self) -> bool:
        """Return whether all parameters and all state are free of NaN and infinity; wait for the device.

        Returns
        -------
        bool
            True if every value is finite.
        """
        return all(map(self._all_finite, (self.flat.values, *self._state.values())))

    def _all_finite(self, array: Any) -> bool:
        device = self.flat.device
        if array.dtype.kind == "f":
            # A finite sum proves it without copying the array; a sum that is not finite may have overflowed.
            total = device.empty(1, array.dtype)
            with np.errstate(all="ignore"):
                device.run(device.kernels.sum_elements, array, total, device.partials(array.dtype), scale=1.0)
            if np.isfinite(device.download(total)[0]):
                return True
        return bool(np.isfinite(device.download(array)).all())

    def _check_current(self) -> None:
        if self.flat.stale:
            raise ArgumentError(
                f"some parameters of this {type(self).__name__} were given to a later optimizer: "
                "use that one, or make a new one over all of them"
            )

    def _prepare(self) -> None:
        """Before a launch reads the gradients: move the state to their device, and zero the missing ones."""
        self._check_current()
        self._follow()
        flat, device = self.flat, self.flat.device
        recorder = device.thread.recorder
        if recorder is not None:
            if recorder.first((id(self), "memory")):
                values = flat.values
                recorder.require(lambda: not flat.stale and flat.values is values)
            for p in flat.parameters:
                recorder.read_attribute(p, "has_grad")
        missing = [p for p in flat.parameters if not p.has_grad]
        if len(missing) == len(flat.parameters):
            raise GraphError(
                "no parameter has a gradient: call backward() on a loss computed from them before the step"
            )
        for p in missing:
            device.run(device.xp.copyto, p._grad, 0)

    def _set_clip_pending(self, value: bool) -> None:
        self._clip_pending = value
        if self.flat.device.thread.recorder is not None:
            self.flat.device.thread.recorder.write_attribute(self, "_clip_pending")

    # ---- groups and options ----

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add a parameter group: new parameters join, and the others keep their state.

        A recorded step that uses the optimizer is recorded again.

        Parameters
        ----------
        group : dict
            ``{"params": parameters, option: value, …}``; missing options have the values in `defaults`.

        Raises
        ------
        ArgumentError
            If a parameter is in a group already, or an option is unknown or not accepted by the rule.
        RecordingError
            If it is called inside a recorded step.
        """
        if not isinstance(group, Mapping):
            raise ArgumentError(
                f'the parameter group is {a_or_an(type(group))}, expected a dict: write {{"params": [...], "lr": 0.1}}'
            )
        self._check_current()
        self._follow()
        made = self._make_group(group)
        n_old, old = self.flat.values.size, self._state
        self.flat = FlatParameters([*self.flat.groups, made["params"]])  # begins with the layout of the old buffers
        made["params"] = list(self.flat.groups[-1])
        self.param_groups.append(made)
        self._allocate()
        device, lengths = self.flat.device, {ELEMENTS: n_old, COUNT: len(self.param_groups) - 1, TOTAL: 1}
        for name, array in old.items():
            if name in self._state:
                device.run(device.xp.copyto, self._state[name][: lengths[self._kind_of[name]]], array)

    def _make_group(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Check a parameter group, and complete it with the defaults."""
        if "params" not in group:
            raise ArgumentError('a parameter group has no "params": write {"params": [...], "lr": 0.1}')
        for name in group:
            check_option(f"option of {type(self).__name__}", name, ["params", *self.defaults])
        made: dict[str, Any] = {"params": trainable(group["params"]), **self.defaults}
        made.update((name, value) for name, value in group.items() if name != "params")
        self._check_group(made)
        for name, kind in self._state_kinds(made).items():
            choose(f"kind of {name!r}, a state of {type(self).__name__},", kind, KINDS)
        return made

    def _check_group(self, group: dict[str, Any]) -> None:
        check_number("lr", group["lr"], 0.0)
        check_number("weight_decay", group["weight_decay"], 0.0)
        self._check(group)

    def _baked_options(self) -> list[tuple]:
        """Return the options that a recorded launch keeps: all except lr."""
        return [self._options(group) for group in self.param_groups]

    # ---- device memory ----

    def _allocate(self) -> None:
        """Allocate new state and words for the parameters and groups."""
        self._state: dict[str, Any] = {}
        self._kind_of: dict[str, str] = {}
        self._clip_pending = False
        self._make_words()
        self._make_state()

    def _make_words(self) -> None:
        """Allocate the words that a replayed step reads: the rate of each group, the norm, the clipping factor."""
        flat = self.flat
        self._device = flat.device
        self._rates = flat.device.empty(len(self.param_groups), flat.dtype)
        self._written: list[float | None] = [None] * len(self.param_groups)
        self._norm = flat.device.empty(1, flat.dtype)
        self._grad_scale = flat.device.empty(1, flat.dtype)

    def _write_rates(self) -> None:
        """Write the changed learning rates to the device; runs before each step, replayed or not."""
        for i, changed in enumerate(self._changed_rates()):
            if changed:
                rate = self.param_groups[i]["lr"]
                check_number("lr", rate, 0.0)
                self._device.write(self._rates[i : i + 1], rate)
                self._written[i] = rate

    def _changed_rates(self) -> list[bool]:
        return [group["lr"] != written for group, written in zip(self.param_groups, self._written, strict=True)]

    def _make_state(self) -> None:
        """Allocate missing state. The initial values are not launched, since a replay must not reset them."""
        device, groups = self.flat.device, self.param_groups
        new: list[str] = []
        for i, group in enumerate(groups):
            for name, kind in self._state_kinds(group).items():
                if name not in self._state:
                    self._state[name] = device.empty(self._shape(kind), np.int32 if kind == COUNT else self.flat.dtype)
                    self._kind_of[name] = kind
                    device.write(self._state[name], 0)
                    new.append(name)
                if name in new and (initial := self._initial(name, group)):
                    device.write(self._state[name][self.flat.slices[i]], initial)

    def _shape(self, kind: str) -> int:
        return {ELEMENTS: self.flat.values.size, COUNT: len(self.param_groups), TOTAL: 1}[kind]

    def _follow(self) -> None:
        """Move state and words to the device of the parameters."""
        if self._device is not self.flat.device:
            download, upload = self._device.download, self.flat.device.upload
            self._state = {name: upload(download(array)) for name, array in self._state.items()}
            self._make_words()

    # ---- state ----

    def __getstate__(self) -> dict[str, Any]:
        """Return everything except device memory: options, parameters, and the state on the host."""
        state = self.state_dict()["state"]
        kept = {name: value for name, value in vars(self).items() if name not in ON_DEVICE}
        return {**kept, "param_groups": [dict(group) for group in self.param_groups], "_state": state}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        """Lay out the parameters, which may be copies, in new buffers, and continue from the state."""
        vars(self).update(kept)
        self.flat = FlatParameters.over(group["params"] for group in self.param_groups)
        self._allocate()
        self._write_state(kept["_state"])

    def state_dict(self) -> dict[str, Any]:
        """Copy to the host what the next steps depend on in addition to the parameters.

        Returns
        -------
        dict
            "state": arrays by name; an element-wise state has one value per element of the parameters, in order.
            "param_groups": the options of each group, with the numbers of its parameters as "params".
        """
        self._check_current()
        self._follow()
        self._make_state()
        kinds, download = self._kinds(self.param_groups), self.flat.device.download
        state = {
            name: self.flat.download(array) if kinds[name] == ELEMENTS else download(array)
            for name, array in self._state.items()
            if name in kinds
        }
        numbers = iter(range(len(self.flat.parameters)))
        groups = [
            {key: [next(numbers) for _ in value] if key == "params" else _plain(value) for key, value in group.items()}
            for group in self.param_groups
        ]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`, with its options.

        Parameters
        ----------
        state_dict : mapping
            Result of `state_dict` of an optimizer of the same class over a model of the same shapes.

        Raises
        ------
        CheckpointError
            If it does not fit; the message names the difference, and nothing was changed.
        """
        self._check_current()
        self._follow()
        options = self._check_groups(state_dict)
        state = self._check_state(state_dict, options)
        for group, loaded in zip(self.param_groups, options, strict=True):
            group.update(loaded)
        self._make_state()
        self._write_state(state)
        self._clip_pending = False
        # After a step with a NaN the gaps between the parameters need not be zero any more.
        self.flat.write(self.flat.values, self.flat.download(self.flat.values))

    def _write_state(self, state: Mapping[str, Any]) -> None:
        """Write a state in place, and zero where it has none: existing recordings may still use this memory."""
        for name, array in self._state.items():
            write = self.flat.write if name in state and self._kind_of[name] == ELEMENTS else self.flat.device.write
            write(array, state.get(name, 0))

    def _kinds(self, groups: Iterable[dict[str, Any]]) -> dict[str, str]:
        return {name: kind for group in groups for name, kind in self._state_kinds(group).items()}

    def _check_groups(self, state_dict: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the options of each group of a state, checked."""
        name = type(self).__name__
        if not (isinstance(state_dict, Mapping) and {"state", "param_groups"} <= set(state_dict)):
            raise CheckpointError(
                f'the state of {name} has no "state" and "param_groups": pass the result of state_dict()'
            )
        loaded_groups = state_dict["param_groups"]
        if len(loaded_groups) != len(self.param_groups):
            raise CheckpointError(
                f"the state has {len(loaded_groups)} parameter groups, this {name} has {len(self.param_groups)}: "
                "make it with the same groups"
            )
        checked = []
        for i, (group, loaded) in enumerate(zip(self.param_groups, loaded_groups, strict=True)):
            if set(loaded) != set(group):
                differing = ", ".join(sorted(set(loaded) ^ set(group)))
                raise CheckpointError(
                    f"group {i} of the state and of this {name} differ in {differing}: "
                    "it was written by another optimizer"
                )
            if len(loaded["params"]) != len(group["params"]):
                raise CheckpointError(
                    f"group {i} of the state has {counted(len(loaded['params']), 'parameter')}, this {name} has "
                    f"{len(group['params'])}: make it over the same model"
                )
            # JSON has no tuples.
            options = {key: tuple(v) if isinstance(v, list) else v for key, v in loaded.items() if key != "params"}
            try:
                self._check_group(options)
            except (GpugradError, TypeError, ValueError) as error:
                raise CheckpointError(f"group {i} of the state cannot be used: {error}") from None
            checked.append(options)
        return checked

    def _check_state(self, state_dict: Mapping[str, Any], options: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Return the arrays of a state, checked."""
        name = type(self).__name__
        state, kinds = state_dict["state"], self._kinds(options)
        if set(state) != set(kinds):
            raise CheckpointError(
                f"the state holds {', '.join(sorted(state)) or 'nothing'}, {name} with these options keeps "
                f"{', '.join(sorted(kinds)) or 'nothing'}: it was written by another optimizer"
            )
        sizes = {ELEMENTS: sum(p.size for p in self.flat.parameters), COUNT: len(options), TOTAL: 1}
        for key, kind in kinds.items():
            array = np.asarray(state[key])
            dtype = np.dtype(np.int32) if kind == COUNT else self.flat.dtype
            if array.shape != (sizes[kind],) or array.dtype != dtype:
                raise CheckpointError(
                    f"{key} of the state is {array.dtype} {array.shape}, this {name} keeps {dtype} ({sizes[kind]},): "
                    "make it over the same model"
                )
        return {key: np.asarray(array) for key, array in state.items()}


class Update:
    """Arguments of one group's launch: g, lr, grad_scale and p as the kernels accept them, and the group's state.

    Parameters
    ----------
    optimizer : Optimizer
        Owner of the group.
    index : int
        Number of the group.
    grad_scale : array or None
        Factor of the gradients, one element.
    """

    __slots__ = ("g", "grad_scale", "group", "lr", "p", "state")

    def __init__(self, optimizer: Optimizer, index: int, grad_scale: Any) -> None:
        place, word = optimizer.flat.slices[index], slice(index, index + 1)
        parts = {ELEMENTS: place, COUNT: word, TOTAL: slice(None)}
        self.group = optimizer.param_groups[index]
        self.g, self.p = optimizer.flat.gradients[place], optimizer.flat.values[place]
        self.lr, self.grad_scale = optimizer._rates[word], grad_scale
        kinds = optimizer._state_kinds(self.group)
        self.state = {name: optimizer._state[name][parts[kind]] for name, kind in kinds.items()}

    def arrays(self, *state: str) -> tuple:
        """Return g, lr, grad_scale, p and these states, the usual arguments; None for a state that the group lacks."""
        return (self.g, self.lr, self.grad_scale, self.p, *(self.state.get(name) for name in state))

    @property
    def common(self) -> dict[str, Any]:
        """Return the options that every kernel accepts."""
        return {"weight_decay": self.group["weight_decay"], "maximize": self.group["maximize"]}


def _plain(value: Any) -> Any:
    """Return an option as JSON can hold it."""
    return value.item() if isinstance(value, np.generic) else value


def _limit(name: str, value: Any) -> float:
    """Return a limit of clipping as a float; its kernel refuses one out of range."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} is {value!r}, expected a number more than 0: 1.0, for instance") from None
