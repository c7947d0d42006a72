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
