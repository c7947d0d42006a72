"""What single instructions do, compared with values written out by hand from the PTX ISA."""

import struct

import numpy as np
import pytest

from gpugrad.errors import KernelError
from gpugrad.machine.machine import Machine
from gpugrad.machine.memory import GlobalMemory
from gpugrad.machine.program import Program
from gpugrad.machine.ptx import Module

ONE_UP = np.float32(1) + np.finfo(np.float32).eps
TINY = np.finfo(np.float32).tiny
NAN = np.float32(np.nan)


def bits(*values):
    return np.array(values, np.uint64).astype(np.uint32)


def test_directed_rounding_of_sums_products_and_fused_products(kernel):
    """1 + 2⁻³⁰ and its negative are between two floats: each direction takes another one."""
    found = kernel(
        """
        __global__ void rounded(float* out, float one, float tiny) {
            out[0] = __fadd_rn(one, tiny), out[1] = __fadd_rz(one, tiny);
            out[2] = __fadd_ru(one, tiny), out[3] = __fadd_rd(-one, -tiny);
            out[4] = __fadd_rz(-one, -tiny), out[5] = __fadd_ru(-one, -tiny);
            out[6] = __fmaf_ru(one, one, tiny), out[7] = __fmaf_rz(one, one, -tiny);
            out[8] = __fmul_ru(1.0f + 1.2e-7f * one, 1.0f + 1.2e-7f * one);
        }""",
        "rounded",
        np.zeros(9, np.float32),
        np.float32(1),
        np.float32(2.0**-30),
        block=1,
    )
    below = np.nextafter(np.float32(1), np.float32(0))
    expected = [1, 1, ONE_UP, -ONE_UP, -1, -1, ONE_UP, below, 1 + 3 * np.finfo(np.float32).eps]
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_a_fused_product_is_rounded_once(kernel):
    """(1 + ε)² − (1 + 2ε) = ε², which a product rounded on its own loses."""
    text = (
        "__global__ void fused(float* out, float a, float c) { out[0] = fmaf(a, a, c), out[1] = __fmul_rn(a, a) + c; }"
    )
    found = kernel(text, "fused", np.zeros(2, np.float32), ONE_UP, -(ONE_UP + np.finfo(np.float32).eps), block=1)
    np.testing.assert_array_equal(found, np.array([2.0**-46, 0], np.float32))


def test_subnormal_numbers_are_zeros_with_ftz(kernel):
    """Kernels are compiled with -ftz=true, as CuPy compiles them; asm without .ftz keeps subnormal numbers."""
    found = kernel(
        """
        __global__ void flushed(float* out, float tiny) {
            out[0] = 0.5f * tiny, out[1] = 0.5f * -tiny, out[2] = 4.0f * (0.25f * tiny);
            asm("mul.f32 %0, %1, 0f3F000000;" : "=f"(out[3]) : "f"(tiny));
            asm("add.ftz.f32 %0, %1, %1;" : "=f"(out[4]) : "f"(out[3]));
            asm("fma.rn.ftz.f32 %0, %1, 0f40000000, 0f00000000;" : "=f"(out[5]) : "f"(out[3]));
        }""",
        "flushed",
        np.ones(6, np.float32),
        TINY,
        block=1,
    )
    np.testing.assert_array_equal(found, np.array([0, 0, 0, TINY / 2, 0, 0], np.float32))
    assert np.signbit(found).tolist() == [False, True, False, False, False, False]


def test_minimum_and_maximum_of_nan_and_zeros(kernel):
    found = kernel(
        """
        __global__ void extremes(float* out, float nan, float zero) {
            out[0] = fminf(nan, 1.0f), out[1] = fmaxf(1.0f, nan), out[2] = fminf(nan, nan);
            out[3] = fminf(zero, -zero), out[4] = fmaxf(-zero, zero), out[5] = fminf(-zero, zero);
            asm("min.NaN.f32 %0, %1, 0f3F800000;" : "=f"(out[6]) : "f"(nan));
        }""",
        "extremes",
        np.zeros(7, np.float32),
        NAN,
        np.float32(0),
        block=1,
    )
    np.testing.assert_array_equal(found, np.array([1, 1, NAN, -0.0, 0, -0.0, NAN], np.float32))
    assert np.signbit(found[3:6]).tolist() == [True, False, True]


def test_shifts_by_the_width_or_more(kernel):
    found = kernel(
        """
        __global__ void shifts(unsigned* out, unsigned x, unsigned n) {
            asm("shl.b32 %0, %1, %2;" : "=r"(out[0]) : "r"(x), "r"(n));
            asm("shr.u32 %0, %1, %2;" : "=r"(out[1]) : "r"(x), "r"(n));
            asm("shr.s32 %0, %1, %2;" : "=r"(out[2]) : "r"(x), "r"(n));
            asm("shf.l.wrap.b32 %0, %1, %2, %3;" : "=r"(out[3]) : "r"(x), "r"(1u), "r"(n + 4));
            asm("shf.r.clamp.b32 %0, %1, %2, %3;" : "=r"(out[4]) : "r"(x), "r"(1u), "r"(n + 4));
            asm("shl.b32 %0, %1, %2;" : "=r"(out[5]) : "r"(x), "r"(n - 28));
            asm("shr.s32 %0, %1, %2;" : "=r"(out[6]) : "r"(x), "r"(0xffffffffu));
        }""",
        "shifts",
        np.zeros(7, np.uint32),
        np.uint32(0x80000001),
        np.uint32(32),
        block=1,
    )
    np.testing.assert_array_equal(found, bits(0, 0, 0xFFFFFFFF, 0x18, 1, 0x10, 0xFFFFFFFF))


def test_conversions_to_integers_saturate(kernel):
    found = kernel(
        """
        __global__ void converted(int* out, const float* x) {
            for (int i = 0; i < 6; ++i) out[i] = __float2int_rz(x[i]);
            out[6] = __float2int_rn(2.5f * x[5]), out[7] = __float2int_rd(-0.5f * x[5]);
            out[8] = __float2int_ru(0.5f * x[5]);
            out[9] = static_cast<int>(__float2uint_rz(x[3]));
            asm("{ .reg .u8 b; cvt.sat.u8.s32 b, %1; cvt.u32.u8 %0, b; }" : "=r"(out[10]) : "r"(300));
            asm("cvt.sat.f32.f32 %0, %1;" : "=f"(reinterpret_cast<float*>(out)[11]) : "f"(x[0]));
        }""",
        "converted",
        np.zeros(12, np.int32),
        np.array([1e10, -1e10, np.nan, -1.5, 1.5, 1], np.float32),
        block=1,
    )
    largest, smallest = 2**31 - 1, -(2**31)
    expected = [largest, smallest, 0, -1, 1, 1, 2, -1, 1, 0, 255, 0x3F800000]
    np.testing.assert_array_equal(found, np.array(expected, np.int32))


def test_fields_of_bits(kernel):
    found = kernel(
        """
        __global__ void fields(unsigned* out, unsigned x) {
            asm("bfe.u32 %0, %1, 8, 8;" : "=r"(out[0]) : "r"(x));
            asm("bfe.s32 %0, %1, 8, 8;" : "=r"(out[1]) : "r"(x));
            asm("bfe.s32 %0, %1, 28, 8;" : "=r"(out[2]) : "r"(x));
            asm("bfe.u32 %0, %1, 4, 0;" : "=r"(out[3]) : "r"(x));
            asm("bfi.b32 %0, %1, %2, 8, 12;" : "=r"(out[4]) : "r"(0xABCDu), "r"(x));
            asm("bfi.b32 %0, %1, %2, 28, 12;" : "=r"(out[5]) : "r"(0xABCDu), "r"(x));
            asm("prmt.b32 %0, %1, %2, 0x7210;" : "=r"(out[6]) : "r"(x), "r"(0x11223344u));
            asm("prmt.b32 %0, %1, %2, 0x8e91;" : "=r"(out[7]) : "r"(x), "r"(0x11E23344u));
            out[8] = __clz(x >> 4), out[9] = __popc(x), out[10] = __brev(x), out[11] = __ffs(x);
        }""",
        "fields",
        np.zeros(12, np.uint32),
        np.uint32(0x8765F321),
        block=1,
    )
    expected = [0xF3, 0xFFFFFFF3, 0xFFFFFFF8, 0, 0x876BCD21, 0xD765F321, 0x1165F321, 0x00FFFFF3]
    expected += [4, bin(0x8765F321).count("1"), int(f"{0x8765F321:032b}"[::-1], 2), 1]
    np.testing.assert_array_equal(found, bits(*expected))


def test_comparisons_with_nan_and_choices(kernel):
    found = kernel(
        """
        __global__ void compared(int* out, float x, float nan) {
            out[0] = x < nan, out[1] = !(x < nan), out[2] = x != nan, out[3] = nan != nan, out[4] = x == nan;
            asm("{ .reg .pred p, q; setp.ltu.f32 p|q, %2, %3; selp.s32 %0, 1, 0, p; selp.s32 %1, 1, 0, q; }"
                : "=r"(out[5]), "=r"(out[6]) : "f"(x), "f"(nan));
            asm("{ .reg .pred p; setp.num.f32 p, %1, %2; selp.s32 %0, 7, 8, p; }" : "=r"(out[7]) : "f"(x), "f"(nan));
            asm("{ .reg .pred p, q; setp.gt.f32 q, %1, 0f00000000; setp.lt.and.f32 p, %1, 0f40000000, !q;"
                " selp.s32 %0, 1, 0, p; }" : "=r"(out[8]) : "f"(x));
            asm("slct.s32.s32 %0, 5, 6, %1;" : "=r"(out[9]) : "r"(-1));
            asm("{ .reg .pred p, q; setp.ltu.f32 p, %2, %2; setp.geu.f32 q, %2, %2; selp.s32 %0, 1, 0, p;"
                " selp.s32 %1, 1, 0, q; }" : "=r"(out[10]), "=r"(out[11]) : "f"(x));
        }""",
        "compared",
        np.full(12, -1, np.int32),
        np.float32(1),
        NAN,
        block=1,
    )
    np.testing.assert_array_equal(found, [0, 1, 1, 1, 0, 1, 0, 8, 0, 6, 0, 1])


def test_shuffles_votes_and_reductions_of_a_warp(kernel):
    lanes = np.arange(32)
    out = kernel(
        """
        __global__ void lanes(unsigned* out) {
            const unsigned lane = threadIdx.x;
            out[lane] = __shfl_down_sync(FULL_MASK, lane, 3), out[32 + lane] = __shfl_up_sync(FULL_MASK, lane, 3, 8);
            out[64 + lane] = __shfl_xor_sync(FULL_MASK, lane, 5), out[96 + lane] = __shfl_sync(FULL_MASK, lane, 9, 16);
            out[128 + lane] = __ballot_sync(FULL_MASK, lane % 3 == 0);
            out[160 + lane] = __any_sync(FULL_MASK, lane == 40) + 2 * __all_sync(FULL_MASK, lane < 32);
            out[192 + lane] = __reduce_add_sync(FULL_MASK, lane);
            if (lane >= 24) out[224 + lane] = __shfl_sync(0xff000000u, lane, 25);
            else out[224 + lane] = __match_any_sync(0x00ffffffu, lane / 8);
            out[256 + lane] = __shfl_down_sync(FULL_MASK, lane, 3, 8);
        }""",
        "lanes",
        np.zeros(288, np.uint32),
    ).reshape(9, 32)
    np.testing.assert_array_equal(out[0], np.where(lanes + 3 < 32, lanes + 3, lanes))
    np.testing.assert_array_equal(out[1], np.where(lanes % 8 >= 3, lanes - 3, lanes))
    np.testing.assert_array_equal(out[2], lanes ^ 5)
    np.testing.assert_array_equal(out[3], lanes // 16 * 16 + 9)
    np.testing.assert_array_equal(out[4], sum(1 << k for k in range(0, 32, 3)))
    np.testing.assert_array_equal(out[5], 2)
    np.testing.assert_array_equal(out[6], 496)
    np.testing.assert_array_equal(out[7], np.where(lanes < 24, 0xFF << lanes // 8 * 8, 25))
    np.testing.assert_array_equal(out[8], np.where(lanes % 8 < 5, lanes + 3, lanes))


def test_barriers_that_combine_a_predicate(kernel):
    out = kernel(
        """
        __global__ void combined(int* out) {
            const int i = blockIdx.x * 50 + threadIdx.x, odd = threadIdx.x % 2, block = blockIdx.x;
            out[4 * i] = __syncthreads_count(odd), out[4 * i + 1] = __syncthreads_and(block == 1);
            out[4 * i + 2] = __syncthreads_or(odd && block == 2), out[4 * i + 3] = __syncthreads_or(0);
        }""",
        "combined",
        np.full(600, -1, np.int32),
        grid=3,
        block=50,
    )
    np.testing.assert_array_equal(out.reshape(3, 50, 4)[:, 0], [[25, 0, 0, 0], [25, 1, 0, 0], [25, 0, 1, 0]])
    assert (out.reshape(3, 50, 4) == out.reshape(3, 50, 4)[:, :1]).all()


def test_integers_of_64_bits_and_divisions_towards_zero(kernel):
    found = kernel(
        """
        __global__ void wide(long long* out, long long a, long long b) {
            out[0] = a / b, out[1] = a % b, out[2] = -a / b, out[3] = -a % b, out[4] = __mul64hi(a, b);
            out[5] = __mulhi(-5, 1 << 30), out[6] = __umulhi(0xffffffffu, 0xffffffffu), out[7] = min(a, b);
        }""",
        "wide",
        np.zeros(8, np.int64),
        np.int64(2**62 + 7),
        np.int64(-1000),
        block=1,
    )
    a, b = 2**62 + 7, -1000
    quotient, rest = a // -b, a % -b
    expected = [-quotient, rest, quotient, -rest, a * b >> 64, -5 * 2**30 >> 32, 0xFFFFFFFE, b]
    np.testing.assert_array_equal(found, expected)


# Untyped registers and `.ptr` parameters, as NVRTC 13 writes them from sm_100 on.
UNTYPED = """
.version 9.0
.target sm_100
.address_size 64
.visible .entry scale(.param .u64 .ptr .align 1 scale_param_0, .param .b32 scale_param_1)
{
    .reg .b32 %r<6>;
    .reg .b64 %rd<5>;
    ld.param.b64 %rd1, [scale_param_0];
    ld.param.b32 %r1, [scale_param_1];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r2, %tid.x;
    mul.wide.u32 %rd3, %r2, 4;
    add.s64 %rd4, %rd2, %rd3;
    ld.global.b32 %r3, [%rd4];
    fma.rn.f32 %r4, %r3, %r1, 0f3F800000;
    st.global.b32 [%rd4], %r4;
    ret;
}
"""


def run(text, x, factor):
    program, memory = Program(Module(text), "scale", "scale"), GlobalMemory([])
    parameters = struct.pack("<qf", memory.address(x, "x", True), factor) + bytes(64)
    Machine(program, memory, (1, 1, 1), (x.size, 1, 1), parameters).run()
    return x


def test_untyped_registers():
    x = np.arange(40, dtype=np.float32)
    np.testing.assert_array_equal(run(UNTYPED, x.copy(), 2.5), 2.5 * x + 1)


def test_an_instruction_that_the_machine_does_not_have_is_refused():
    text = UNTYPED.replace("cvta.to.global.u64 %rd2, %rd1", "tcgen05.fence::before_thread_sync")
    with pytest.raises(KernelError, match=r"scale: the machine does not have the instruction 'tcgen05.fence"):
        run(text, np.zeros(4, np.float32), 1)
