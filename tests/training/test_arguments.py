"""Arguments of Trainer and fit: names work, and each wrong value gets one sentence before any work."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.errors import ArgumentError, CheckpointError, DataError
from gpugrad.training import state as states
from gpugrad.training.checkpoint import OWN_KEYS, read_file
from gpugrad.training.minibatches import Minibatches
from gpugrad.training.profiling import ProfileTraining

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(50, 4)).astype(np.float32), rng.integers(0, 3, 50)


def make_model(**options):
    return nn.MLP(4, [8], 3, seed=0, **options)


def make_trainer(**options):
    return gg.Trainer(make_model(), device="cpu", **options)


def weights(trainer):
    return np.concatenate([array.ravel() for array in trainer.model.state_dict().values()])


def one_sentence(error):
    """Return the message of an error, which must be one line."""
    message = str(error.value)
    assert "\n" not in message
    assert ": " in message or "expected" in message
    return message


# ---- names ----


@pytest.mark.parametrize("name", optim.NAMES)
def test_optimizers_by_name(name):
    by_name = make_trainer(optimizer=name)
    made = make_model()
    by_object = gg.Trainer(made, optimizer=optim.make(name, made.parameters()), device="cpu")
    for trainer in (by_name, by_object):
        trainer.fit(X, Y, epochs=2, batch_size=16)
    np.testing.assert_array_equal(weights(by_name), weights(by_object))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *nn.losses.LOSSES.items(),
        ("cross_entropy", nn.CrossEntropyLoss),
        ("bce_with_logits", nn.BCEWithLogitsLoss),
        ("mae", nn.L1Loss),
        ("MSE", nn.MSELoss),
    ],
)
def test_losses_by_name(name, kind):
    trainer = make_trainer(loss=name)
    assert type(trainer.loss) is kind
    trainer.fit(X, Y if kind is nn.CrossEntropyLoss else np.eye(3)[Y], epochs=1)


@pytest.mark.parametrize("name", [*optim.SCHEDULE_NAMES, "one_cycle"])
def test_schedules_by_name_have_the_length_of_the_run(name):
    by_name = make_trainer(schedule=name)
    made = make_model()
    optimizer = optim.Adam(made.parameters())
    schedule = optim.make_schedule(name.replace("_", "-"), optimizer)
    by_object = gg.Trainer(made, optimizer=optimizer, schedule=schedule, device="cpu")
    for trainer in (by_name, by_object):
        trainer.fit(X, Y, epochs=3, batch_size=16)
    assert by_name.history["lr"] == by_object.history["lr"]
    np.testing.assert_array_equal(weights(by_name), weights(by_object))


def test_a_cosine_by_name_ends_with_the_run():
    trainer = make_trainer(optimizer="adam", loss="mse", schedule="cosine")
    trainer.fit(X, np.eye(3)[Y], epochs=3, batch_size=16)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)
    trainer.schedule = "step"
    trainer.fit(X, np.eye(3)[Y], epochs=1)
    assert type(trainer.schedule) is optim.StepLR


# ---- arguments of Trainer ----


class Torch:
    """An object as from another library."""

    __module__ = "torch.nn.modules"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": None}, r"model is None, expected an nn\.Module: pass one such as"),
        ({"model": nn.MLP}, r"model is the class MLP, expected an nn\.Module: create an instance"),
        ({"model": Torch()}, r"model is a Torch of torch, expected an nn\.Module"),
        ({"optimizer": optim.AdamW}, r"optimizer is the class AdamW, .*pass AdamW\(model\.parameters\(\)\)"),
        ({"optimizer": ("adam", 0.1)}, "optimizer is a tuple, expected an optimizer, a name or None"),
        ({"optimizer": 3}, "optimizer is 3, expected an optimizer, a name or None"),
        ({"optimizer": "adamm"}, "unknown optimizer 'adamm': did you mean 'adam'"),
        ({"optimizer": "Adma"}, "unknown optimizer 'Adma': did you mean 'adam'"),
        ({"loss": nn.MSELoss}, r"loss is the class MSELoss, .*create one, MSELoss\(\)"),
        ({"loss": gg.functional.cross_entropy}, "loss is the function cross_entropy, expected a loss module, a name"),
        ({"loss": 1}, "loss is 1, expected a loss module, a name or None"),
        ({"loss": "mes"}, "unknown loss 'mes': did you mean 'mse'"),
        ({"loss": "Cross_Entrpy"}, "unknown loss 'Cross_Entrpy': did you mean 'cross-entropy'"),
        ({"schedule": optim.StepLR}, r"schedule is the class StepLR, .*pass StepLR\(optimizer\)"),
        ({"schedule": 0.1}, "schedule is 0.1, expected a schedule, a name or None"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin': did you mean 'cosine'"),
        ({"schedule": "One_Cyle"}, "unknown schedule 'One_Cyle': did you mean 'one-cycle'"),
        ({"device": 0}, "device is 0, expected a name such as 'cpu'"),
        ({"device": None}, "device is None, expected a name"),
        ({"toolchain": 1}, "toolchain is 1, expected a name"),
        ({"seed": "a"}, "seed is 'a', expected an integer"),
        ({"clip_norm": "a"}, "clip_norm is 'a', expected a positive number, or None for no clipping"),
        ({"clip_norm": True}, "clip_norm is True, expected a positive number"),
        ({"clip_value": [1.0]}, "clip_value is a list, expected a positive number"),
        ({"record": "no"}, "record is 'no', expected True or False"),
        ({"precision": "half"}, "precision"),
    ],
)
def test_a_wrong_argument_of_a_trainer(options, message):
    options = {"model": make_model(), "device": "cpu", **options}
    with pytest.raises(ArgumentError, match=message) as error:
        gg.Trainer(options.pop("model"), **options)
    one_sentence(error)


def test_a_refused_schedule_takes_no_parameters_from_another_optimizer():
    model = make_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for given in (None, "adam"):
        with pytest.raises(ArgumentError, match="schedule belongs to another optimizer"):
            gg.Trainer(model, optimizer=given, schedule=optim.StepLR(optimizer), device="cpu")
    with pytest.raises(ArgumentError, match="unknown schedule"):
        gg.Trainer(model, schedule="cosin", device="cpu")
    gg.Trainer(model, optimizer=optimizer, device="cpu").fit(X, Y, epochs=1)


# ---- arguments of fit ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": True}, "epochs is True, expected an integer of at least 1"),
        ({"epochs": "3"}, "epochs is '3', expected an integer of at least 1"),
        ({"batch_size": None}, "batch_size is None, expected an integer"),
        ({"accumulation_steps": 1.5}, "accumulation_steps is 1.5, expected an integer"),
        ({"validation_split": "0.1"}, r"validation_split is '0\.1', expected a share"),
        ({"validation_split": True}, "validation_split is True, expected a share"),
        ({"validation_split": math.nan}, "validation_split is nan, expected a share"),
        ({"validation_data": "ab"}, r"validation_data is 'ab', expected a pair \(x, y\)"),
        ({"validation_data": X}, r"validation_data is an ndarray of numpy, expected a pair \(x, y\)"),
        ({"scale": "x"}, "scale is 'x', expected a positive number"),
        ({"scale": True}, "scale is True, expected a positive number"),
        ({"scale": math.inf}, "scale is inf, expected a positive number"),
        ({"shuffle": "yes"}, "shuffle is 'yes', expected True or False"),
        ({"progress": 1}, "progress is 1, expected True or False, or None to show it on a terminal"),
        ({"data_on_device": "cpu"}, "data_on_device is 'cpu', expected True or False, or None"),
        ({"early_stopping": gg.EarlyStopping}, "early_stopping is the class EarlyStopping, .*create an instance"),
        ({"early_stopping": 2.5}, "early_stopping is 2.5, expected a patience"),
        ({"callbacks": gg.CSVLogger}, "callbacks is the class CSVLogger, expected a list of callbacks: create an inst"),
        ({"callbacks": [gg.CSVLogger]}, r"callbacks\[0\] is the class CSVLogger, expected a callback: create an inst"),
        ({"callbacks": [print]}, r"callbacks\[0\] is the function print, expected a callback: derive its class"),
        ({"callbacks": 5}, "callbacks is 5, expected a list of callbacks"),
        ({"callbacks": "log.csv"}, "callbacks is 'log.csv', expected a list of callbacks"),
        ({"checkpoint": True}, "checkpoint is True, expected the path of a checkpoint file"),
        ({"checkpoint": "."}, r"checkpoint is the folder \., expected the path of a file: name one in it"),
        ({"resume": True}, "resume is True, expected the path of a checkpoint file"),
        ({"checkpoint_header": [1]}, "checkpoint_header is a list, expected a dict"),
        ({"checkpoint_header": {"version": 99}}, "checkpoint_header has the key 'version', which the file format uses"),
        ({"checkpoint_header": {"scale": 0.5}}, "checkpoint_header has the key 'scale', which the file format uses"),
        ({"checkpoint_header": {1: 2}}, "checkpoint_header has the key 1, expected strings as keys"),
        ({"checkpoint_header": {"a": {1, 2}}}, "cannot hold {1, 2} of type set"),
        ({"checkpoint_header": {"a": {(1, 2): 3}}}, "checkpoint_header cannot be stored as JSON"),
        ({"sample_weight": "balanced"}, "sample_weight has dtype .*, expected numbers: one weight per row of x"),
        ({"sample_weight": 2.0}, r"sample_weight has shape \(\), expected \(50,\): one weight per row of x"),
        ({"sample_weight": {0: 1.0}}, "sample_weight is a dict, expected an array of numbers"),
        ({"class_weight": 2.0}, r"class_weight has shape \(\), expected \(3,\): one weight per class"),
    ],
)
def test_a_wrong_argument_of_fit(options, message):
    trainer = make_trainer()
    before = weights(trainer)
    with pytest.raises((ArgumentError, DataError), match=message) as error:
        trainer.fit(X, Y, **options)
    one_sentence(error)
    assert (trainer.epoch, trainer.scale) == (0, None)
    np.testing.assert_array_equal(weights(trainer), before)


def test_a_schedule_of_the_wrong_type_is_named_by_fit():
    trainer = make_trainer()
    trainer.schedule = 3
    with pytest.raises(ArgumentError, match="schedule is 3"):
        trainer.fit(X, Y)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gg.EarlyStopping(monitor=3), "monitor is 3, expected the name of a value in the history, or None"),
        (lambda: gg.EarlyStopping(min_delta="a"), "min_delta is 'a', expected a number of at least 0"),
        (lambda: gg.EarlyStopping(restore_best="no"), "restore_best is 'no', expected True or False"),
        (lambda: gg.EarlyStopping(np.float64(2.5)), r"patience is 2\.5, expected an integer of at least 1: the epochs"),
        (lambda: gg.CSVLogger(None), "path is None, expected the path of a CSV file"),
        (lambda: gg.CSVLogger("a\0.csv"), r"path is 'a\\x00.csv', expected a path that a file can have: shorten it"),
        (lambda: gg.CSVLogger(300 * "x"), "path is 'xxx.*xxx', expected a path that a file can have: shorten it"),
        (lambda: gg.TensorBoardLogger(True), "log_dir is True, expected the path of a folder"),
        (lambda: gg.TensorBoardLogger("runs", hyperparameters=[1]), "hyperparameters is a list, expected a dict"),
        (lambda: ProfileTraining("all"), "steps is 'all', expected an integer of at least 1"),
    ],
)
def test_a_wrong_argument_of_a_callback(make, message):
    with pytest.raises(ArgumentError, match=message) as error:
        make()
    one_sentence(error)


@pytest.mark.parametrize("shape", ["none", "one", "list", "generator"])
def test_callbacks_in_every_form(shape):
    stopping = gg.EarlyStopping(1, monitor="epoch")
    forms = {"none": None, "one": stopping, "list": [stopping], "generator": (each for each in [stopping])}
    history = make_trainer().fit(X, Y, epochs=4, callbacks=forms[shape])
    assert len(history) == (4 if shape == "none" else 2)


def test_the_keys_of_a_checkpoint_are_reserved(tmp_path):
    trainer = make_trainer(schedule="cosine")
    trainer.fit(X, Y, epochs=1, checkpoint=tmp_path / "c", checkpoint_header={"names": ["a"]})
    assert set(read_file(tmp_path / "c")[1]) == {*OWN_KEYS, "names"}
    assert set(states.capture(trainer, []).values) < OWN_KEYS


@pytest.mark.parametrize("options", [{}, {"validation_split": 0.2}, {"accumulation_steps": 3}], ids=str)
def test_the_batch_size_is_at_most_the_rows(options):
    rows = 40 if "validation_split" in options else 50
    whole, explicit = make_trainer(), make_trainer()
    whole.fit(X, Y, epochs=2, **options)  # the default is 128
    explicit.fit(X, Y, epochs=2, batch_size=rows, **options)
    assert whole.steps == 2
    np.testing.assert_array_equal(weights(whole), weights(explicit))


# ---- files ----


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, p: gg.save_model(p, m), r"got the path first, .*write gg\.save_model\(model, path\)"),
        (lambda m, p: gg.save_model(p, p), r"model is .*, expected an nn\.Module: write gg\.save_model\(model, path\)"),
        (lambda m, p: gg.save_model(gg.Trainer(m, device="cpu"), p), r"model is a Trainer, .*trainer\.save\(path\)"),
        (lambda m, p: gg.save_model(gg.MLPClassifier(), p), r"model is an MLPClassifier, .*export_safetensors\(path\)"),
        (lambda m, p: gg.save_model(m, 3), "path is 3, expected the path of a file: pass one such as"),
        (lambda m, p: gg.save_model(m, p, version=99), "header has the key 'version', which the file format uses"),
        (lambda m, p: gg.save_model(m, p, kind="checkpoint"), "header has the key 'kind'"),
        (lambda m, p: gg.Trainer(m, device="cpu").save(p, epoch=1), "header has the key 'epoch'"),
        (
            lambda m, p: gg.load_model(m, p),
            r"path is an MLP, expected the path of a file: write gg\.load_model\(path, m",
        ),
        (lambda m, p: gg.load_model(p, p), r"model is .*, expected an nn\.Module to load into, or None"),
    ],
)
def test_wrong_calls_of_save_model_and_load_model(tmp_path, call, message):
    path = str(tmp_path / "m.safetensors")
    with pytest.raises(ArgumentError, match=message) as error:
        call(make_model(), path)
    one_sentence(error)
    assert not list(tmp_path.iterdir())


def test_a_header_alone(tmp_path):
    from gpugrad.training.checkpoint import read_header

    gg.save_model(make_model(), tmp_path / "m", names=["a"])
    assert read_header(tmp_path / "m") == read_file(tmp_path / "m")[1]
    with pytest.raises(CheckpointError, match="there is no file"):
        read_header(tmp_path / "absent")


# ---- texts ----


class Own(gg.Callback):
    def __init__(self):
        self.rate, self._hidden, self.table = 0.5, 1, np.zeros(99)


def data_set(**options):
    return Minibatches(gg.device("cpu"), X, Y.astype(np.int32), batch_size=16, **options)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (make_trainer, "Trainer(model=MLP, loss=CrossEntropyLoss, optimizer=Adam, device='cpu', epochs=0)"),
        (
            lambda: gg.EarlyStopping(3, mode="max"),
            "EarlyStopping(patience=3, min_delta=0.0, mode='max', restore_best=True)",
        ),
        (lambda: gg.CSVLogger("a.csv"), "CSVLogger(path='a.csv')"),
        (lambda: gg.TensorBoardLogger("runs", every=5), "TensorBoardLogger(log_dir='runs', every=5)"),
        (ProfileTraining, "ProfileTraining(steps=20)"),
        (gg.Callback, "Callback()"),
        (Own, "Own(rate=0.5)"),
        (gg.History, "History(no epochs)"),
        (lambda: gg.History([{"epoch": 1, "train_loss": 0.5}]), "History(1 epoch, train_loss=0.5)"),
        (lambda: gg.History([{"epoch": 1, "train_loss": 0.5}] * 2), "History(2 epochs, train_loss=0.5)"),
        (data_set, "Minibatches(rows=50, features=4 float32, steps_per_epoch=4, on_device=True)"),
        (
            lambda: data_set(on_device=False),
            "Minibatches(rows=50, features=4 float32, steps_per_epoch=4, on_device=Fal",
        ),
        (
            lambda: states.capture(make_trainer(), []),
            "State(arrays of model, optimizer; values model, scale, dropout_c",
        ),
    ],
)
def test_texts_are_one_short_line(make, expected):
    shown = repr(make())
    assert shown.startswith(expected)
    assert "\n" not in shown
    assert len(shown) < 200


def test_the_text_of_a_trainer_after_a_fit():
    trainer = make_trainer(schedule="cosine", loss="mse")
    trainer.fit(X, np.eye(3)[Y], epochs=2)
    start = "Trainer(model=MLP, loss=MSELoss, optimizer=Adam, schedule=CosineAnnealingLR, device='cpu', epochs=2, train"
    assert repr(trainer).startswith(start)


# ---- copies ----


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))], ids=["copy", "pickle"])
@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_a_copy_of_a_trainer_trains_as_the_original_would(make_copy, optimizer):
    model = make_model(dropout=0.3)
    trainer = gg.Trainer(model, optimizer=optimizer, schedule="cosine", device="cpu", clip_norm=0.5, seed=3)
    trainer.fit(X, Y, epochs=2, batch_size=16, scale=0.5)
    copied = make_copy(trainer)
    before = weights(trainer)
    copied.fit(X, Y, epochs=2, batch_size=16)
    np.testing.assert_array_equal(weights(trainer), before)
    trainer.fit(X, Y, epochs=2, batch_size=16)
    np.testing.assert_array_equal(weights(copied), weights(trainer))
    assert copied.history["train_loss"] == trainer.history["train_loss"]
    assert copied.generator.get_calls() == trainer.generator.get_calls()
    assert copied.schedule.optimizer is copied.optimizer
    assert copied.scale == 0.5


def test_a_trainer_can_be_copied_during_a_fit():
    copies = []

    class Keep(gg.Callback):
        def on_epoch_end(self, trainer, record):
            copies.append(copy.deepcopy(trainer))

    trainer = make_trainer()
    trainer.fit(X, Y, epochs=2, validation_split=0.2, data_on_device=False, callbacks=Keep())
    assert [each.epoch for each in copies] == [1, 2]
    np.testing.assert_array_equal(weights(copies[1]), weights(trainer))
