"""Columns of text: which are numbers as people write them, and which were meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

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


FORMS = _form(",", "."), _form(".", ",")  # 1,234.5 and 1.234,5


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

    def numbers(self) -> np.ndarray | None:
        """Return the column as float64, or None if a cell is no number.

        Raise DataError for numbers that mean two things, 1,234 without a cell that tells what its comma is, and for
        two currencies.
        """
        numbers = plain_numbers(self.different)
        if numbers is not None:
            return numbers[self.codes]
        readings = [values for form in FORMS if None not in (values := self._read(form))]
        if not readings:
            return None
        for i, (first, last) in enumerate(zip(readings[0], readings[-1], strict=True)):
            if first != last and "," in self.different[i]:
                raise DataError(
                    f"{self._says(i)}, which may be {first:g} or {last:g}: write these numbers without separators of "
                    f"thousands and with a decimal point, or {KEEP_TEXT}"
                )
        signs = {i: sign[0] for i, cell in enumerate(self.different) if (sign := re.findall(CURRENCY, cell))}
        if other := next((i for i, sign in signs.items() if sign != next(iter(signs.values()))), None):
            raise DataError(f"{self._says(other)}: expected one currency as in the rows before it; convert these cells")
        return np.array(readings[0])[self.codes]

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

    def numbers_of(self, remedy: str | None) -> np.ndarray | None:
        """Return `numbers`; where that is None, raise DataError as `refuse_numbers` does."""
        numbers = self.numbers()
        if numbers is None:
            self.refuse_numbers(remedy)
        return numbers

    def first_text(self) -> tuple[int, str]:
        """Return row and text of the first cell that is no number, of a column for which `numbers` is None."""
        which = self._reading().index(None)
        return self._row(which), self.different[which]

    def _reading(self) -> list[float | None]:
        """Return the cells as numbers in the form that most of them have."""
        return max(map(self._read, FORMS), key=lambda values: -values.count(None))

    def _read(self, form: re.Pattern[str]) -> list[float | None]:
        return [_value(form, cell) for cell in self.different]

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


def as_numbers(column: str, values: np.ndarray | Cells, remedy: str | None = KEEP_TEXT) -> np.ndarray | None:
    """Return the column (rows,) as finite float64, or None if it is text.

    Raise DataError for a value that is missing or infinite, and as `Cells.numbers_of` does.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        numbers: np.ndarray | None = values.astype(np.float64)
    else:
        numbers = (values if isinstance(values, Cells) else Cells.of(column, values)).numbers_of(remedy)
    if numbers is not None:
        check_finite(column, numbers)
    return numbers
