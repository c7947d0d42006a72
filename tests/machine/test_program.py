"""What is around a run: PTX and translations that are stored, lines of the source, launches without a device."""

import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from gpugrad.errors import KernelError
from gpugrad.machine import cache, fused, program
from gpugrad.machine.ptx import Module

TEXT = """
.version 8.8
.target sm_90
.address_size 64
.global .align 4 .u32 counter = 7;
.const .align 4 .b8 table[8] = {1, 0, 0, 0, 255, 255, 255, 255};
.visible .shared .align 16 .b8 _cudapy_smem_1[20];
.extern .shared .align 16 .b8 dynamic[];
.visible .entry k(.param .u32 k_param_0, .param .u64 k_param_1, .param .align 4 .b8 k_param_2[12])
.maxntid 64, 2, 1
{
    .reg .pred %p<2>;
    .reg .b32 %r<4>;
    .shared .align 4 .b8 _ZZ1kE5tiles[8];
    // $L_comment:
    ld.param.u32 %r1, [k_param_0];
    setp.eq.s32 %p1, %r1, 0;
$L_again:
    { .reg .b32 t; add.s32 t, %r1, 1; mov.u32 %r2, t; }
    @%p1 st.shared.u8 [_ZZ1kE5tiles], %r2;
    st.shared.u32 [_cudapy_smem_1], %r2;
    @!%p1 bra $L_again;
    st.shared.u32 [dynamic], %r2;
    ret;
}
"""


def test_variables_parameters_and_blocks():
    module = Module(TEXT)
    assert module.entries == ["k"]
    assert {name: v.content for name, v in module.variables.items()} == {
        "counter": (7).to_bytes(4, "little"),
        "table": bytes([1, 0, 0, 0, 255, 255, 255, 255]),
    }
    function = module.function("k")
    assert function.parameters == [(0, 4), (8, 8), (16, 12)]
    assert function.threads == 128
    assert function.instructions == []
    assert [i.op[0] for block in module.read(function).blocks for i in block] == [
        *("ld", "setp", "add", "mov", "bra", "st", "st", "bra", "st", "ret")
    ]
    assert function.instructions[2].operands == ["%t_asm", "%r1", "1"]
    assert [function.instructions[i].guard for i in (4, 7)] == ["!%p1", "!%p1"]


def test_gaps_lie_between_the_variables_in_shared_memory():
    made = program.Program(Module(TEXT), "k", "k")
    assert made.layout == [
        (0, 20, "_cudapy_smem_1"),
        (148, 156, "_ZZ1kE5tiles"),
        (288, 288, "dynamic"),
    ]
    assert made.unit == 1  # its smallest access
    assert [program.plain_name(name) for _, _, name in made.layout] == ["a shared array", "tiles", "dynamic"]


def test_an_unfinished_text_is_refused():
    with pytest.raises(KernelError, match="the PTX ends within a function"):
        Module(TEXT.rstrip("}\n")).function("k")


def test_a_damaged_file_of_the_cache_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUGRAD_CACHE", str(tmp_path))
    made = []

    def make():
        made.append(1)
        return b"content\nof two lines"

    assert [cache.stored("a", make), cache.stored("a", make)] == [b"content\nof two lines"] * 2
    assert made == [1]
    file = tmp_path / "machine" / "a"
    file.write_bytes(file.read_bytes()[:-1])
    assert cache.stored("a", make) == b"content\nof two lines"
    assert made == [1, 1]


def test_a_cache_that_cannot_be_written_is_done_without(locked_folder, monkeypatch):
    monkeypatch.setenv("GPUGRAD_CACHE", str(locked_folder))
    assert cache.stored("a", lambda: b"content") == b"content"


def test_a_line_of_a_device_function_has_its_own_file(planted):
    """Numba inlines device functions under the name of the kernel's file."""
    wrong = "    shared[thread] = value\n    if thread > 5:\n        shared[thread + 1000] = value\n    half = 9\n"
    right = "    shared[thread] = value\n    half"
    file = next(iter(planted("numba", "sum_elements")), None)
    assert file is not None
    found = planted("numba", "sum_elements", "device.py", *_first_of_two(right, wrong))
    problems = next(iter(found)).problems
    assert "sum_elements_partials_kernel (device.py:" in problems[0]
    assert "a shared array[1006] (its 1024 bytes end before)" in problems[0] or "of shared memory" in problems[0]


def _first_of_two(right, wrong):
    """Return texts that fit the first of the two functions that contain `right`."""
    before = '    A block has a power of two threads, at most THREADS.\n    """\n'
    before += "    shared = cuda.shared.array(THREADS, np.float32)\n    thread = cuda.threadIdx.x\n"
    return before + right, before + wrong.replace("half = 9\n", "half")


def test_a_numba_kernel_outside_of_a_device_is_refused(machine):
    machine("numba")
    from gpugrad.kernels.numba_cuda.launch import launch

    with pytest.raises(KernelError, match="double got NumPy arrays outside of a device: use the device 'machine'"):
        launch(SimpleNamespace(py_func=SimpleNamespace(__name__="double")), 1, 1, np.zeros(3, np.float32))


def test_operations_without_numba_are_the_same_but_for_fused_products(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    spec = importlib.util.spec_from_file_location("fused_without_numba", fused.__file__)
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.integers(-42, 30, (3, 10_000))
    a, b, c = (rng.normal(size=(3, 10_000)) * scale).astype(np.float32)
    a[:6], b[:6] = [0, -0.0, np.nan, 1, np.inf, -np.inf], [-0.0, 0, 1, np.nan, -np.inf, np.nan]
    with np.errstate(all="ignore"):
        for name in ("add_ftz", "sub_ftz", "mul_ftz", "minimum", "maximum"):
            with_numba, without = getattr(fused, name)(a, b), getattr(plain, name)(a, b)
            np.testing.assert_array_equal(with_numba, without, err_msg=name)
            np.testing.assert_array_equal(np.signbit(with_numba[6:]), np.signbit(without[6:]), err_msg=name)
        np.testing.assert_array_equal(fused.flush(a), plain.flush(a))
        different = fused.fma(a, b, c) != plain.fma(a, b, c)
        assert (different & np.isfinite(fused.fma(a, b, c))).mean() < 1e-3
