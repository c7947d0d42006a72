"""Test every operation in every toolchain; a new operation is found by its folder."""

import ast
import functools
import re
from pathlib import Path

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import kernels
from gpugrad.engine.check import arrays_of, check_kernel, compare, reference_of
from gpugrad.errors import ArgumentError, DeviceError
from gpugrad.kernels.contract import tolerance

KERNELS = Path(kernels.__file__).parent
CONTRACTS = {contract.name: contract for _, contract in kernels.contracts()}
TOOLCHAIN_FILES = ("reference", "numba_cpu", "numba_cuda", "cupy_cuda")

each_contract = pytest.mark.parametrize("name", CONTRACTS)
PRODUCTS = ("dense_forward", "dense_backward", "matmul")  # each takes ten seconds in the emulator
each_contract_products_slow = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in PRODUCTS else ()) for name in CONTRACTS]
)


def signatures(file):
    """Return {function: its parameters as text} of a file; it is read, not imported, since that may need a GPU."""
    functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    return {function.name: ast.unparse(function.args) for function in functions}


def signature_of_launcher(contract):
    """Return the contract's parameters as text, without the defaults."""
    stars = ["*", *contract.scalars] if contract.scalars else []
    return ", ".join([*contract.arrays, *stars])


def test_operations_are_the_folders_with_a_contract():
    assert {operation for operation, _ in kernels.contracts()} == set(kernels.OPERATIONS)
    others = {file.parent.name for file in KERNELS.glob("*/__init__.py")} - set(kernels.OPERATIONS)
    assert others == {"cpu", "cuda", "numba_cuda"}, "an operation has no reference.py"


@pytest.mark.parametrize("operation", kernels.OPERATIONS)
def test_launchers_have_the_parameters_of_their_contract_and_leave_the_defaults_to_it(operation):
    expected = {c.name: signature_of_launcher(c) for owner, c in kernels.contracts() if owner == operation}
    for toolchain in TOOLCHAIN_FILES:
        file = KERNELS / operation / f"{toolchain}.py"
        found = signatures(file) if file.exists() else {}
        for name, parameters in expected.items():
            assert name in found or toolchain != "reference", f"{file} lacks {name}"
            assert found.get(name, parameters) == parameters, f"{name} in {file}"


@each_contract
def test_the_defaults_of_the_contract_reach_every_launcher(name):
    contract = CONTRACTS[name]
    for toolchain in ("reference", "numba_cpu", "cupy_cuda"):
        launch = getattr(kernels.load(toolchain), name).launch
        assert getattr(launch, "keywords", {}) == contract.defaults, toolchain


def test_a_default_can_be_left_out_or_overridden():
    launcher = kernels.load("reference").adagrad_step
    g, lr = np.full(3, 2.0), np.ones(1)
    changes = {}
    for eps in (None, 1e-10, 2.0):
        p = np.zeros(3)
        launcher(g, lr, None, p, np.zeros(3), **({} if eps is None else {"eps": eps}))
        changes[eps] = p[0]
    assert changes == {None: pytest.approx(-1), 1e-10: pytest.approx(-1), 2.0: pytest.approx(-0.5)}


def test_a_recorded_call_keeps_the_launcher_s_own_function():
    """A partial of the bound partial is flat: `loops_only` is found, and a replay passes through one call."""
    launcher = kernels.load("numba_cpu").activation_forward
    call = functools.partial(launcher.launch, activation="relu")
    assert call.func.loops_only
    assert call.keywords == {"activation": "relu", "negative_slope": 0.01}


@each_contract
def test_contract_is_complete(name):
    contract = CONTRACTS[name]
    assert contract.__doc__
    examples = contract.draw_examples()
    assert len({example.reason for example in examples}) == len(examples), "two examples of one reason"
    for example in examples:
        cost = contract.cost_of(*arrays_of(contract, example, np.float32), **example.scalars)
        assert cost.bytes > 0, example.reason
        assert cost.operations >= 0, example.reason


@each_contract
def test_contract_refuses_other_dtypes_and_strides(name):
    contract = CONTRACTS[name]
    for example in contract.draw_examples():
        arrays = dict(zip(contract.arrays, arrays_of(contract, example, np.float32), strict=True))
        for argument, array in arrays.items():
            if array is None:
                continue
            with pytest.raises(ArgumentError, match=f"{argument}.*complex64"):
                contract(**{**arrays, argument: array.astype(np.complex64)}, **example.scalars)
            strided = np.repeat(array, 2, axis=-1)[..., ::2]
            if not strided.flags.c_contiguous:
                with pytest.raises(ArgumentError, match=f"{argument} is not C-contiguous"):
                    contract(**{**arrays, argument: strided}, **example.scalars)


@each_contract_products_slow
def test_kernel_agrees_with_the_reference(every_device, name, record_property):
    finding = check_kernel(every_device, CONTRACTS[name].operation, CONTRACTS[name])
    assert finding.passed, "\n".join(finding.problems) or "no example is small enough for this device"
    record_property("checked", [every_device.kind, every_device.toolchain, name, finding.examples])


@each_contract_products_slow
@pytest.mark.parametrize("toolchain", ["numpy", "numba"])
def test_launcher_of_the_cpu_agrees_in_double_precision(toolchain, name):
    contract = CONTRACTS[name]
    for example in contract.draw_examples():
        for argument, _, problem in compare(gg.device("cpu", toolchain), contract, example, np.float64):
            assert not problem, f"{name}, {example.reason}: {argument} {problem}"


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (
            lambda g, p: p.__setitem__(0, p[0] * 1.001),
            r"wrong by up to .* the tolerance, in 1 of \d+ elements, at \[0\]: ",
        ),
        (lambda g, p: p.__setitem__(-1, np.nan), r"p is not finite in 1 of \d+ elements, at .*: nan, expected -?\d"),
        (lambda g, p: p.__setitem__(0, np.random.default_rng().normal()), "p differs between two runs"),
        (lambda g, p: g.__setitem__(0, 7), "g is an input and was changed"),
    ],
)
def test_the_check_finds_a_wrong_kernel(monkeypatch, fault, problem):
    device = gg.device("cpu")
    right = device.kernels.sgd_step

    def wrong(g, lr, grad_scale, p, *rest, **scalars):
        right(g, lr, grad_scale, p, *rest, **scalars)
        fault(g, p)

    monkeypatch.setattr(device.kernels, "sgd_step", wrong)
    finding = check_kernel(device, "sgd", CONTRACTS["sgd_step"])
    assert not finding.passed
    assert any(re.search(problem, found) for found in finding.problems), finding.problems[:3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_tolerance_is_some_ulps_and_grows_like_the_root_of_the_terms(dtype):
    """The numbers are written out: too wide a tolerance would let every wrong kernel pass."""
    ulp = {np.float32: 2.0**-23, np.float64: 2.0**-52}[dtype]
    ulps = {terms: tolerance(dtype, terms) / ulp for terms in (1, 4, 100, 10_000, 1_000_000)}
    assert ulps == {1: 20, 4: 24, 100: 56, 10_000: 416, 1_000_000: 4016}


@pytest.mark.parametrize("name", ["dense_forward", "sgd_step"])
def test_the_check_finds_an_error_of_a_few_hundred_ulps(monkeypatch, name):
    """One element of each correct result is off by 300 ulps of the largest one, where 20 to 150 are allowed."""
    device, contract = gg.device("cpu"), CONTRACTS[name]
    right, place = getattr(device.kernels, name), contract.arrays.index(contract.outputs[0])

    def wrong(*arrays, **scalars):
        right(*arrays, **scalars)
        arrays[place].flat[-1] += 300 * np.finfo(np.float32).eps * np.abs(arrays[place]).max()

    examples = [e for e in contract.draw_examples() if e.terms <= 1000 and reference_of(contract, e)[place].any()]
    assert len(examples) > 5
    for example in examples:
        assert not any(problem for _, _, problem in compare(device, contract, example)), example.reason
    monkeypatch.setattr(device.kernels, name, wrong)
    for example in examples:
        found = {array: problem for array, _, problem in compare(device, contract, example) if problem}
        assert list(found) == [contract.outputs[0]], example.reason
        assert re.fullmatch(r"is wrong by up to [\d.]+ times the tolerance, in .*", *found.values()), example.reason


def test_a_toolchain_without_a_launcher_names_the_file_to_write(monkeypatch):
    monkeypatch.setitem(kernels.LAUNCHER_FILES, "other", ("other",))
    with pytest.raises(
        DeviceError, match=r"'other' has no activation_forward: write it in kernels/activation/other\.py"
    ):
        kernels.load("other")


def test_a_launcher_checks_and_its_launch_does_not():
    launcher = kernels.load("numba_cpu").sgd_step
    g, p, lr = np.ones(3, np.float32), np.zeros(3, np.float32), np.ones(1, np.float32)
    with pytest.raises(ArgumentError, match="weight_decay"):
        launcher(g, lr, None, p, None, weight_decay=-1.0)
    launcher.launch(g, lr, None, p, None, weight_decay=-1.0)
    np.testing.assert_array_equal(p, -np.ones(3))
    assert repr(launcher) == "<launcher sgd_step of kernels/sgd/numba_cpu.py>"
