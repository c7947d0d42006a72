"""Private names of other libraries are imported and touched in one adapter file per library, nowhere else.

What counts as private:
- every module of numba, llvmlite and scikit-learn with a part that begins with an underscore;
- every module of Numba except those of its documented interface: numba, numba.types, numba.extending, numba.typed,
  numba.cuda and the modules below PUBLIC (so numba.core, numba.np, numba.cpython, numba.cuda.simulator are private);
- every module of llvmlite except llvmlite, llvmlite.ir and llvmlite.binding;
- a name that begins with an underscore, imported from any of them or read as an attribute of what was imported.

A private method that a subclass overrides, or an attribute of an object that a library made, cannot be seen in a file:
such classes and objects belong in the adapters too.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIBRARIES = ("numba", "llvmlite", "sklearn")

# The adapters, one file per library and use.
ADAPTERS = {
    "kernels/cpu/private.py",
    "kernels/numba_cuda/private.py",
    "gpugrad/estimators/scikit_learn.py",
}

# Modules that the libraries document; below scikit-learn every module without an underscore is public.
PUBLIC = {
    "numba",
    "numba.cuda",
    "numba.extending",
    "numba.typed",
    "numba.types",
    "llvmlite",
    "llvmlite.binding",
    "llvmlite.ir",
}


def private_module(name):
    """Return whether a module of one of the libraries is private."""
    library, *parts = name.split(".")
    if any(part.startswith("_") for part in parts):
        return True
    return library != "sklearn" and name not in PUBLIC


def private_uses(text):
    """Return the private names of the libraries that a Python file imports or touches."""
    tree, found, modules = ast.parse(text), [], {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in LIBRARIES:
                    found += [alias.name] * private_module(alias.name)
                    modules[alias.asname or alias.name.split(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module.split(".")[0] in LIBRARIES:
            found += [node.module] * private_module(node.module)
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found += [full] * (alias.name.startswith("_") or full in {"numba.core", "numba.np", "numba.cpython"})
                modules[alias.asname or alias.name] = full
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # The name of a module as a text, for importlib or sys.modules.
            name = node.value
            if name.split(".")[0] in LIBRARIES and name.isascii() and name.replace(".", "").replace("_", "").isalnum():
                found += [name] * ("." in name and private_module(name))
    inner_nodes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner_nodes:
            chain = [node.attr]
            inner = node.value
            while isinstance(inner, ast.Attribute):
                chain.insert(0, inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id in modules:
                private = any(part.startswith("_") and not part.startswith("__") for part in chain)
                internal = modules[inner.id] == "numba" and chain[0] in {"core", "np", "cpython"}
                found += [".".join([modules[inner.id], *chain])] * (private or internal)
    return found


def files():
    """Return the Python files of the package, by their names in the checkout."""
    paths = [path for folder in ("gpugrad", "kernels") for path in (ROOT / folder).rglob("*.py")]
    return {path.relative_to(ROOT).as_posix(): path for path in paths}


def test_private_names_are_in_the_adapters_alone():
    for name, path in files().items():
        if name not in ADAPTERS:
            assert private_uses(path.read_text("utf-8")) == [], name


def test_the_adapter_of_the_cpu_states_the_versions_it_was_read_in():
    text = (ROOT / "kernels/cpu/private.py").read_text("utf-8")
    assert private_uses(text)
    assert "Read in Numba 0." in text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from numba import _dynfunc", ["numba._dynfunc"]),
        ("import numba.core.codegen", ["numba.core.codegen"]),
        ("from numba.core import cgutils", ["numba.core"]),
        ("from numba import core", ["numba.core"]),
        ("from numba.np.arrayobj import populate_array", ["numba.np.arrayobj"]),
        ("from numba.cuda.simulator import kernel", ["numba.cuda.simulator"]),
        ("from llvmlite.ir._utils import x", ["llvmlite.ir._utils"]),
        (
            "from sklearn.neural_network import _multilayer_perceptron",
            ["sklearn.neural_network._multilayer_perceptron"],
        ),
        ("from sklearn.base import _fit_context", ["sklearn.base._fit_context"]),
        ("import numba\nnumba.core.config", ["numba.core.config"]),
        ("import numba as nb\nnb.cuda._x()", ["numba.cuda._x"]),
        ("import sys\nsys.modules['numba.core.event']", ["numba.core.event"]),
        ("def late():\n    from numba.core import event", ["numba.core"]),
        ("from numba import njit, types, cfunc, carray\nfrom numba.extending import intrinsic, overload", []),
        ("from llvmlite import binding, ir\nimport numba\nnumba.__version__", []),
        ("from sklearn.neural_network import MLPClassifier", []),
        ("from numba import cuda\ncuda.jit", []),
    ],
)
def test_what_counts_as_private(text, found):
    assert private_uses(text) == found
