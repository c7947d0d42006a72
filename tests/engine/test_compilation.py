"""Resources of a kernel on each architecture, and its occupancy."""

import pytest

from gpugrad.engine import compilation
from gpugrad.engine.compilation import Compiled
from gpugrad.errors import KernelError
from gpugrad.kernels.cuda import nvrtc
from gpugrad.kernels.cuda.nvrtc import ARCHITECTURES, Resources
from gpugrad.kernels.cuda.source import Source
from gpugrad.kernels.numba_cuda import ptx as numba_ptx


def compiled(architecture="sm_90", threads=256, registers=32, shared=0, dynamic=0, spilled=0):
    return Compiled("a.cu", "a", architecture, threads, dynamic, Resources(registers, shared, 0, spilled))


@pytest.mark.parametrize(
    ("options", "occupancy"),
    [
        ({}, 1.0),  # 8 blocks of 8 warps fill 2048 threads
        ({"registers": 64}, 0.5),  # 65536 registers are 1024 threads of 64
        ({"registers": 65}, 0.375),  # 72 are allocated, so 3 blocks of 256 threads
        ({"threads": 32}, 0.5),  # 32 blocks at most
        ({"threads": 33}, 1.0),  # two warps per block
        ({"shared": 100 * 1024}, 0.25),  # two blocks of 101 KiB in 228
        ({"shared": 20 * 1024, "dynamic": 80 * 1024}, 0.25),
        ({"dynamic": 228 * 1024}, 0.0),  # more than the limit of a block
        ({"architecture": "sm_75", "dynamic": 64 * 1024}, 0.25),
        ({"architecture": "sm_86", "dynamic": 64 * 1024}, 256 / 1536),
    ],
)
def test_occupancy(options, occupancy):
    assert compiled(**options).occupancy == pytest.approx(occupancy)


def test_what_is_a_problem():
    assert compiled().problem is None
    assert "spills 8 bytes" in compiled(spilled=8).problem
    assert "cannot run" in compiled(dynamic=300 * 1024).problem


def test_every_architecture_has_its_limits():
    assert set(compilation.MULTIPROCESSORS) == set(ARCHITECTURES)


@pytest.fixture
def source(tmp_path):
    problem = nvrtc.obstacle()
    if problem:
        pytest.skip(problem)

    def write(body):
        (tmp_path / "a.cu").write_text(
            f'#include "gpugrad.cuh"\ntemplate <int N> __global__ void a(const float* x, float* y) {{ {body} }}\n'
        )
        return Source(tmp_path / "x", "a.cu")

    return write


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_resources_are_read(source, architecture):
    file = source("__shared__ float s[N]; s[threadIdx.x] = x[threadIdx.x]; __syncthreads(); y[0] = s[N - 1];")
    found = nvrtc.compile_kernels(file, ["a<64>", "a<256>"], architecture)
    overhead = found["a<64>"].shared - 256
    assert 0 <= overhead <= 1024  # Hopper and later reserve some
    assert found["a<256>"].shared == 1024 + overhead
    assert 0 < found["a<64>"].registers < 64
    assert found["a<64>"].spilled == 0


def test_spills_are_seen(source):
    body = "float v[N];\n#pragma unroll\nfor (int i = 0; i < N; ++i) v[i] = x[i];\n__syncthreads();\n"
    body += "#pragma unroll\nfor (int i = 0; i < N; ++i) y[i] = v[i] * v[N - 1 - i];"
    assert nvrtc.compile_kernels(source(body), ["a<512>"], "sm_80")["a<512>"].spilled > 0


def test_a_file_that_does_not_compile(source):
    with pytest.raises(KernelError, match=r"a\.cu does not compile for sm_80: (.|\n)*undefined"):
        nvrtc.compile_kernels(source("y[0] = nothing;"), ["a<1>"], "sm_80")


# One for each path of the sources, before sm_80 and from then on; the five others take longer than any other test.
SAMPLE = ("sm_75", "sm_90")
EACH_ARCHITECTURE = [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.long) for name in ARCHITECTURES]


# One test per architecture, so that several processes share them.
@pytest.mark.slow(20)
@pytest.mark.parametrize("architecture", EACH_ARCHITECTURE)
def test_every_kernel_of_the_project_compiles(architecture):
    compiled = compilation.compile_all((architecture,))
    assert {entry.architecture for entry in compiled} == {architecture}
    assert sorted((entry.file, entry.kernel) for entry in compiled) == sorted(
        (source.path.name, kernel) for source, kernel in compilation.instances()
    )
    assert [(entry.kernel, entry.problem) for entry in compiled if entry.problem] == []


@pytest.mark.slow(7)
@pytest.mark.parametrize("architecture", EACH_ARCHITECTURE)
def test_every_kernel_of_numba_compiles(architecture):
    problem = numba_ptx.obstacle()
    if problem:
        pytest.skip(problem)
    assembled = compilation.assemble_all((architecture,))
    assert len({assembly.kernel for assembly in assembled}) > 20
    assert {assembly.architecture for assembly in assembled} == {architecture}
    assert [assembly for assembly in assembled if assembly.problem] == []


@pytest.mark.parametrize(
    ("ptx", "double", "problem"),
    [
        ("add.f32 %f1, %f2, %f3;", False, None),
        ("add.f64 %fd1, %fd2, %fd3;", False, "computes in double precision"),
        ("cvt.rn.f32.f64 %f1, %fd1;", True, None),
        (".local .align 8 .b8 __local_depot0[16];", False, "keeps an array in local memory"),
    ],
)
def test_what_ptx_may_hold(ptx, double, problem):
    found = numba_ptx.problem_of(ptx, double)
    assert found is None if problem is None else problem in found
