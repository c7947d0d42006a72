"""Properties of every device of this machine: the CPU in both toolchains, the emulator, a GPU in both.

The kernels have their own tests against the reference (tests/kernels); these tests cover what is built from them.
"""

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.engine import functional as F

# name -> (function of a list of float64 tensors, their shapes); all values are in (0.3, 2) and are distinct.
TAPE = {
    "arithmetic": (lambda a, b: (a + b) * a - b / a + a**b - 2 * a, [(3, 4), (4,)]),
    "broadcast": (lambda a, b: a * b, [(3, 1, 4), (2, 1)]),
    "unary": (lambda a: a.exp() + a.log() * a.sqrt() - a.abs() + gg.sin(a) * gg.cos(a), [(3, 4)]),
    "extremes": (lambda a, b: gg.maximum(a, b) + gg.minimum(a, 1.0) + gg.clip(b, 0.5, 1.5), [(3, 4), (3, 4)]),
    "where": (lambda a, b: gg.where(a > b, a * a, b), [(3, 4), (4,)]),
    "reductions": (lambda a: a.sum(0) + a.mean(1, keepdims=True) + a.max(0) * a.min(), [(3, 4)]),
    "softmax": (lambda a: a.softmax(-1) + a.log_softmax(0), [(3, 4)]),
    "shapes": (lambda a: gg.concatenate([a.reshape(4, 3), a.T], 1).transpose(), [(3, 4)]),
    "slices": (lambda a: a[1:, ::2] * a[0, 0] + a[..., -1:][:2], [(3, 4)]),
    "rows that repeat": (lambda a: a[np.array([2, 0, 2])], [(3, 4)]),
    "products": (lambda a, b: a @ b, [(5, 3, 4), (5, 4, 2)]),
}
FLOAT32_ONLY = {"products"}  # by a kernel on a GPU, which computes in float32


def on(device, arrays, dtype, requires_grad=True):
    return [gg.tensor(array.astype(dtype), requires_grad=requires_grad, device=device) for array in arrays]


def value_and_gradients(function, tensors):
    result = function(*tensors)
    weights = np.linspace(1, 2, result.size).reshape(result.shape)
    (result * gg.tensor(weights.astype(result.dtype), device=result.device)).sum().backward()
    return [result.numpy(), *(tensor.grad.numpy() for tensor in tensors)]


@pytest.mark.parametrize("name", TAPE)
def test_tape(every_device, name):
    function, shapes = TAPE[name]
    rng = np.random.default_rng(0)
    arrays = [rng.permutation(np.linspace(0.3, 2, np.prod(shape))).reshape(shape) for shape in shapes]
    dtype = np.float32 if name in FLOAT32_ONLY else np.float64
    expected = value_and_gradients(function, on(gg.device("cpu", "numpy"), arrays, dtype))
    for found, right in zip(value_and_gradients(function, on(every_device, arrays, dtype)), expected, strict=True):
        assert found.dtype == right.dtype
        np.testing.assert_allclose(found, right, rtol=1e-5 if dtype == np.float32 else 1e-12)


class Training:
    """Two dense layers with dropout and a penalty, trained by a given optimizer."""

    def __init__(self, device, make_optimizer=optim.Adam, dropout=0.2):
        self.device = device
        self.model = nn.MLP(6, [16], 3, activation="gelu", dropout=dropout, seed=1).to(device)
        self.optimizer = make_optimizer(self.model.parameters(), lr=0.01)
        self.criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
        gg.manual_seed(4)

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.criterion(self.model(x), y) + 1e-3 * (next(iter(self.model.parameters())) ** 2).sum()
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, steps, recorded):
        step = gg.record(self.step, self.device) if recorded else self.step
        losses = []
        for x, y in batches(steps):
            losses.append(step(gg.tensor(x, device=self.device), gg.tensor(y, device=self.device)).item())
        return losses, np.concatenate([array.ravel() for array in self.model.state_dict().values()])


def batches(count, rows=20):
    rng = np.random.default_rng(7)
    centres = rng.normal(0, 2, (3, 6))
    for _ in range(count):
        y = rng.integers(0, 3, rows).astype(np.int32)
        yield (centres[y] + rng.normal(0, 0.7, (rows, 6))).astype(np.float32), y


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
def test_recorded_unrecorded_and_repeated_steps_have_the_same_bits(every_device, optimizer):
    losses, weights = Training(every_device, optimizer).run(6, recorded=False)
    for recorded in (True, False):
        again, again_weights = Training(every_device, optimizer).run(6, recorded)
        assert again == losses
        np.testing.assert_array_equal(again_weights, weights)


def test_losses_follow_those_of_the_reference(every_device):
    steps = 200 if every_device.kind in ("cpu", "cuda") else 20
    expected, _ = Training(gg.device("cpu", "numpy")).run(steps, recorded=False)
    losses, _ = Training(every_device).run(steps, recorded=True)
    np.testing.assert_allclose(losses, expected, rtol=1e-3)


def rows(count=90):
    x, y = zip(*batches(1, count), strict=True)
    return x[0], y[0]


def make_trainer(device, **options):
    model = nn.MLP(6, [8], 3, dropout=0.1, seed=1)
    return gg.Trainer(model, optimizer=optim.Adam(model.parameters(), lr=0.02), device=device, seed=3, **options)


def weights_of(trainer):
    return np.concatenate([array.ravel() for array in trainer.model.state_dict().values()])


@pytest.mark.parametrize("mapped", [True, False])
def test_trainer_with_data_on_the_device_or_streamed(every_device, mapped, tmp_path):
    x, y = rows()
    if mapped:
        np.save(tmp_path / "x.npy", x)
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
    results = []
    for on_device, record in ((True, True), (False, True), (False, False)):
        trainer = make_trainer(every_device, record=record, clip_norm=1.0)
        options = {"validation_data": rows(30), "data_on_device": on_device}
        trainer.fit(x, y, epochs=2, batch_size=16, memory=2000, **options)  # several parts per epoch, the last shorter
        results.append((trainer.history["train_loss"], trainer.history["validation_loss"], weights_of(trainer)))
    for other in results[1:]:
        for one, same in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, same)
    assert results[0][0][-1] < results[0][0][0]


def test_a_resumed_training_ends_in_the_same_bits(every_device, tmp_path):
    file = tmp_path / "training.safetensors"
    whole = make_trainer(every_device)
    whole.fit(*rows(), epochs=3, batch_size=16)
    make_trainer(every_device).fit(*rows(), epochs=2, batch_size=16, checkpoint=file)
    resumed = make_trainer(every_device)
    resumed.fit(*rows(), epochs=3, batch_size=16, resume=file)
    np.testing.assert_array_equal(weights_of(resumed), weights_of(whole))
    assert resumed.history["train_loss"] == whole.history["train_loss"]


def test_bytes_are_kept_and_scaled_as_they_are_gathered(every_device):
    x, y = rows()
    stored = np.clip((x + 8) * 16, 0, 255).astype(np.uint8)
    results = []
    for data, scale in ((stored, 1 / 255), (stored.astype(np.float32) * np.float32(1 / 255), 1.0)):
        trainer = make_trainer(every_device)
        trainer.fit(data, y, epochs=1, batch_size=32, scale=scale)
        results.append(weights_of(trainer))
    np.testing.assert_array_equal(*results)


def test_dropout_draws_the_same_mask_everywhere(every_device):
    def mask(device):
        x = gg.tensor(np.ones(1000, np.float32), device=device)
        return F.dropout(x, 0.3, generator=gg.Generator(5, device)).numpy() > 0

    np.testing.assert_array_equal(mask(every_device), mask(gg.device("cpu", "numpy")))


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_lower_precisions_are_near(every_device, precision):
    if every_device.toolchain == "numba" and every_device.kind != "cpu":
        pytest.skip("the readable Numba kernels compute in float32 only")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(40, 70)).astype(np.float32), rng.normal(size=(70, 50)).astype(np.float32)

    def product(device):
        return (gg.tensor(x, device=device) @ gg.tensor(w, device=device)).numpy()

    with gg.precision(precision):
        found, expected = product(every_device), product(gg.device("cpu", "numpy"))
    exact = x.astype(np.float64) @ w
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(exact).max())
    assert 1e-5 < np.abs(found - exact).max() / np.abs(exact).max() < 1e-2
