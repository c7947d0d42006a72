"""Loggers write exactly the history of a run, also after a resume, an error and a copy."""

from __future__ import annotations

import copy
import csv
import pickle
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.errors import ArgumentError, GpugradError, NonFiniteError, StorageError
from gpugrad.training.callbacks import Callback
from gpugrad.training.history import History
from gpugrad.training.tracking import CSVLogger, TensorBoardLogger

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)


def make_trainer(lr=0.01):
    model = nn.MLP(3, [8], 2, seed=0)
    return gg.Trainer(model, optimizer=optim.Adam(model.parameters(), lr=lr), device="cpu", seed=0)


def fit(trainer, *callbacks, epochs=3, **options):
    return trainer.fit(X, Y, epochs=epochs, batch_size=16, validation_split=0.2, callbacks=callbacks, **options)


def lines(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check_lines(path, history):
    """Check that the file has one line per epoch of the history, with its numbers bit for bit."""
    found = lines(path)
    assert [list(line) for line in found] == [list(history[0])] * len(history)
    for line, record in zip(found, history, strict=True):
        assert {name: float(text) for name, text in line.items()} == record


def events(folder):
    """Return every event of a folder in TensorBoard's order, parsed from the framing of TFRecord by hand."""
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack_from("<Q", content)
            assert len(content) >= 16 + length, f"{path} ends within an event"
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return found


def points(folder):
    """Return {name: {step: value}} without the points that TensorBoard drops at the start of a session."""
    shown = {}
    for event in events(folder):
        if event.HasField("session_log"):
            assert event.session_log.status == event.session_log.START
            shown = {name: {s: v for s, v in at.items() if s < event.step} for name, at in shown.items()}
        for value in event.summary.value:
            if not value.tag.startswith("_hparams_"):
                shown.setdefault(value.tag, {})[event.step] = value.simple_value
    return shown


def check_points(folder, history):
    shown = points(folder)
    for name in ("epoch", "train_loss", "lr", "seconds", "samples_per_second", "validation_loss"):
        assert shown[name] == {record["steps"]: np.float32(record[name]) for record in history}


def hyperparameters(folder):
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    found = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.tag == "_hparams_/session_start_info":
                started = HParamsPluginData.FromString(value.metadata.plugin_data.content).session_start_info
                for name, hparam in started.hparams.items():
                    found[name] = getattr(hparam, hparam.WhichOneof("kind"))
    return found


class After(Callback):
    """Call a function at the end of an epoch."""

    def __init__(self, epoch, action):
        self.epoch, self.action = epoch, action

    def on_epoch_end(self, trainer, record):
        if record["epoch"] == self.epoch:
            self.action(record)


def fail(record):
    raise ZeroDivisionError


# ---- CSV ----


def test_csv_has_a_line_an_epoch_and_is_complete_after_each(tmp_path):
    path, counts = tmp_path / "new" / "log.csv", []
    read = [After(epoch, lambda _: counts.append(len(lines(path)))) for epoch in (1, 2, 3)]
    history = fit(make_trainer(), CSVLogger(path), *read)
    assert counts == [1, 2, 3]
    check_lines(path, history)


def test_csv_goes_on_where_the_training_does(tmp_path):
    path, checkpoint = tmp_path / "log.csv", tmp_path / "checkpoint.safetensors"
    with pytest.raises(ZeroDivisionError):  # four epochs are logged, three of them are in the checkpoint
        fit(make_trainer(), CSVLogger(path), After(4, fail), epochs=5, checkpoint=checkpoint)
    old = lines(path)
    assert len(old) == 4
    resumed, during = make_trainer(), []
    fit(resumed, CSVLogger(path), After(4, lambda _: during.extend(lines(path))), epochs=5, resume=checkpoint)
    assert during[:3] == old[:3]
    assert len(during) == 4
    assert during[3] != old[3], "the line of an epoch that was trained again is still the old one"
    check_lines(path, resumed.history)


def test_csv_of_a_new_training_replaces_an_old_one_and_a_second_fit_goes_on(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("something else\n")
    trainer, logger = make_trainer(), CSVLogger(path)
    fit(trainer, logger, epochs=1)
    check_lines(path, trainer.history)
    fit(trainer, logger, epochs=2)
    assert len(trainer.history) == 3
    check_lines(path, trainer.history)


def test_csv_of_epochs_with_different_keys(tmp_path):
    path = tmp_path / "log.csv"
    adds = After(2, lambda record: record.update(note="a, b", extra=np.float32(0.5)))
    fit(make_trainer(), adds, CSVLogger(path))
    found = lines(path)
    assert [line["note"] for line in found] == ["", "a, b", ""]
    assert [line["extra"] for line in found] == ["", "0.5", ""]
    assert [line["epoch"] for line in found] == ["1", "2", "3"]


def test_csv_in_the_place_of_a_folder(tmp_path):
    trainer = make_trainer()
    with pytest.raises(StorageError, match="Is a directory: name a file in it"):
        fit(trainer, CSVLogger(tmp_path))
    assert trainer.steps == 0


@pytest.mark.parametrize("logger", [lambda folder: CSVLogger(folder / "log.csv"), TensorBoardLogger])
def test_a_folder_that_cannot_be_written_to_is_refused_before_the_training(logger, tensorboard, locked_folder):
    with pytest.raises(StorageError, match="a folder that you may write to"):
        logger(locked_folder).on_fit_begin(SimpleNamespace())


# ---- TensorBoard ----


@pytest.fixture
def tensorboard():
    pytest.importorskip("tensorboardX")


@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_has_every_number_of_every_epoch(tmp_path):
    folder, counts = tmp_path / "new" / "run", []
    read = [After(epoch, lambda _: counts.append(len(points(folder)["train_loss"]))) for epoch in (1, 2, 3)]
    adds = After(2, lambda record: record.update(note="text", extra=np.float64(0.5)))
    history = fit(make_trainer(), adds, TensorBoardLogger(folder), *read)
    assert counts == [1, 2, 3], "an epoch is not on the disk when it ends"
    check_points(folder, history)
    shown = points(folder)
    assert shown["validation_accuracy"] == {r["steps"]: np.float32(r["validation_accuracy"]) for r in history}
    assert shown["extra"] == {4: 0.5}
    assert not {"note", "steps", "step_loss"} & set(shown)


@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_has_the_hyperparameters(tmp_path):
    logger = TensorBoardLogger(tmp_path, hyperparameters={"batch_size": 16, "name": "first", "augmented": True})
    fit(make_trainer(lr=0.02), logger, epochs=1)
    found = hyperparameters(tmp_path)
    assert found["optimizer"] == "Adam"
    assert found["lr"] == 0.02
    assert found["betas"] == "(0.9, 0.999)"
    assert "cpu" in found["device"]
    assert (found["batch_size"], found["name"], found["augmented"]) == (16, "first", True)
    model = nn.MLP(3, [8], 2, seed=0)
    first, *rest = model.parameters()
    optimizer = optim.SGD([{"params": [first], "lr": 0.5}, {"params": rest}], lr=0.1)
    fit(gg.Trainer(model, optimizer=optimizer, device="cpu"), TensorBoardLogger(tmp_path / "groups"), epochs=1)
    found = hyperparameters(tmp_path / "groups")
    assert (found["lr/0"], found["lr/1"]) == (0.5, 0.1)


@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_drops_what_the_checkpoint_does_not_hold(tmp_path):
    folder, checkpoint = tmp_path / "run", tmp_path / "checkpoint.safetensors"
    with pytest.raises(ZeroDivisionError):
        fit(make_trainer(), TensorBoardLogger(folder), After(3, fail), epochs=4, checkpoint=checkpoint)
    assert len(points(folder)["lr"]) == 3
    trainer = make_trainer()
    fit(trainer, TensorBoardLogger(folder), After(0, fail), epochs=4, resume=checkpoint)
    check_points(folder, trainer.history)
    assert len(points(folder)["lr"]) == 4
    another = make_trainer()
    fit(another, TensorBoardLogger(folder), epochs=1)
    check_points(folder, another.history)


@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_after_an_error_the_next_fit_works(tmp_path):
    logger = TensorBoardLogger(tmp_path)
    with pytest.raises(ZeroDivisionError):
        fit(make_trainer(), logger, After(1, fail))
    with pytest.raises(NonFiniteError):
        fit(make_trainer(lr=1e38), logger)
    open_file = logger._file._py_recordio_writer._writer
    trainer = make_trainer()
    fit(trainer, logger)
    assert open_file.closed
    assert logger._file is None
    check_points(tmp_path, trainer.history)
    with pytest.raises(ZeroDivisionError):
        fit(make_trainer(), logger, After(1, fail))
    open_file = logger._file._py_recordio_writer._writer
    del logger
    assert open_file.closed, "a file outlives the logger"


@pytest.mark.usefixtures("tensorboard")
def test_a_copy_has_no_file(tmp_path):
    logger = TensorBoardLogger(tmp_path / "one", every=None)
    copies = []
    fit(make_trainer(), logger, After(2, lambda _: copies.extend([copy.deepcopy(logger), clone(logger, safe=False)])))
    for each in (*copies, pickle.loads(pickle.dumps(logger)), copy.deepcopy(logger)):
        each.log_dir = tmp_path / "two"
        trainer = make_trainer()
        fit(trainer, each)
        check_points(tmp_path / "two", trainer.history)
    assert len(list((tmp_path / "one").iterdir())) == 1


class KnownLosses:
    """A run with 10 rows of the loss n in step n."""

    def __init__(self):
        self.steps, self.history, self.device = 0, History(), gg.device("cpu")
        self.optimizer = SimpleNamespace(param_groups=[{"params": [], "lr": 0.1}])

    @property
    def epoch(self):
        return len(self.history)

    def running_loss(self):
        first = 6 * self.epoch
        return sum(10.0 * n for n in range(first + 1, self.steps + 1)), 10 * (self.steps - first)

    def run(self, logger, epochs):
        logger.on_fit_begin(self)
        for epoch in range(epochs):
            logger.on_epoch_begin(self, epoch)
            for _ in range(6):
                self.steps += 1
                logger.on_step_end(self, self.steps)
            self.history.records.append({"epoch": epoch + 1, "steps": self.steps, "train_loss": 1.0})
            logger.on_epoch_end(self, self.history[-1])
        logger.on_fit_end(self)


@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_notes_the_mean_loss_of_so_many_steps(tmp_path):
    KnownLosses().run(TensorBoardLogger(tmp_path / "1", every=1), epochs=2)
    assert points(tmp_path / "1")["step_loss"] == {n: n for n in range(1, 13)}
    KnownLosses().run(TensorBoardLogger(tmp_path / "4", every=4), epochs=2)
    # A mean never reaches over the end of an epoch: at step 8 it is that of steps 7 and 8.
    assert points(tmp_path / "4")["step_loss"] == {4: 2.5, 8: 7.5, 12: 10.5}


@pytest.mark.usefixtures("tensorboard")
def test_the_step_losses_of_a_trainer(tmp_path):
    history = fit(make_trainer(), TensorBoardLogger(tmp_path, every=1))
    losses = points(tmp_path)["step_loss"]
    assert sorted(losses) == list(range(1, 7))
    for epoch, record in enumerate(history):  # 32 rows in two minibatches
        mean = (losses[2 * epoch + 1] + losses[2 * epoch + 2]) / 2
        assert mean == pytest.approx(record["train_loss"], rel=1e-5)


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "2"])
def test_tensorboard_steps_that_are_refused(every):
    with pytest.raises(ArgumentError, match=r"every is .*, expected an integer of at least 1"):
        TensorBoardLogger("run", every=every)


def test_without_tensorboardx(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    trainer = make_trainer()
    with pytest.raises(GpugradError, match=r'not installed: pip install "gpugrad\[track\]"'):
        fit(trainer, TensorBoardLogger(tmp_path / "run"))
    assert trainer.steps == 0


# ---- estimators ----


@pytest.mark.usefixtures("tensorboard")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_with_an_estimator(tmp_path):
    loggers = [CSVLogger(tmp_path / "log.csv"), TensorBoardLogger(tmp_path / "run", every=1)]
    model = gg.MLPClassifier((4,), max_iter=3, early_stopping=True, device="cpu", callbacks=loggers)
    model = clone(model).fit(X, Y)
    check_lines(tmp_path / "log.csv", model.history_)
    check_points(tmp_path / "run", model.history_)
    losses = points(tmp_path / "run")["step_loss"]  # one step per epoch
    assert [losses[step] for step in model.history_["steps"]] == pytest.approx(model.loss_curve_, rel=1e-5)
    model.fit(X, Y)
    check_points(tmp_path / "run", model.history_)
