"""The version of gpugrad, and of the packages that it works with."""

from __future__ import annotations

import importlib.metadata

__version__ = "0.1.0"  # pyproject.toml reads it from here


def installed_version(package: str) -> str | None:
    """The version of an installed package, None without it; "cupy" goes by the name of any of its wheels."""
    names = (package, "cupy-cuda12x", "cupy-cuda13x") if package == "cupy" else (package,)
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
