"""Run the Numba CUDA kernels in Numba's simulator, in child processes, since it replaces numba.cuda for good."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import kernels

SECONDS = 900  # limit of a child process: beyond it, it hangs

# Three steps of a tiny network, recorded or through the tape; run in the child and, on another device, here.
STEPS = """
import numpy as np
import gpugrad as gg
from gpugrad import nn, optim

def losses(device, recorded):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 5)).astype(np.float32), rng.integers(0, 3, 6).astype(np.int32)
    model = nn.MLP(5, [4], 3, activation="tanh", dropout=0.2, seed=1).to(device)
    optimizer, criterion = optim.Adam(model.parameters(), lr=0.01), nn.CrossEntropyLoss()
    gg.manual_seed(2)

    def step(x, y):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = gg.record(step, device) if recorded else step
    return [run(gg.tensor(x, device=device), gg.tensor(y, device=device)).item() for _ in range(3)]
"""


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    """Return a function that runs Python in a process with the simulator."""
    if importlib.util.find_spec("numba_cuda") is None:
        pytest.skip('numba-cuda is not installed: pip install "gpugrad[compile]"')

    def run(*command):
        environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
        return subprocess.run(
            [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    return run


@pytest.mark.long  # the machine runs all examples of the same kernels: tests/kernels/test_toolchains.py
@pytest.mark.slow(60)
def test_every_kernel_agrees_with_the_reference(child, record_property):
    result = child("-m", "gpugrad", "check", "--device", "simulator", "--json")
    assert result.stdout, result.stderr[-3000:]
    findings = json.loads(result.stdout.splitlines()[-1])["findings"]
    assert {finding["kernel"] for finding in findings} == {contract.name for _, contract in kernels.contracts()}
    assert [finding for finding in findings if finding["problems"] or not finding["examples"]] == []
    for finding in findings:
        record_property("checked", ["simulator", "numba", finding["kernel"], finding["examples"]])


def test_training_follows_the_reference(child):
    code = STEPS + "device = gg.device('simulator')\nprint(losses(device, True), losses(device, False), sep='\\n')"
    result = child("-c", code)
    assert result.returncode == 0, result.stderr[-3000:]
    recorded, unrecorded = map(json.loads, result.stdout.splitlines())
    assert recorded == unrecorded
    here = {"__name__": "steps"}
    exec(STEPS, here)
    np.testing.assert_allclose(recorded, here["losses"](gg.device("cpu", "numpy"), False), rtol=1e-5)


def test_the_simulator_and_a_gpu_cannot_share_a_process(child):
    result = child("-c", "import gpugrad as gg; gg.device('simulator').kernels; print(gg.device('cuda', 'numba'))")
    assert result.returncode == 1
    assert "cannot be used" in result.stderr


# Body of a kernel of eight threads with a shared array s and the argument x = 0 … 7 -> x afterwards, or the error.
NAN = float("nan")
BODIES = {
    "s[i] = x[i]; cuda.syncthreads(); x[i] = s[7 - i]": [7, 6, 5, 4, 3, 2, 1, 0],
    "x[i] += 10 * cuda.syncthreads_count(i < 6)": [60, 61, 62, 63, 64, 65, 66, 67],
    "x[i] = s[i]": [NAN] * 8,
    "if i > 2: cuda.syncthreads()": (
        "KernelError: 5 of the 8 threads of block (0, 0, 0) wait at a barrier that the others never reach, "
        "in the kernel k of __main__"
    ),
    "cuda.syncthreads(); x[i - 1] = 0": (
        "IndexError: index -1 is outside an array of shape (8,), in thread (0, 0, 0) of block (0, 0, 0), "
        "in the kernel k of __main__"
    ),
}
RUN_BODIES = """
import json, sys
import numpy as np
import gpugrad as gg
gg.device("simulator").kernels
from gpugrad.kernels.numba_cuda.launch import cuda, launch

for body in json.loads(sys.argv[1]):
    exec(f"@cuda.jit\\ndef k(x):\\n  s, i = cuda.shared.array(8, np.float32), cuda.threadIdx.x\\n  {body}")
    x = np.arange(8, dtype=np.float32)
    try:
        launch(k, 1, 8, x)
        print(json.dumps(x.tolist()))
    except Exception as error:
        print(json.dumps(f"{type(error).__name__}: {', '.join([str(error), *error.__notes__])}"))
"""


def test_threads_of_a_block_take_turns_and_are_checked(child):
    forgotten = "s[i] = x[i]; x[i] = s[7 - i]"  # without the barrier in between
    result = child("-c", RUN_BODIES, json.dumps([*BODIES, forgotten, forgotten]))
    assert result.returncode == 0, result.stderr[-3000:]
    *found, first, second = map(json.loads, result.stdout.splitlines())
    for body, right, x in zip(BODIES, BODIES.values(), found, strict=True):
        np.testing.assert_array_equal(x, right, err_msg=body)
    assert np.isnan(first).any()
    assert np.isnan(first).tolist() != np.isnan(second).tolist()  # the threads ran in another order


UNCHANGED = """
from gpugrad.kernels.numba_cuda.target import choose_target
choose_target(simulator=True)
import numpy as np
from numba.cuda.simulator import kernel, kernelapi

def parts():
    classes = {name: value for m in (kernel, kernelapi) for name, value in vars(m).items() if isinstance(value, type)}
    attributes = {(name, key): value for name, c in classes.items() for key, value in vars(c).items()}
    return classes | attributes | {"context": kernel._get_kernel_context(), "row_stack": hasattr(np, "row_stack")}

before = parts()
from gpugrad.kernels.numba_cuda.launch import cuda, launch

@cuda.jit
def fill(x):
    s = cuda.shared.array(4, np.float32)
    s[cuda.threadIdx.x] = cuda.blockIdx.x
    cuda.syncthreads()
    x[cuda.grid(1)] = s[3 - cuda.threadIdx.x]

@cuda.jit
def fail(x):
    x[-1] = 0

launch(fill, 2, 4, np.zeros(8, np.float32))
try:
    launch(fail, 1, 1, np.zeros(8, np.float32))
except IndexError:
    print([name for name, value in parts().items() if before.get(name) is not value], cuda is __import__("numba").cuda)
"""


def test_a_launch_leaves_numba_as_it_was(child):
    result = child("-c", UNCHANGED)
    assert result.stdout == "[] True\n", result.stderr[-3000:]
