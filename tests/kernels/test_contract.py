"""A contract that lacks something names it and the way to add it."""

import subprocess
import sys

import numpy as np
import pytest

from gpugrad.errors import KernelError
from gpugrad.kernels.contract import Cost, Example, check_same, contract


@pytest.fixture
def double():
    @contract("y")
    def double(x, y, *, factor=2.0):
        """Compute y = factor·x."""
        check_same(x=x, y=y)

    return double


def test_its_arrays_are_the_positional_parameters_and_the_others_are_scalars(double):
    assert double.arrays == ("x", "y")
    assert double.scalars == ("factor",)
    assert double.defaults == {"factor": 2.0}


def test_the_cost_is_called_with_the_defaults(double):
    @double.cost
    def _(x, y, *, factor):
        return Cost(bytes=x.nbytes, operations=int(factor))

    assert double.cost_of(np.ones(3), np.ones(3)).operations == 2
    assert double.cost_of(np.ones(3), np.ones(3), factor=7).operations == 7


@pytest.mark.parametrize(("outputs", "named"), [((), "nothing"), (("z",), "z")])
def test_it_names_what_it_writes(outputs, named):
    with pytest.raises(KernelError, match=rf"@contract of double names {named}, expected .* of its arrays x, y"):

        @contract(*outputs)
        def double(x, y):
            """Compute y = 2·x."""


def test_without_examples_or_cost(double):
    with pytest.raises(KernelError, match=r"double has no examples, .* add them with @double\.examples"):
        double.draw_examples()
    with pytest.raises(KernelError, match=r"double states no cost, .* add it with @double\.cost"):
        double.cost_of(np.ones(3), np.ones(3))


EXAMPLES = """
import sys
from gpugrad import kernels

def imported():
    return sorted(name.split(".")[-2] for name in sys.modules if name.endswith(".examples"))

contracts = {contract.name: contract for _, contract in kernels.contracts()}
launchers = kernels.load("reference")
print(imported())
contracts["gather"].draw_examples()
next(contracts["matmul"].draw_workloads())
print(imported())
"""


def test_examples_in_a_file_of_their_own_are_imported_when_they_are_drawn():
    done = subprocess.run([sys.executable, "-c", EXAMPLES], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "['dense', 'gather']"], done.stderr


@pytest.mark.parametrize("arrays", [{"x": np.ones(3)}, {"x": np.ones(3), "y": np.ones(3), "z": None}])
def test_an_example_with_other_arrays(double, arrays):
    @double.examples
    def _(rng):
        yield Example("three", arrays, {})

    found = ", ".join(arrays)
    with pytest.raises(KernelError, match=rf"an example of double \(three\) has the arrays {found}, expected x, y: "):
        double.draw_examples()


def test_without_workloads_the_costliest_example_is_measured(double):
    @double.examples
    def _(rng):
        for n in (3, 5, 4):
            yield Example(f"{n}", {"x": np.ones(n), "y": np.ones(n)}, {})

    @double.cost
    def _(x, y, **_):
        return Cost(bytes=x.nbytes + y.nbytes, operations=x.size)

    assert [workload.reason for workload in double.draw_workloads()] == ["5"]
