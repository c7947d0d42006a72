"""Plant faults in copies of the project's own kernels, one at a time; `gpugrad check` finds each of them."""

import copy
import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import gpugrad as gg
from gpugrad import kernels
from gpugrad.engine.check import check_kernel

pytestmark = pytest.mark.slow

KERNELS = Path(kernels.__file__).parent
CONTRACTS = {contract.name: contract for _, contract in kernels.contracts()}


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Check one kernel of a copy of an operation in which a text is replaced; yield one finding per example."""

    def check(launcher, file=None, right=None, wrong=None):
        contract = CONTRACTS[launcher]
        operation = contract.operation
        for path in (*(KERNELS / "cuda").glob("*.cuh"), *(KERNELS / operation).iterdir()):
            if path.is_file():
                shutil.copy(path, tmp_path)
        if file:
            text = (tmp_path / file).read_text()
            assert text.count(right) == 1, f"{file} has {right!r} {text.count(right)} times, the test expects it once"
            (tmp_path / file).write_text(text.replace(right, wrong))
        spec = importlib.util.spec_from_file_location(
            f"gpugrad.kernels.{operation}.planted", tmp_path / "cupy_cuda.py", submodule_search_locations=None
        )
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        launch = kernels.Launcher(contract, getattr(module, launcher), "a copy", "cupy_cuda")
        device = gg.device("emulator")
        monkeypatch.setitem(vars(device), "kernels", SimpleNamespace(**{launcher: launch}))
        for example in contract.draw_examples():
            alone = copy.copy(contract)
            alone.examples(lambda rng, example=example: iter([example]))
            yield check_kernel(device, operation, alone, most_work=3e6)

    return check


# Planted fault -> (launcher, file, correct text, wrong text, expected message).
FAULTS = {
    "a barrier dropped after the tiles of a product are stored": (
        "dense_forward",
        "product.cuh",
        "        __syncthreads();\n        now = 1 - now;",
        "        now = 1 - now;",
        "is not finite|differs between two runs|is wrong by",
    ),
    "a barrier dropped in a block's sum": (
        "clip_norm",
        "gpugrad.cuh",
        "of_warp[thread / WARP] = v;\n    __syncthreads();",
        "of_warp[thread / WARP] = v;",
        "is not finite|differs between two runs|is wrong by",
    ),
    "an index off by one at the lower edge of a tile": (
        "dense_forward",
        "product.cuh",
        "if (row >= rows) return;",
        "if (row > rows) return;",
        r"element \d+ of \w+, which has \d+ element",
    ),
    "an index off by one at the right edge of a tile": (
        "dense_forward",
        "product.cuh",
        "if (column + i < columns) target[i] = values[i];",
        "if (column + i <= columns) target[i] = values[i];",
        r"element \d+ of \w+, which has \d+ element|differs between two runs|is wrong by",
    ),
    "a scalar of the wrong type in a launcher": (
        "adam_step",
        "cupy_cuda.py",
        "np.int64(p.size)",
        "np.int32(p.size)",
        r"adam\.cu: parameter 'long long n' of adam_step was given .*int32, expected np\.int64",
    ),
    "a read past the end": (
        "sgd_step",
        "elementwise.cuh",
        "(n - before) / 4 : 0",
        "(n - before + 3) / 4 : 0",
        r"element \d+ of \w+, which has \d+ element",
    ),
    "a shuffle with the wrong mask": (
        "sum_elements",
        "gpugrad.cuh",
        "v += __shfl_xor_sync(FULL_MASK, v, distance);",
        "v += __shfl_xor_sync(0x0000ffffu, v, distance);",
        r"the mask 0x0000ffff of a warp function does not include lane \d+|a shuffle reads lane",
    ),
    "a word of shared memory that no one writes": (
        "sum_elements",
        "gpugrad.cuh",
        "if (lane == 0) of_warp",
        "if (thread == 0) of_warp",
        "is not finite|is finite where the reference is not",
    ),
    "the sizes of a factor swapped in the backward": (
        "dense_backward",
        "dense.cu",
        "const Factor<true> columns{w, nullptr, n_in, n_out, 0};",
        "const Factor<true> columns{w, nullptr, n_out, n_in, 0};",
        r"dx (is wrong by|is not finite)|element \d+ of \w+, which has \d+ element",
    ),
    "the stride of the parts of a split sum": (
        "dense_backward",
        "dense.cu",
        "const Output<> output(dw + blockIdx.y * stride,",
        "const Output<> output(dw + blockIdx.y * (stride - n_out),",
        "dw (is wrong by|is not finite)|differs between two runs",
    ),
    # A real bug, first seen on a GPU: asynchronous copies without a commit are not waited for.
    "asynchronous copies that are never committed": (
        "dense_forward",
        "tile.cuh",
        "            copy_async_commit();\n",
        "",
        "is not finite",
    ),
    "a thread that leaves before a barrier": (
        "sum_elements",
        "gpugrad.cuh",
        "const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;",
        "const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;\n    if (thread_in_block() == 7) return false;",
        "wait at a barrier that the others never reach|which has ended",
    ),
}


@pytest.mark.parametrize("launcher", sorted({fault[0] for fault in FAULTS.values()}))
def test_the_copy_itself_is_right(planted, launcher):
    findings = list(planted(launcher))
    assert [problem for finding in findings for problem in finding.problems] == []
    assert any(finding.examples for finding in findings)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(planted, name):
    *fault, expected = FAULTS[name]
    problems = []
    for finding in planted(*fault):  # stop at the first example that shows it: each may need more kernels built
        problems += finding.problems
        if any(re.search(expected, problem) for problem in problems):
            return
    pytest.fail(f"expected {expected!r}, found {problems or 'nothing'}")
