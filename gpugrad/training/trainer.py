"""Trainer: fit, evaluate, predict. The training step is recorded once and replayed."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np

from .. import nn, optim
from ..data import hold_out_rows
from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.files import check_writable
from ..engine.precision import check_precision_for, precision
from ..engine.random import Generator, check_seed
from ..engine.recording import record
from ..engine.tensor import Tensor
from ..errors import ArgumentError, DataError
from ..nn.losses import kind_of
from .callbacks import Callback, EarlyStopping
from .checkpoint import describe_model, save_model, with_layouts
from .checks import check_features, check_labels, check_targets, check_weights, class_weights
from .evaluation import forward, mean_loss, scores
from .history import History
from .loop import Loop
from .minibatches import Minibatches
from .streaming import is_mapped
from .task import State, Step, Task

logger = logging.getLogger("gpugrad")

Method = TypeVar("Method", bound=Callable[..., Any])


def _in_turn(method: Method) -> Method:
    """A method of a trainer that holds its device: threads take turns."""

    @functools.wraps(method)
    def held(self: Any, *arguments: Any, **options: Any) -> Any:
        with self.device.lock:
            return method(self, *arguments, **options)

    return cast(Method, held)


class Trainer(Task):
    """Trains a model on a device.

    model: any `nn.Module` from (batch, n_features) to (batch, n_out). loss: a module (predictions, targets) → mean over
    the rows, with a third argument where there are sample weights, such as those of `nn`; None: CrossEntropyLoss.
    optimizer: one of `optim` over the model's parameters; None: Adam. schedule: one of `optim`'s over that optimizer,
    or None. device, toolchain: as for `gg.device`; model and optimizer are moved there. seed: of shuffling, splits and
    dropout; the same seed on the same device gives the same bits; in `fit`, all Dropout layers draw from the trainer's
    generator. clip_norm, clip_value: limits of the gradient's norm over all parameters, and of each of its elements.
    record: replay the step; False runs it through the tape each time, with the same result.
    precision: "float32", "tf32" or "bfloat16", of the matrix products in training, evaluation and prediction, whatever
    a `gg.precision` around them says; parameters, gradients and the optimizer's state are float32 in each of the three.

    Raises ArgumentError for a value outside these, DeviceError for a device that is not there or lacks the precision.

    Attributes: `model`, `loss`, `optimizer`, `schedule`, `device`, `precision`, `generator` (of dropout), `history`,
    `epoch` and `steps` (trained so far), `stop_reason`.
    """

    kind = "checkpoint"
    older_settings: ClassVar[dict[str, Any]] = {"precision": "float32"}

    def __init__(
        self,
        model: nn.Module,
        *,
        loss: nn.Module | None = None,
        optimizer: optim.Optimizer | None = None,
        schedule: optim.Schedule | None = None,
        device: str | Device = "auto",
        toolchain: str | None = None,
        seed: int = 0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        record: bool = True,
        precision: str = "float32",
    ) -> None:
        for name, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            if limit is not None and not 0 < limit < math.inf:
                raise ArgumentError(f"{name} is {limit}, expected a positive number, or None for no clipping")
        if getattr(loss, "reduction", "mean") != "mean":
            raise ArgumentError(f"loss is {loss!r}, expected the mean over the rows: leave its reduction out")
        self.device = get_device(device, toolchain)
        self.seed = check_seed(seed)
        dtype = next((p.dtype for p in model.parameters()), np.float32)
        check_precision_for(precision, self.device, dtype)
        self.precision = precision
        self.model = model.to(self.device)
        self.loss = (loss or nn.CrossEntropyLoss()).to(self.device)
        self.optimizer = optimizer or optim.Adam(model.parameters())
        if {id(p) for p in self.optimizer.flat.parameters}.isdisjoint(id(p) for p in model.parameters()):
            raise ArgumentError("the optimizer has no parameter of the model: make it over model.parameters()")
        self.optimizer.to(self.device)
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.record = record
        self.history = History()
        self.generator = Generator(seed, self.device)
        # A resumed training takes the options from its checkpoint: they must be the ones it was made with.
        self.initial_options = {
            f"{name} of parameter group {i}": value
            for i, group in enumerate(self.optimizer.param_groups)
            for name, value in group.items()
            if name != "params"
        }
        self._dtype = self.optimizer.flat.dtype
        self._epoch_loss = self.device.zeros(1, self._dtype)  # of the running epoch so far, a share of each row's loss

    # ---- training ----

    @_in_turn
    def fit(
        self,
        x: Any,
        y: Any,
        *,
        epochs: int = 10,
        batch_size: int = 128,
        validation_data: tuple[Any, Any] | None = None,
        validation_split: float = 0.0,
        sample_weight: Any = None,
        class_weight: Any = None,
        accumulation_steps: int = 1,
        early_stopping: int | EarlyStopping | None = None,
        callbacks: Iterable[Callback] = (),
        shuffle: bool = True,
        scale: float = 1.0,
        data_on_device: bool | None = None,
        progress: bool | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_header: dict[str, Any] | None = None,
        resume: str | Path | None = None,
    ) -> History:
        """Train for a number of epochs, or on from a checkpoint until that number; returns the history.

        x (rows, features): uint8, float16, float32 or float64; it stays in its dtype on the device, and each element is
        multiplied by `scale` when its minibatch is gathered. data_on_device: False streams it from the host instead
        (with the same bits); None does so where it does not fit.
        y: labels (rows,) for CrossEntropyLoss, else (rows, n_out) values.
        validation_data: (x, y) to evaluate after each epoch; or validation_split: the share of rows to set aside. They
        are evaluated without weights.
        sample_weight (rows,), class_weight ("balanced", {label: weight} or a sequence): multiplied if both are given;
        only their ratios matter, and a row of weight 2 counts as two rows.
        accumulation_steps: minibatches whose gradients make one optimizer step, the one of all their rows.
        early_stopping: patience in epochs, or an EarlyStopping. progress: a live bar; None shows it on a terminal.
        checkpoint: a file written after each epoch, with `checkpoint_header` (JSON-able) in it; resume: a checkpoint to
        go on from, bit for bit as if never stopped.

        Raises DataError, ArgumentError, CheckpointError or StorageError for what cannot be trained on, before any
        training; NonFiniteError when the loss, a parameter or the optimizer's state becomes NaN or infinite, naming the
        epoch, the step and the first operation that produced it, with the model as it was before that epoch. An
        interrupt (Ctrl-C) ends the training and leaves the model as it is then, or as in the best epoch of early
        stopping; `history.stopped` says so.
        """
        for name, value in (("epochs", epochs), ("batch_size", batch_size), ("accumulation_steps", accumulation_steps)):
            if not isinstance(value, int | np.integer) or value < 1:
                raise ArgumentError(f"{name} is {value!r}, expected an integer of at least 1")
        if self.schedule is not None and self.schedule.optimizer is not self.optimizer:
            raise ArgumentError("the schedule is one of another optimizer: make it over the one of this trainer")
        if early_stopping is not None and not isinstance(early_stopping, EarlyStopping):
            early_stopping = EarlyStopping(early_stopping)
        x, y, weight, rows, validation = self._training_data(
            x, y, sample_weight, class_weight, validation_data, validation_split, scale
        )
        if (n_rows := len(y if rows is None else rows)) < batch_size:
            raise ArgumentError(
                f"there are {n_rows} rows to train on, fewer than the batch size {batch_size}: pass a smaller one"
            )
        if checkpoint is not None:
            check_writable(Path(checkpoint).parent)
        self.data = Minibatches(
            self.device,
            x,
            y,
            weight,
            rows=rows,
            batch_size=batch_size,
            accumulation_steps=accumulation_steps,
            shuffle=shuffle,
            dtype=self._dtype,
            scale=scale,
            seed=self.seed,
            on_device=data_on_device,
        )
        del x, y, weight, rows  # what training needs of them is in data now
        self._validation = validation
        self.stop_reason = self.history.stopped = None
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.generator = self.generator
        loop = Loop(self, [*([early_stopping] if early_stopping else []), *callbacks], recorded=self.record)
        goal = epochs if resume else self.epoch + epochs
        try:
            loop.begin(resume)
            loop.run(goal, progress=progress, checkpoint=checkpoint, header=checkpoint_header)
        finally:
            del self.data, self._validation
        return self.history

    def running_loss(self) -> tuple[float, int]:
        """Of the running epoch so far: the sum of the losses of its rows, and their number; waits for the device."""
        return float(self.device.download(self._epoch_loss)[0]) * self.data.rows, self.rows_so_far

    # ---- what the loop asks for ----

    def make_step(self, recorded: bool) -> Step:
        """The step over one minibatch: gather, forward, loss, backward; after the last one of a group the update."""
        device, data = self.device, self.data

        def training_step(size: int, group_rows: int, first: bool, last: bool) -> None:
            x, y, weight = data.next(size)
            with precision(self.precision):
                loss = mean_loss(self.loss, self.model(x), y, weight)
            share = data.share(weight, size, group_rows)
            if share is not None:
                loss = loss * share
            if first:
                self.optimizer.zero_grad()
            loss.backward()
            arrays = (loss.data.reshape(1), self._epoch_loss, device.partials(loss.dtype))
            device.run(device.kernels.sum_elements, *arrays, scale=group_rows / data.rows, accumulate=True)
            if last:
                if self.clip_value is not None:
                    self.optimizer.clip_grad_value(self.clip_value)
                if self.clip_norm is not None:
                    self.optimizer.clip_grad_norm(self.clip_norm)
                self.optimizer.step()

        return record(training_step, device) if recorded else training_step

    def begin_epoch(self, rate: float | None = None) -> None:
        """The order of the rows follows from seed and epoch, the learning rate from the schedule."""
        self.model.train()
        self.data.begin_epoch(self.epoch)
        self.device.write(self._epoch_loss, 0)

    def epoch_loss(self) -> float:
        return float(self.device.download(self._epoch_loss)[0])

    def after_epoch(self, record: dict[str, Any]) -> dict[str, Any]:
        if self._validation is None:
            return {}
        found = self._scores(*self._validation, self.data.scale)
        return {f"validation_{name}": value for name, value in found.items()}

    def end(self) -> None:
        self.model.eval()

    def report_interrupt(self) -> None:
        logger.warning("training was %s", self.stop_reason)

    def span_of_schedule(self, goal: int) -> tuple[int, int]:
        assert self.schedule is not None
        return self.schedule.steps, max(0, goal - self.epoch)

    def own_state(self) -> State:
        values = {"model": describe_model(self.model), "dropout_calls": self.generator.get_calls()}
        return State({"model": self.model.state_dict()}, values)

    def load_own_state(self, state: State) -> None:
        self.model.load_state_dict(with_layouts(state.arrays.get("model", {}), state.values["model"]))
        self.generator.set_calls(state.values["dropout_calls"])

    def settings(self) -> dict[str, Any]:
        """Clipping and the loss are left out: they act on what comes and may be changed on the way."""
        description = describe_model(self.model)
        return {
            **self.data.settings,
            "seed": self.seed,
            "precision": self.precision,
            "model": description["class"],
            **(description["config"] or {}),
            "optimizer": type(self.optimizer).__name__,
            **self.initial_options,
            "schedule": None if self.schedule is None else type(self.schedule).__name__,
        }

    # ---- use ----

    @_in_turn
    def evaluate(self, x: Any, y: Any, *, sample_weight: Any = None, scale: float = 1.0) -> dict[str, float]:
        """The loss and the score on data: "accuracy" for labels and yes/no outputs, "r2" for real-valued targets."""
        x, y, _ = self._pair(x, y, scale)
        weight = None if sample_weight is None else check_weights(sample_weight, len(x))
        return self._scores(x, y, scale, weight)

    @_in_turn
    def predict(self, x: Any, *, scale: float = 1.0) -> np.ndarray:
        """Class labels (rows,); for BCEWithLogitsLoss 0 or 1 (rows, n_out); else the outputs (rows, n_out)."""
        return kind_of(self.loss).predicted(self._forward(check_features(x), scale))

    @_in_turn
    def predict_proba(self, x: Any, *, scale: float = 1.0) -> np.ndarray:
        """Probabilities (rows, n_classes), or of each yes/no output; only for a loss on logits."""
        probabilities = kind_of(self.loss).probabilities
        if probabilities is None:
            raise ArgumentError(f"predict_proba needs a loss on logits, not {type(self.loss).__name__}: use predict")
        return probabilities(self._forward(check_features(x), scale)).numpy()

    def save(self, path: str | Path, **header: Any) -> None:
        """Write the model to a safetensors file; read it back with `gg.load_model`."""
        save_model(path, self.model, **header)

    def _forward(self, x: np.ndarray, scale: float) -> Tensor:
        with precision(self.precision):
            return forward(self.model, x, device=self.device, dtype=self._dtype, scale=scale)

    def _scores(self, x: np.ndarray, y: np.ndarray, scale: float, weight: np.ndarray | None = None) -> dict[str, float]:
        with precision(self.precision):
            return scores(self.loss, self._forward(x, scale), y, weight)

    # ---- data ----

    def _pair(self, x: Any, y: Any, scale: float, what: str = "") -> tuple[np.ndarray, np.ndarray, int]:
        """Checked features and targets, and n_out; the model itself refuses a wrong number of features."""
        x = check_features(x, f"x{what}")
        out = self._forward(x[:1], scale)
        if out.ndim != 2:
            raise ArgumentError(f"the model puts out the shape {out.shape} for one row, expected (1, n_out)")
        check = check_labels if kind_of(self.loss).labels else check_targets
        n_out = out.shape[1]
        return x, check(y, len(x), n_out, f"y{what}"), n_out

    def _training_data(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        class_weight: Any,
        validation_data: Any,
        validation_split: float,
        scale: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None, tuple[np.ndarray, np.ndarray] | None]:
        """Check what `fit` takes; returns x, y and weight, which of their rows to train on or None for all, and (x, y)
        to validate on or None."""
        if not 0 <= validation_split < 1:
            raise ArgumentError(f"validation_split is {validation_split}, expected a share in [0, 1)")
        if validation_data is not None and validation_split:
            raise ArgumentError("validation_data and validation_split are both given: pass one of them")
        labels = kind_of(self.loss).labels
        x, y, n_out = self._pair(x, y, scale)
        weight = None if sample_weight is None else check_weights(sample_weight, len(x))
        if class_weight is not None:
            if not labels:
                raise ArgumentError("class_weight needs CrossEntropyLoss: use sample_weight, or pos_weight of the loss")
            of_class = class_weights(class_weight, y, n_out)
            weight = of_class if weight is None else weight * of_class
        rows = validation = None
        if validation_data is not None:
            if len(validation_data) != 2:
                raise ArgumentError(f"validation_data has {len(validation_data)} parts, expected two: (x, y)")
            xv, yv = validation_data
            validation = self._pair(xv, yv, scale, " of validation_data")[:2]
        elif validation_split:
            classes = tuple(map(str, range(n_out))) if labels else None
            kept, held = hold_out_rows(y, classes, share=validation_split, seed=self.seed)
            validation = x[held], y[held]
            if is_mapped(x):  # to take rows out would be to read it into memory
                rows = kept
            else:
                x, y, weight = x[kept], y[kept], None if weight is None else weight[kept]
        if weight is not None and not (weight if rows is None else weight[rows]).any():
            raise DataError("all rows to train on have the weight 0: give some of them a positive one")
        return x, y, weight, rows, validation
