"""Counts of small kernels, compared with numbers worked out by hand."""

import numpy as np
import pytest

from gpugrad.machine.counters import counting


def zeros(elements, shift):
    """Return zeros that begin so many elements after a multiple of 128 bytes."""
    room = np.zeros(elements + 64, np.float32)
    start = -(room.ctypes.data // 4) % 32 + shift
    return room[start : start + elements]


def count(kernel, body, threads=32, shift=0, grid=1):
    """Return the counts of a kernel of the float arrays y and x."""
    text = f"__global__ void k(float* y, const float* x) {{ const int t = threadIdx.x; {body} }}"
    with counting() as launches:
        kernel(text, "k", zeros(4096, shift), zeros(4096, shift), grid=grid, block=threads)
    return launches[0]


def only(traffic, program, kind):
    """Return the traffic of the one instruction of a kind."""
    (found,) = [t for number, t in traffic.items() if program.instruction(number).op[0] == kind]
    return found.requests, found.parts, found.fewest, found.bytes


@pytest.mark.parametrize(
    ("index", "shift", "expected"),
    [
        ("t", 0, (1, 4, 4, 128)),  # 32 neighbours: 128 bytes, 4 sectors
        ("t", 1, (1, 5, 4, 128)),  # one element later they reach into a fifth sector
        ("2 * t", 0, (1, 8, 4, 128)),  # every second element
        ("8 * t", 0, (1, 32, 4, 128)),  # each lane its own sector
        ("t / 32", 0, (1, 1, 1, 128)),  # all lanes one element
        ("31 - t", 0, (1, 4, 4, 128)),  # the order of the lanes does not matter
    ],
)
def test_sectors_of_a_store(kernel, index, shift, expected):
    counts = count(kernel, f"y[{index}] = 1;", shift=shift)
    assert only(counts.arrays, counts.program, "st") == expected


def test_sectors_of_a_vector_access(kernel):
    counts = count(kernel, "reinterpret_cast<float4*>(y)[t] = make_float4(1, 2, 3, 4);", threads=64)
    assert only(counts.arrays, counts.program, "st") == (2, 32, 32, 1024)


def test_a_request_of_part_of_a_warp(kernel):
    counts = count(kernel, "if (t < 40) y[t] = 1;", threads=64)
    assert only(counts.arrays, counts.program, "st") == (2, 5, 5, 160)


@pytest.mark.parametrize(
    ("index", "wavefronts"),
    [("t", 1), ("2 * t", 2), ("32 * t", 32), ("33 * t", 1), ("t / 32", 1), ("t ^ 5", 1), ("t % 16 * 32", 16)],
)
def test_wavefronts_of_a_load_from_shared_memory(kernel, index, wavefronts):
    body = "__shared__ float s[1024 + 32]; for (int i = t; i < 1056; i += 32) s[i] = i; __syncthreads();"
    counts = count(kernel, f"{body} y[t] = s[{index}];")
    assert only(counts.shared, counts.program, "ld") == (1, wavefronts, 1, 128)


@pytest.mark.parametrize(("index", "wavefronts"), [("t", 4), ("2 * t", 8), ("t / 8", 4)])
def test_wavefronts_of_16_bytes(kernel, index, wavefronts):
    """A quarter of a warp reads 128 bytes from all banks at once."""
    body = "__shared__ float4 s[64]; for (int i = t; i < 64; i += 32) s[i] = make_float4(1, 2, 3, i); __syncthreads();"
    counts = count(kernel, f"{body} const float4 v = s[{index}]; reinterpret_cast<float4*>(y)[t] = v;")
    assert only(counts.shared, counts.program, "ld") == (1, wavefronts, 4, 512)


def test_instructions_lanes_and_divergence(kernel):
    body = (
        "float v = x[t]; for (int i = 0; i < 3; ++i) v = fmaf(v, v, 1.0f); if (t % 4 == 0) y[t] = v; __syncthreads();"
    )
    counts = count(kernel, body, threads=64, grid=5)
    assert counts.mix["fma.f32"] == 3 * 2 * 5
    assert (counts.mix["ld.global"], counts.mix["st.global"]) == (10, 10)
    assert sum(counts.divergent.values()) == 10
    assert 8 < counts.lanes_per_instruction < 32
    assert counts.instructions == sum(counts.mix.values())


def test_counts_by_line(kernel):
    counts = count(kernel, "\ny[t] = x[t];\ny[t + 64] = x[2 * t];\n")
    lines = {place: traffic.parts for place, traffic in counts.by_line(counts.arrays).items()}
    assert lines == {"test.cu:3": 8, "test.cu:4": 12}


def test_nothing_is_counted_outside_of_the_block(kernel):
    with counting() as launches:
        pass
    kernel("__global__ void k(float* y) { y[threadIdx.x] = 1; }", "k", np.zeros(32, np.float32))
    assert launches == []
