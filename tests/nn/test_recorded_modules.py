"""Modules in recorded steps: a change of their options or parts records the step anew."""

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn


class Mode(nn.Module):
    """A module of the user's that has no attributes of its own at first."""

    def forward(self, x):
        return x * 2 if self.training else x


CHANGES = {
    "an activation": lambda model, loss: setattr(model[0], "activation", "tanh"),
    "a slope": lambda model, loss: setattr(model[0], "negative_slope", 0.5),
    "a weight": lambda model, loss: setattr(model[0], "weight", nn.Parameter(np.full((3, 4), 0.2, np.float32))),
    "a bias": lambda model, loss: setattr(model[0], "bias", None),
    "a layer": lambda model, loss: setattr(model, "2", nn.Dense(4, 3, seed=5)),
    "the mode": lambda model, loss: model.eval(),
    "an option of the loss": lambda model, loss: setattr(loss, "label_smoothing", 0.5),
    "a reduction": lambda model, loss: setattr(loss, "reduction", "sum"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_options_and_parts_of_modules_are_noticed(what):
    model = nn.Sequential(
        nn.Dense(3, 4, activation="leaky_relu", bias_init=0.3, seed=0), Mode(), nn.Dense(4, 3, seed=1)
    )
    loss, x, y = nn.CrossEntropyLoss(), np.eye(3, dtype=np.float32) - 0.7, np.arange(3, dtype=np.int32)

    def step(x, y):
        return loss(model(x), y)

    recorded = gg.record(step)
    before = [recorded(x, y).item() for _ in range(2)]
    CHANGES[what](model, loss)
    after = [recorded(x, y).item() for _ in range(2)]
    assert before[0] == before[1] != after[0] == after[1] == step(gg.tensor(x), gg.tensor(y)).item()
    assert recorded.recordings == 2


def test_what_a_module_changes_itself_does_not_record_anew():
    class Counts(nn.Dense):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return super().forward(x)

    model = Counts(3, 2)
    recorded = gg.record(model)
    for _ in range(3):
        recorded(np.ones((1, 3), np.float32))
    assert (recorded.recordings, model.calls) == (1, 1)


SETTINGS = {"scale": 1.0}


class Own(nn.Module):
    """A model of the user's whose options are in places of all kinds."""

    default = 1.0

    def __init__(self):
        self.net, self.own, self.held, self.listed = nn.MLP(5, [8], 3, seed=0), 1.0, {"scale": 1.0}, [1.0]

    def forward(self, x):
        return self.net(x) * self.own * self.held["scale"] * self.listed[0] * self.default * self.of_settings()

    def of_settings(self):
        return SETTINGS["scale"]


class OwnLoss(nn.CrossEntropyLoss):
    """A loss of the user's."""

    temperature = 1.0

    def forward(self, predictions, targets, sample_weight=None):
        return super().forward(predictions / self.temperature, targets, sample_weight)


HALVES = {
    "an attribute": lambda trainer: setattr(trainer.model, "own", trainer.model.own / 2),
    "a dict": lambda trainer: trainer.model.held.update(scale=trainer.model.held["scale"] / 2),
    "a list": lambda trainer: trainer.model.listed.__setitem__(0, trainer.model.listed[0] / 2),
    "a default": lambda trainer: setattr(trainer.model, "default", trainer.model.default / 2),
    "a global": lambda trainer: SETTINGS.update(scale=SETTINGS["scale"] / 2),
    "of the loss": lambda trainer: setattr(trainer.loss, "temperature", trainer.loss.temperature * 2),
}


@pytest.mark.parametrize("what", HALVES)
def test_a_trainer_follows_what_a_callback_changes(what, monkeypatch):
    class Halve(gg.Callback):
        def on_epoch_end(self, trainer, *_):
            HALVES[what](trainer)

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 5)).astype(np.float32), rng.integers(0, 3, 64)
    losses = []
    for record in (True, False):
        monkeypatch.setitem(SETTINGS, "scale", 1.0)
        trainer = gg.Trainer(Own(), loss=OwnLoss(), device="cpu", seed=0, record=record)
        history = trainer.fit(x, y, epochs=4, callbacks=[Halve()], progress=False)
        losses.append([epoch["train_loss"] for epoch in history])
    assert losses[0] == losses[1]


def test_what_forward_does_not_read_records_nothing_anew():
    """Counters and logs that callbacks keep in a model."""
    model = Own()
    model.count, model.log = 0, []

    def step(x):
        return model(x)

    recorded = gg.record(step)
    for i in range(3):
        recorded(np.ones((2, 5), np.float32))
        model.count += 1
        model.log.append(float(i))
    assert recorded.recordings == 1


def test_attributes_that_are_read_by_name_are_noticed():
    class ByName(nn.Module):
        def __init__(self):
            self.scale = 1.0

        def forward(self, x):
            return x * getattr(self, "sca" + "le")

    model = ByName()
    recorded, x = gg.record(model), np.ones(1, np.float32)
    assert recorded(x).item() == 1
    model.scale = 3.0
    assert recorded(x).item() == 3
