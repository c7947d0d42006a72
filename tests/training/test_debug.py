"""The first operation that produces NaN or infinity is named wherever it happens."""

from __future__ import annotations

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.engine import functional
from gpugrad.errors import NonFiniteError
from gpugrad.training.callbacks import Callback, EarlyStopping
from gpugrad.training.debug import NonFiniteWatch

HUGE = np.float32(3e38)  # finite in the data, overflows in the first product


def watched(work):
    watch = NonFiniteWatch(gg.device("cpu"))
    with gg.device("cpu").observe(watch), np.errstate(all="ignore"):
        work()
    return watch.first


def test_the_launch_its_arguments_and_how_many():
    x, w = gg.tensor([[1.0, 3e38], [1.0, 1.0]]), gg.tensor([[1.0, 0.0], [10.0, 0.0]])
    first = watched(lambda: functional.relu(functional.dense(x, w, activation="relu")).log())
    assert first.startswith("dense_forward(activation=relu, ")
    assert first.endswith("wrote infinity to 1 of 4 elements of y (2, 2)")


def test_array_functions_and_changes_in_place():
    x = gg.tensor([1.0, 0.0])
    assert watched(lambda: x.log()) == "log() wrote infinity to 1 of 2 elements of its result (2,)"
    assert "wrote NaN to 2 of 2" in watched(lambda: gg.device("cpu").full(2, float("nan")))

    def change():
        x[1] = float("nan")

    assert watched(change) == "__setitem__() wrote NaN to 1 of 2 elements of its result (2,)"


def test_nothing_is_found_in_good_steps_not_even_in_scratch():
    model = nn.MLP(3, [4], 2, activation="gelu", dropout=0.2, seed=0)
    optimizer = optim.Adam(model.parameters())
    device = gg.device("cpu")
    device.partials(np.float32)[:] = np.nan  # undefined after each launch

    def step():
        nn.CrossEntropyLoss()(model(gg.tensor(np.ones((5, 3), np.float32))), gg.tensor([0, 1, 0, 1, 0])).backward()
        optimizer.clip_grad_norm(1.0)
        optimizer.step()

    assert watched(step) is None


# ---- in a run ----


def data(rows=96, bad=None):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int32)
    if bad is not None:
        x[bad] = HUGE
    return x, y


def make_trainer(optimizer=optim.Adam, lr=0.01, schedule=None, dropout=0.0, loss=None, outputs=2, **options):
    model = nn.MLP(4, [8], outputs, dropout=dropout, seed=0)
    made = optimizer(model.parameters(), lr=lr)
    return gg.Trainer(
        model, loss=loss, optimizer=made, schedule=schedule and schedule(made), device="cpu", seed=1, **options
    )


def state(trainer):
    return [
        *trainer.model.state_dict().values(),
        *trainer.optimizer.state_dict()["state"].values(),
        trainer.generator.get_calls(),
        trainer.steps,
        trainer.epoch,
        trainer.optimizer.param_groups[0]["lr"],
    ]


OPTIONS = {
    "plain": {},
    "unrecorded": {"record": False},
    "clipping": {"clip_norm": 1.0, "clip_value": 0.5},
    "dropout": {"dropout": 0.01},
    "plateau": {"schedule": optim.ReduceLROnPlateau},
    "one cycle": {"schedule": optim.OneCycleLR},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize(
    ("accumulation", "bad", "step"), [(1, 0, "1 of 3"), (1, 50, "2 of 3"), (1, 95, "3 of 3"), (2, 40, "1 of 2")]
)
@pytest.mark.parametrize("good_epochs", [0, 2])
def test_epoch_step_and_operation_are_named_and_the_last_good_epoch_kept(options, accumulation, bad, step, good_epochs):
    trainer = make_trainer(**options)
    fit = {"batch_size": 32, "accumulation_steps": accumulation, "shuffle": False}
    if good_epochs:
        trainer.fit(*data(), epochs=good_epochs, **fit)
    x, y = data(bad=bad)
    seen = []

    class Begin(Callback):  # once the schedule knows the length of the run
        def on_epoch_begin(self, trainer, epoch):
            seen.append(state(trainer))

    with pytest.raises(NonFiniteError) as caught:
        trainer.fit(x, y, epochs=2, callbacks=[Begin(), EarlyStopping(5)], **fit)
    assert f"in epoch {good_epochs + 1}, step {step}: dense_forward(activation=relu" in str(caught.value)
    for before, after in zip(seen[-1], state(trainer), strict=True):
        np.testing.assert_array_equal(before, after)
    assert len(trainer.history) == good_epochs
    assert not trainer.model.training
    trainer.fit(*data(), epochs=1, **fit)  # it is usable
    assert len(trainer.history) == good_epochs + 1


def test_only_in_the_update_of_the_last_step():
    trainer = make_trainer(optimizer=optim.SGD, lr=3e38)
    before = state(trainer)
    with pytest.raises(NonFiniteError, match=r"epoch 1, step 1 of 1: sgd_step\(.*wrote infinity to .* of p") as caught:
        trainer.fit(100 * data(32)[0], data(32)[1], epochs=1, batch_size=32)
    assert "the model is as it was before that epoch" in str(caught.value)
    for a, b in zip(before, state(trainer), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_infinite_loss_with_finite_gradients():
    trainer = make_trainer(optimizer=optim.SGD, lr=1e-30, loss=nn.MSELoss(), outputs=1)
    x, _ = data(32)
    with pytest.raises(NonFiniteError, match=r"regression_loss\(loss=squared_error.*wrote infinity to 1 of .* losses"):
        trainer.fit(x, np.where(np.arange(32) == 3, 1e25, 0.0), epochs=1, batch_size=32)


def test_only_in_the_state_of_the_optimizer():
    """A gradient of 1e25 has no square in float32: Adam would never move these parameters again."""
    trainer = make_trainer(loss=nn.L1Loss(), outputs=1)
    x, y = data(32)
    with pytest.raises(NonFiniteError, match=r"epoch 1, step 1 of 1: adam_step\(.*wrote infinity to .* elements of v"):
        trainer.fit(x * np.float32(1e25), y, epochs=1, batch_size=32)


def test_only_in_validation_training_goes_on():
    trainer = make_trainer()
    stopping = EarlyStopping(3)
    history = trainer.fit(
        *data(), epochs=10, batch_size=32, validation_data=data(5, bad=slice(None)), early_stopping=stopping
    )
    assert np.isnan(history["validation_loss"]).all()
    assert np.isfinite(history["train_loss"]).all()
    assert (len(history), stopping.best) == (3, None)  # NaN is no progress
    assert history.stopped == "validation_loss has not improved since epoch 0"


def test_a_callback_that_breaks_the_model_is_suspected():
    class Break(Callback):
        def on_step_end(self, trainer, step):
            trainer.model[0].weight.data[0, 0] = np.nan

    with pytest.raises(NonFiniteError, match="epoch 1, but not without its callbacks"):
        make_trainer().fit(*data(), epochs=1, batch_size=32, callbacks=[Break()])


def test_an_interrupt_while_the_fault_is_looked_for(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    trainer = make_trainer()
    before = state(trainer)
    monkeypatch.setattr(NonFiniteWatch, "__call__", interrupt)
    history = trainer.fit(*data(bad=50), epochs=1, batch_size=32, shuffle=False)
    assert history.stopped == "interrupted in epoch 1"
    for a, b in zip(before, state(trainer), strict=True):
        np.testing.assert_array_equal(a, b)
