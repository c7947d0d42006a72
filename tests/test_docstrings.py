"""Docstrings of the public API follow numpydoc: each parameter, result and error has its own entry."""

from __future__ import annotations

import functools
import importlib
import inspect
import warnings

import pytest

from gpugrad.kernels import contracts

# The rooms that a user imports from. Public is what their `__all__` lists, and the contracts of the kernels.
ROOMS = (
    "gpugrad",
    "gpugrad.data",
    "gpugrad.estimators",
    "gpugrad.export",
    "gpugrad.functional",
    "gpugrad.kernels.contract",
    "gpugrad.lab",
    "gpugrad.machine",
    "gpugrad.nn",
    "gpugrad.nn.init",
    "gpugrad.nn.losses",
    "gpugrad.optim",
    "gpugrad.training",
)

# numpydoc's codes: the form of summaries, parameters, returns and the order of sections. Left out: the summary starts
# after the quotes (GL01), and See Also, Examples and extended summaries (SA, EX, ES) are used where they help.
CODES = {
    *("GL03", "GL05", "GL06", "GL07", "GL08", "GL09", "SS02", "SS03", "SS04", "SS05", "SS06", "YD01"),
    *("PR01", "PR02", "PR03", "PR04", "PR05", "PR07", "PR08", "PR09", "PR10"),
    *("RT01", "RT02", "RT03", "RT04", "RT05"),
}


@functools.cache
def numpydoc():
    """Import numpydoc, whose own imports emit warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("numpydoc")
        return importlib.import_module("numpydoc.validate"), importlib.import_module("numpydoc.docscrape")


def problems(function_or_class):
    """List what numpydoc finds in a docstring, as "CODE message"."""
    validate, docscrape = numpydoc()
    found = validate.validate(docscrape.get_doc_object(function_or_class))["errors"]
    return [f"{code} {message}" for code, message in found if code in CODES]


def members(cls):
    """Yield (name, function, whether a property) for each public method of a class that this package defines."""
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        getter = getattr(value, "fget", None) or getattr(value, "func", None)
        function = getter or value
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        # A layer's `forward` is specified by its class.
        if function.__module__.startswith("gpugrad.") and name != "forward":
            yield name, function, getter is not None


def public(room):
    """Yield (name, object, whether a property) for the public functions and classes of a room, and their methods."""
    module = importlib.import_module(room)
    own = [
        name for name, value in vars(module).items() if getattr(value, "__module__", None) == room and name[0] != "_"
    ]
    for name in getattr(module, "__all__", own):
        value = getattr(module, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)) or not value.__module__.startswith("gpugrad"):
            continue
        if inspect.isclass(value) and issubclass(value, Warning | Exception):
            continue
        yield name, value, False
        if inspect.isclass(value):
            yield from ((f"{name}.{member}", function, getter) for member, function, getter in members(value))


@pytest.mark.parametrize("room", ROOMS)
def test_the_public_names_of_a_room(room):
    found = {
        f"{room}.{name}": wrong
        for name, value, is_property in public(room)
        # A property's summary is a noun phrase, and its result is the summary.
        if (wrong := [p for p in problems(value) if not (is_property and p[:4] in ("SS05", "RT01"))])
    }
    assert found == {}


def test_the_contracts_of_the_kernels():
    found = {contract.name: wrong for _, contract in contracts() if (wrong := problems(contract._check))}
    assert found == {}


def undocumented(x, y):
    """Add two numbers.

    Parameters
    ----------
    x : float
        The first.
    """
    return x + y


def packed(x):
    """x: a number. Returns its square."""
    return x * x


def test_what_is_missing_is_found():
    assert [p[:4] for p in problems(undocumented)] == ["PR01", "RT01"]
    assert {"PR01", "RT01", "SS02"} <= {p[:4] for p in problems(packed)}
