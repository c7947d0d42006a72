"""Check functions that a student filled in, and report the first thing that is wrong in one sentence."""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import copy
import functools
import json
import operator
import re
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

RELATIVE, ABSOLUTE = 1e-4, 1e-6  # wide enough for a solution in float32
LONGEST = 60  # characters of a value in a sentence
SECONDS = 10  # for the check of a function


class Endless(Exception):
    """Raised by an argument of a call that does not end; holds the points that it has come by."""


@dataclass(frozen=True)
class Call:
    """A call of a student's function: the text of it, its value, and what is wrong with it."""

    text: str
    value: Any = None
    wrong: str | None = None
    endless: bool = False

    @classmethod
    def of(cls, name: str, function: Callable, arguments: Sequence) -> Call:
        """Call with copies of the arguments; overflow is not an error here."""
        text = f"{name}({', '.join(map(short, arguments))})"
        given = copy.deepcopy(tuple(arguments))
        try:
            with np.errstate(all="ignore"):
                value = function(*given)
        except NotImplementedError:
            return cls(text, wrong=f"{name} is not filled in yet: replace its last line.")
        except Endless as stop:
            return cls(text, stop.args[0], endless=True)
        except SystemExit:
            return cls(text, wrong=f"{text} ended the program: return the result instead of exit() or quit().")
        except Exception as error:
            message = " ".join(written(error, str).split()).rstrip(".")
            return cls(text, wrong=f"{text} raised {type(error).__name__}{message and ': '}{message}.")
        if value is None:
            return cls(text, wrong=f"{name} returned None, expected a value: end it with return.")
        for before, after in zip(arguments, given, strict=True):
            if isinstance(before, np.ndarray) and not np.array_equal(before, after, equal_nan=True):
                return cls(
                    text,
                    wrong=f"{name} changed its argument {short(before)}: write x = x - …, which makes a new "
                    "array, instead of x -= …, or copy it first.",
                )
        if isinstance(value, np.ndarray) and value.dtype == object:
            value = value.tolist()
        if isinstance(value, list | tuple | np.ndarray):  # a second call may change it
            with contextlib.suppress(Exception):  # of what cannot be copied, such as generators
                value = copy.deepcopy(value)
        return cls(text, value)


@dataclass(frozen=True)
class Task:
    """A function to fill in.

    Parameters
    ----------
    name : str
        Name of the function.
    cases : sequence of tuple
        Arguments of each call.
    right : callable
        Function from the arguments to the result that is expected.
    formula : str
        Formula of the result, for the sentence about a mistake that is not known.
    mistakes : sequence of (str, callable)
        Sentences, each with a function from the arguments to what that mistake returns.
    hints : sequence of str
        Hints: the idea, the formula, the shape of the code.
    steps : bool
        The result is a path: the start and the point after each step.
    judge : callable, optional
        Function from a `Call` and its arguments to what is wrong, where many results are right, such as random ones;
        takes the place of `right` and `mistakes`. The first case has to be random.
    """

    name: str
    cases: Sequence[tuple]
    right: Callable | None = None
    formula: str = ""
    mistakes: Sequence[tuple[str, Callable]] = ()
    hints: Sequence[str] = ()
    steps: bool = False
    judge: Callable | None = None

    @functools.cached_property
    def expected(self) -> list[Any]:
        """The right result of each case."""
        return [self.right(*arguments) for arguments in self.cases]

    def check(self, function: Callable) -> str | None:
        """Return what is wrong with the function, in one sentence; None if it is right."""
        done: list[tuple[tuple, Call]] = []
        error = None
        for arguments in self.cases:
            call = Call.of(self.name, function, arguments)
            if call.wrong:
                error = call.wrong
                break
            done.append((arguments, call))
            if call.endless:
                error = f"{call.text} does not end: its loop goes on until ε is reached, which is never."
                break
            if wrong := self._again(function, arguments, call):
                error = wrong
                break
        return self._first_wrong(done) or error or self._deaf(function, *done[0])

    def _again(self, function: Callable, arguments: tuple, call: Call) -> str | None:
        """Return what is wrong if a second call with the same arguments returns something else."""
        again = Call.of(self.name, function, arguments)
        comparable = same(call.value, call.value)  # others are no numbers, and wrong for that
        if again.wrong or not comparable or same(again.value, call.value):
            return again.wrong
        if any(isinstance(argument, np.random.Generator) for argument in arguments):
            return (
                f"{self.name} returned something else when called again with a generator of the same seed: draw every "
                "random number from the generator that is given."
            )
        return (
            f"{call.text} returned something else when it was called again: make lists and arrays inside the function."
        )

    def _deaf(self, function: Callable, arguments: tuple, call: Call) -> str | None:
        """Return what is wrong if a generator of another seed makes no difference in the first case."""
        other = [np.random.default_rng(99) if isinstance(given, np.random.Generator) else given for given in arguments]
        if all(map(operator.is_, other, arguments)) or not same(Call.of(self.name, function, other).value, call.value):
            return None
        return f"{self.name} returned the same with two generators: use the one that is given, not one of your own."

    def _first_wrong(self, done: Sequence[tuple[tuple, Call]]) -> str | None:
        if self.judge:
            return next(filter(None, (self.judge(call, *arguments) for arguments, call in done)), None)
        for (_, call), right in zip(done, self.expected, strict=False):  # done ends where a call raised an error
            if same(call.value, right):
                continue
            for words, mistake in self.mistakes:
                if all(same(other.value, silently(mistake, given)) for given, other in done):
                    return f"{call.text}: {words}."
            if call.endless:
                return None
            return (self.steps and why_path(call, right)) or why(call, right, self.formula)
        return None


def silently(function: Callable, arguments: Sequence) -> Any:
    with np.errstate(all="ignore"):
        return function(*copy.deepcopy(tuple(arguments)))


@dataclass(frozen=True)
class Exercise:
    """The functions of an exercise, and what it shows when all of them are right.

    Parameters
    ----------
    tasks : sequence of Task
        The functions, in the order in which they are checked.
    reward : callable
        Takes the functions, in that order, and returns lines to print.
    picture : callable
        Takes a file and the functions, and draws them.
    """

    tasks: Sequence[Task]
    reward: Callable[..., Sequence[str]]
    picture: Callable[..., Any]

    def check(self, **functions: Callable) -> str | None:
        """Return what is wrong with these functions, in one sentence; None if all are right."""
        known = [task.name for task in self.tasks]
        if unknown := sorted(set(functions) - set(known)):
            raise TypeError(f"the exercise has no function {unknown[0]}: expected {' or '.join(known)}")
        return next((wrong for _, wrong in self._wrong(functions)), None)

    def _wrong(self, functions: dict[str, Callable]):
        for task in self.tasks:
            if task.name not in functions:
                continue
            try:
                wrong = within(SECONDS, functools.partial(task.check, functions[task.name]))
            except TimeoutError:
                wrong = f"{task.name} does not end within {SECONDS} seconds: look for a loop that never stops."
            if wrong:
                yield task, wrong

    def run(self, *functions: Callable) -> None:
        """Run an exercise as a command: check the functions, or print the next hint."""
        parser = argparse.ArgumentParser(description="Check the functions of this file.")
        parser.add_argument("--hint", nargs="?", type=int, const=0, metavar="N", help="print the next hint, or hint N")
        parser.add_argument("--picture", action="store_true", help="once all is right, draw a picture in this folder")
        options = parser.parse_args()
        script = Path(sys.argv[0])
        names = [task.name for task in self.tasks]
        task, wrong = next(self._wrong(dict(zip(names, functions, strict=True))), (None, None))
        if options.hint is not None:
            print(hint(task, options.hint, script.with_suffix(".hints")))
            return
        if wrong:
            sys.exit(wrong)
        print(f"{', '.join(names[:-1])} and {names[-1]} are right." if len(names) > 1 else f"{names[0]} is right.")
        print(*self.reward(*functions), sep="\n")
        if options.picture:
            file = Path(f"{script.stem}.png")
            self.picture(file, *functions)
            print(f"picture: {file.resolve()}")


def within(seconds: float, function: Callable) -> Any:
    """Return what a function returns, or raise TimeoutError; its thread then ends with the program."""
    result: concurrent.futures.Future = concurrent.futures.Future()

    def work():
        try:
            result.set_result(function())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return result.result(seconds)


def hint(task: Task | None, number: int, memory: Path) -> str:
    """Return a hint: the one with this number, or with 0 the next one, which a file beside the exercise remembers."""
    if task is None:
        return "Everything is right: there is nothing to hint at."
    try:
        seen = json.loads(memory.read_text("utf-8"))
        seen = {name: count for name, count in seen.items() if isinstance(count, int) and count >= 0}
    except (OSError, ValueError, AttributeError):  # missing or damaged: start again
        seen = {}
    number = number or seen.get(task.name, 0) + 1
    if not 1 <= number <= len(task.hints):
        return f"{task.name} has {len(task.hints)} hints, and no other: --hint 1 prints the first one again."
    try:
        memory.write_text(json.dumps(seen | {task.name: number}), "utf-8")
    except OSError:  # a folder that cannot be written to
        more = f" (hint {number + 1}: --hint {number + 1})" if number < len(task.hints) else ""
    else:
        more = ""
    return f"Hint {number} of {len(task.hints)} for {task.name}: {task.hints[number - 1]}{more}"


# ---- comparing ----


def same(value: Any, expected: Any) -> bool:
    """Return whether two results agree: numbers and arrays to single precision, texts exactly."""
    if isinstance(expected, str | None):
        return isinstance(value, str | None) and value == expected
    if ragged(expected):
        return isinstance(value, Sequence) and len(value) == len(expected) and all(map(same, value, expected))
    expected, value = numbers(expected), numbers(value)
    if expected is None or value is None or value.shape != expected.shape:
        return False
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0)
    return np.allclose(value, expected, rtol=RELATIVE, atol=ABSOLUTE * max(scale, 1), equal_nan=True)


def ragged(expected: Any) -> bool:
    """Return whether a result is a list of arrays of several shapes."""
    try:
        return isinstance(expected, list | tuple) and len({np.shape(part) for part in expected}) > 1
    except ValueError:  # a part is ragged itself
        return False


def numbers(value: Any) -> np.ndarray | None:
    """Return a value as an array of floats, or None if it is none: complex numbers and digits in a text are none."""
    try:
        array = np.asarray(value)
        return array.astype(float) if array.dtype.kind in "biufO" else None
    except Exception:  # a student's object may raise any
        return None


def why(call: Call, right: Any, formula: str) -> str:
    """Return the first difference from the right result, in a sentence with the formula."""
    if isinstance(right, str):
        got = short(call.value)
        return f"{call.text} returned {got}, expected {right!r}: {formula}."
    if ragged(right):
        if not isinstance(call.value, Sequence) or len(call.value) != len(right):
            return f"{call.text} returned {short(call.value)}, expected a list of {len(right)} arrays: {formula}."
        where = [same(*pair) for pair in zip(call.value, right, strict=True)].index(False)
        return why(Call(f"number {where + 1} of {call.text}", call.value[where]), right[where], formula)
    right, value = np.asarray(right, float), numbers(call.value)
    if value is None or value.shape != right.shape:
        got = short(call.value) if value is None or value.ndim == 0 else f"an array of shape {value.shape}"
        expected = f"an array of shape {right.shape}" if right.ndim else "a number"
        return f"{call.text} returned {got}, expected {expected}: {formula}."
    close = np.isclose(value, right, rtol=RELATIVE, atol=ABSOLUTE * max(np.abs(right).max(initial=0), 1))
    where = np.unravel_index(int(np.argmin(close)), right.shape)
    at = f"[{', '.join(map(str, where))}]" if where else ""
    return f"{call.text}{at} is {value[where]:.5g}, expected {right[where]:.5g}: {formula}."


def why_path(call: Call, right: Any) -> str | None:
    """Return what is wrong with the form of a path, or None."""
    right, value = np.asarray(right, float), numbers(call.value)
    n = len(right)
    if value is None or value.shape[1:] != right.shape[1:] or value.ndim == 0:
        kind = "points" if right.ndim > 1 else "numbers"
        return f"{call.text} returned {short(call.value)}, expected the path: a list of {n} {kind}."
    if len(value) != n:
        if len(value) == n - 1 and same(value, right[1:]):
            return f"{call.text} left out the start: expected {n} points, the first of them the start."
        if len(value) == n - 1 and same(value, right[:-1]):
            return f"{call.text} took one step fewer than it should: expected {n} points, it returned {n - 1}."
        if len(value) == n + 1 and same(value[:-1], right):
            return f"{call.text} took one step more than it should: expected {n} points, it returned {n + 1}."
        return f"{call.text} returned {len(value)} points, expected {n}: the start and one per step."
    if n > 1 and same(value, np.broadcast_to(right[-1], right.shape)):
        return f"{call.text} has the last point {n} times: the list holds one array again and again, append copies."
    if not same(value[0], right[0]):
        return (
            f"{call.text} starts at {short(value[0])}, expected {short(right[0])}: put the start into the list first."
        )
    if n > 1 and same(value, np.broadcast_to(right[0], right.shape)):
        return f"{call.text}: the point never moves, assign the new x before the next step."
    return None


def written(value: Any, form: Callable[[Any], str]) -> str:
    """Return str or repr of a value without addresses in memory, or its type where that raises an error."""
    try:
        return re.sub(r" at 0x[0-9a-fA-F]+", "", form(value))
    except Exception:
        return f"a value of type {type(value).__name__}"


def short(value: Any) -> str:
    """Return a value as it would be typed, cut where it is long."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, separator=", ", threshold=8, formatter={"float_kind": "{:.4g}".format})
    elif isinstance(value, float | np.floating):
        text = f"{value:g}"
    elif isinstance(value, np.random.Generator):
        text = "generator"
    elif callable(value):
        text = getattr(value, "__name__", "function")
    else:
        text = written(value, repr)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
