"""The errors, by kind. Each message is one sentence: what was wrong, what was expected, the remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class GpugradError(Exception):
    """Base of every error that gpugrad raises on purpose; the command prints it without a traceback."""


class ArgumentError(GpugradError, ValueError):
    """A value outside what a function accepts."""


class DataError(GpugradError, ValueError):
    """A data set that cannot be read or trained on."""


class DownloadError(GpugradError, OSError):
    """A data set that could not be downloaded, or whose bytes are not the published ones."""


class CheckpointError(GpugradError, ValueError):
    """A file of weights or a checkpoint that cannot be read, or does not fit the model."""


class StorageError(GpugradError, OSError):
    """A file that could not be written: no space, no permission."""


class DeviceError(GpugradError, RuntimeError):
    """A device or toolchain that this machine does not have, or arrays that live on different devices."""


class DeviceMemoryError(GpugradError, MemoryError):
    """An array that does not fit in a device's memory."""


class KernelError(GpugradError, RuntimeError):
    """A kernel that could not be launched, or that failed while it ran."""


class RecordingError(GpugradError, RuntimeError):
    """A step that cannot be recorded and replayed."""


class GraphError(GpugradError, RuntimeError):
    """A backward pass that the tape cannot compute."""


class NonFiniteError(GpugradError, ArithmeticError):
    """Training whose loss, parameters or optimizer state became NaN or infinite."""


def reason(error: object) -> str:
    """Return another library's error as a part of a sentence.

    Parameters
    ----------
    error : object
        The error, or its text.

    Returns
    -------
    str
        The first line, at most 120 characters of it, without control characters; the type of an error without text.
    """
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return printable(line[:120]).strip().rstrip(".:")


def printable(text: str) -> str:
    """Replace characters that a terminal does not print.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    str
        The text with a question mark in place of each of them.
    """
    return "".join(c if c.isprintable() else "?" for c in text)


def shown(text: object) -> str:
    """Return a text from a file as a message quotes it: escaped, and a long one without its middle.

    Parameters
    ----------
    text : object
        The text.

    Returns
    -------
    str
        At most 60 characters.
    """
    quoted = repr(str(text))
    return quoted if len(quoted) <= 60 else f"{quoted[:40]}…{quoted[-19:]}"


# Names that are read with a vowel at first: an ndarray, an MLP, an Unknown; but a UserDict, a OneHotEncoder.
READ_WITH_A_VOWEL = re.compile(r"[aei]|o(?!ne)|un(?!i)|nd|(?-i:[FHLMNRSX][A-Z\d])", re.IGNORECASE)


def a_or_an(kind: type) -> str:
    """Return the name of a type with its article.

    Parameters
    ----------
    kind : type
        The type of a value.

    Returns
    -------
    str
        "a list", "an ndarray".
    """
    return f"{'an' if READ_WITH_A_VOWEL.match(kind.__name__) else 'a'} {kind.__name__}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: "1 row", "2 rows".

    Parameters
    ----------
    number : int
        The number.
    noun : str
        The noun in the singular.
    plural : str, optional
        Its plural, unless that only adds an s.

    Returns
    -------
    str
        Number and noun.
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def choose(kind: str, name: str, options: Iterable[str]) -> str:
    """Return a name if it is one of the options.

    Parameters
    ----------
    kind : str
        Kind of thing that has the name, for the message, such as "optimizer".
    name : str
        The name.
    options : iterable of str
        The names that are accepted.

    Returns
    -------
    str
        The name.

    Raises
    ------
    ArgumentError
        If it is not an option; suggests the nearest one, whatever its case.
    """
    options = list(options)
    if name in options:
        return name
    by_lower_case = {option.lower(): option for option in options}
    near = difflib.get_close_matches(str(name).lower(), by_lower_case, n=1, cutoff=0.5)
    hint = f"did you mean {by_lower_case[near[0]]!r}? " if near else ""
    raise ArgumentError(f"unknown {kind} {shown(name)}: {hint}choose one of {', '.join(options)}")
