"""Arguments of Trainer and `fit`: look up names, refuse each wrong value in one sentence before any work."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import nn, optim
from ..engine.device import Device
from ..engine.files import check_writable_file
from ..errors import ArgumentError, choose, counted
from ..nn import losses
from .callbacks import Callback, EarlyStopping
from .checkpoint import check_header
from .values import check_path, describe, is_integer, is_number

# Options of fit() and of Trainer, for the message where one is given to the other.
OF_FIT = (
    *("epochs", "batch_size", "validation_data", "validation_split", "sample_weight", "class_weight"),
    *("accumulation_steps", "early_stopping", "callbacks", "shuffle", "data_on_device", "memory"),
    *("progress", "checkpoint", "checkpoint_header", "resume"),
)
OF_TRAINER = (
    *("model", "loss", "optimizer", "schedule", "device", "toolchain", "seed"),
    *("clip_norm", "clip_value", "record", "precision"),
)
# What to do where an option has neither the name nor a synonym in `gpugrad.options`.
REMEDIES: dict[str, str] = {
    **{name: f"pass {name}=… to fit()" for name in (*OF_FIT, "scale")},
    **{name: f"pass {name}=… to Trainer" for name in OF_TRAINER},
    **dict.fromkeys(
        ("lr", "learning_rate", "learning_rate_init", "eta", "weight_decay", "alpha", "momentum", "betas"),
        "set it in the optimizer, Trainer(model, optimizer=optim.Adam(model.parameters(), lr=1e-3)) for instance",
    ),
    **dict.fromkeys(("num_epochs", "n_epochs", "max_epochs", "max_iter"), "pass epochs=… to fit()"),
    **dict.fromkeys(("criterion", "loss_fn", "loss_function"), "pass loss=… to Trainer"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "pass schedule=… to Trainer"),
    **dict.fromkeys(("metrics", "scoring"), "leave it out, fit() reports the loss and the accuracy or r2"),
    **dict.fromkeys(("train_loader", "dataloader", "train_dataloaders"), "pass arrays, fit(x, y)"),
}


def check_model(model: Any) -> nn.Module:
    """Return the model; raise ArgumentError unless it is an nn.Module."""
    if isinstance(model, nn.Module):
        return model
    remedy = "create an instance" if isinstance(model, type) else "pass one such as nn.MLP(4, [16], 3)"
    raise ArgumentError(f"model is {describe(model)}, expected an nn.Module: {remedy}")


def check_device(device: Any, toolchain: Any) -> None:
    """Raise ArgumentError unless a device and a toolchain are of the types that `gg.device` accepts."""
    if not isinstance(device, str | Device):
        raise ArgumentError(f"device is {describe(device)}, expected a name such as 'cpu' or 'auto', or a gg.Device")
    if not (toolchain is None or isinstance(toolchain, str)):
        raise ArgumentError(f"toolchain is {describe(toolchain)}, expected a name such as 'numpy', or None")


def make_loss(loss: Any) -> nn.Module:
    """Return a loss module: the given one, the one of a name, or cross-entropy for None."""
    if loss is None:
        return nn.CrossEntropyLoss()
    if isinstance(loss, str):
        return losses.make(_as_in_registry(loss, (*losses.LOSSES, *losses.SYNONYMS)))
    if not isinstance(loss, nn.Module):
        remedy = f"create one, {loss.__name__}()" if _is_class(loss, nn.Module) else "pass nn.MSELoss() or 'mse'"
        raise ArgumentError(f"loss is {describe(loss)}, expected a loss module, a name or None: {remedy}")
    if getattr(loss, "reduction", "mean") != "mean":
        raise ArgumentError(f"loss is {loss!r}, expected the mean over the rows: leave its reduction out")
    return loss


def check_optimizer(optimizer: Any, model: nn.Module) -> None:
    """Raise ArgumentError for what `make_optimizer` cannot use, before an optimizer takes over the parameters."""
    if optimizer is None:
        return
    if isinstance(optimizer, str):
        choose("optimizer", _as_in_registry(optimizer, optim.NAMES), optim.NAMES)
        return
    if not isinstance(optimizer, optim.Optimizer):
        name = optimizer.__name__ if _is_class(optimizer, optim.Optimizer) else "optim.Adam"
        raise ArgumentError(
            f"optimizer is {describe(optimizer)}, expected an optimizer, a name or None: "
            f"pass {name}(model.parameters()) or 'adam'"
        )
    if {id(p) for p in optimizer.flat.parameters}.isdisjoint(id(p) for p in model.parameters()):
        raise ArgumentError("optimizer holds none of the model's parameters: create it with model.parameters()")


def make_optimizer(optimizer: Any, model: nn.Module) -> optim.Optimizer:
    """Return an optimizer over the model's parameters: the given one, the one of a name, or Adam for None."""
    if optimizer is None:
        return optim.Adam(model.parameters())
    if isinstance(optimizer, str):
        return optim.make(_as_in_registry(optimizer, optim.NAMES), model.parameters())
    return optimizer


def check_schedule(schedule: Any, optimizer: Any) -> None:
    """Raise ArgumentError for what `make_schedule` cannot use with this optimizer, which may still be a name."""
    if schedule is None:
        return
    if isinstance(schedule, str):
        choose("schedule", _as_in_registry(schedule, optim.SCHEDULE_NAMES), optim.SCHEDULE_NAMES)
        return
    if not isinstance(schedule, optim.Schedule):
        name = schedule.__name__ if _is_class(schedule, optim.Schedule) else "optim.CosineAnnealingLR"
        raise ArgumentError(
            f"schedule is {describe(schedule)}, expected a schedule, a name or None: pass {name}(optimizer) or 'cosine'"
        )
    if schedule.optimizer is not optimizer:
        raise ArgumentError(
            "schedule belongs to another optimizer: create it with trainer.optimizer, or pass that optimizer too"
        )


def make_schedule(schedule: Any, optimizer: optim.Optimizer) -> optim.Schedule | None:
    """Return the given schedule, or the one of a name; `fit` fills in its length."""
    if isinstance(schedule, str):
        return optim.make_schedule(_as_in_registry(schedule, optim.SCHEDULE_NAMES), optimizer)
    return schedule


def _as_in_registry(name: str, options: Collection[str]) -> str:
    """Return the option that a name such as "Cross_Entropy" means; an unknown name as it is, for the message."""
    found = name.lower().replace("_", "-")
    return found if found in options else name


def _is_class(value: Any, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base)


def check_limit(name: str, value: Any) -> None:
    """Raise ArgumentError unless a limit of clipping is a positive, finite number or None."""
    if value is not None and not (is_number(value) and 0 < value < math.inf):
        raise ArgumentError(f"{name} is {describe(value)}, expected a positive number, or None for no clipping")


def check_validation(data: Any, split: Any) -> None:
    """Raise ArgumentError unless validation data are a pair, the split is a share, and only one of them is given."""
    if not is_number(split) or not 0 <= split < 1:
        raise ArgumentError(f"validation_split is {describe(split)}, expected a share in [0, 1), such as 0.1")
    if data is None:
        return
    if split:
        raise ArgumentError("validation_data and validation_split are both given: pass one of them")
    if not isinstance(data, tuple | list):
        raise ArgumentError(f"validation_data is {describe(data)}, expected a pair (x, y)")
    if len(data) != 2:
        raise ArgumentError(f"validation_data has {counted(len(data), 'part')}, expected two: (x, y)")


def make_early_stopping(value: Any) -> EarlyStopping | None:
    """Return an EarlyStopping: the given one, or the one of a patience in epochs."""
    if value is None or isinstance(value, EarlyStopping):
        return value
    if not is_integer(value) or value < 1:
        remedy = "create an instance, EarlyStopping(5)" if _is_class(value, EarlyStopping) else "pass early_stopping=5"
        raise ArgumentError(
            f"early_stopping is {describe(value)}, expected a patience of at least 1 epoch, an EarlyStopping or None: "
            f"{remedy}"
        )
    return EarlyStopping(value)


def check_callbacks(callbacks: Any) -> list[Callback]:
    """Return callbacks as a list; a single one and None pass too."""
    if callbacks is None:
        return []
    if isinstance(callbacks, Callback):
        return [callbacks]
    if isinstance(callbacks, type | str) or not isinstance(callbacks, Iterable):
        remedy = f"create an instance, [{callbacks.__name__}(…)]" if isinstance(callbacks, type) else "pass [callback]"
        raise ArgumentError(f"callbacks is {describe(callbacks)}, expected a list of callbacks: {remedy}")
    found = list(callbacks)
    for i, each in enumerate(found):
        if not isinstance(each, Callback):
            remedy = "create an instance" if isinstance(each, type) else "derive its class from gg.Callback"
            raise ArgumentError(f"callbacks[{i}] is {describe(each)}, expected a callback: {remedy}")
    return found


def check_checkpoint(path: Any, header: Any, scale: float) -> None:
    """Raise ArgumentError or StorageError unless a checkpoint can be written to `path` with a header of the user's."""
    if path is not None:
        check_path("checkpoint", path, "checkpoint file, or None")
    if header is not None:
        if not isinstance(header, Mapping):
            raise ArgumentError(
                f"checkpoint_header is {describe(header)}, expected a dict of values to keep with the checkpoint"
            )
        check_header("checkpoint_header", header, scale)
    if path is not None:
        if Path(path).is_dir():
            raise ArgumentError(f"checkpoint is the folder {path}, expected the path of a file: name one in it")
        check_writable_file(path)
