"""Kernels of both toolchains in the machine agree with their reference: samples of all that test_toolchains runs."""

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import kernels
from gpugrad.engine.check import _work, compare
from gpugrad.errors import ArgumentError

CONTRACTS = {contract.name: contract for _, contract in kernels.contracts()}


@pytest.mark.parametrize("toolchain", ["cupy", "numba"])
@pytest.mark.parametrize("name", ["sum_elements", "softmax_cross_entropy", "sgd_step", "gather", "dense_forward"])
def test_an_example_of_some_kernels(machine, toolchain, name):
    device, contract = machine(toolchain), CONTRACTS[name]
    examples = [e for e in contract.draw_examples() if 2e3 < _work(contract, e) < 1e5]
    for example in examples[:2]:
        assert [problem for _, _, problem in compare(device, contract, example) if problem] == []


@pytest.mark.slow(5)
@pytest.mark.parametrize("toolchain", ["cupy", "numba"])
def test_training_follows_the_cpu(machine, toolchain):
    def losses(device):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(64, 20)).astype(np.float32), rng.integers(0, 3, 64).astype(np.int32)
        model = gg.nn.MLP(20, [8], 3, activation="tanh", seed=1).to(device)
        optimizer, criterion = gg.optim.Adam(model.parameters(), lr=0.01), gg.nn.CrossEntropyLoss()

        def step(x, y):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = gg.record(step, device)
        return [run(gg.tensor(x, device=device), gg.tensor(y, device=device)).item() for _ in range(4)]

    np.testing.assert_allclose(losses(machine(toolchain)), losses(gg.device("cpu", "numpy")), rtol=1e-5)


def test_two_devices_on_numpy_arrays_do_not_take_each_other_s_launches(machine):
    """The emulator and the machine run the same launchers: each its own device's."""
    x, results = np.linspace(-3, 3, 50, dtype=np.float32), {}
    for device in (machine("cupy"), gg.device("cpu")):
        y = np.zeros_like(x)
        device.run(device.kernels.activation_forward, x, y, activation="tanh")
        results[device.kind] = y
    np.testing.assert_allclose(results["machine"], results["cpu"], rtol=1e-6)


def test_inputs_can_be_written_again_after_a_launch_that_fails(machine):
    device = machine("cupy")
    g, p, lr = np.ones(5, np.float32), np.ones(5, np.float32), np.ones(1, np.float32)
    with pytest.raises(ArgumentError, match="weight_decay"):
        device.run(device.kernels.sgd_step, g, lr, None, p, None, weight_decay=-1.0)
    assert g.flags.writeable
    device.run(device.kernels.sgd_step, g, lr, None, p, None)
    np.testing.assert_array_equal(p, 0)
    g[:] = 2
