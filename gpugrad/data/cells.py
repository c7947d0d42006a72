"""Columns of text: which are numbers as people write them, and which were meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError, shown
from .messages import check_finite, missing_cells, row_name

# Words for "no value" in a column of numbers; in a column of text they are text, and only "" is missing.
MISSING_WORDS = frozenset({"na", "n/a", "#n/a", "nan", "null", "none", "missing", "?", "-", "–", "—", "."})
BOOLEANS = {spelling: word for word in ("True", "False") for spelling in (word, word.lower(), word.upper())}
# A column of text of which this share is numbers, and at least this many, has a typing error.
NEARLY_ALL, ENOUGH = 0.9, 10
KEEP_TEXT = "keep the column as text with --categorical"

MINUS = str.maketrans("−–", "--")  # U+2212 and the en dash
CURRENCY = "[$¢£¤¥\u20a0-\u20cf]"


def _form(groups: str, mark: str) -> re.Pattern[str]:
    """Return the form of a number with `groups` between thousands and a decimal `mark`."""
    blank = "[ \u00a0\u202f]?"
    sign = f"(?:(?P<sign>[+-]?){blank}{CURRENCY}?|{CURRENCY}{blank}(?P<second>[+-])){blank}"
    whole = rf"(?P<whole>[1-9]\d{{0,2}}(?P<group>[{groups}'’ \u00a0\u2009\u202f])\d{{3}}(?:(?P=group)\d{{3}})*|\d*)"
    rest = rf"(?:[{mark}](?P<part>\d*))?(?:[eE](?P<power>[+-]?\d{{1,9}}))?{blank}(?P<after>{CURRENCY}|%)?"
    return re.compile(rf"{sign}(?=[{mark}]?\d){whole}{rest}", re.ASCII)


PATTERNS = {".": _form(",", "."), ",": _form(".", ",")}  # by decimal mark: 1,234.5 and 1.234,5
MARKS = {".": "a decimal point", ",": "a decimal comma"}


@dataclass(frozen=True)
class Form:
    """How a column writes its numbers: found in training, expected of the same column of other files.

    Parameters
    ----------
    mark : {"", ".", ","}, default ""
        The decimal mark; "" where no number tells.
    percent : bool, default None
        Whether the numbers, except 0, have percent signs; None where only some have, or nothing tells.
    currency : str, default ""
        The currency sign; "" for none.
    """

    mark: str = ""
    percent: bool | None = None
    currency: str = ""

    @classmethod
    def of_plain(cls, numbers: np.ndarray) -> Form:
        """Return the form of cells that Python's `float` reads."""
        return cls("" if np.array_equal(numbers, np.rint(numbers)) else ".", False)

    @classmethod
    def from_json(cls, stored: Any) -> Form:
        """Restore a form from a list of its values; raise ValueError for one that cannot be."""
        mark, percent, currency = stored
        if mark not in ("", *MARKS) or percent not in (None, True, False) or not isinstance(currency, str):
            raise ValueError(f"{stored!r} is no form of numbers")
        return cls(mark, percent, currency)

    @property
    def plain(self) -> bool:
        """Whether a number that Python's `float` reads is in this form."""
        return self.mark != "," and not self.percent


ANY = Form()


class Cells:
    """A column of text: its different cells, in the order of their first rows, and which of them each row has.

    Blanks around a cell are dropped; a boolean in any spelling is "True" or "False".

    Parameters
    ----------
    name : str
        Name of the column.
    different : sequence of str
        The different cells.
    codes : ndarray, (n_rows,)
        Index in ``different`` of each row's cell.
    """

    def __init__(self, name: str, different: Iterable[str], codes: np.ndarray) -> None:
        self.name, self.codes = name, codes
        self.different = list(map(_clean, different))
        self._found: dict[str, list[float | None]] = {}  # the cells as numbers, by decimal mark

    @classmethod
    def of(cls, name: str, values: np.ndarray) -> Cells:
        """Return the column of an array (rows,) of anything, as text."""
        number: dict[str, int] = {}
        codes = number_cells(as_text(values).tolist(), number)
        return cls(name, number, codes)

    def texts(self) -> np.ndarray:
        """Return the column as objects of type str; raise DataError for an empty cell."""
        if "" in self.different:
            others = [i for i, value in enumerate(self._reading()) if value is None]
            words = all(self.different[i].lower() in {"", *MISSING_WORDS} for i in others)  # among numbers
            empty = others if words else [i for i in others if not self.different[i]]
            raise missing_cells(self.name, np.isin(self.codes, empty))
        return np.array(self.different, object)[self.codes]

    def numbers(self, form: Form = ANY) -> np.ndarray | None:
        """Return the column as float64, or None if a cell is no number.

        Raise DataError for numbers in another form than the given one, for numbers that mean two things, 1,234 without
        a cell or a form that tells what its comma is, and for two currencies.
        """
        numbers = plain_numbers(self.different)
        if numbers is not None and form.plain:
            return numbers[self.codes]
        readings = [self._read(mark) for mark in ([form.mark] if form.mark else PATTERNS)]
        readings = [values for values in readings if None not in values]
        if not readings:
            self._refuse_mark(form)
            return None
        for i, (first, last) in enumerate(zip(readings[0], readings[-1], strict=True)):
            if first != last and "," in self.different[i]:
                raise DataError(
                    f"{self._says(i)}, which may be {first:g} or {last:g}: write these numbers without separators of "
                    f"thousands and with a decimal point, or {KEEP_TEXT}"
                )
        signs = self._currencies()
        if other := next((i for i, sign in signs.items() if sign != next(iter(signs.values()))), None):
            raise DataError(f"{self._says(other)}: expected one currency as in the rows before it; convert these cells")
        if form.currency and signs and form.currency not in signs.values():
            raise self._other_form(next(iter(signs)), f"the currency {form.currency}")
        for i, percent in self._percents(readings[0]).items():
            if form.percent not in (None, percent):
                raise self._other_form(i, "a percent sign" if form.percent else "no percent sign")
        return np.array(readings[0])[self.codes]

    def form(self) -> Form:
        """Return the form of the numbers, of a column for which `numbers` returns them."""
        plain = plain_numbers(self.different)
        if plain is not None:
            return Form.of_plain(plain)
        fits = [mark for mark in PATTERNS if None not in self._read(mark)]
        same = len(fits) == 2 and self._read(fits[0]) == self._read(fits[1])
        percents = set(self._percents(self._read(fits[0])).values())
        signs = self._currencies()
        return Form(
            "" if same else fits[0], percents.pop() if len(percents) == 1 else None, next(iter(signs.values()), "")
        )

    def refuse_numbers(self, remedy: str | None = KEEP_TEXT) -> None:
        """Raise DataError if a column of text was meant as numbers: each of them would be a category.

        So is one of whose rows or different cells nearly all are numbers, without a `remedy` only one whose other cells
        are words for a missing value. Text of plain digits passes: a file with types says so on purpose.
        """
        values = self._reading()
        number = np.array([value is not None for value in values])
        others = np.flatnonzero(~number)
        if not number.any() or (not len(others) and plain_numbers(self.different) is not None):
            return
        if len(others) and all(self.different[i].lower() in MISSING_WORDS for i in others):
            raise missing_cells(self.name, np.isin(self.codes, others))
        if remedy and not len(others):
            raise DataError(f"{self._says(0)}, a number as text: write the column as numbers, or {remedy}")
        rows = number[self.codes]
        if remedy and any(of.sum() >= ENOUGH and of.mean() >= NEARLY_ALL for of in (rows, number)):
            raise DataError(
                f"{self._says(others[0])}: expected a number, as in {rows.sum()} of {len(rows)} rows; correct that "
                f"cell, drop its row, or {remedy}"
            )

    def numbers_of(self, remedy: str | None, form: Form = ANY) -> np.ndarray | None:
        """Return `numbers`; where that is None, raise DataError as `refuse_numbers` does."""
        numbers = self.numbers(form)
        if numbers is None:
            self.refuse_numbers(remedy)
        return numbers

    def first_text(self) -> tuple[int, str]:
        """Return row and text of the first cell that is no number, of a column for which `numbers` is None."""
        which = self._reading().index(None)
        return self._row(which), self.different[which]

    def _reading(self) -> list[float | None]:
        """Return the cells as numbers in the form that most of them have."""
        return max(map(self._read, PATTERNS), key=lambda values: -values.count(None))

    def _read(self, mark: str) -> list[float | None]:
        if mark not in self._found:
            self._found[mark] = [_value(PATTERNS[mark], cell) for cell in self.different]
        return self._found[mark]

    def _currencies(self) -> dict[int, str]:
        """Return the currency sign of each different cell that has one."""
        return {i: sign[0] for i, cell in enumerate(self.different) if (sign := re.findall(CURRENCY, cell))}

    def _percents(self, values: list[float | None]) -> dict[int, bool]:
        """Return whether each different cell has a percent sign; 0 is the same with one."""
        return {i: self.different[i].endswith("%") for i, value in enumerate(values) if value}

    def _refuse_mark(self, form: Form) -> None:
        """Raise DataError if the first cell that is not in a form is a number with the other decimal mark."""
        if form.mark:
            first = self._read(form.mark).index(None)
            if any(self._read(mark)[first] is not None for mark in PATTERNS):
                raise self._other_form(first, MARKS[form.mark])

    def _other_form(self, which: int, expected: str) -> DataError:
        return DataError(f"{self._says(which)}: expected a number with {expected}, as in training; correct that cell")

    def _row(self, which: int) -> int:
        return int(np.argmax(self.codes == which))

    def _says(self, which: int) -> str:
        return f"column {shown(self.name)} has {shown(self.different[which])} in {row_name(self._row(which))}"


def _clean(text: str) -> str:
    return BOOLEANS.get(text := text.strip(), text)


def _value(form: re.Pattern[str], cell: str) -> float | None:
    found = form.fullmatch(cell.translate(MINUS))
    if found is None:
        return None
    part = found.groupdict(default="")
    whole = part["whole"].replace(part["group"] or ",", "")
    power = int(part["power"] or 0) - 2 * (part["after"] == "%")  # one rounding: 12.5% is 12.5e-2
    return float(f"{part['sign'] or part['second']}{whole}.{part['part']}e{power}")


def number_cells(cells: Sequence[str], number: dict[str, int]) -> np.ndarray:
    """Return the number of each cell (rows,) int32; cells that `number` lacks get the next ones, in order."""
    for cell in dict.fromkeys(cells):
        number.setdefault(cell, len(number))
    return np.fromiter(map(number.__getitem__, cells), np.int32, len(cells))


def plain_numbers(cells: Sequence[str]) -> np.ndarray | None:
    """Return the cells as float64, or None if Python's `float` refuses one; 1_2, which it reads as 12, is text."""
    try:
        numbers = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return None if "_" in "".join(cells) else numbers


def as_text(values: np.ndarray) -> np.ndarray:
    """Return the column (rows,) as objects of type str; bytes are read as UTF-8, booleans have one spelling."""
    cells = values.tolist()
    if values.dtype == object and all(
        isinstance(cell, str) and BOOLEANS.get(cell, cell) == cell for cell in set(cells)
    ):
        return values
    texts = (cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell) for cell in cells)
    return np.array([BOOLEANS.get(text, text) for text in texts], dtype=object)


def index_in(labels: Iterable[str], texts: Sequence[str]) -> np.ndarray:
    """Return the index in `labels` of each text, or -1; the text may be stripped, and a boolean spelled otherwise."""
    index = {text: i for i, label in enumerate(labels) for text in (_clean(label), label)}
    return np.array([index.get(text, -1) for text in texts], np.int32)


def as_numbers(
    column: str, values: np.ndarray | Cells, remedy: str | None = KEEP_TEXT, form: Form = ANY
) -> np.ndarray | None:
    """Return the column (rows,) as finite float64, or None if it is text.

    Raise DataError for a value that is missing or infinite, and as `Cells.numbers_of` does.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        numbers: np.ndarray | None = values.astype(np.float64)
    else:
        numbers = (values if isinstance(values, Cells) else Cells.of(column, values)).numbers_of(remedy, form)
    if numbers is not None:
        check_finite(column, numbers)
    return numbers
