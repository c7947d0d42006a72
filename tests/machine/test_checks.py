"""What the machine says of faults in small kernels, word for word, and that it is silent about correct ones."""

import numpy as np
import pytest

from gpugrad.errors import KernelError


def refused(kernel, text, *arguments, name="k", **launch):
    with pytest.raises(KernelError) as error:
        kernel(f"__global__ void {text}", name, *arguments, **launch)
    return str(error.value).partition(" (instruction ")[0]


def test_an_element_past_the_end_names_line_block_thread_and_element(kernel):
    message = refused(
        kernel, "k(float* y) {\n    y[blockIdx.x + threadIdx.x] = 1;\n}", np.zeros(1, np.float32), block=2
    )
    assert message == "k (test.cu:3): block (0, 0, 0), thread (1, 0, 0) writes y[1], which has 1 element"


def test_one_message_counts_the_threads(kernel):
    text = "k(float* y, const float* x) {\n    y[threadIdx.x] = x[threadIdx.x];\n}"
    message = refused(kernel, text, np.zeros(32, np.float32), np.zeros((2, 5), np.float32))
    first = "block (0, 0, 0), thread (10, 0, 0), the first of 22,"
    assert message == f"k (test.cu:3): {first} reads x[10], which has 10 elements (2 × 5)"


def test_an_element_before_the_beginning(kernel):
    message = refused(kernel, "k(float* y) {\n    y[-7] = 1;\n}", np.zeros(4, np.float32), block=1)
    assert message.endswith("writes y[-7], which has 4 elements")


def test_a_null_pointer(kernel):
    text = "k(float* y, const float* x) { y[threadIdx.x] = x[threadIdx.x]; }"
    assert "reads 4 bytes at the address 0x0, where no array is" in refused(kernel, text, np.zeros(9, np.float32), None)


def test_an_array_that_is_written_through_a_cast(kernel):
    text = "k(float* y, const float* x) { const_cast<float*>(x)[threadIdx.x] = *y; }"
    message = refused(kernel, text, np.zeros(9, np.float32), np.zeros(32, np.float32))
    assert message.endswith("writes x[0], which is an input")


def test_a_misaligned_access(kernel):
    text = (
        "k(float* y) { reinterpret_cast<float2*>(y + 1)[threadIdx.x].x = 1; reinterpret_cast<float4*>(y + 1)[0] = {}; }"
    )
    message = refused(kernel, text, np.zeros(99, np.float32), block=1)
    assert "writes 16 bytes at y[1:5], which is misaligned: its address is no multiple of 16" in message


def test_shared_memory_that_nobody_has_written(kernel):
    text = "k(float* y) {\n __shared__ float s[32];\n if (threadIdx.x) s[threadIdx.x] = 1;\n __syncthreads();\n"
    message = refused(kernel, text + " y[threadIdx.x] = s[31 - threadIdx.x];\n}", np.zeros(32, np.float32))
    assert message == (
        "k (test.cu:6): block (0, 0, 0), thread (31, 0, 0) reads s[0] in shared memory, which nobody has written: "
        "is a store or a barrier missing before?"
    )


def test_a_race_in_shared_memory_names_both_lines(kernel):
    text = "k(float* y) {\n __shared__ float s[64];\n s[threadIdx.x] = 1;\n __syncthreads();\n s[threadIdx.x] = 2;\n"
    message = refused(kernel, text + " y[threadIdx.x] = s[63 - threadIdx.x];\n}", np.zeros(64, np.float32), block=64)
    assert message == (
        "k (test.cu:7): block (0, 0, 0), thread (0, 0, 0), the first of 64, reads s[63] in shared memory, "
        "which thread (63, 0, 0) wrote at test.cu:6 with no barrier in between"
    )


def test_without_checks_a_race_passes_and_a_wrong_address_does_not(kernel, monkeypatch):
    monkeypatch.setenv("GPUGRAD_MACHINE_CHECKS", "0")
    text = "__global__ void k(float* y) { y[threadIdx.x] = 1; y[threadIdx.x] += y[threadIdx.x ^ 32]; }"
    np.testing.assert_array_equal(kernel(text, "k", np.zeros(64, np.float32), block=64), 2)
    assert "writes y[63], which has 63 elements" in refused(kernel, text[16:], np.zeros(63, np.float32), block=64)


def test_a_race_in_global_memory(kernel):
    text = "k(float* y) {\n y[threadIdx.x] = 1;\n y[threadIdx.x] += y[threadIdx.x ^ 32];\n}"
    message = refused(kernel, text, np.zeros(64, np.float32), block=64)
    assert (
        "y[32], which thread (32, 0, 0) wrote: nothing puts the two in an order, expected a barrier in between"
        in message
    )


@pytest.mark.parametrize(("index", "element"), [("t + 1", 8), ("t + 9", 9)])
@pytest.mark.parametrize(("access", "verb"), [("y[t] = a[{}];", "reads"), ("a[{}] = 7 * t; y[t] = a[0];", "writes")])
def test_an_access_past_the_end_of_an_array_in_shared_memory(kernel, index, element, access, verb):
    body = "__shared__ int a[8]; const int t = threadIdx.x; a[t] = y[t]; __syncthreads();"
    text = f"k(int* y) {{ {body} {access.format(index)} }}"
    message = refused(kernel, text, np.zeros(8, np.int32), block=8)
    assert f"{verb} a[{element}] (its 32 bytes end before)" in message


ORDERED = """
__device__ unsigned counter;
__global__ void k(float* y, float* parts) {
    __shared__ bool last;
    parts[blockIdx.x * 64 + threadIdx.x] = 1;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicInc(&counter, gridDim.x - 1) == gridDim.x - 1;
    __syncthreads();
    if (last) for (int i = 0; i < gridDim.x; ++i) y[threadIdx.x] += parts[i * 64 + 63 - threadIdx.x];
}"""


FENCE, BARRIER = "    __threadfence();\n", "    __syncthreads();\n"


@pytest.mark.parametrize("instead", [FENCE, BARRIER, ""])
def test_the_last_block_sees_only_what_a_fence_and_a_barrier_released(kernel, instead):
    """The fence publishes what threads wrote; after the barrier the thread that counts answers for them."""
    arrays = np.zeros(64, np.float32), np.zeros(640, np.float32)
    with pytest.raises(KernelError, match=r"reads parts\[\d+\], which block .* wrote: nothing puts the two"):
        kernel(ORDERED.replace(FENCE + BARRIER, instead), "k", *arrays, grid=10, block=64)
    np.testing.assert_array_equal(kernel(ORDERED, "k", arrays[0] * 0, arrays[1], grid=10, block=64), 10)


def test_blocks_that_write_different_values_to_one_element(kernel):
    text = "k(float* y) { if (threadIdx.x == 0) y[0] = blockIdx.x; }"
    message = refused(kernel, text, np.zeros(1, np.float32), grid=3)
    assert "writes y[0] while another thread writes another value to it" in message


def test_a_barrier_that_some_threads_never_reach(kernel):
    text = "k(float* y) {\n if (threadIdx.x > 2) __syncthreads();\n y[threadIdx.x] = 1;\n}"
    message = refused(kernel, text, np.zeros(8, np.float32), block=8)
    first = "block (0, 0, 0), thread (3, 0, 0)"
    others = "with 4 others of its block, that the other 3 never reach"
    assert message == f"k (test.cu:3): {first} waits at a barrier, {others}"


def test_lanes_that_never_come_to_a_warp_function(kernel):
    text = "k(int* y) { if (threadIdx.x < 9) y[threadIdx.x] = __shfl_sync(0x3ff, threadIdx.x, 0); }"
    assert "waits for lanes that its mask names and that never come" in refused(kernel, text, np.zeros(9, np.int32))


def test_a_shuffle_from_a_lane_outside_of_its_mask(kernel):
    text = "k(int* y) { if (threadIdx.x < 8) y[threadIdx.x] = __shfl_down_sync(0xff, threadIdx.x, 4); }"
    message = refused(kernel, text, np.zeros(32, np.int32))
    assert "thread (4, 0, 0), the first of 4, reads lane 8 in a shuffle, which does not take part" in message


def test_an_asynchronous_copy_that_has_not_arrived(kernel):
    copy = "copy_async_4(s + threadIdx.x, x + threadIdx.x, true); copy_async_commit();"
    text = f"k(float* y, const float* x) {{ __shared__ float s[32]; {copy} y[threadIdx.x] = s[threadIdx.x]; }}"
    arrays = np.zeros(32, np.float32), np.ones(32, np.float32)
    assert "reads s[0], whose asynchronous copy has not been waited for" in refused(kernel, text, *arrays)
    kernel(f"__global__ void {text.replace('y[', 'copy_async_wait<0>(); y[')}", "k", *arrays)
    np.testing.assert_array_equal(arrays[0], 1)


def test_launches_that_a_gpu_refuses(kernel):
    y = np.zeros(1, np.float32)
    assert "has 2048 threads per block, a GPU allows at most 1024" in refused(kernel, "k(float* y) {}", y, block=2048)
    assert "bytes of shared memory" in refused(kernel, "k(float* y) {}", y, shared=300_000)
    text = "__launch_bounds__(32) k(float* y) {}"
    assert "its __launch_bounds__ allow 32" in refused(kernel, text, y, block=64)


def test_a_kernel_that_does_not_compile(kernel):
    with pytest.raises(KernelError, match=r'test\.cu does not compile for sm_90: .*identifier "z" is undefined'):
        kernel("__global__ void k(float* y) { y[0] = z; }", "k", np.zeros(1, np.float32))


@pytest.mark.parametrize(
    "body",
    [
        # Lanes of a warp exchange words of shared memory, ordered by __syncwarp alone.
        "s[t] = t; __syncwarp(); y[t] = s[t ^ 1]; __syncwarp(); s[t] = 1;",
        # Neighbouring bytes of one word belong to different threads.
        "__shared__ unsigned char bytes[64]; bytes[t] = t; __syncthreads(); y[t] = bytes[63 - t];",
        # All threads write the same value to one word.
        "if (t < 64) s[0] = 5; __syncthreads(); y[t] = s[0];",
        # The same, NaN, in both memories.
        's[0] = -nanf(""); __syncthreads(); if (s[0] != s[0]) y[0] = s[0]; __syncthreads(); if (t == 0) y[0] = 1;',
        # A loop whose threads leave it at different times, before a barrier.
        "int n = 0; for (int i = 0; i < t % 7; ++i) n += i; s[t] = n; __syncthreads(); y[t] = s[63 - t];",
        # Atomics on shared memory.
        "if (t == 0) s[0] = 0; __syncthreads(); atomicAdd(reinterpret_cast<int*>(s), 1); __syncthreads(); y[t] = s[0];",
        # Dynamic shared memory.
        "DYNAMIC_SHARED(float, d); d[t] = t; __syncthreads(); y[t] = d[63 - t];",
        # Other threads read what a copy brought after a barrier.
        "copy_async_4(s + t, y + t, true), copy_async_commit(), copy_async_wait<0>(); __syncthreads(); y[t] = s[t];",
    ],
)
def test_a_correct_kernel_gives_no_alarm(kernel, body):
    text = f"__global__ void k(float* y) {{ __shared__ float s[64]; const int t = threadIdx.x; {body} }}"
    y = np.zeros(64, np.float32)
    kernel(text, "k", y, block=64, shared=256)
    assert np.isfinite(y).all()


def test_variables_keep_their_values_from_launch_to_launch(kernel):
    text = """
        __device__ unsigned counter = 3;
        __constant__ float table[4] = {1, 2, 3, 4};
        __global__ void k(float* y) { if (threadIdx.x == 0) y[0] = table[2] + atomicAdd(&counter, 1); }"""
    y = np.zeros(1, np.float32)
    assert [float(kernel(text, "k", y)[0]) for _ in range(2)] == [6, 7]


@pytest.mark.parametrize(("name", "value"), [("SECONDS", "many"), ("ARCHITECTURE", "hopper")])
def test_a_wrong_setting_is_refused(kernel, monkeypatch, name, value):
    monkeypatch.setenv(f"GPUGRAD_MACHINE_{name}", value)
    message = refused(kernel, "k(float* y) {}", np.zeros(1, np.float32))
    assert message.startswith(f"GPUGRAD_MACHINE_{name} is {value!r}, expected")
