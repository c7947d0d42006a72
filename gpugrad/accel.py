"""Run a program that uses scikit-learn's MLPClassifier and MLPRegressor with gpugrad's instead.

python -m gpugrad.accel program.py [arguments]
python -m gpugrad.accel -m package.module [arguments]
%load_ext gpugrad.accel          in a notebook, before anything is imported from scikit-learn
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

USAGE = "usage: python -m gpugrad.accel [-m module | program.py] [arguments]"


def install() -> None:
    """Replace scikit-learn's MLPClassifier and MLPRegressor, for imports from now on."""
    from sklearn import neural_network

    from . import estimators

    for name in estimators.__all__:
        setattr(neural_network, name, getattr(estimators, name))


def load_ipython_extension(ipython: Any) -> None:
    """Replace scikit-learn's networks in a notebook; called by %load_ext.

    Parameters
    ----------
    ipython : object
        The shell.
    """
    install()


def main(arguments: list[str]) -> None:
    """Run a program or a module; it gets the remaining arguments.

    Parameters
    ----------
    arguments : list of str
        Arguments of the command line.
    """
    as_module = arguments[:1] == ["-m"]
    rest = arguments[as_module:]
    if not rest or rest[0].startswith("-"):
        sys.exit(USAGE)
    install()
    sys.argv = rest
    if as_module:
        sys.path.insert(0, "")
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        if not Path(rest[0]).is_file():
            sys.exit(f"there is no file {rest[0]}\n{USAGE}")
        sys.path.insert(0, str(Path(rest[0]).resolve().parent))
        runpy.run_path(rest[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
