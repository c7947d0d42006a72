"""The version of gpugrad, and of the packages that it works with."""

from __future__ import annotations

import importlib.metadata

__version__ = "0.1.0"  # pyproject.toml reads it from here


def installed_version(package: str) -> str | None:
    """Return the version of an installed package.

    Parameters
    ----------
    package : str
        Its name; "cupy" finds any of its wheels.

    Returns
    -------
    str or None
        None without it.
    """
    names = (package, "cupy-cuda12x", "cupy-cuda13x") if package == "cupy" else (package,)
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
