"""The rules, sorted in order of increasing complexity. The contract of each rule's kernel has the formula in full.

`lr` (learning rate) is the size of a step; `weight_decay` adds weight_decay·p to the gradient, except in AdamW;
`maximize` climbs instead of descending. Names and defaults are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..engine.device import Device
from ..errors import ArgumentError
from .groups import check_betas, check_number
from .optimizer import COUNT, ELEMENTS, TOTAL, Optimizer, Update


class SGD(Optimizer):
    """Gradient descent: p ← p − lr·g; with momentum b ← momentum·b + g and p ← p − lr·b.

    nesterov: p ← p − lr·(g + momentum·b) instead; needs momentum. lr_in_buffer: b ← momentum·b + lr·g and p ← p − b, as
    in scikit-learn and Keras, which is another path when lr changes. State: `momentum_buffer` (b), with momentum only.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        lr_in_buffer: bool = False,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            momentum=momentum,
            nesterov=nesterov,
            lr_in_buffer=lr_in_buffer,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    def _check(self, group: dict[str, Any]) -> None:
        check_number("momentum", group["momentum"], 0.0)
        if group["nesterov"] and group["momentum"] == 0:
            raise ArgumentError("momentum is 0, expected more with nesterov: set momentum, 0.9 for instance")

    def _state_kinds(self, group: dict[str, Any]) -> dict[str, str]:
        return {"momentum_buffer": ELEMENTS} if group["momentum"] else {}

    def _update(self, device: Device, update: Update) -> None:
        group = update.group
        device.run(
            device.kernels.sgd_step,
            *update.arrays("momentum_buffer"),
            momentum=group["momentum"],
            nesterov=group["nesterov"],
            lr_in_buffer=group["lr_in_buffer"],
            **update.common,
        )


class AdagradNorm(Optimizer):
    """AdaGrad with one scalar: s ← s + ‖g‖² over all parameters, p ← p − lr·g / √(eps + s).

    Two launches a parameter group, since the sum must be complete before the first descends. State: `square_sum` (s).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        *,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def _check(self, group: dict[str, Any]) -> None:
        check_number("eps", group["eps"], 0.0, above=True)

    def _state_kinds(self, group: dict[str, Any]) -> dict[str, str]:
        return {"square_sum": TOTAL}

    def _launch(self, device: Device, updates: list[Update]) -> None:
        accumulate, descend = device.kernels.adagrad_norm_accumulate, device.kernels.adagrad_norm_step
        for u in updates:
            partials = device.partials(u.p.dtype)
            device.run(accumulate, u.g, u.grad_scale, u.p, u.state["square_sum"], partials, **u.common)
        for u in updates:
            arrays = (u.g, u.lr, u.grad_scale, u.state["square_sum"], u.p)
            device.run(descend, *arrays, eps=u.group["eps"], **u.common)


class Adagrad(Optimizer):
    """A learning rate for each parameter, which only falls: s ← s + g², p ← p − lr·g / (√s + eps).

    State: `square_sum` (s), which starts at initial_accumulator_value.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        *,
        eps: float = 1e-10,
        initial_accumulator_value: float = 0.0,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            eps=eps,
            initial_accumulator_value=initial_accumulator_value,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    def _check(self, group: dict[str, Any]) -> None:
        check_number("eps", group["eps"], 0.0, above=True)
        check_number("initial_accumulator_value", group["initial_accumulator_value"], 0.0)

    def _state_kinds(self, group: dict[str, Any]) -> dict[str, str]:
        return {"square_sum": ELEMENTS}

    def _initial(self, name: str, group: dict[str, Any]) -> float:
        return group["initial_accumulator_value"]

    def _update(self, device: Device, update: Update) -> None:
        device.run(device.kernels.adagrad_step, *update.arrays("square_sum"), eps=update.group["eps"], **update.common)


class RMSprop(Optimizer):
    """Adagrad that forgets: v ← alpha·v + (1 − alpha)·g², p ← p − lr·g / (√v + eps). State: `square_average` (v)."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, alpha=alpha, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def _check(self, group: dict[str, Any]) -> None:
        check_number("alpha", group["alpha"], 0.0, 1.0)
        check_number("eps", group["eps"], 0.0, above=True)

    def _state_kinds(self, group: dict[str, Any]) -> dict[str, str]:
        return {"square_average": ELEMENTS}

    def _update(self, device: Device, update: Update) -> None:
        group = update.group
        arrays = update.arrays("square_average")
        device.run(device.kernels.rmsprop_step, *arrays, alpha=group["alpha"], eps=group["eps"], **update.common)


class Adadelta(Optimizer):
    """Steps in the unit of the parameter: d = √((u + eps)/(v + eps))·g, p ← p − lr·d.

    v and u are moving averages, with weight 1 − rho on the newest, of g² and of d². State: `square_average` (v),
    `delta_average` (u).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        *,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def _check(self, group: dict[str, Any]) -> None:
        check_number("rho", group["rho"], 0.0, 1.0)
        check_number("eps", group["eps"], 0.0, above=True)

    def _state_kinds(self, group: dict[str, Any]) -> dict[str, str]:
        return {"square_average": ELEMENTS, "delta_average": ELEMENTS}

    def _update(self, device: Device, update: Update) -> None:
        group = update.group
        arrays = update.arrays("square_average", "delta_average")
        device.run(device.kernels.adadelta_step, *arrays, rho=group["rho"], eps=group["eps"], **update.common)


class Adam(Optimizer):
    """Momentum with a rate for each parameter: p ← p − lr·(m/c1) / (√(v/c2) + eps).

    m and v are moving averages of g and g² with betas (beta1, beta2); c1 = 1 − beta1^t and c2 = 1 − beta2^t correct
    for their start at zero. eps_hat: p ← p − lr·(√c2/c1)·m / (√v + eps) instead, as in scikit-learn and TensorFlow.
    amsgrad: the largest v so far takes v's place. State: `m`, `v`, `step` (t, one a group), and `v_max` with amsgrad.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        eps_hat: bool = False,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas=betas,
            eps=eps,
            eps_hat=eps_hat,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
        )

    def _check(self, group: dict[str, Any]) -> None:
        check_betas(group["betas"])
        check_number("eps", group["eps"], 0.0, above=True)

    def _state_kinds(self, group: dict[str, Any]) -> dict[str, str]:
        kinds = {"m": ELEMENTS, "v": ELEMENTS, "step": COUNT}
        return {**kinds, "v_max": ELEMENTS} if group["amsgrad"] else kinds

    def _update(self, device: Device, update: Update) -> None:
        beta1, beta2 = update.group["betas"]
        device.run(
            device.kernels.adam_step,
            *update.arrays("m", "v", "v_max", "step"),
            beta1=beta1,
            beta2=beta2,
            eps=update.group["eps"],
            eps_hat=update.group["eps_hat"],
            decoupled=self.decoupled,
            **update.common,
        )


class AdamW(Adam):
    """Adam whose weight decay does not pass through the averages: p ← p − lr·weight_decay·p, then Adam's step."""

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        eps_hat: bool = False,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas=betas,
            eps=eps,
            eps_hat=eps_hat,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
        )
