"""Wrong arguments of optimizers and schedules, refused in one sentence that names the right ones."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from ..errors import ArgumentError, choose

# Names in PyTorch, Keras, scikit-learn and optax, each with the names that it may have here.
SYNONYMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("learning_rate", "learning_rate_init", "rate", "eta", "eta0", "step_size"), ("lr",)),
    "alpha": ("lr",),
    **dict.fromkeys(("beta_1", "beta_2", "beta1", "beta2", "b1", "b2", "beta"), ("betas", "momentum")),
    "epsilon": ("eps",),
    **dict.fromkeys(
        ("decay", "l2", "l2_reg", "l2_regularization", "wd", "weight_decay_rate"), ("weight_decay", "gamma")
    ),
    **dict.fromkeys(("rho", "decay_rate", "discounting_factor"), ("alpha", "rho", "gamma")),
    "lr_decay": ("gamma", "weight_decay"),
    "momentum": ("betas",),
    **dict.fromkeys(("nesterovs_momentum", "use_nesterov"), ("nesterov",)),
    "initial_accumulator": ("initial_accumulator_value",),
    **dict.fromkeys(
        ("T_0", "T_max", "t_max", "total_steps", "decay_steps", "steps", "epochs", "n_steps", "steps_per_epoch"),
        ("T_max", "total_steps", "step_size"),
    ),
    **dict.fromkeys(("total_iters", "warmup", "num_warmup_steps", "warmup_epochs"), ("warmup_steps",)),
    **dict.fromkeys(("min_lr", "lr_min", "end_lr", "end_value"), ("eta_min", "min_lr")),
    "eta_min": ("min_lr",),
    **dict.fromkeys(("peak_lr", "lr", "peak_value"), ("max_lr",)),
    "decay_factor": ("gamma", "factor"),
    "gamma": ("factor",),
    "factor": ("gamma",),
}
HOW_TO_WRITE = {"betas": "betas=(beta1, beta2)"}
REMEDIES = {
    **dict.fromkeys(
        ("clip_norm", "clipnorm", "max_norm", "max_grad_norm", "clip_grad_norm", "global_clipnorm"),
        "call clip_grad_norm() before each step()",
    ),
    **dict.fromkeys(("clip_value", "clipvalue", "clip_grad_value"), "call clip_grad_value() before each step()"),
    **dict.fromkeys(
        ("foreach", "fused", "capturable", "differentiable"),
        "leave it out, each step is one launch per parameter group",
    ),
    "last_epoch": "leave it out, load_state_dict() continues a schedule",
    "verbose": "leave it out",
}


def check_option(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuse an unknown option; the message names the option of the same meaning."""
    known = list(known)
    if name in known:
        return
    here = next((option for option in SYNONYMS.get(name, ()) if option in known), None)
    if here is not None:
        raise ArgumentError(f"unknown {kind} {name!r}: write {HOW_TO_WRITE.get(here, f'{here}=…')} instead")
    if name in REMEDIES:
        raise ArgumentError(f"unknown {kind} {name!r}: {REMEDIES[name]}")
    choose(kind, name, known)


def check_options(kind: str, made: type, options: Mapping[str, Any]) -> None:
    """Refuse options that a class does not accept.

    Parameters
    ----------
    kind : str
        Name for the options in the message, such as "option of adam".
    made : type
        Class of an optimizer or schedule. Its first parameter is the object that it is made for, not an option.
    options : mapping
        Options by name.

    Raises
    ------
    ArgumentError
        If an option is unknown.
    """
    parameters = _parameters(made)
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    for option in options:
        check_option(kind, option, [p.name for p in parameters[1:]])


def check_call(made: type, first: str, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """Refuse a call of a class with too many positional arguments, an unknown option, or options alone.

    Parameters
    ----------
    made : type
        Class of an optimizer or schedule.
    first : str
        Text of the first argument in an example call.
    arguments : tuple
        Positional arguments.
    options : mapping
        Keyword arguments.
    """
    parameters = _parameters(made)
    if not parameters or any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters):
        return
    positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    if len(arguments) > len(positional):
        named = next((p.name for p in parameters if p.kind is p.KEYWORD_ONLY), positional[-1])
        raise ArgumentError(
            f"{made.__name__} got {len(arguments)} positional arguments, expected {' and '.join(positional)} at most: "
            f"name the others, such as {named}=…"
        )
    owner = parameters[0].name
    check_options(f"option of {made.__name__}", made, {name: None for name in options if name != owner})
    if options and not arguments and owner not in options:
        raise ArgumentError(f"{made.__name__} got no {owner}, expected it first: pass {first}")


class CheckedCall:
    """Base of classes that refuse unknown options before Python does, naming the right ones."""

    # Example of the first argument, for messages.
    _first: ClassVar[str]

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Check the arguments of the call."""
        check_call(cls, cls._first, arguments, options)
        return super().__new__(cls)


def changed_options(made: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that differ from the defaults of a class."""
    defaults = {p.name: p.default for p in _parameters(made)}
    return {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}


def show(value: Any) -> str:
    """Show an option in a repr: numbers with 6 digits."""
    if isinstance(value, bool):
        return repr(value)
    return f"{value:.6g}" if hasattr(value, "__float__") else repr(value)


def _parameters(made: type) -> list[inspect.Parameter]:
    """List the parameters of a class, without self."""
    return list(inspect.signature(made.__init__).parameters.values())[1:]  # type: ignore[misc]
