"""The reference of the kernels: one page per operation, from the declarations of its contracts."""

from __future__ import annotations

import importlib
import inspect
import textwrap
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from gpugrad import kernels

from .pages import plain, table, write_pages

TOOLCHAINS = {
    "reference.py": "NumPy, the reference of every test",
    "numba_cpu.py": "compiled loops for the CPU",
    "*.cu": "CUDA C++",
    "numba_cuda.py": "Numba CUDA",
    "examples.py": "examples and sizes to measure",
    "__init__.py": "the contract: checks and cost",
}


def page_of(operation: str) -> str:
    """Return the page of an operation: formulas, contracts, examples, costs, the reference and the files."""
    module = importlib.import_module(f"{kernels.__name__}.{operation}")
    folder = kernels.FOLDER / operation
    lines = [f"# {operation}", "", inspect.getdoc(module) or "", ""]
    for _, contract in (pair for pair in kernels.contracts() if pair[0] == operation):
        lines += [
            f"## {contract.name}",
            "",
            "```{eval-rst}",
            f".. autofunction:: {module.__name__}.{contract.name}",
            "```",
            "",
        ]
        lines += [f"Writes {', '.join(f'`{name}`' for name in contract.outputs)}.", ""]
        examples = contract.draw_examples()
        rows = [[plain(e.reason), arrays(e.arrays), scalars(e.scalars), str(e.terms)] for e in examples]
        lines += [f"**{len(rows)} examples** that every toolchain must get right", ""]
        lines += [table(["case", "arrays", "scalars", "longest sum"], rows)]
        if contract._cost is not None:
            lines += [
                "**Least work** of a launch",
                "",
                "```python",
                textwrap.dedent(inspect.getsource(contract._cost)),
                "```",
                "",
            ]
    lines += ["## Reference", "", "```python", (folder / "reference.py").read_text("utf-8"), "```", "", "## Files", ""]
    for pattern, what in TOOLCHAINS.items():
        for file in sorted(folder.glob(pattern)):
            lines += [f"- [`{file.name}`](../../../kernels/{operation}/{file.name}): {what}"]
    return "\n".join([*lines, ""])


def arrays(given: dict[str, Any]) -> str:
    """Return the shapes of an example's arrays, and their dtypes other than float32."""
    shown = []
    for name, array in given.items():
        if array is not None:
            dtype = "" if array.dtype == "float32" else f" {array.dtype}"
            shown.append(f"{name} {'×'.join(map(str, array.shape)) or 'scalar'}{dtype}")
    return plain(", ".join(shown))


def scalars(given: dict[str, Any]) -> str:
    """Return the scalars of an example."""
    return plain(
        ", ".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in given.items()
        )
    )


def write(app: Sphinx) -> None:
    """Write a page per operation."""
    pages = {f"{operation}.md": page_of(operation) for operation in kernels.OPERATIONS}
    write_pages(Path(app.srcdir) / "reference" / "kernels", pages)


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
