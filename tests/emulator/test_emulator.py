"""Each feature of the emulator in a small kernel, compared with NumPy."""

import numpy as np
import pytest

from gpugrad import emulator
from gpugrad.errors import ArgumentError, KernelError

LANES = np.arange(32)


def run(source, kernel, out, *arguments, grid=1, block=32, shared=0):
    source.launch(kernel, grid, block, out, *arguments, shared=shared)
    return out


def test_indices_and_sizes_in_three_dimensions(kernel):
    source = kernel("""
        __global__ void places(int* out) {
            const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
            const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
            out[block * blockDim.x * blockDim.y * blockDim.z + thread] = block * 1000 + thread;
        }""")
    out = run(source, "places", np.full(24 * 30, -1, np.int32), grid=(2, 3, 4), block=(5, 3, 2))
    np.testing.assert_array_equal(out, (1000 * np.arange(24)[:, None] + np.arange(30)).ravel())


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_on_several_host_threads(kernel, monkeypatch, threads):
    source = kernel("""
        __device__ unsigned counter;
        __global__ void sums(const float* x, float* out, int* last) {
            const float sum = block_sum<64>(x[blockIdx.x * 64 + threadIdx.x]);
            if (threadIdx.x == 0) out[blockIdx.x] = sum;
            if (last_block(&counter) && threadIdx.x == 0) atomicAdd(last, 1);
        }""")
    monkeypatch.setenv("GPUGRAD_EMULATOR_THREADS", str(threads))
    x, out, last = (
        np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32),
        np.empty(40, np.float32),
        np.zeros(1, np.int32),
    )
    for launches in (1, 2, 3):
        source.launch("sums", 40, 64, x.ravel(), out, last)
        np.testing.assert_allclose(out, x.sum(1), rtol=1e-4, atol=1e-5)
        assert last[0] == launches


def test_barriers_that_combine_a_predicate(kernel):
    source = kernel("""
        __global__ void combined(int* out) {
            const int odd = threadIdx.x % 2, none = 0, all = 1;
            out[threadIdx.x * 5] = __syncthreads_count(odd);
            out[threadIdx.x * 5 + 1] = __syncthreads_and(odd);
            out[threadIdx.x * 5 + 2] = __syncthreads_and(all);
            out[threadIdx.x * 5 + 3] = __syncthreads_or(odd);
            out[threadIdx.x * 5 + 4] = __syncthreads_or(none);
        }""")
    out = run(source, "combined", np.empty(5 * 50, np.int32), block=50)
    np.testing.assert_array_equal(out.reshape(50, 5), np.tile([25, 0, 1, 1, 0], (50, 1)))


SHUFFLES = {
    "__shfl_sync(FULL_MASK, v, 5)": np.full(32, 5),
    "__shfl_sync(FULL_MASK, v, lane + 1, 8)": LANES // 8 * 8 + (LANES + 1) % 8,
    "__shfl_up_sync(FULL_MASK, v, 3)": np.where(LANES < 3, LANES, LANES - 3),
    "__shfl_up_sync(FULL_MASK, v, 3, 16)": np.where(LANES % 16 < 3, LANES, LANES - 3),
    "__shfl_down_sync(FULL_MASK, v, 3)": np.where(LANES > 28, LANES, LANES + 3),
    "__shfl_xor_sync(FULL_MASK, v, 5)": LANES ^ 5,
    "__ballot_sync(FULL_MASK, lane % 3 == 0)": np.full(32, sum(1 << i for i in range(0, 32, 3))),
    "__any_sync(FULL_MASK, lane == 7)": np.ones(32),
    "__any_sync(FULL_MASK, lane == 70)": np.zeros(32),
    "__all_sync(FULL_MASK, lane < 32)": np.ones(32),
    "__all_sync(FULL_MASK, lane < 31)": np.zeros(32),
    "__reduce_add_sync(FULL_MASK, v)": np.full(32, 496),
    "__reduce_min_sync(FULL_MASK, v - 40)": np.full(32, -40),
    "__reduce_max_sync(FULL_MASK, v - 40)": np.full(32, -9),
    "__reduce_or_sync(FULL_MASK, 1u << lane / 8)": np.full(32, 15),
    "__reduce_and_sync(FULL_MASK, 6u | lane)": np.full(32, 6),
    "__reduce_xor_sync(FULL_MASK, 1u << lane)": np.full(32, 2**32 - 1),
}


@pytest.mark.parametrize("expression", SHUFFLES)
def test_lanes_of_a_warp_together(kernel, expression):
    source = kernel(f"""
        __global__ void lanes(int* out) {{
            const int lane = threadIdx.x % 32, v = lane;
            out[threadIdx.x] = {expression};
        }}""")
    out = run(source, "lanes", np.empty(64, np.int32), block=64)  # two identical warps
    np.testing.assert_array_equal(
        out.view(np.uint32), np.tile(SHUFFLES[expression], 2).astype(np.int64).astype(np.uint32)
    )


def test_half_of_a_warp_alone(kernel):
    source = kernel("""
        __global__ void halves(int* out) {
            int v = threadIdx.x;
            if (threadIdx.x < 16) v = __shfl_xor_sync(0x0000ffffu, v, 15);
            out[threadIdx.x] = v;
        }""")
    out = run(source, "halves", np.empty(32, np.int32))
    np.testing.assert_array_equal(out, np.where(LANES < 16, 15 - LANES, LANES))


def test_atomics(kernel):
    source = kernel("""
        __global__ void counts(int* out, unsigned* u, unsigned long long* wide) {
            const int i = threadIdx.x;
            atomicAdd(out, i);
            atomicMin(out + 1, 5 - i);
            atomicMax(out + 2, i);
            atomicExch(out + 3, 9);
            atomicCAS(out + 4, 0, 4);
            atomicCAS(out + 4, 77, 5);
            atomicSub(out + 5, 1);
            atomicInc(u, 9);
            atomicDec(u + 1, 9);
            atomicOr(u + 2, 1u << i % 8);
            atomicAnd(u + 3, ~(1u << i % 4));
            atomicXor(u + 4, 1u);
            atomicAdd(wide, 1ull << 40);
        }""")
    out, u, wide = np.zeros(6, np.int32), np.array([0, 0, 0, 255, 0], np.uint32), np.zeros(1, np.uint64)
    source.launch("counts", 1, 50, out, u, wide)
    assert out.tolist() == [1225, -44, 49, 9, 4, -50]
    assert u.tolist() == [0, 0, 255, 240, 0]
    assert wide[0] == 50 << 40


def test_shared_memory_of_both_kinds(kernel):
    source = kernel("""
        template <int N>
        __global__ void reversed(const float* x, float* out) {
            __shared__ float there[N];
            DYNAMIC_SHARED(float, back);
            const int i = threadIdx.x;
            there[i] = x[i];
            __syncthreads();
            back[i] = there[N - 1 - i];
            __syncthreads();
            out[i] = back[i] + there[i];
        }""")
    x = np.arange(100, dtype=np.float32)
    out = np.empty(100, np.float32)
    source.launch("reversed<100>", 1, 100, x, out, shared=400)
    np.testing.assert_array_equal(out, 99)


@pytest.mark.parametrize("threads", [1, 2])
def test_shared_memory_begins_each_block_as_poison(kernel, monkeypatch, threads):
    """Every word of both kinds is NaN, neither left over from another block nor zero, which would hide a missing write.

    With five blocks on two host threads, one thread runs at least three. The second launch could see the first one's.
    """
    source = kernel("""
        __global__ void dirty(float* out) {
            __shared__ float words[33];
            DYNAMIC_SHARED(float, others);
            const int i = threadIdx.x;
            out[blockIdx.x * 66 + i] = words[i];
            out[blockIdx.x * 66 + 33 + i] = others[i];
            words[i] = others[i] = 1;
        }""")
    monkeypatch.setenv("GPUGRAD_EMULATOR_THREADS", str(threads))
    for launch in (1, 2):
        out = run(source, "dirty", np.zeros(5 * 66, np.float32), grid=5, block=33, shared=4 * 33).reshape(5, 2, 33)
        for kind, words in (("static", out[:, 0]), ("dynamic", out[:, 1])):
            assert np.isnan(words).all(1).tolist() == [True] * 5, f"{kind} shared memory, launch {launch}"


def test_vectors_and_the_numbers_in_bits(kernel):
    source = kernel("""
        __global__ void vectors(const float* x, float* out, unsigned* bits) {
            const float4 v = *reinterpret_cast<const float4*>(x);
            *reinterpret_cast<float4*>(out) = make_float4(v.w, v.z, v.y, v.x);
            const uint2 pair = make_uint2(__float_as_uint(v.x), __umulhi(0x80000000u, 6u));
            bits[0] = pair.x, bits[1] = pair.y, bits[2] = __popc(255u), bits[3] = __clz(1), bits[4] = __ffs(8);
        }""")
    out, bits = np.zeros(4, np.float32), np.zeros(5, np.uint32)
    x = np.array([1, 2, 3, 4], np.float32)
    source.launch("vectors", 1, 1, x, out, bits)
    assert out.tolist() == [4, 3, 2, 1]
    assert bits.tolist() == [0x3F800000, 3, 8, 31, 4]


def test_every_half_and_its_float(kernel):
    source = kernel("""
        __global__ void widened(const half_bits* x, float* out) {
            const int i = blockIdx.x * 256 + threadIdx.x;
            out[i] = to_float(x[i]);
        }""")
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    out = np.empty(1 << 16, np.float32)
    source.launch("widened", 256, 256, x, out)
    np.testing.assert_array_equal(out, x.astype(np.float32))


ASYNC = """
    __global__ void copied(const float* x, float* out) {{
        __shared__ __align__(16) float tile[128];
        copy_async_16(tile + 4 * threadIdx.x, x + 4 * threadIdx.x, threadIdx.x < 30);
        {}
        __syncthreads();
        for (int i = 0; i < 4; ++i) out[4 * threadIdx.x + i] = tile[127 - 4 * threadIdx.x - i];
    }}"""


def test_asynchronous_copies_arrive_at_their_wait(kernel):
    source = kernel(ASYNC.format("copy_async_commit(); copy_async_wait<0>();"))
    x = np.arange(128, dtype=np.float32)
    out = np.empty(128, np.float32)
    source.launch("copied", 1, 32, x, out)
    np.testing.assert_array_equal(out[::-1], np.where(np.arange(128) < 120, x, 0))


@pytest.mark.parametrize("forgotten", ["copy_async_wait<0>();", "copy_async_commit(); copy_async_wait<1>();", ""])
def test_asynchronous_copies_without_a_wait_never_arrive(kernel, forgotten):
    source = kernel(ASYNC.format(forgotten))
    out = np.zeros(128, np.float32)
    source.launch("copied", 1, 32, np.arange(128, dtype=np.float32), out)
    assert np.isnan(out).all()


@pytest.mark.parametrize(("name", "depth"), [("tf32", 8), ("bf16", 16)])
def test_tensor_cores(kernel, name, depth):
    load = {
        "tf32": "to_tf32(A[g * 8 + t]), to_tf32(A[(g + 8) * 8 + t]), to_tf32(A[g * 8 + t + 4]), "
        "to_tf32(A[(g + 8) * 8 + t + 4])}, b[2] = {to_tf32(B[t * 8 + g]), to_tf32(B[(t + 4) * 8 + g])}",
        "bf16": "two(A, g * 16 + 2 * t, 1), two(A, (g + 8) * 16 + 2 * t, 1), two(A, g * 16 + 2 * t + 8, 1), "
        "two(A, (g + 8) * 16 + 2 * t + 8, 1)}, b[2] = {two(B, 2 * t * 8 + g, 8), two(B, (2 * t + 8) * 8 + g, 8)}",
    }[name]
    source = kernel(f"""
        __device__ unsigned two(const float* p, int i, int step) {{ return pack_bf16(p[i], p[i + step]); }}
        __global__ void product(const float* A, const float* B, float* D) {{
            const int g = threadIdx.x / 4, t = threadIdx.x % 4;
            const unsigned a[4] = {{{load};
            float d[4] = {{1, 1, 1, 1}};
            mma_{name}_16x8x{depth}(d, a, b);
            D[g * 8 + 2 * t] = d[0], D[g * 8 + 2 * t + 1] = d[1];
            D[(g + 8) * 8 + 2 * t] = d[2], D[(g + 8) * 8 + 2 * t + 1] = d[3];
        }}""")
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-8, 8, size).astype(np.float32) for size in ((16, depth), (depth, 8)))  # exact in bfloat16
    out = np.empty((16, 8), np.float32)
    source.launch("product", 1, 32, a, b, out)
    np.testing.assert_array_equal(out, 1 + a @ b)


def test_rounding_to_tf32_and_bfloat16(kernel):
    source = kernel("""
        __global__ void rounded(const float* x, unsigned* tf32, unsigned* bf16) {
            const int i = threadIdx.x;
            tf32[i] = to_tf32(x[i]), bf16[i] = pack_bf16(0.0f, x[i]);
        }""")
    x = np.array([1 + 2**-11, 1 + 3 * 2**-11, -(1 + 2**-11), 1 + 2**-8, 1 + 3 * 2**-8, np.inf, 2**-140], np.float32)
    tf32, bf16 = np.empty((2, len(x)), np.uint32)
    source.launch("rounded", 1, len(x), x, tf32, bf16)
    np.testing.assert_array_equal(  # ties away from zero
        tf32.view(np.float32)[:6], np.float32([1 + 2**-10, 1 + 2**-9, -(1 + 2**-10), 1 + 2**-8, 1 + 3 * 2**-8, np.inf])
    )
    np.testing.assert_array_equal(  # ties to even
        bf16.view(np.float32)[:6], np.float32([1, 1, -1, 1, 1 + 2**-6, np.inf])
    )


# ---- faults ----

FAULTS = {
    "reads past the end": (
        "__global__ void f(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x + 16]; }",
        r"f of test\.cu: reads element (3[2-9]|4\d) of x, which has 32 elements \(block \d, 0, 0, thread \d+, 0",
    ),
    "reads far before the start": (
        "__global__ void f(const float* x, float* y) { const int i = threadIdx.x; y[i] = x[i - 1200]; }",
        r"reads element -1\d\d\d of x, before its first element \(block",
    ),
    "writes past the end": (
        "__global__ void f(const float* x, float* y) { y[threadIdx.x + 1] = x[threadIdx.x]; }",
        r"writes element 32 of y, which has 32 elements .*thread 31, 0, 0",
    ),
    "writes just before the start": (
        "__global__ void f(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; if (!threadIdx.x) y[-1] = 0; }",
        r"wrote element -1 of y, before its first element$",
    ),
    "writes to an input": (
        "__global__ void f(const float* x, float* y) { const_cast<float*>(x)[threadIdx.x] = 1; }",
        r"writes element \d+ of x, which the kernel declares const",
    ),
    "a null pointer": (
        "__global__ void f(const float* x, float* y) { float* p = nullptr; if (y) p[threadIdx.x] = 1; }",
        "writes memory through a null pointer|undefined behaviour",
    ),
    "past the end of shared memory": (
        "__global__ void f(const float* x, float* y) { __shared__ float s[8]; float* p = s; p[threadIdx.x] = 1; }",
        r"writes memory outside a __shared__ array",
    ),
    "an index out of the bounds of a shared array": (
        "__global__ void f(const float* x, float* y) { __shared__ float s[8]; s[threadIdx.x] = 1; }",
        "undefined behaviour: .*an index out of the bounds of an array",
    ),
    "a misaligned vector": (
        "__global__ void f(const float* x, float* y) { y[0] = reinterpret_cast<const float4*>(x + 1)->x; }",
        "undefined behaviour: a misaligned access",
    ),
    "a barrier that some threads do not reach": (
        "__global__ void f(const float* x, float* y) { if (threadIdx.x < 5) __syncthreads(); }",
        r"5 of the block's 32 threads wait at a barrier that the others never reach .*test\.cu:2\)",
    ),
    "two barriers for one": (
        "__global__ void f(const float* x, float* y) { if (threadIdx.x < 5) __syncthreads();\nelse __syncthreads(); }",
        "threads of one block wait at different barriers",
    ),
    "a mask without the caller": (
        "__global__ void f(const float* x, float* y) { y[threadIdx.x] = __shfl_xor_sync(0xffffu, x[threadIdx.x], 1); }",
        "the mask 0x0000ffff of a warp function does not include lane",
    ),
    "a lane that has ended": (
        "__global__ void f(const float* x, float* y) { if (threadIdx.x > 7) y[0] = __shfl_sync(FULL_MASK, x[0], 9); }",
        r"waits for lane \d, which its mask 0xffffffff includes but which has ended",
    ),
    "a lane that waits elsewhere": (
        "__global__ void f(const float* x, float* y) { if (threadIdx.x > 7) __syncwarp(); else __syncthreads(); }",
        "waits for lane 0, which its mask 0xffffffff includes but which waits at a __syncthreads",
    ),
    "a shuffle from a lane that takes no part": (
        "__global__ void f(const float* x, float* y) { if (threadIdx.x < 8) y[0] = __shfl_sync(0xffu, x[0], 9); }",
        "a shuffle reads lane 9, which its mask 0x000000ff does not include",
    ),
    "a trap": (
        "__global__ void f(const float* x, float* y) { if (threadIdx.x == 3) __trap(); }",
        r"__trap\(\) was called .*thread 3",
    ),
    "a loop without end": (
        "__global__ void f(const float* x, float* y) { volatile float* p = y; while (p[0] < 1) {} }",
        "still running after 0.2 seconds",
    ),
    "recursion without end": (
        "__device__ float deep(float v) { volatile float a[64]; a[0] = v; return deep(v + 1) + a[0]; }\n"
        "__global__ void f(const float* x, float* y) { y[0] = deep(x[0]); }",
        "a thread's stack overflowed",
    ),
    "a division by zero": (
        "__global__ void f(const float* x, float* y) { y[0] = 1 / static_cast<int>(x[0]); }",
        "undefined behaviour|divides an integer by zero",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named_and_the_process_continues(kernel, monkeypatch, name):
    monkeypatch.setenv("GPUGRAD_EMULATOR_SECONDS", "0.2" if "loop" in name else "30")
    text, message = FAULTS[name]
    source = kernel(text)
    x, y = np.zeros(32, np.float32), np.zeros(32, np.float32)
    for _ in range(2):
        with pytest.raises(KernelError, match=message):
            source.launch("f", 2, 32, x, y)
    np.testing.assert_array_equal(y, 0)  # a failed launch changes no array


@pytest.mark.parametrize(
    ("dtype", "declared", "size", "message"),
    [
        (np.float32, "float", 1, "wrote element 1 of y, which has 1 element$"),
        (np.float16, "half_bits", 3, "wrote element 3 of y, which has 3 elements$"),
        (np.uint64, "unsigned long long", 2, "(writes|wrote) element 2 of y, which has 2 elements"),
    ],
)
def test_a_write_past_the_end_names_the_element(kernel, dtype, declared, size, message):
    source = kernel(f"__global__ void f({declared}* y, int i) {{ const {declared} one{{1}}; y[i] = one; }}")
    with pytest.raises(KernelError, match=rf"^f of test\.cu: {message}"):
        source.launch("f", 1, 1, np.zeros(size, dtype), np.int32(size))


def test_views_of_one_buffer_are_separate_arrays_unless_they_overlap(kernel):
    source = kernel("__global__ void f(float* x, float* y) { x[threadIdx.x] = 1; y[threadIdx.x] = 2; }")
    buffer = np.zeros(96, np.float32)
    source.launch("f", 1, 32, buffer[:32], buffer[32:64])
    assert buffer.tolist() == [1] * 32 + [2] * 32 + [0] * 32
    with pytest.raises(KernelError, match=r"wrote element 31 of x, which has 31 elements"):
        source.launch("f", 1, 32, buffer[:31], buffer[32:64])
    buffer[:] = 0
    source.launch("f", 1, 32, buffer[:64], buffer[32:64])
    assert buffer.tolist() == [1] * 32 + [2] * 32 + [0] * 32


def test_threads_run_in_an_order_that_the_seed_decides(kernel, monkeypatch):
    source = kernel("__global__ void f(int* next, int* order) { order[atomicAdd(next, 1)] = threadIdx.x; }")
    orders = set()
    for _ in range(4):
        next_place, order = np.zeros(1, np.int32), np.zeros(16, np.int32)
        source.launch("f", 1, 16, next_place, order)
        assert sorted(order) == list(range(16))
        orders.add(tuple(order))
    assert len(orders) > 1


@pytest.mark.parametrize(
    ("grid", "block", "shared", "message"),
    [
        (1, 1025, 0, "1025 threads per block, a GPU allows at most 1024"),
        ((1, 70000), 32, 0, r"grid of \(1, 70000, 1\)"),
        (1, 32, 300_000, "300000 bytes of shared memory"),
    ],
)
def test_launches_that_a_gpu_refuses(kernel, grid, block, shared, message):
    source = kernel("__global__ void f(float* x) { x[0] = 1; }")
    with pytest.raises(KernelError, match=message):
        source.launch("f", grid, block, np.zeros(1, np.float32), shared=shared)


def test_a_kernel_that_does_not_compile(kernel):
    with pytest.raises(KernelError, match=r"cannot compile f: .*test\.cu:2:.*nonsense"):
        kernel("__global__ void f(float* x) { x[0] = nonsense; }").launch("f", 1, 1, np.zeros(1, np.float32))


def test_arguments_are_checked_before_anything_runs(kernel):
    source = kernel("__global__ void f(float* x, float factor) { x[0] = factor; }")
    with pytest.raises(ArgumentError, match="float factor"):
        source.launch("f", 1, 1, np.zeros(1, np.float32), 2.0)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GPUGRAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "emulator"


def test_compiled_kernels_are_cached_by_content(kernel, cache):
    def files():
        return {path: path.stat().st_mtime_ns for path in cache.iterdir()}

    emulator.compiler.load(kernel("__global__ void f(float* x) { x[0] = 1; }"), "f")
    first = files()
    assert len(first) == 1
    emulator.compiler.load(kernel("__global__ void f(float* x) { x[0] = 1; }"), "f")
    assert files() == first
    emulator.compiler.load(kernel("__global__ void f(float* x) { x[0] = 1; }", "again.cu"), "f")
    emulator.compiler.load(kernel("__global__ void f(float* x) { x[0] = 2; }"), "f")
    assert first.items() < files().items()
    assert len(files()) == 3


@pytest.mark.parametrize("damage", [lambda found: b"", lambda found: found[:9000], lambda found: found[:-1] + b"?"])
def test_a_damaged_file_of_the_cache_is_compiled_again(kernel, cache, damage):
    source = kernel("__global__ void f(float* x) { x[0] = 1; }")
    emulator.compiler.load(source, "f")
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.unlink()  # the process has loaded it: writing into it would change its memory
    file.write_bytes(damage(whole))
    emulator.compiler.load(source, "f")
    assert len(list(cache.iterdir())) == 1
    assert all(path.stem.endswith(emulator.compiler._checksum(path.read_bytes())) for path in cache.iterdir())


def test_without_a_cache_a_kernel_runs_and_one_warning_says_why(kernel, cache):
    cache.parent.write_text("no folder")
    x = np.zeros(1, np.float32)
    first, second = (kernel(f"__global__ void f(float* x) {{ x[0] = {i}; }}", f"{i}.cu") for i in (1, 2))
    with pytest.warns(RuntimeWarning, match=r"compiles .* again, since .*emulator cannot be written to"):
        first.launch("f", 1, 1, x)
    assert x == 1
    second.launch("f", 1, 1, x)  # a second warning would fail the test
    assert x == 2


def test_without_a_compiler_the_message_names_what_to_install(monkeypatch):
    monkeypatch.setattr(emulator.compiler, "find_compiler", lambda: None)
    assert "no C++ compiler found: install g++" in emulator.obstacle()
