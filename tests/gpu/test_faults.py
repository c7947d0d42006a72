"""What goes wrong on a GPU is named, and the process ends or goes on: never a hang. Each fault in a process of its own,
since a fault in a kernel ends what a process can do with its GPU."""

import os
import signal
import subprocess
import sys
import time

import pytest

SECONDS = 120  # a child that takes longer hangs

TRAIN = """
import sys, numpy as np, gpugrad as gg
from gpugrad import nn
trainer = gg.Trainer(nn.MLP(20, [64], 3, seed=0), device="cuda", toolchain=sys.argv[1], seed=0)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(4000, 20)).astype(np.float32), rng.integers(0, 3, 4000).astype(np.int32)
"""

FAULT = """
import sys, cupy, gpugrad as gg
device = gg.device("cuda", sys.argv[1])
wild = cupy.RawKernel('extern "C" __global__ void wild(float* p) { p[1ull << 40] = 1; }', "wild")
def wild_store(array):
    wild((1,), (1,), (array,))
array = device.zeros(4)
device.run(wild_store, array)
try:
    device.synchronize()
except gg.errors.GpugradError as error:
    print("REPORTED", error)
    raise
"""


def child(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, **environment},
        check=False,
    )


def test_a_fault_in_a_kernel_is_reported_with_the_last_launches(cuda):
    result = child(FAULT, cuda.toolchain)
    assert result.returncode == 1
    assert "REPORTED work on cuda:0 failed: " in result.stdout
    assert "the last launches were " in result.stdout
    assert "wild_store: run the program again with GPUGRAD_SYNCHRONOUS=1" in result.stdout


def test_with_a_wait_after_each_launch_the_kernel_and_its_arguments_are_named(cuda):
    result = child(FAULT, cuda.toolchain, GPUGRAD_SYNCHRONOUS="1")
    assert result.returncode == 1
    assert "KernelError: wild_store(float32 (4,)) failed on cuda:0: " in result.stderr


def test_an_interrupt_while_steps_are_replayed(cuda, start):
    code = TRAIN + (
        "class Tell(gg.Callback):\n"
        "    def on_epoch_end(self, *_):\n"
        "        print('epoch', flush=True)\n"
        "history = trainer.fit(x, y, epochs=10**6, batch_size=8, callbacks=[Tell()])\n"
        "print(history.stopped, np.isfinite(trainer.evaluate(x, y)['loss']))\n"
    )
    process = start(sys.executable, "-c", code, cuda.toolchain)
    assert process.stdout.readline() == "epoch\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert rest.splitlines()[-1].startswith("interrupted")
    assert rest.splitlines()[-1].endswith("True")


def test_two_processes_on_one_gpu(cuda):
    code = TRAIN + (
        "trainer.fit(x, y, epochs=20, batch_size=50)\n"
        "print(sum(a.astype(np.float64).sum() for a in trainer.model.state_dict().values()).hex())\n"
    )
    command = [sys.executable, "-c", code, cuda.toolchain]
    together = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [process.communicate(timeout=SECONDS)[0] for process in together]
    assert found[0] == found[1] == child(code, cuda.toolchain).stdout != ""


@pytest.mark.parametrize(
    ("name", "environment", "message"),
    [
        ("cuda", {"CUDA_VISIBLE_DEVICES": ""}, "CuPy finds no GPU: check with nvidia-smi"),
        ("cuda:63", {}, "numbered from 0: check CUDA_VISIBLE_DEVICES"),
    ],
)
def test_a_gpu_that_is_not_there(cuda, name, environment, message):
    code = f"import sys, gpugrad as gg; gg.device({name!r}, sys.argv[1])"
    result = child(code, cuda.toolchain, **environment)
    assert result.returncode == 1
    assert message in result.stderr
