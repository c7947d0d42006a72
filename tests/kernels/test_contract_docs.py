"""The docstring of each contract agrees with its signature, its checks and its examples."""

import ast
import re

import numpy as np
import pytest

from gpugrad import kernels
from gpugrad.engine.check import arrays_of
from gpugrad.errors import ArgumentError

CONTRACTS = {contract.name: contract for _, contract in kernels.contracts()}
each_contract = pytest.mark.parametrize("name", CONTRACTS)


def documented(contract):
    """Return {parameter: its type as text} of the section Parameters."""
    text = re.search(r"Parameters\n +-+\n(.*?)(?:\n\n|\Z)", contract.__doc__, re.DOTALL)[1]
    lines = re.findall(r"^    (\w[\w, ]*) : (.*)$", text, re.MULTILINE)
    return {name: kind for names, kind in lines for name in names.split(", ")}


@each_contract
def test_every_parameter_is_documented_with_its_default(name):
    contract = CONTRACTS[name]
    kinds = documented(contract)
    assert list(kinds) == [*contract.arrays, *contract.scalars]
    for scalar in contract.scalars:
        found = kinds[scalar].partition("default ")[2]
        assert (ast.literal_eval(found) if found else None) == contract.defaults.get(scalar), scalar
    for array in contract.arrays:
        assert kinds[array].startswith("array, "), array


@each_contract
def test_only_an_array_that_may_be_none_can_be_left_out(name):
    """None is refused in one sentence where the docstring does not allow it."""
    contract = CONTRACTS[name]
    kinds = documented(contract)
    optional = {array for array in contract.arrays if kinds[array].endswith("or None")}
    for example in contract.draw_examples()[::5]:
        arrays = dict(zip(contract.arrays, arrays_of(contract, example, np.float32), strict=True))
        assert {array for array, value in arrays.items() if value is None} <= optional
        for array in contract.arrays:
            if array not in optional:
                with pytest.raises(ArgumentError, match=f"^{array} is None, expected an array of .*: "):
                    contract(**{**arrays, array: None}, **example.scalars)
                with pytest.raises(ArgumentError, match=f"^{array} is a list, expected an array of .*: "):
                    contract(**{**arrays, array: [1.0]}, **example.scalars)
