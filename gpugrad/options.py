"""Options of a class or function: unknown ones are refused in a sentence that names the right ones."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from .errors import ArgumentError, choose

# Names in PyTorch, Keras, Lightning, scikit-learn and optax, each with the names that it may have here.
SYNONYMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("learning_rate", "learning_rate_init", "eta", "eta0", "step_size"), ("lr",)),
    "rate": ("lr", "p"),
    "alpha": ("lr",),
    **dict.fromkeys(("beta_1", "beta_2", "beta1", "beta2", "b1", "b2", "beta"), ("betas", "momentum", "delta")),
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
    **dict.fromkeys(("num_epochs", "n_epochs", "max_epochs", "max_iter", "nb_epoch"), ("epochs",)),
    **dict.fromkeys(("validation_fraction", "val_split"), ("validation_split",)),
    **dict.fromkeys(("val_data", "validation", "eval_set"), ("validation_data",)),
    **dict.fromkeys(("sample_weights", "weights"), ("sample_weight",)),
    **dict.fromkeys(("class_weights",), ("class_weight",)),
    **dict.fromkeys(("patience", "n_iter_no_change"), ("early_stopping",)),
    **dict.fromkeys(("verbose", "progress_bar", "enable_progress_bar"), ("progress",)),
    **dict.fromkeys(("accumulate_grad_batches", "gradient_accumulation_steps"), ("accumulation_steps",)),
    **dict.fromkeys(("ckpt_path", "resume_from_checkpoint", "resume_from"), ("resume",)),
    **dict.fromkeys(("criterion", "loss_fn", "loss_function"), ("loss",)),
    **dict.fromkeys(("scheduler", "lr_scheduler"), ("schedule",)),
    **dict.fromkeys(("gradient_clip_val", "clipnorm", "max_grad_norm", "max_norm", "clip_grad_norm"), ("clip_norm",)),
    **dict.fromkeys(("clipvalue", "clip_grad_value"), ("clip_value",)),
    **dict.fromkeys(("random_state", "random_seed"), ("seed",)),
    **dict.fromkeys(("drop_rate", "dropout", "prob"), ("p",)),
    **dict.fromkeys(("n_in", "input_dim", "input_size", "in_dim"), ("in_features",)),
    **dict.fromkeys(("n_out", "units", "output_dim", "output_size", "out_dim"), ("out_features",)),
    **dict.fromkeys(("use_bias",), ("bias",)),
    **dict.fromkeys(("hidden_sizes", "hidden_layer_sizes", "hidden_dims", "layers"), ("hidden",)),
    **dict.fromkeys(("size_average", "reduce"), ("reduction",)),
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
    **dict.fromkeys(("verbose", "inplace"), "leave it out"),
    "activation": "add an activation such as nn.ReLU() after it, or use nn.Dense, which has one",
}


def check_option(kind: str, name: str, known: Iterable[str], remedies: Mapping[str, str] = REMEDIES) -> None:
    """Refuse an unknown option; the message names the option of the same meaning, or the remedy."""
    known = list(known)
    if name in known:
        return
    here = next((option for option in SYNONYMS.get(name, ()) if option in known), None)
    if here is not None:
        raise ArgumentError(f"unknown {kind} {name!r}: write {HOW_TO_WRITE.get(here, f'{here}=…')} instead")
    if name in remedies:
        raise ArgumentError(f"unknown {kind} {name!r}: {remedies[name]}")
    choose(kind, name, known)


def check_options(
    kind: str, made: type, options: Iterable[str], remedies: Mapping[str, str] = REMEDIES, first: int = 1
) -> None:
    """Refuse options that a class does not accept.

    Parameters
    ----------
    kind : str
        Name for the options in the message, such as "option of adam".
    made : type
        The class.
    options : iterable of str
        Names of the options.
    remedies : mapping
        Remedies for names that mean something else here.
    first : int, default 1
        Position of the first option. The parameters before it are the objects that an instance is made for.

    Raises
    ------
    ArgumentError
        If an option is unknown.
    """
    parameters = _parameters(made)
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    for option in options:
        check_option(kind, option, [p.name for p in parameters[first:] if p.kind is not p.VAR_POSITIONAL], remedies)


def check_call(
    made: type,
    first: str,
    arguments: tuple[Any, ...],
    options: Mapping[str, Any],
    remedies: Mapping[str, str] = REMEDIES,
) -> None:
    """Refuse a call of a class with too many positional arguments, an unknown option, or options alone.

    Parameters
    ----------
    made : type
        The class. Its first parameter is the object that it is made for.
    first : str
        Text of the first argument in an example call.
    arguments : tuple
        Positional arguments.
    options : mapping
        Keyword arguments.
    remedies : mapping
        Remedies for names that mean something else here.
    """
    parameters = _parameters(made)
    if not parameters or any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters):
        return
    check_count(made, arguments)
    owner = parameters[0].name
    check_options(f"option of {made.__name__}", made, [name for name in options if name != owner], remedies)
    if options and not arguments and owner not in options:
        raise ArgumentError(f"{made.__name__} got no {owner}, expected it first: pass {first}")


def check_count(made: type, arguments: tuple[Any, ...]) -> None:
    """Refuse a call of a class with too many positional arguments; the message names an option."""
    parameters = _parameters(made)
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(arguments) <= len(positional) or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return
    option = next((p.name for p in parameters if p.kind is p.KEYWORD_ONLY), positional[-1])
    raise ArgumentError(
        f"{made.__name__} got {len(arguments)} positional arguments, expected {' and '.join(positional)} at most: "
        f"name the others, such as {option}=…"
    )


class CheckedOptions:
    """Base of classes with options, which refuse unknown ones before Python does, naming the right ones."""

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Check the names of the options and the number of positional arguments."""
        check_options(f"option of {cls.__name__}", cls, options, first=0)
        check_count(cls, arguments)
        return super().__new__(cls)


class CheckedCall:
    """Base of classes that are made for an object, and refuse unknown options as `CheckedOptions` do."""

    # Example of the first argument, for messages, and remedies for names that mean something else here.
    _first: ClassVar[str]
    _remedies: ClassVar[Mapping[str, str]] = REMEDIES

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Check the arguments of the call."""
        check_call(cls, cls._first, arguments, options, cls._remedies)
        return super().__new__(cls)


def plain(value: Any) -> Any:
    """Return NumPy's numbers and truth values as Python's, which every check of an option accepts.

    Parameters
    ----------
    value : object
        The value of an option.

    Returns
    -------
    object
        Python's number or truth value in place of NumPy's; any other value as it is.
    """
    return value.item() if isinstance(value, np.number | np.bool_) else value


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
