"""Plant faults in copies of the project's own kernels, one at a time; the machine finds each and names its place."""

import re

import pytest

pytestmark = pytest.mark.slow

# Where a message says that a fault is: the kernel, a line of the source, block and thread.
PLACE = r"\w+.* \(\w+\.(cu|cuh|py):\d+.*\): block \(\d+, \d+, \d+\), thread \(\d+, \d+, \d+\).*"

RACE = "with no barrier in between|nothing puts the two in an order"
EMPTY = "in shared memory, which nobody has written"

# Planted fault -> (toolchain, launcher, file, correct text, wrong text, message).
FAULTS = {
    # ---- barriers and races in shared memory ----
    "no barrier after the tiles of a product are stored": (
        *("cupy", "dense_forward", "product.cuh"),
        "        __syncthreads();\n        now = 1 - now;",
        "        now = 1 - now;",
        PLACE + f"tiles_[ab].*({RACE}|{EMPTY})",
    ),
    "no barrier after the first tiles": (
        *("cupy", "dense_forward", "product.cuh"),
        "    loader_b.store(tiles_b[0]);\n    __syncthreads();",
        "    loader_b.store(tiles_b[0]);",
        PLACE + f"reads tiles_[ab].*({RACE}|{EMPTY}|not been waited for)",
    ),
    "no barrier in a block's sum": (
        *("cupy", "clip_norm", "gpugrad.cuh"),
        "of_warp[thread / WARP] = v;\n    __syncthreads();",
        "of_warp[thread / WARP] = v;",
        PLACE + f"reads of_warp.*({RACE}|{EMPTY})",
    ),
    "no barrier before a block's next sum": (
        *("cupy", "softmax_cross_entropy", "gpugrad.cuh"),
        "    __syncthreads();  // the next call overwrites of_warp",
        "    ",
        PLACE + f"writes of_warp.*{RACE}",
    ),
    "a word of shared memory that no one writes": (
        *("cupy", "sum_elements", "gpugrad.cuh"),
        "if (lane == 0) of_warp",
        "if (thread == 0) of_warp",
        PLACE + f"reads of_warp.1. {EMPTY}",
    ),
    "the sums of the warps in one word": (
        *("cupy", "sum_elements", "gpugrad.cuh"),
        "of_warp[thread / WARP] = v;",
        "of_warp[0] = v;",
        PLACE + f"writes of_warp.0.*another value|reads of_warp.1. {EMPTY}",
    ),
    "a line too few in an array of shared memory": (
        *("cupy", "sum_elements", "gpugrad.cuh"),
        "__shared__ float of_warp[THREADS / WARP];",
        "__shared__ float of_warp[THREADS / WARP - 1];",
        PLACE + r"(writes|reads) of_warp.7. \(its 28 bytes end before\)",
    ),
    "a thread that leaves before a barrier": (
        *("cupy", "sum_elements", "gpugrad.cuh"),
        "const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;",
        "const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;\n    if (thread_in_block() == 7) return false;",
        PLACE + "waits at a barrier, with 254 others of its block, that the other 1 never reach",
    ),
    "a barrier in divergent code": (
        *("cupy", "clip_norm", "gpugrad.cuh"),
        "of_warp[thread / WARP] = v;\n    __syncthreads();",
        "of_warp[thread / WARP] = v;\n    if (thread < 100) __syncthreads(); else __syncthreads();",
        PLACE + "(waits at this barrier while|waits at a barrier|of_warp)",
    ),
    "a barrier that one warp skips": (
        *("cupy", "softmax_cross_entropy_norm", "gpugrad.cuh"),
        "    __syncthreads();  // the next call overwrites of_warp",
        "    if (thread / WARP != 1) __syncthreads();",
        PLACE + "waits at",
    ),
    # ---- order between blocks ----
    "no fence before a block is counted": (
        *("cupy", "sum_elements", "gpugrad.cuh"),
        "    __threadfence();  // makes this thread's writes visible before the block is counted\n",
        "",
        PLACE + r"reads partials\[\d+\], which block \(\d+, 0, 0\), thread \(0, 0, 0\) wrote: nothing puts",
    ),
    "no barrier before a block is counted": (
        *("cupy", "next_rows", "gpugrad.cuh"),
        "before the block is counted\n    __syncthreads();",
        "before the block is counted\n",
        PLACE + r"writes cursor\[0\], which .* read: nothing puts",
    ),
    "a partial sum by another thread than the one that counts": (
        *("cupy", "sum_elements", "gpugrad.cuh"),
        "counted\n    __syncthreads();\n    if (thread_in_block() == 0) last = atomicInc(counter, blocks - 1) == "
        "blocks - 1;",
        "counted\n    if (thread_in_block() == 0) last = false;\n    __syncthreads();\n"
        "    if (thread_in_block() == 0) last = *counter == blocks - 1, *counter = *counter + 1;",
        PLACE + r"(reads|writes) finished\[0\].*|.*(is wrong by|is not finite|differs)",
    ),
    "all blocks write one partial sum": (
        *("cupy", "sum_elements", "reduction.cuh"),
        "partials[blockIdx.x] = share",
        "partials[0] = share",
        PLACE + r"writes partials\[0\].*(nothing puts|another value)",
    ),
    "the counter of steps is written by every block": (
        *("cupy", "adam_step", "adam.cu"),
        "if (last_block(&finished) && threadIdx.x == 0) step[0] = t;",
        "if (threadIdx.x == 0) step[0] = t;",
        PLACE + r"writes step\[0\].*nothing puts",
    ),
    # ---- bounds ----
    "an index off by one at the lower edge of a tile": (
        *("cupy", "dense_forward", "product.cuh"),
        "if (row >= rows) return;",
        "if (row > rows) return;",
        PLACE + r"(writes|reads) \w+\[\d+(:\d+)?\], which has \d+ elements?",
    ),
    "an index off by one at the right edge of a tile": (
        *("cupy", "dense_forward", "product.cuh"),
        "if (column + i < columns) target[i] = values[i];",
        "if (column + i <= columns) target[i] = values[i];",
        PLACE + r"writes (y|workspace|z)\[\d+\](, which has|.*nothing puts|.*another value)",
    ),
    "a tile that is loaded past the last row": (
        *("cupy", "dense_forward", "tile.cuh"),
        "row < factor.rows && k + j < factor.depth",
        "row <= factor.rows && k + j < factor.depth",
        PLACE + r"reads x\[\d+(:\d+)?\], which has",
    ),
    "a tile that is loaded past the last term": (
        *("cupy", "matmul", "tile.cuh"),
        "row + j < factor.rows && k < factor.depth",
        "row + j < factor.rows && k <= factor.depth",
        PLACE + r"reads [ab]\[\d+(:\d+)?\], which has",
    ),
    "a read past the end of a vector loop": (
        *("cupy", "sgd_step", "elementwise.cuh"),
        "(n - before) / 4 : 0",
        "(n - before + 3) / 4 : 0",
        PLACE + r"reads \w+\[\d+:\d+\], which has",
    ),
    "a loop one element too long": (
        *("cupy", "clip_value", "elementwise.cuh"),
        "j < n - 4 * fours; j",
        "j <= n - 4 * fours; j",
        PLACE + r"reads g\[\d+\], which has",
    ),
    "a group of four too many in a sum": (
        *("cupy", "sum_elements", "reduction.cuh"),
        "i + 3 < n; i",
        "i < n; i",
        PLACE + r"reads x\[\d+(:\d+)?\], which has",
    ),
    "rows of a data set that are not clipped": (
        *("cupy", "gather", "gather.cu"),
        "min(max(static_cast<long long>(rows[i]), 0LL), n - 1)",
        "static_cast<long long>(rows[i])",
        PLACE + r"reads data\[-?\d+(:-?\d+)?\], which has",
    ),
    "a column too far": (
        *("cupy", "dense_backward", "dense.cu"),
        "threadIdx.x < TILE && column < n_out) {",
        "threadIdx.x < TILE && column <= n_out) {",
        PLACE + r"(writes|reads) (db|workspace)\[\d+\]",
    ),
    "a label that is not checked": (
        *("cupy", "softmax_cross_entropy", "softmax_cross_entropy.cu"),
        "    if (label < 0 || label >= n_classes) {\n        label = 0;",
        "    if (label < 0 || label >= n_classes) {",
        PLACE + r"reads (class_weight|logits)\[-?\d+\], which has",
    ),
    # ---- alignment ----
    "a sum that takes every array for aligned": (
        *("cupy", "sum_elements", "reduction.cuh"),
        "const bool aligned = (aligned16(arrays) && ...);",
        "const bool aligned = true;",
        PLACE + r"reads 16 bytes at x\[\d+:\d+\], which is misaligned",
    ),
    "an update that takes every array for aligned": (
        *("cupy", "adam_step", "elementwise.cuh"),
        "const long long before = (4 - place) % 4;",
        "const long long before = 0 * place;",
        PLACE + r"reads 16 bytes at \w+\[\d+:\d+\], which is misaligned",
    ),
    "a product that takes every line for aligned": (
        *("cupy", "dense_forward", "tile.cuh"),
        "return line % VECTOR == 0 && aligned16(values) &&",
        "return line % VECTOR == 0 &&",
        PLACE + r"reads 16 bytes at \w+\[\d+:\d+\], which is misaligned",
    ),
    "an output that is taken for aligned": (
        *("cupy", "dense_backward", "product.cuh"),
        "in_vectors(columns % VECTOR == 0 && aligned16(c) && aligned16(z))",
        "in_vectors(columns % VECTOR == 0)",
        PLACE + r"writes (8|16) bytes at d[xw]\[\d+:\d+\], which is misaligned",
    ),
    "a row of classes that is taken for aligned": (
        *("cupy", "softmax_cross_entropy", "softmax_cross_entropy.cu"),
        "const bool aligned = aligned16(x);",
        "const bool aligned = true;",
        PLACE + r"reads 16 bytes at logits\[\d+:\d+\], which is misaligned",
    ),
    "a mask that is taken for aligned": (
        *("cupy", "dropout_forward", "dropout.cu"),
        "aligned16(x) && aligned16(y) && place_in_four(mask) == 0;",
        "place_in_four(mask) == 0 || true;",
        PLACE + r"(reads|writes) (4|16) bytes at (x|y|mask)\[\d+:\d+\], which is misaligned",
    ),
    # ---- asynchronous copies ----
    "asynchronous copies that are never committed": (
        *("cupy", "dense_forward", "tile.cuh"),
        "            copy_async_commit();\n",
        "",
        PLACE + r"reads tiles_[ab]\[\d+\], whose asynchronous copy has not been waited for",
    ),
    "asynchronous copies that are not waited for": (
        *("cupy", "matmul", "tile.cuh"),
        "copy_async_wait<0>();",
        "copy_async_wait<1>();",
        PLACE + r"(reads|writes) tiles_[ab]\[\d+\].*asynchronous copy",
    ),
    # ---- warps ----
    "a shuffle with a mask that leaves out half of the warp": (
        *("cupy", "sum_elements", "gpugrad.cuh"),
        "v += __shfl_xor_sync(FULL_MASK, v, distance);",
        "v += __shfl_xor_sync(0x0000ffffu, v, distance);",
        PLACE + "calls a warp function whose mask does not name it, lane 16",
    ),
    "a shuffle without the second half of the warp": (
        *("cupy", "softmax_cross_entropy", "softmax_cross_entropy.cu"),
        "        largest = warp_max(largest);\n",
        "        if (lane < 16) largest = warp_max(largest);\n",
        PLACE + "waits for lanes that its mask names and that never come",
    ),
    # ---- inputs, values, launches ----
    "an input that is written": (
        *("cupy", "sgd_step", "elementwise.cuh"),
        "store_one(const T*, V) {}",
        "store_one(const T* p, V v) { *const_cast<T*>(p) = 2 * v; }",
        PLACE + r"writes g\[\d+\], which is an input",
    ),
    "a loop that does not end": (
        *("cupy", "clip_value", "elementwise.cuh"),
        "j < n - 4 * fours; j += threads) {",
        "j < n - 4 * fours; j += 0 * threads) {",
        PLACE + "still runs after 2 seconds: does a loop not end?",
    ),
    "a scalar of the wrong type in a launcher": (
        *("cupy", "adam_step", "cupy_cuda.py"),
        "np.int64(p.size)",
        "np.int32(p.size)",
        r"adam\.cu: parameter 'long long n' of adam_step was given .*int32, expected np\.int64",
    ),
    "more threads than the kernel was compiled for": (
        *("cupy", "sum_elements", "cupy_cuda.py"),
        "reduction_blocks(x.size), THREADS,",
        "reduction_blocks(x.size), 2 * THREADS,",
        "sum_elements is launched with 512 threads per block, its __launch_bounds__ allow 256",
    ),
    "the sizes of a factor swapped in the backward": (
        *("cupy", "dense_backward", "dense.cu"),
        "const Factor<true> columns{w, nullptr, n_in, n_out, 0};",
        "const Factor<true> columns{w, nullptr, n_out, n_in, 0};",
        r"dx (is wrong by|is not finite)|, which has \d+ element",
    ),
    "the stride of the parts of a split sum": (
        *("cupy", "dense_backward", "dense.cu"),
        "const Output<> output(dw + blockIdx.y * stride,",
        "const Output<> output(dw + blockIdx.y * (stride - n_out),",
        r"dw (is wrong by|is not finite)|writes workspace.*(nothing puts|another value)",
    ),
    # ---- Numba ----
    "Numba: no barrier in the loop of a block's sum": (
        *("numba", "sum_elements", "device.py"),
        "        cuda.syncthreads()\n        if thread < half:\n            shared[thread] += shared[thread + half]",
        "        if thread < half:\n            shared[thread] += shared[thread + half]",
        PLACE + f"({RACE}|{EMPTY})",
    ),
    "Numba: no barrier before the total": (
        *("numba", "clip_norm", "device.py"),
        "    cuda.syncthreads()\n    total = shared[0]",
        "    total = shared[0]",
        PLACE + f"reads a shared array.0.*{RACE}",
    ),
    "Numba: a barrier in divergent code": (
        *("numba", "sum_elements", "device.py"),
        "        cuda.syncthreads()\n        if thread < half:\n            shared[thread] += shared[thread + half]",
        "        if thread < half:\n            cuda.syncthreads()\n"
        "            shared[thread] += shared[thread + half]",
        PLACE + f"(waits at|{RACE})",
    ),
    "Numba: a conditional around a sum, as Python 3.12 compiles it": (
        *("numba", "sum_elements", "device.py"),
        "    return block_sum(total)",
        "    if cuda.threadIdx.x < count:\n        return block_sum(total)\n    return block_sum(total)",
        PLACE + f"(waits at|{RACE}|{EMPTY})",
    ),
    "Numba: all blocks write one partial sum": (
        *("numba", "sum_elements", "numba_cuda.py"),
        "partials[cuda.blockIdx.x] = total",
        "partials[0] = total",
        PLACE + r"writes partials\[0\].*(nothing puts|another value)",
    ),
    "Numba: no barrier between the tiles of a product": (
        *("numba", "matmul", "numba_cuda.py"),
        "        cuda.syncthreads()  # the next tiles overwrite these\n",
        "",
        PLACE + f"writes a shared array.*{RACE}",
    ),
    "Numba: no barrier after a tile is loaded": (
        *("numba", "dense_forward", "numba_cuda.py"),
        "        cuda.syncthreads()\n        for k in range(TILE):",
        "        for k in range(TILE):",
        PLACE + f"reads a shared array.*({RACE}|{EMPTY})",
    ),
    "Numba: a row too many": (
        *("numba", "dense_forward", "numba_cuda.py"),
        "if row < x.shape[1] and column < n_out:",
        "if row <= x.shape[1] and column < n_out:",
        PLACE + r"(reads|writes) [yz]\[\d+\], which has",
    ),
    "Numba: an element too many of a tile": (
        *("numba", "matmul", "numba_cuda.py"),
        "if i < matrix.shape[1] and j < matrix.shape[2]:",
        "if i <= matrix.shape[1] and j < matrix.shape[2]:",
        PLACE + r"reads [ab]\[\d+\], which has",
    ),
    "Numba: an element before the beginning": (
        *("numba", "clip_value", "numba_cuda.py"),
        "        g[i] = limit if gi > limit else gi",
        "        g[i - g.size - 1] = limit if gi > limit else gi",
        PLACE + r"writes g\[-1\], which has",
    ),
    "Numba: a loop one element too long": (
        *("numba", "sgd_step", "numba_cuda.py"),
        "range(cuda.grid(1), p.size, cuda.gridsize(1))",
        "range(cuda.grid(1), p.size + 1, cuda.gridsize(1))",
        PLACE + r"reads [gp]\[\d+\], which has",
    ),
    "Numba: the counter of steps in the same launch": (
        *("numba", "adam_step", "numba_cuda.py"),
        "        m[i], v[i] = mi, vi\n",
        "        m[i], v[i] = mi, vi\n        if i == 0:\n            step[0] += 1\n",
        PLACE + r"(reads|writes) step\[0\].*nothing puts|step is wrong|differs between",
    ),
    "Numba: an input that is written": (
        *("numba", "sgd_step", "numba_cuda.py"),
        "        p[i] -= outer * direction",
        "        p[i] -= outer * direction\n        g[i] = direction",
        PLACE + r"writes g\[\d+\], which is an input",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("toolchain", "launcher"), sorted({fault[:2] for fault in FAULTS.values() if fault[1] != "dense_backward"})
)
def test_the_copy_itself_is_right(planted, toolchain, launcher):
    findings = list(planted(toolchain, launcher, most_work=3e5))
    assert [problem for finding in findings for problem in finding.problems] == []
    assert any(finding.examples for finding in findings)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(planted, monkeypatch, name):
    monkeypatch.setenv("GPUGRAD_MACHINE_SECONDS", "2" if "does not end" in name else "300")
    *fault, expected = FAULTS[name]
    problems = []
    for finding in planted(*fault):  # stop at the first example that shows it: each may need more kernels compiled
        problems += finding.problems
        if any(re.search(expected, problem) for problem in problems):
            return
    pytest.fail(f"expected {expected!r}, found {problems or 'nothing'}")
