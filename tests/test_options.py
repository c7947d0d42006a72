"""Names and options of other libraries: each is refused in one sentence that says what to write here."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn
from gpugrad.engine import elsewhere
from gpugrad.errors import ArgumentError
from gpugrad.training import arguments

X, Y = np.ones((8, 4), np.float32), np.zeros(8, int)


def trainer():
    return gg.Trainer(nn.MLP(4, [3], 2, device="cpu"), device="cpu")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.MSELoss(reducton="mean"), r"option of MSELoss 'reducton': did you mean 'reduction'"),
        (lambda: nn.MSELoss(size_average=True), r"option of MSELoss 'size_average': write reduction=… instead"),
        (lambda: nn.Dense(4, 3, units=3), r"option of Dense 'units': write out_features=… instead"),
        (lambda: nn.Linear(4, 3, activation="relu"), r"option of Linear 'activation': .*use nn.Dense"),
        (lambda: nn.Dropout(rate=0.3), r"option of Dropout 'rate': write p=… instead"),
        (lambda: nn.LeakyReLU(0.1, inplace=True), r"option of LeakyReLU 'inplace': leave it out"),
        (lambda: nn.MLP(4, [3], 2, layers=3), r"option of MLP 'layers': write hidden=… instead"),
        (lambda: nn.MSELoss("mean", 3), r"MSELoss got 2 positional arguments, expected reduction at most"),
        (lambda: gg.Trainer(nn.MLP(4, [3], 2), lr=0.1), r"option of Trainer 'lr': set it in the optimizer"),
        (lambda: gg.Trainer(nn.MLP(4, [3], 2), epochs=3), r"option of Trainer 'epochs': pass epochs=… to fit\(\)"),
        (lambda: gg.Trainer(nn.MLP(4, [3], 2), loss_fn="mse"), r"option of Trainer 'loss_fn': write loss=… instead"),
        (lambda: gg.Trainer(nn.MLP(4, [3], 2), "mse"), r"Trainer got 2 positional arguments, expected model at most"),
        (lambda: gg.Trainer(loss="mse"), r"Trainer got no model, expected it first: pass a model such as nn.MLP"),
        (lambda: trainer().fit(X, Y, lr=0.1), r"option of fit\(\) 'lr': set it in the optimizer"),
        (lambda: trainer().fit(X, Y, seed=0), r"option of fit\(\) 'seed': pass seed=… to Trainer"),
        (lambda: trainer().fit(X, Y, epoch=0), r"option of fit\(\) 'epoch': did you mean 'epochs'"),
        (lambda: trainer().fit(X, Y, num_epochs=1), r"option of fit\(\) 'num_epochs': write epochs=… instead"),
        (lambda: trainer().evaluate(X, Y, metrics=["f1"]), r"option of evaluate\(\) 'metrics': leave it out"),
    ],
)
def test_an_option_of_another_name_is_refused_in_one_sentence(call, message):
    with pytest.raises(ArgumentError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_what_fit_and_trainer_take_is_listed_for_the_message_of_the_other():
    def options(function):
        return {name for name, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY}

    assert {*arguments.OF_FIT, "scale"} == options(gg.Trainer.fit)
    assert {*arguments.OF_TRAINER} == {"model", *options(gg.Trainer.__init__)}


@pytest.mark.parametrize(("name", "remedy"), elsewhere.TENSOR.items())
def test_an_attribute_of_pytorchs_tensor_says_what_to_write(name, remedy):
    x = gg.tensor([1.0], device="cpu")
    with pytest.raises(AttributeError) as error:
        getattr(x, name)
    assert str(error.value) == f"a tensor has no attribute {name!r}: {remedy}"


@pytest.mark.parametrize(("name", "remedy"), elsewhere.FUNCTIONS.items())
def test_a_function_of_pytorch_says_what_to_write(name, remedy):
    with pytest.raises(AttributeError) as error:
        getattr(gg, name)
    assert str(error.value) == f"gpugrad has no attribute {name!r}: {remedy}"


@pytest.mark.parametrize(("name", "remedy"), elsewhere.MODULE.items())
def test_a_method_of_pytorchs_modules_says_what_to_write(name, remedy):
    with pytest.raises(AttributeError) as error:
        getattr(nn.MLP(2, [2], 1), name)
    assert str(error.value) == f"an MLP has no attribute {name!r}: {remedy}"


def test_a_property_of_a_module_keeps_its_own_message():
    class Broken(nn.Module):
        @property
        def width(self):
            return self.wide

    with pytest.raises(AttributeError, match=r"^a Broken has no attribute 'wide'$"):
        Broken().width  # noqa: B018


MODULES = {gg.nn: elsewhere.NN, gg.optim: elsewhere.OPTIM, gg.data: elsewhere.DATA}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_name_of_another_library_s_module_says_what_to_write(module):
    for name, remedy in MODULES[module].items():
        with pytest.raises(AttributeError) as error:
            getattr(module, name)
        assert str(error.value) == f"{module.__name__} has no attribute {name!r}: {remedy}"
        for room, known in re.findall(r"(nn|optim|data)\.(\w+)", remedy):
            assert known in dir(getattr(gg, room))
    with pytest.raises(AttributeError, match=rf"^{module.__name__} has no attribute 'trian'$"):
        module.trian  # noqa: B018


def test_other_missing_attributes_stay_plain():
    assert not hasattr(gg.tensor([1.0], device="cpu"), "__array_interface__")
    with pytest.raises(AttributeError, match=r"^a tensor has no attribute 'rehsape'$"):
        gg.tensor([1.0], device="cpu").rehsape  # noqa: B018
    with pytest.raises(AttributeError, match=r"^gpugrad has no attribute 'trian'$"):
        gg.trian  # noqa: B018


def test_completion_shows_public_names():
    x = gg.tensor([1.0], device="cpu")
    assert {"sum", "backward", "numpy"} <= set(dir(x))
    assert not {"node", "version", "gradient_buffer", "add_gradient"} & set(dir(x))
    assert {"fit", "history", "scale", "stop"} <= set(dir(trainer()))
    assert not {"begin_epoch", "own_state", "make_step", "kind"} & set(dir(trainer()))
    assert {"he_normal", "orthogonal"} <= set(dir(nn.init)) <= set(nn.init.__all__)


@pytest.mark.parametrize("dtype", ["foo", "U3", "object", "complex64", np.str_])
def test_a_dtype_without_numbers_is_refused(dtype):
    x = gg.tensor([1.0], device="cpu")
    for make in (
        lambda: x.astype(dtype),
        lambda: gg.tensor([1.0], dtype, device="cpu"),
        lambda: gg.zeros(3, dtype=dtype, device="cpu"),
        lambda: gg.arange(3, dtype=dtype, device="cpu"),
        lambda: gg.randn(3, dtype=dtype, device="cpu"),
    ):
        with pytest.raises(ArgumentError, match="expected a dtype of numbers such as 'float32'"):
            make()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: gg.clip(x, "a", 1), "low is 'a', expected a number or None"),
        (lambda x: gg.clip(x, 0, [1]), r"high is \[1\], expected a number or None"),
        (lambda x: x.clip(gg.ones(2, device="cpu")), r"low is a tensor, expected a number: use gg.maximum\(x, low\)"),
        (lambda x: x.reshape("a"), "cannot reshape a tensor of shape .* to 'a'"),
        (lambda x: x.reshape(1, 1.5), r"cannot reshape a tensor of shape .* to \(1, 1.5\)"),
    ],
)
def test_a_limit_or_size_that_is_no_number_is_refused(call, message):
    with pytest.raises(ArgumentError, match=message):
        call(gg.tensor([1.0, 2.0], device="cpu"))


# ---- NumPy's numbers and truth values ----


def _fitted(**options):
    trainer = gg.Trainer(nn.MLP(2, [3], 2, seed=0), device="cpu", record=options.pop("record", True))
    x = np.linspace(-1, 1, 40, dtype=np.float32).reshape(20, 2)
    trainer.fit(x, np.arange(20) % 2, **{"epochs": 2, **options})
    return trainer.predict(x).tolist()


def _schedule(name):
    def make(**options):
        schedule = gg.optim.make_schedule(name, gg.optim.SGD(nn.Linear(2, 2).parameters()), **options)
        return {option: getattr(schedule, option) for option in options}

    return make


@pytest.mark.parametrize(
    ("call", "options"),
    [
        (_fitted, {"epochs": 1, "batch_size": 7, "accumulation_steps": 2, "early_stopping": 1, "memory": 100_000}),
        (_fitted, {"shuffle": False, "data_on_device": False, "progress": False, "record": False}),
        (_fitted, {"validation_split": 0.25, "scale": 0.5}),
        (_schedule("step"), {"step_size": 3}),
        (_schedule("cosine"), {"T_max": 3}),
        (_schedule("one-cycle"), {"total_steps": 20}),
        (_schedule("warmup"), {"warmup_steps": 3}),
        (_schedule("plateau"), {"patience": 2, "cooldown": 2}),
        (lambda **o: gg.EarlyStopping(**o).__dict__, {"patience": 2, "restore_best": False}),
        (lambda **o: repr(nn.CrossEntropyLoss(**o)), {"ignore_index": 1}),
        (lambda **o: gg.sum(gg.ones(2, 3), 0, **o).shape, {"keepdims": True}),
        (lambda **o: gg.mean(gg.ones(2, 3), 0, **o).shape, {"keepdims": True}),
        (
            lambda **o: [r.tolist() for r in gg.data.hold_out_rows(np.arange(20) % 2, None, **{"share": 0.25, **o})],
            {"seed": 3},
        ),
    ],
)
def test_numbers_and_truth_values_of_numpy_are_options(call, options):
    kinds = {bool: (np.bool_,), float: (np.float64, np.float32), int: (np.int64, np.int32, np.uint8)}
    for name, value in options.items():
        expected = call(**{name: value})
        for kind in kinds[type(value)]:
            if kind is not np.uint8 or value < 256:
                assert call(**{name: kind(value)}) == expected, (name, kind)
