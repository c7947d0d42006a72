"""Trainer: fit, evaluate, predict. The training step is recorded once and replayed."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from .. import nn, optim
from ..data import hold_out_rows
from ..data.maps import is_mapped
from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.precision import check_precision_for, precision
from ..engine.random import Generator, check_seed
from ..engine.recording import record
from ..engine.sharing import Turns
from ..engine.tensor import Tensor
from ..errors import ArgumentError, DataError
from ..nn.losses import kind_of
from ..options import CheckedCall, check_option
from . import arguments
from .alone import alone
from .callbacks import Callback, EarlyStopping
from .checkpoint import describe_model, read_header, save_model, scale_in, with_layouts
from .checks import check_features, check_labels, check_targets, check_weights, class_weights
from .evaluation import forward, mean_loss, scores
from .history import History
from .inherited import inherit_docs
from .loop import Loop
from .minibatches import Minibatches
from .scale import check_scale, kept_scale, resolve_scale
from .task import State, Step, Task
from .values import check_count, check_flag, check_path, size_in_bytes

logger = logging.getLogger("gpugrad")

Method = TypeVar("Method", bound=Callable[..., Any])
Validation = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # x, y, and the rows of x that y is of, or None for all


def _checked(method: Method) -> Method:
    """Refuse unknown options of a method before Python does, naming the right ones."""
    known = [*inspect.signature(method).parameters][1:]

    @functools.wraps(method)
    def checked(self: Any, *args: Any, **options: Any) -> Any:
        for name in options:
            check_option(f"option of {method.__name__}()", name, known, arguments.REMEDIES)
        return method(self, *args, **options)

    return cast(Method, checked)


def _one_at_a_time(method: Method) -> Method:
    """Let a call of a trainer's method wait until those of other threads are done."""

    @functools.wraps(method)
    def held(self: Any, *args: Any, **options: Any) -> Any:
        with self._runs:
            return method(self, *args, **options)

    return cast(Method, held)


@inherit_docs
class Trainer(CheckedCall, Task):
    """Train a model on a device, evaluate it, and predict with it.

    The same seed on the same device gives bit-for-bit identical results, recorded or not, whatever other threads do. A
    prediction in another thread waits for a step of a running `fit` and uses the weights after it; a second `fit` waits
    for the first.

    Parameters
    ----------
    model : nn.Module
        A module from (batch, n_features) to (batch, n_out). It is moved to the device.
    loss : nn.Module or str, optional
        A module (predictions, targets) → mean over the rows, with a third argument for sample weights if there are
        any; or a name: "cross_entropy", "bce" (also "bce_with_logits"), "mse", "l1" (also "mae"), "huber" or
        "poisson". By default `nn.CrossEntropyLoss`.
    optimizer : optim.Optimizer or str, optional
        An optimizer over the model's parameters, or a name of `optim.NAMES` such as "sgd" or "adamw", with the default
        options of its class. By default `optim.Adam`. It is moved to the device.
    schedule : optim.Schedule or str, optional
        A schedule of that optimizer, or a name of `optim.SCHEDULE_NAMES` such as "cosine" or "one-cycle". Lengths that
        are not given are set when `fit` begins and their number of steps, epochs · ⌈rows / batch_size⌉, is known. By
        default the learning rate is constant.
    device : str or Device, default "auto"
        Device to train on, as for `gg.device`.
    toolchain : str, optional
        Toolchain of the device, as for `gg.device`.
    seed : int, default 0
        Seed of shuffling, splits and dropout. During `fit` all Dropout layers draw from the trainer's generator.
    clip_norm : float, optional
        Limit of the gradient's norm over all parameters. By default the norm is not clipped.
    clip_value : float, optional
        Limit of the absolute value of each element of the gradient. By default no element is clipped.
    record : bool, default True
        Whether to record the step once and replay it. False runs every step through the tape, with bit-for-bit
        identical results.
    precision : {"float32", "tf32", "bfloat16"}, default "float32"
        Precision of matrix products in training, evaluation and prediction, whatever an enclosing `gg.precision` sets.
        Parameters, gradients and the optimizer's state are float32 in each of the three.

    Attributes
    ----------
    model : nn.Module
        The model.
    loss : nn.Module
        The loss.
    optimizer : optim.Optimizer
        The optimizer.
    schedule : optim.Schedule or None
        The schedule. It may be replaced between two calls of `fit`.
    device : Device
        Device of the model.
    precision : str
        Precision of matrix products.
    generator : Generator
        Random numbers of dropout.
    history : History
        One record per epoch.
    steps : int
        Optimizer steps so far.
    stop_reason : str or None
        Why the last `fit` ended early.

    Raises
    ------
    ArgumentError
        If an argument is of the wrong type or outside its range.
    DeviceError
        If the device does not exist here, or does not have the precision.
    """

    kind = "checkpoint"
    _first = "a model such as nn.MLP(4, [16], 3)"
    _remedies = arguments.REMEDIES

    def __init__(
        self,
        model: nn.Module,
        *,
        loss: nn.Module | str | None = None,
        optimizer: optim.Optimizer | str | None = None,
        schedule: optim.Schedule | str | None = None,
        device: str | Device = "auto",
        toolchain: str | None = None,
        seed: int = 0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        record: bool = True,
        precision: str = "float32",
    ) -> None:
        model = arguments.check_model(model)
        kept_scale(model)  # raises for an input_scale that is not a number
        made_loss = arguments.make_loss(loss)
        arguments.check_optimizer(optimizer, model)
        arguments.check_schedule(schedule, optimizer)
        arguments.check_limit("clip_norm", clip_norm)
        arguments.check_limit("clip_value", clip_value)
        self.record = check_flag("record", record)
        arguments.check_device(device, toolchain)
        self.seed = check_seed(seed)
        self.device = get_device(device, toolchain)
        dtype = next((p.dtype for p in model.parameters()), np.float32)
        check_precision_for(precision, self.device, dtype)
        self.precision = precision
        self.model = model.to(self.device)
        self.loss = made_loss.to(self.device)
        self.optimizer = arguments.make_optimizer(optimizer, model)
        self.optimizer.to(self.device)
        self.schedule = arguments.make_schedule(schedule, self.optimizer)
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.history = History()
        self.generator = Generator(seed, self.device)
        # A resumed run takes the options from its checkpoint: they must be the initial ones of the run that wrote it.
        self.initial_options = {
            f"{name} of parameter group {i}": value
            for i, group in enumerate(self.optimizer.param_groups)
            for name, value in group.items()
            if name != "params"
        }
        self._dtype = self.optimizer.flat.dtype
        self.turns, self._runs = Turns(), Turns()
        self._make_epoch_loss()

    def _make_epoch_loss(self) -> None:
        self._epoch_loss = self.device.zeros(1, self._dtype)  # loss of the epoch so far, relative to all of its rows

    @property
    def scale(self) -> float | None:
        """The factor of stored features, which `fit` sets and the model keeps as `input_scale`; None: not known."""
        return kept_scale(self.model)

    def __repr__(self) -> str:
        parts = {"model": self.model, "loss": self.loss, "optimizer": self.optimizer, "schedule": self.schedule}
        shown = [f"{name}={type(part).__name__}" for name, part in parts.items() if part is not None]
        shown.append(f"device={self.device.name!r}, epochs={self.epoch}")
        if self.epoch:
            shown.append(f"train_loss={self.history[-1]['train_loss']:.4g}")
        return f"Trainer({', '.join(shown)})"

    # A copy leaves out the data of a running fit and allocates its own device memory.

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("data", "_validation", "_epoch_loss")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_epoch_loss()

    # ---- training ----

    @_checked
    @_one_at_a_time
    @alone
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
        callbacks: Callback | Iterable[Callback] | None = None,
        shuffle: bool = True,
        scale: float | None = None,
        data_on_device: bool | None = None,
        memory: int | str | None = None,
        progress: bool | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_header: dict[str, Any] | None = None,
        resume: str | Path | None = None,
    ) -> History:
        """Train for a number of epochs, or resume from a checkpoint and train up to that number.

        An interrupt (Ctrl-C) ends the run: the model keeps its weights (with early stopping, those of the best epoch),
        and `history.stopped` has the reason. A second call continues the first.

        Parameters
        ----------
        x : array_like, (n_rows, n_features)
            Features. uint8, float16, float32 and float64 keep their dtype on the device.
        y : array_like, (n_rows,) or (n_rows, n_out)
            Labels (n_rows,) for CrossEntropyLoss, otherwise values (n_rows, n_out).
        epochs : int, default 10
            Epochs to train; with `resume`, the number of epochs of the whole run.
        batch_size : int, default 128
            Rows per minibatch. If there are fewer rows to train on, all of them form one minibatch.
        validation_data : tuple (x, y), optional
            Data to evaluate after each epoch, without weights.
        validation_split : float, default 0.0
            Share of the rows to set aside and evaluate after each epoch, without weights.
        sample_weight : array_like, (n_rows,), optional
            Weight of each row. Only ratios matter; a row of weight 2 counts as two rows.
        class_weight : {"balanced"}, dict or array_like, (n_classes,), optional
            Weight of each class, for CrossEntropyLoss: {label: weight} with 1 for other labels, one weight per class,
            or "balanced" for weights inversely proportional to the classes' numbers of rows. It is multiplied by
            `sample_weight` if both are given.
        accumulation_steps : int, default 1
            Minibatches per optimizer step, which equals the step of one minibatch with all their rows.
        early_stopping : int or EarlyStopping, optional
            Patience in epochs, or the callback.
        callbacks : Callback or iterable of Callback, optional
            Callbacks, called in this order.
        shuffle : bool, default True
            Whether to train on the rows in a new order each epoch.
        scale : float, optional
            Factor of the features, applied when a kernel gathers a minibatch. It is kept with the model, in files and
            exports too, and used by `evaluate` and `predict`. By default the kept one (with `resume`, that of the
            checkpoint), else 1.
        data_on_device : bool, optional
            False streams the data from the host, with bit-for-bit identical results. By default they are streamed if
            they do not fit on the device, on a CPU if they are memory maps larger than `memory`.
        memory : int or str, optional
            Bytes, or a text such as "256MB" or "1.5GiB", for the rows in memory of data that are streamed: half for the
            rows in training, half for the next ones. Memory maps larger than that are shuffled in blocks of consecutive
            rows, then row by row within each half; all other data row by row. By default 128 MiB, or two optimizer
            steps if these are larger.
        progress : bool, optional
            Whether to show a live bar. By default it is shown on a terminal.
        checkpoint : str or Path, optional
            A file to write after each epoch.
        checkpoint_header : dict, optional
            JSON-able values to keep in the checkpoint.
        resume : str or Path, optional
            A checkpoint to resume from, bit for bit as if the run had never stopped.

        Returns
        -------
        History
            The history of all epochs of this trainer.

        Raises
        ------
        ArgumentError, DataError, CheckpointError, StorageError
            If an argument is invalid, before any training.
        NonFiniteError
            If the loss, a parameter or the optimizer's state becomes NaN or infinite. The message names the epoch, the
            step and the first operation that produced it; the model is as it was before that epoch.
        """
        epochs, batch_size = check_count("epochs", epochs), check_count("batch_size", batch_size)
        accumulation_steps = check_count("accumulation_steps", accumulation_steps)
        shuffle = check_flag("shuffle", shuffle)
        data_on_device = check_flag("data_on_device", data_on_device, otherwise="to stream data that do not fit")
        bytes_of_rows = None if memory is None else size_in_bytes("memory", memory)
        progress = check_flag("progress", progress, otherwise="to show it on a terminal")
        arguments.check_validation(validation_data, validation_split)
        arguments.check_schedule(self.schedule, self.optimizer)
        self.schedule = arguments.make_schedule(self.schedule, self.optimizer)
        stopping = arguments.make_early_stopping(early_stopping)
        hooks = [*([stopping] if stopping else []), *arguments.check_callbacks(callbacks)]
        if resume is not None:
            check_path("resume", resume, "checkpoint file, or None")
        scale = self._scale_to_fit(scale, resume)
        arguments.check_checkpoint(checkpoint, checkpoint_header, scale)
        x, y, weight, rows, validation = self._training_data(
            x, y, sample_weight, class_weight, validation_data, validation_split, scale
        )
        self.data = Minibatches(
            self.device,
            x,
            y,
            weight,
            rows=rows,
            batch_size=min(batch_size, len(y if rows is None else rows)),
            accumulation_steps=accumulation_steps,
            shuffle=shuffle,
            dtype=self._dtype,
            scale=scale,
            seed=self.seed,
            on_device=data_on_device,
            memory=bytes_of_rows,
        )
        self._validation = validation
        del x, y, weight, rows  # `data` holds what training needs of them
        self.stop_reason = self.history.stopped = None
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.generator = self.generator
        loop = Loop(self, hooks, recorded=self.record)
        goal = epochs if resume else self.epoch + epochs
        before, self.model.input_scale = self.model.input_scale, scale
        try:
            try:
                loop.begin(resume)
            except BaseException:
                self.model.input_scale = before
                raise
            loop.run(goal, progress=progress, checkpoint=checkpoint, header=checkpoint_header)
        finally:
            del self.data, self._validation
        return self.history

    def running_loss(self) -> tuple[float, int]:
        return float(self.device.download(self._epoch_loss)[0]) * self.data.rows, self.rows_so_far

    # ---- called by the loop ----

    def make_step(self, recorded: bool) -> Step:
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
        self.model.train()
        self.data.begin_epoch(self.epoch)  # the order of the rows; the schedule sets the learning rate
        self.device.write(self._epoch_loss, 0)

    def epoch_loss(self) -> float:
        return float(self.device.download(self._epoch_loss)[0])

    def after_epoch(self, record: dict[str, Any]) -> dict[str, Any]:
        if self._validation is None:
            return {}
        x, y, rows = self._validation
        found = self._scores(x, y, self.data.scale, rows=rows)
        return {f"validation_{name}": value for name, value in found.items()}

    def end(self) -> None:
        self.model.eval()

    def report_interrupt(self) -> None:
        logger.warning("the run was %s", self.stop_reason)

    def span_of_schedule(self, goal: int) -> tuple[int, int]:
        assert self.schedule is not None
        taken, ahead = self.schedule.steps, max(0, goal - self.epoch)
        return taken + ahead * len(self.data.groups), taken + ahead

    def own_state(self) -> State:
        values = {"model": describe_model(self.model), "scale": self.scale}
        return State({"model": self.model.state_dict()}, {**values, "dropout_calls": self.generator.get_calls()})

    def load_own_state(self, state: State) -> None:
        self.model.load_state_dict(with_layouts(state.arrays.get("model", {}), state.values["model"]))
        self.generator.set_calls(state.values["dropout_calls"])

    def settings(self) -> dict[str, Any]:
        # Without clipping and the loss: they affect only later steps, and may change during a run.
        description = describe_model(self.model)
        return {
            **self.data.settings,
            "scale": self.data.scale,
            "seed": self.seed,
            "precision": self.precision,
            "model": description["class"],
            **(description["config"] or {}),
            "optimizer": type(self.optimizer).__name__,
            **self.initial_options,
            "schedule": None if self.schedule is None else type(self.schedule).__name__,
        }

    def older_settings(self) -> dict[str, Any]:
        return {"precision": "float32", "scale": self.data.scale, "memory": None}

    # ---- use ----

    @_checked
    def evaluate(self, x: Any, y: Any, *, sample_weight: Any = None, scale: float | None = None) -> dict[str, float]:
        """Return the loss and the score on data.

        Parameters
        ----------
        x : array_like, (n_rows, n_features)
            Features, stored as those of `fit`.
        y : array_like, (n_rows,) or (n_rows, n_out)
            Labels or values, as for `fit`.
        sample_weight : array_like, (n_rows,), optional
            Weight of each row, in the loss and the score.
        scale : float, optional
            Factor of the features. By default the scale of `fit`; a different one is refused after `fit`.

        Returns
        -------
        dict
            "loss", and "accuracy" for labels and yes/no outputs or "r2" for real-valued targets.

        Raises
        ------
        ArgumentError, DataError
            If the data do not fit the model, or `scale` differs from that of `fit`.
        """
        scale = resolve_scale(self.model, scale)
        x, y, _ = self._pair(x, y, scale)
        weight = None if sample_weight is None else check_weights(sample_weight, len(x))
        return self._scores(x, y, scale, weight)

    @_checked
    def predict(self, x: Any, *, scale: float | None = None) -> np.ndarray:
        """Return the prediction for each row.

        Parameters
        ----------
        x : array_like, (n_rows, n_features)
            Features, stored as those of `fit`.
        scale : float, optional
            Factor of the features. By default the scale of `fit`; a different one is refused after `fit`.

        Returns
        -------
        ndarray
            Class labels (n_rows,); for BCEWithLogitsLoss 0 or 1 (n_rows, n_out); otherwise the model's outputs
            (n_rows, n_out).

        Raises
        ------
        ArgumentError, DataError
            If the data do not fit the model, or `scale` differs from that of `fit`.
        """
        scale = resolve_scale(self.model, scale)
        return kind_of(self.loss).predicted(self._forward(check_features(x, dtype=self._dtype), scale))

    @_checked
    def predict_proba(self, x: Any, *, scale: float | None = None) -> np.ndarray:
        """Return the probabilities for each row.

        Parameters
        ----------
        x : array_like, (n_rows, n_features)
            Features, stored as those of `fit`.
        scale : float, optional
            Factor of the features. By default the scale of `fit`; a different one is refused after `fit`.

        Returns
        -------
        ndarray
            Probabilities of the classes (n_rows, n_classes), or of each yes/no output (n_rows, n_out).

        Raises
        ------
        ArgumentError
            If the loss is not one of logits, or `scale` differs from that of `fit`.
        DataError
            If the features cannot be used.
        """
        probabilities = kind_of(self.loss).probabilities
        if probabilities is None:
            raise ArgumentError(f"predict_proba needs a loss of logits, not {type(self.loss).__name__}: use predict")
        scale = resolve_scale(self.model, scale)
        return probabilities(self._forward(check_features(x, dtype=self._dtype), scale)).numpy()

    def save(self, path: str | Path, **header: Any) -> None:
        """Write the model and its scale to a safetensors file, which `gg.load_model` reads.

        Parameters
        ----------
        path : str or Path
            The file.
        **header
            JSON-able values to keep with the model, as for `gg.save_model`.

        Raises
        ------
        ArgumentError
            If a value of the header cannot be kept.
        StorageError
            If the file cannot be written.
        """
        save_model(self.model, path, **header)

    def _forward(self, x: np.ndarray, scale: float, rows: np.ndarray | None = None) -> Tensor:
        with self.turns, precision(self.precision):
            return forward(self.model, x, device=self.device, dtype=self._dtype, scale=scale, rows=rows)

    def _scores(self, x: np.ndarray, y: np.ndarray, scale: float, weight: Any = None, rows: Any = None) -> dict:
        """Return the scores on the rows of x, of which y and weight may be those of chosen `rows`."""
        with precision(self.precision):
            return scores(self.loss, self._forward(x, scale, rows), y, weight)

    # ---- data ----

    def _scale_to_fit(self, given: Any, resume: str | Path | None) -> float:
        """Return the scale of a run: the given one, else that of its checkpoint, else the kept one, else 1."""
        if given is not None:
            return check_scale(given)
        found = None if resume is None else scale_in(read_header(resume))
        return resolve_scale(self.model) if found is None else found

    def _pair(self, x: Any, y: Any, scale: float, what: str = "") -> tuple[np.ndarray, np.ndarray, int]:
        """Return checked features and targets, and n_out; the model itself refuses a wrong number of features."""
        x = check_features(x, f"x{what}", self._dtype)
        out = self._forward(x[:1], scale)
        if out.ndim != 2:
            raise ArgumentError(f"the model returns the shape {out.shape} for one row, expected (1, n_out)")
        kind, n_out, name = kind_of(self.loss), out.shape[1], f"y{what}"
        if kind.labels:
            return x, check_labels(y, len(x), n_out, name), n_out
        return x, check_targets(y, len(x), n_out, name, self._dtype, kind.range), n_out

    def _training_data(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        class_weight: Any,
        validation_data: Any,
        validation_split: float,
        scale: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None, Validation | None]:
        """Return checked x, y, weight; the rows to train on, or None for all; and what to validate on, or None."""
        labels = kind_of(self.loss).labels
        x, y, n_out = self._pair(x, y, scale)
        weight = None if sample_weight is None else check_weights(sample_weight, len(x))
        if class_weight is not None:
            if not labels:
                raise ArgumentError("class_weight needs CrossEntropyLoss: use sample_weight, or pos_weight of the loss")
            of_class = class_weights(class_weight, y, n_out)
            weight = of_class if weight is None else weight * of_class
        rows: np.ndarray | None = None
        validation: Validation | None = None
        if validation_data is not None:
            xv, yv = validation_data
            validation = (*self._pair(xv, yv, scale, " of validation_data")[:2], None)
        elif validation_split:
            classes = tuple(map(str, range(n_out))) if labels else None
            kept, held = hold_out_rows(y, classes, share=validation_split, seed=self.seed)
            if is_mapped(x):  # indexing it would read the rows into memory
                rows, validation = kept, (x, y[held], held)
            else:
                validation = x[held], y[held], None
                x, y, weight = x[kept], y[kept], None if weight is None else weight[kept]
        if weight is not None and not (weight if rows is None else weight[rows]).any():
            raise DataError("all training rows have the weight 0: give some of them a positive weight")
        return x, y, weight, rows, validation
