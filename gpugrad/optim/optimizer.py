"""Optimizer: what every rule shares; parameter groups, clipping, the learning rate in device memory, state on disk."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine.device import Device
from ..engine.parameter import FlatParameters, Parameter
from ..engine.tensor import Tensor
from ..errors import ArgumentError, CheckpointError, GpugradError, GraphError, RecordingError, choose
from .groups import check_number, learned, parse

# The kinds of state that a rule keeps: one value an element; one count of steps a parameter group (int32); one value
# for all parameters together.
ELEMENTS, COUNT, TOTAL = "elements", "count", "total"


class Optimizer:
    """Moves parameters against their gradients. A rule is a subclass: see `rules.py`.

    params: Parameters, or dicts {"params": Parameters, option: value, …}, each a parameter group with options of its
        own. Those with requires_grad False are left out. All values then lie in one buffer (`FlatParameters`), and a
        step is one launch a group.
    lr and options: what groups have that say nothing else.

    Attributes: `param_groups` (list of dicts; lr and options may be changed at any time), `flat`; `decoupled` of the
    class (whether weight_decay acts on the parameters by itself and not through the gradient).

    Raises ArgumentError for no parameters, an unknown option, or a value that the rule cannot take.
    """

    decoupled = False

    def __init__(self, params: Iterable[Parameter] | Iterable[Mapping[str, Any]], lr: float, **options: Any) -> None:
        defaults = {"lr": lr, **options}
        self.param_groups = [self._make_group(group, defaults) for group in parse(params)]
        self._options = operator.itemgetter(*options)
        self.flat = FlatParameters(group["params"] for group in self.param_groups)
        for group, kept in zip(self.param_groups, self.flat.groups, strict=True):
            group["params"] = list(kept)
        self._state: dict[str, Any] = {}
        self._clip_pending = False
        self._make_words()
        self._make_state()

    # ---- what a rule says ----

    def _check(self, group: dict[str, Any]) -> None:
        """Refuse options that the rule cannot take; lr, weight_decay and switches are checked for all rules."""

    def _state_kinds(self, group: dict[str, Any]) -> dict[str, str]:
        """Name and kind of the state of a group."""
        return {}

    def _initial(self, name: str, group: dict[str, Any]) -> float:
        """What a state starts from."""
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
        """Forget all gradients: the next backward pass overwrites them. Nothing is written."""
        for p in self.flat.parameters:
            p.zero_grad()
        self._set_clip_pending(False)

    def step(self) -> None:
        """Update all parameters: one launch a parameter group.

        A parameter that no backward pass has reached since `zero_grad` counts as one with a gradient of zero: momentum
        and weight decay still move it. (PyTorch passes it over; to freeze one, leave it out of the optimizer.)

        Raises GraphError if there is no gradient at all, ArgumentError if a later optimizer has taken over some of
        the parameters or an option was changed to what the rule cannot take.
        """
        self._prepare()
        for group in self.param_groups:
            self._check_group(group)
        self._make_state()
        recorder = self.flat.device.recorder
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
        self.flat.parameters[0].changed_in_place()  # they share one version

    def clip_grad_norm(self, max_norm: float) -> Tensor:
        """Scale the gradient of the next `step` so that its norm over all parameters is at most max_norm.

        Returns the norm before clipping, a tensor () on the device that the next call overwrites. The gradients stay as
        they are: the update multiplies by min(1, max_norm / (norm + 1e-6)), PyTorch's factor, as it reads them. Call it
        after the last backward pass before the step. max_norm: more than 0; infinity only measures.
        """
        self._prepare()
        flat, device = self.flat, self.flat.device
        arrays = (flat.gradients, self._norm, self._grad_scale, device.partials(flat.dtype))
        device.run(device.kernels.clip_norm, *arrays, max_norm=float(max_norm))
        self._set_clip_pending(True)
        return Tensor(self._norm.reshape(()), device)

    def clip_grad_value(self, limit: float) -> None:
        """Move every element of the gradients into [−limit, limit], in place. Goes before `clip_grad_norm`."""
        self._prepare()
        device = self.flat.device
        if device.recorder is not None:
            device.recorder.read_attribute(self, "_clip_pending")
        if self._clip_pending:
            raise ArgumentError(
                "clip_grad_value came after clip_grad_norm, whose norm it would change: clip by value first"
            )
        device.run(device.kernels.clip_value, self.flat.gradients, limit=float(limit))

    def to(self, device: str | Device) -> None:
        """Move parameters and state to another device in place; gradients are dropped."""
        self._check_current()
        self.flat.to(device)
        self._follow()

    def is_finite(self) -> bool:
        """Whether all parameters and all state are free of NaN and infinity; waits for the device."""
        return all(map(self._all_finite, (self.flat.values, *self._state.values())))

    def _all_finite(self, array: Any) -> bool:
        device = self.flat.device
        if array.dtype.kind == "f":
            # A finite sum says it all, with no copy of the array. One that is not may also have overflowed.
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
        """Before anything reads the gradients: state beside the parameters, and zero where there is no gradient."""
        self._check_current()
        self._follow()
        flat, device = self.flat, self.flat.device
        recorder = device.recorder
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
        if self.flat.device.recorder is not None:
            self.flat.device.recorder.write_attribute(self, "_clip_pending")

    # ---- options ----

    def _make_group(self, group: Mapping[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
        if "params" not in group:
            raise ArgumentError('a parameter group has no "params": write {"params": [...], "lr": 0.1}')
        for name in group:
            choose(f"option of {type(self).__name__}", name, ["params", *defaults])
        made: dict[str, Any] = {"params": learned(group["params"]), **defaults}
        made.update((name, value) for name, value in group.items() if name != "params")
        self._check_group(made)
        return made

    def _check_group(self, group: dict[str, Any]) -> None:
        check_number("lr", group["lr"], 0.0)
        check_number("weight_decay", group["weight_decay"], 0.0)
        self._check(group)

    def _baked_options(self) -> list[tuple]:
        """The options that a recorded launch has baked in: all but lr."""
        return [self._options(group) for group in self.param_groups]

    # ---- device memory ----

    def _make_words(self) -> None:
        """Allocate the words that a replayed step reads: the rate of each group, the norm, the factor of clipping."""
        flat = self.flat
        self._device = flat.device
        self._rates = flat.device.empty(len(self.param_groups), flat.dtype)
        self._written: list[float | None] = [None] * len(self.param_groups)
        self._norm = flat.device.empty(1, flat.dtype)
        self._grad_scale = flat.device.empty(1, flat.dtype)

    def _write_rates(self) -> None:
        """Bring the learning rates that have changed to the device; runs before each step, replayed or not."""
        for i, changed in enumerate(self._changed_rates()):
            if changed:
                rate = self.param_groups[i]["lr"]
                check_number("lr", rate, 0.0)
                self._device.write(self._rates[i : i + 1], rate)
                self._written[i] = rate

    def _changed_rates(self) -> list[bool]:
        return [group["lr"] != written for group, written in zip(self.param_groups, self._written, strict=True)]

    def _make_state(self) -> None:
        """Allocate what the rule keeps and does not have yet; not launched, since a replay must not start it anew."""
        device, groups = self.flat.device, self.param_groups
        new: list[str] = []
        for i, group in enumerate(groups):
            for name, kind in self._state_kinds(group).items():
                if name not in self._state:
                    self._state[name] = device.empty(self._shape(kind), np.int32 if kind == COUNT else self.flat.dtype)
                    device.write(self._state[name], 0)
                    new.append(name)
                if name in new and (initial := self._initial(name, group)):
                    device.write(self._state[name][self.flat.slices[i]], initial)

    def _shape(self, kind: str) -> int:
        return {ELEMENTS: self.flat.values.size, COUNT: len(self.param_groups), TOTAL: 1}[kind]

    def _follow(self) -> None:
        """Move state and words to where the parameters are now."""
        if self._device is not self.flat.device:
            download, upload = self._device.download, self.flat.device.upload
            self._state = {name: upload(download(array)) for name, array in self._state.items()}
            self._make_words()

    # ---- state ----

    def state_dict(self) -> dict[str, Any]:
        """All that the next steps depend on besides the parameters: {"state": …, "param_groups": …}, on the host.

        state: {name: array}, for an element-wise state one value for each element of the parameters, in order;
        param_groups: the options, and under "params" the numbers of its parameters.
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
        """Go on from what `state_dict` gave; options come from there too. Nothing changes unless all of it fits.

        Raises CheckpointError that names what differs.
        """
        self._check_current()
        self._follow()
        options = self._check_groups(state_dict)
        state = self._check_state(state_dict, options)
        for group, loaded in zip(self.param_groups, options, strict=True):
            group.update(loaded)
        self._make_state()
        kinds = self._kinds(self.param_groups)
        for name, kind in kinds.items():
            write = self.flat.write if kind == ELEMENTS else self.flat.device.write
            write(self._state[name], state[name])
        for name in set(self._state) - set(kinds):  # in place here too: a recording may come back to it
            self.flat.device.write(self._state[name], 0)
        self._clip_pending = False
        # After a step with a NaN, what lies between the parameters need not be zero any more.
        self.flat.write(self.flat.values, self.flat.download(self.flat.values))

    def _kinds(self, groups: Iterable[dict[str, Any]]) -> dict[str, str]:
        return {name: kind for group in groups for name, kind in self._state_kinds(group).items()}

    def _check_groups(self, state_dict: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The options of each group in a state, checked."""
        name = type(self).__name__
        if not (isinstance(state_dict, Mapping) and {"state", "param_groups"} <= set(state_dict)):
            raise CheckpointError(f'the state of {name} has no "state" and "param_groups": pass what state_dict() gave')
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
                    f"group {i} of the state has {len(loaded['params'])} parameters, this {name} has "
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
    """The arguments of one group's launch: g, lr, grad_scale and p as the kernels take them, and the group's state."""

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
        """What most kernels take: g, lr, grad_scale, p and these states; None for one that the group does not keep."""
        return (self.g, self.lr, self.grad_scale, self.p, *(self.state.get(name) for name in state))

    @property
    def common(self) -> dict[str, Any]:
        """The options that every kernel takes."""
        return {"weight_decay": self.group["weight_decay"], "maximize": self.group["maximize"]}


def _plain(value: Any) -> Any:
    """An option as JSON can hold it."""
    return value.item() if isinstance(value, np.generic) else value
