"""Trainer: fit, evaluate, predict. The training step is recorded once and replayed."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import nn, optim, training_state
from .arithmetic import concatenate
from .callbacks import Callback, EarlyStopping
from .checkpoint import save_model
from .debug import NonFiniteWatch
from .device import Device
from .device import device as get_device
from .errors import ArgumentError, NonFiniteError
from .history import History
from .minibatches import Minibatches, check_features, check_labels, check_targets, check_weights, class_weights
from .progress import Progress
from .random import Generator, check_seed
from .recording import record
from .tensor import Tensor, no_grad

logger = logging.getLogger("gpugrad")

EVALUATION_ROWS = 4096  # rows a forward pass outside training takes at once


class Trainer:
    """Trains a model on a device.

    model: any `nn.Module` from (batch, n_features) to (batch, n_out). loss: a module of `nn`; None: CrossEntropyLoss.
    optimizer: one of `optim` over the model's parameters; None: Adam. schedule: one of `optim`'s schedules, or None.
    device, toolchain: as for `gg.device`; model and optimizer are moved there. seed: of shuffling, splits and dropout;
    the same seed on the same device gives the same bits; all Dropout layers draw from the trainer's generator.
    clip_norm, clip_value: limits of the gradient's norm over all parameters, and of each of its elements. record:
    replay the step; False runs it through the tape each time, with the same result.

    Attributes: `model`, `loss`, `optimizer`, `schedule`, `device`, `generator` (of dropout), `history`, `epoch` and
    `steps` (trained so far).
    """

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
    ) -> None:
        for name, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            if limit is not None and not 0 < limit < math.inf:
                raise ArgumentError(f"{name} is {limit}, expected a positive number, or None for no clipping")
        self.device = get_device(device, toolchain)
        self.seed = check_seed(seed)
        self.model = model.to(self.device)
        self.loss = (loss or nn.CrossEntropyLoss()).to(self.device)
        self.optimizer = optimizer or optim.Adam(model.parameters())
        self.optimizer.to(self.device)
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.record = record
        self.history = History()
        self.epoch = 0
        self.steps = 0
        self.generator = Generator(seed, self.device)
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.generator = self.generator
        self._stop_reason: str | None = None

    # ---- training ----

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
        progress: bool | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_header: dict[str, Any] | None = None,
        resume: str | Path | None = None,
    ) -> History:
        """Train for a number of epochs, or on from a checkpoint until that number; returns the history.

        x (rows, features): uint8, float16, float32 or float64; it stays in its dtype on the device, and each element is
        multiplied by `scale` when its minibatch is gathered. y: labels (rows,) for CrossEntropyLoss, else (rows, n_out)
        values.
        validation_data: (x, y) to evaluate after each epoch; or validation_split: the share of rows to set aside.
        sample_weight (rows,), class_weight ("balanced", {label: weight} or a sequence): multiplied if both are given.
        accumulation_steps: minibatches whose gradients make one optimizer step. early_stopping: patience in epochs, or
        an EarlyStopping. progress: a live bar; None shows it on a terminal. checkpoint: a file written after each
        epoch; resume: a checkpoint to go on from, bit for bit as if never stopped.

        Raises DataError, ArgumentError or CheckpointError for what cannot be trained on, before any training;
        NonFiniteError when the loss becomes NaN or infinite, naming the epoch, the step and the first operation that
        produced it, with the model as it was before that epoch. An interrupt (Ctrl-C) ends the training and leaves the
        model as it is; `history.stopped` says so.
        """
        for name, value in (("epochs", epochs), ("batch_size", batch_size), ("accumulation_steps", accumulation_steps)):
            if not isinstance(value, int | np.integer) or value < 1:
                raise ArgumentError(f"{name} is {value!r}, expected an integer of at least 1")
        x = check_features(x)
        _check_rows(len(x), batch_size)
        x, y, weight, validation = self._check_data(
            x, y, sample_weight, class_weight, validation_data, validation_split, scale
        )
        _check_rows(len(x), batch_size)  # what is set aside to validate does not count
        stopping = EarlyStopping(early_stopping) if isinstance(early_stopping, int) else early_stopping
        hooks = [*([stopping] if stopping else []), *callbacks]
        data = Minibatches(self.device, x, y, weight, dtype=self._dtype(), scale=scale, seed=self.seed)
        sizes = data.sizes(batch_size)
        groups = [sizes[i : i + accumulation_steps] for i in range(0, len(sizes), accumulation_steps)]
        run = {"rows": len(x), "batch_size": batch_size, "accumulation_steps": accumulation_steps, "shuffle": shuffle}
        goal = epochs if resume else self.epoch + epochs
        if self.schedule is not None:
            self.schedule.prepare(total_steps=goal * len(groups), steps_per_epoch=len(groups), epochs=goal)
        if resume is not None:
            training_state.resume(self, resume, run, hooks)
        step = self._make_step(data, self.record)
        self._stop_reason = self.history.stopped = None
        good = training_state.capture(self, hooks)
        for hook in hooks:
            hook.on_fit_begin(self)
        try:
            # NumPy need not warn of an overflow: a loss that is not finite is explained below.
            with Progress(self.epoch, goal, len(x), show=progress) as bar, np.errstate(all="ignore"):
                while self.epoch < goal and self._stop_reason is None:
                    entry = self._train_epoch(data, groups, step, shuffle, hooks, bar)
                    if not math.isfinite(entry["train_loss"]) or not self._parameters_finite():
                        self._explain_non_finite(good, hooks, data, groups, shuffle)
                    if validation is not None:
                        scores = self._evaluate(*validation, scale=scale)
                        entry.update({f"validation_{name}": value for name, value in scores.items()})
                    self.history.records.append(entry)
                    for hook in hooks:
                        hook.on_epoch_end(self, entry)
                    if self.schedule is not None and self.schedule.interval in ("epoch", "plateau"):
                        self.schedule.step(entry.get("validation_loss", entry["train_loss"]))
                    bar.epoch_done(entry)
                    good = training_state.capture(self, hooks)
                    if checkpoint is not None:
                        training_state.write(self, checkpoint, good, run, checkpoint_header or {})
        except KeyboardInterrupt:
            self._stop_reason = f"interrupted in epoch {self.epoch + 1}"
            logger.warning("training %s; the model is as it was at that moment", self._stop_reason)
        finally:
            self.model.eval()
        for hook in hooks:
            hook.on_fit_end(self)
        self.history.stopped = self._stop_reason
        return self.history

    def stop(self, reason: str) -> None:
        """End the training after the running epoch; for callbacks."""
        self._stop_reason = reason

    def _make_step(self, data: Minibatches, recorded: bool) -> Any:
        """The step over one minibatch: gather, forward, loss, backward; after the last one of a group the update."""
        device = self.device
        self._epoch_loss = device.zeros(1, self._dtype())

        def training_step(size: int, group_rows: int, first: bool, last: bool) -> None:
            x, y, weight = data.next(size)
            loss = self.loss(self.model(x), y, weight)
            if first:
                self.optimizer.zero_grad()
            if size == group_rows:
                loss.backward()
            else:  # a share of the group's mean
                loss.backward(Tensor(device.constant(size / group_rows, loss.dtype, ()), device))
            device.run(
                device.kernels.sum_elements,
                loss.data.reshape(1),
                self._epoch_loss,
                device.partials(loss.dtype),
                scale=float(size),
                accumulate=True,
            )
            if last:
                if self.clip_value is not None:
                    self.optimizer.clip_grad_value(self.clip_value)
                if self.clip_norm is not None:
                    self.optimizer.clip_grad_norm(self.clip_norm)
                self.optimizer.step()

        return record(training_step, device) if recorded else training_step

    def _train_epoch(
        self,
        data: Minibatches,
        groups: Sequence[Sequence[int]],
        step: Any,
        shuffle: bool,
        hooks: Sequence[Callback],
        bar: Progress | None = None,
    ) -> dict[str, Any]:
        self.model.train()
        for hook in hooks:
            hook.on_epoch_begin(self, self.epoch)
        rate = self.optimizer.param_groups[0]["lr"]
        start = time.perf_counter()
        data.begin_epoch(self.epoch, shuffle)
        self.device.write(self._epoch_loss, 0)
        for group in groups:
            rows = sum(group)
            for i, size in enumerate(group):
                step(size, rows, i == 0, i == len(group) - 1)
                if bar is not None:
                    bar.advance(size)
            self.steps += 1
            if self.schedule is not None and self.schedule.interval == "step":
                self.schedule.step()
            for hook in hooks:
                hook.on_step_end(self, self.steps)
        loss = float(self.device.download(self._epoch_loss)[0]) / data.rows
        seconds = time.perf_counter() - start
        self.epoch += 1
        return {
            "epoch": self.epoch,
            "steps": self.steps,
            "train_loss": loss,
            "lr": rate,
            "seconds": seconds,
            "samples_per_second": data.rows / seconds,
        }

    def _explain_non_finite(
        self,
        good: dict[str, Any],
        hooks: Sequence[Callback],
        data: Minibatches,
        groups: Sequence[Sequence[int]],
        shuffle: bool,
    ) -> None:
        """Go back to the start of the epoch, run it again step by step, and raise with the first bad operation.

        The second run gives the same bits as the first, so the fault is met again.
        """
        training_state.restore(self, good, hooks)
        watch = NonFiniteWatch(self.device)
        start = self.steps

        class Halt(Callback):
            def on_step_end(self, trainer: Trainer, step: int) -> None:
                if watch.first is not None:
                    raise StopIteration

        step = self._make_step(data, recorded=False)
        try:
            with self.device.observe(watch):
                self._train_epoch(data, groups, step, shuffle, [Halt()])
        except StopIteration:
            pass
        bad_step = self.steps - start
        training_state.restore(self, good, hooks)
        raise NonFiniteError(
            f"the loss is no longer finite in epoch {self.epoch + 1}, step {bad_step} of {len(groups)}: "
            f"{watch.first}; the model is as it was before that epoch: lower the learning rate, or clip the gradient"
        )

    def _parameters_finite(self) -> bool:
        return all(np.isfinite(array).all() for array in self.model.state_dict().values())

    # ---- use ----

    def evaluate(self, x: Any, y: Any, *, sample_weight: Any = None, scale: float = 1.0) -> dict[str, float]:
        """The loss and the score on data: "accuracy" for labels and yes/no outputs, "r2" for real-valued targets."""
        x, y, weight, _ = self._check_data(x, y, sample_weight, None, None, 0.0, scale)
        return self._evaluate(x, y, weight, scale=scale)

    def predict(self, x: Any, *, scale: float = 1.0) -> np.ndarray:
        """Class labels (rows,); for BCEWithLogitsLoss 0 or 1 (rows, n_out); else the outputs (rows, n_out)."""
        out = self._forward(check_features(x), scale)
        if isinstance(self.loss, nn.CrossEntropyLoss):
            return out.argmax(1).numpy()
        if isinstance(self.loss, nn.BCEWithLogitsLoss):
            return (out > 0).numpy().astype(np.int64)
        return out.numpy()

    def predict_proba(self, x: Any, *, scale: float = 1.0) -> np.ndarray:
        """Probabilities (rows, n_classes), or of each yes/no output; only for a loss on logits."""
        if not isinstance(self.loss, nn.CrossEntropyLoss | nn.BCEWithLogitsLoss):
            raise ArgumentError(f"predict_proba needs a loss on logits, not {type(self.loss).__name__}: use predict")
        with no_grad():
            out = self._forward(check_features(x), scale)
            return (out.softmax(1) if isinstance(self.loss, nn.CrossEntropyLoss) else out.sigmoid()).numpy()

    def _forward(self, x: np.ndarray, scale: float) -> Tensor:
        """The outputs for all rows, in evaluation mode."""
        device, dtype = self.device, self._dtype()
        was_training = self.model.training
        self.model.eval()
        outputs: list[Tensor] = []
        try:
            with no_grad():
                for start in range(0, len(x), EVALUATION_ROWS):
                    stored = device.upload(x[start : start + EVALUATION_ROWS])
                    rows = device.upload(np.arange(len(stored), dtype=np.int32))
                    batch = device.empty(stored.shape, dtype)
                    device.run(device.kernels.gather, stored, rows, batch, scale=scale)
                    outputs.append(self.model(Tensor(batch, device)))
                return outputs[0] if len(outputs) == 1 else concatenate(outputs)
        finally:
            self.model.train(was_training)

    def _evaluate(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, *, scale: float) -> dict[str, float]:
        device, dtype = self.device, self._dtype()
        with no_grad():
            out = self._forward(x, scale)
            targets = Tensor(device.upload(y, None if y.dtype == np.int32 else dtype), device)
            weights = None if weight is None else Tensor(device.upload(weight, dtype), device)
            loss = float(self.loss(out, targets, weights))
        if isinstance(self.loss, nn.CrossEntropyLoss):
            return {"loss": loss, "accuracy": float(np.average(out.argmax(1).numpy() == y, weights=weight))}
        if isinstance(self.loss, nn.BCEWithLogitsLoss):
            right = ((out.numpy() > 0) == (y > 0.5)).mean(axis=1)
            return {"loss": loss, "accuracy": float(np.average(right, weights=weight))}
        from sklearn.metrics import r2_score

        predictions = np.exp(out.numpy()) if isinstance(self.loss, nn.PoissonNLLLoss) else out.numpy()
        return {"loss": loss, "r2": float(r2_score(y, predictions, sample_weight=weight)) if len(y) > 1 else math.nan}

    # ---- data ----

    def _dtype(self) -> Any:
        return next(iter(self.model.parameters())).dtype

    def _check_data(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        class_weight: Any,
        validation_data: Any,
        validation_split: float,
        scale: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Any]:
        """Check what `fit` and `evaluate` take: (x, y, weight or None, (x, y, None) to validate on or None)."""
        if not 0 < scale < math.inf:
            raise ArgumentError(f"scale is {scale}, expected a positive number: what stored features are multiplied by")
        if not 0 <= validation_split < 1:
            raise ArgumentError(f"validation_split is {validation_split}, expected a share in [0, 1)")
        x = check_features(x)
        n_out = self._forward(x[:1], scale).shape[-1]  # refuses a wrong number of features
        labels = isinstance(self.loss, nn.CrossEntropyLoss)
        check_y = check_labels if labels else check_targets
        y = check_y(y, len(x), n_out)
        weight = None if sample_weight is None else check_weights(sample_weight, len(x))
        if class_weight is not None:
            if not labels:
                raise ArgumentError("class_weight needs CrossEntropyLoss: use sample_weight, or pos_weight of the loss")
            of_class = class_weights(class_weight, y, n_out)
            weight = of_class if weight is None else weight * of_class
        validation = None
        if validation_data is not None:
            xv = check_features(validation_data[0], x.shape[1], "x of validation_data")
            validation = (xv, check_y(validation_data[1], len(xv), n_out, "y of validation_data"), None)
        elif validation_split:
            kept, held = _split(y, validation_split, self.seed, stratify=labels)
            validation = (x[held], y[held], None)
            x, y, weight = x[kept], y[kept], None if weight is None else weight[kept]
        return x, y, weight, validation

    def save(self, path: str | Path, **header: Any) -> None:
        """Write the model to a safetensors file; read it back with `gg.load_model`."""
        save_model(path, self.model, **header)


def _check_rows(rows: int, batch_size: int) -> None:
    if rows < batch_size:
        raise ArgumentError(
            f"there are {rows} rows to train on, fewer than the batch size {batch_size}: pass a smaller batch size"
        )


def _split(y: np.ndarray, share: float, seed: int, *, stratify: bool) -> tuple[np.ndarray, np.ndarray]:
    """(rows to train on, rows to hold out); by class for labels. Raises ArgumentError where a part would be empty."""
    from sklearn.model_selection import train_test_split

    try:
        kept, held = train_test_split(
            np.arange(len(y)), test_size=share, random_state=seed % 2**32, stratify=y if stratify else None
        )
    except ValueError as error:
        raise ArgumentError(
            f"a validation split of {share} of {len(y)} rows cannot be made ({error}): "
            "pass validation_data, or another share"
        ) from None
    return np.sort(kept), np.sort(held)
