"""The rules, in order of increasing complexity. Names and defaults are PyTorch's; g is the gradient, p a parameter.

The contract of each rule's kernel has the complete formula.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..engine.device import Device
from ..errors import ArgumentError
from .groups import check_betas, check_number
from .optimizer import COUNT, ELEMENTS, TOTAL, Optimizer, Update


class SGD(Optimizer):
    """Gradient descent with optional momentum: p ← p − lr·g, or b ← momentum·b + g and p ← p − lr·b.

    Parameters
    ----------
    params : iterable of Parameter or of dict
        Parameters, or parameter groups with options of their own: ``{"params": parameters, "lr": 0.1}``.
    lr : float, default 1e-3
        Learning rate, the size of a step.
    momentum : float, default 0.0
        Weight of the past in the momentum buffer; 0 keeps no buffer.
    nesterov : bool, default False
        Use Nesterov's momentum, which needs momentum more than 0.
    lr_in_buffer : bool, default False
        Multiply by lr before the buffer, as scikit-learn and Keras do; the path differs once lr changes.
    weight_decay : float, default 0.0
        L2 penalty: adds weight_decay · p to the gradient of p.
    maximize : bool, default False
        Ascend instead of descend.

    Notes
    -----
    Without momentum, p ← p − lr·g. With momentum, b ← momentum·b + g and p ← p − lr·b, or with nesterov
    p ← p − lr·(g + momentum·b). With lr_in_buffer, b ← momentum·b + lr·g and p ← p − b. State: `momentum_buffer` (b).

    References
    ----------
    Robbins & Monro, "A stochastic approximation method", Annals of Mathematical Statistics 22, 1951. Polyak, "Some
    methods of speeding up the convergence of iteration methods", USSR Computational Mathematics 4, 1964. Nesterov, "A
    method for solving the convex programming problem with convergence rate O(1/k²)", Doklady 269, 1983. Sutskever,
    Martens, Dahl & Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013.
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
            raise ArgumentError("momentum is 0, expected a positive number with nesterov: set momentum, such as 0.9")

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
    """AdaGrad with one step size for all parameters: s ← s + ‖g‖², p ← p − lr·g / √(eps + s).

    Each step is two launches per parameter group, since the sum must be complete before the first group moves.

    Parameters
    ----------
    params : iterable of Parameter or of dict
        Parameters, or parameter groups with options of their own: ``{"params": parameters, "lr": 0.1}``.
    lr : float, default 1e-2
        Learning rate.
    eps : float, default 1e-10
        Added to the sum before the root.
    weight_decay : float, default 0.0
        L2 penalty: adds weight_decay · p to the gradient of p.
    maximize : bool, default False
        Ascend instead of descend.

    Notes
    -----
    s ← s + ‖g‖², a sum over all parameters, and p ← p − lr·g / √(eps + s). State: `square_sum` (s).

    References
    ----------
    Ward, Wu & Bottou, "AdaGrad stepsizes: sharp convergence over nonconvex landscapes", arXiv:1806.01811.
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
    """AdaGrad, a learning rate per element that only falls: s ← s + g², p ← p − lr·g / (√s + eps).

    Parameters
    ----------
    params : iterable of Parameter or of dict
        Parameters, or parameter groups with options of their own: ``{"params": parameters, "lr": 0.1}``.
    lr : float, default 1e-2
        Learning rate.
    eps : float, default 1e-10
        Added to the denominator.
    initial_accumulator_value : float, default 0.0
        Initial value of the sum.
    weight_decay : float, default 0.0
        L2 penalty: adds weight_decay · p to the gradient of p.
    maximize : bool, default False
        Ascend instead of descend.

    Notes
    -----
    s ← s + g² and p ← p − lr·g / (√s + eps). State: `square_sum` (s).

    References
    ----------
    Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 12,
    2011.
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
    """AdaGrad with a moving average: v ← alpha·v + (1 − alpha)·g², p ← p − lr·g / (√v + eps).

    Parameters
    ----------
    params : iterable of Parameter or of dict
        Parameters, or parameter groups with options of their own: ``{"params": parameters, "lr": 0.1}``.
    lr : float, default 1e-2
        Learning rate.
    alpha : float, default 0.99
        Weight of the past in the moving average.
    eps : float, default 1e-8
        Added to the denominator.
    weight_decay : float, default 0.0
        L2 penalty: adds weight_decay · p to the gradient of p.
    maximize : bool, default False
        Ascend instead of descend.

    Notes
    -----
    v ← alpha·v + (1 − alpha)·g² and p ← p − lr·g / (√v + eps). State: `square_average` (v).

    References
    ----------
    Tieleman & Hinton, "Lecture 6.5: RMSProp", Coursera, 2012.
    """

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

    Parameters
    ----------
    params : iterable of Parameter or of dict
        Parameters, or parameter groups with options of their own: ``{"params": parameters, "lr": 0.1}``.
    lr : float, default 1.0
        Learning rate.
    rho : float, default 0.9
        Weight of the past in both moving averages.
    eps : float, default 1e-6
        Added to both averages.
    weight_decay : float, default 0.0
        L2 penalty: adds weight_decay · p to the gradient of p.
    maximize : bool, default False
        Ascend instead of descend.

    Notes
    -----
    v ← rho·v + (1 − rho)·g², d = √((u + eps)/(v + eps))·g, u ← rho·u + (1 − rho)·d² and p ← p − lr·d. State:
    `square_average` (v), `delta_average` (u).

    References
    ----------
    Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701.
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
    """Momentum with a learning rate per element: p ← p − lr·(m/c1) / (√(v/c2) + eps).

    Parameters
    ----------
    params : iterable of Parameter or of dict
        Parameters, or parameter groups with options of their own: ``{"params": parameters, "lr": 0.1}``.
    lr : float, default 1e-3
        Learning rate.
    betas : (float, float), default (0.9, 0.999)
        Weights of the past in the moving averages of g and g².
    eps : float, default 1e-8
        Added to the denominator.
    eps_hat : bool, default False
        Add eps before the correction of v, as scikit-learn and TensorFlow do.
    weight_decay : float, default 0.0
        L2 penalty: adds weight_decay · p to the gradient of p.
    amsgrad : bool, default False
        Use the largest v so far.
    maximize : bool, default False
        Ascend instead of descend.

    Notes
    -----
    m ← beta1·m + (1 − beta1)·g, v ← beta2·v + (1 − beta2)·g² and p ← p − lr·(m/c1) / (√(v/c2) + eps) in step t, where
    c1 = 1 − beta1^t and c2 = 1 − beta2^t correct for the start at zero. With eps_hat,
    p ← p − lr·(√c2/c1)·m / (√v + eps). State: `m`, `v`, `step` (t, one per group), and `v_max` with amsgrad.

    References
    ----------
    Kingma & Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980. Reddi, Kale & Kumar, "On the convergence
    of Adam and beyond", ICLR 2018 (amsgrad).
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
    """Adam with decoupled weight decay: p ← p − lr·weight_decay·p, then Adam's step.

    Parameters
    ----------
    params : iterable of Parameter or of dict
        Parameters, or parameter groups with options of their own: ``{"params": parameters, "lr": 0.1}``.
    lr : float, default 1e-3
        Learning rate.
    betas : (float, float), default (0.9, 0.999)
        Weights of the past in the moving averages of g and g².
    eps : float, default 1e-8
        Added to the denominator.
    eps_hat : bool, default False
        Add eps before the correction of v, as scikit-learn and TensorFlow do.
    weight_decay : float, default 1e-2
        Factor of the parameters that each step subtracts, times lr.
    amsgrad : bool, default False
        Use the largest v so far.
    maximize : bool, default False
        Ascend instead of descend.

    Notes
    -----
    p ← p − lr·weight_decay·p, and then the step of `Adam`. The decay does not pass through the moving averages.

    References
    ----------
    Loshchilov & Hutter, "Decoupled weight decay regularization", arXiv:1711.05101.
    """

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
