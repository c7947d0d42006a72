"""Training and test parts of a data set that comes as one."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping

import numpy as np

from ..errors import ArgumentError, DataError, counted, shown
from .messages import listed


def split_rows(
    n_rows: int, codes: np.ndarray | None, classes: tuple[str, ...] | None, *, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the training and the test part, shuffled by `seed`; stratified if class `codes` are given.

    The test part is the fraction rounded up, but no fewer rows than classes, and leaves as many for training. Raise
    ArgumentError for a fraction outside (0, 1) or a negative seed; DataError for fewer than two rows, or a class with a
    single row, which cannot be in both parts.
    """
    seed = check_split(test_fraction, seed)
    if n_rows < 2:
        raise DataError(
            f"the data set has {n_rows} row: expected at least 2, one to train on and one to test on; add rows"
        )
    smallest = 1
    if codes is not None and classes is not None:
        smallest = len(classes)
        counts = np.bincount(codes, minlength=len(classes))
        if counts.min() < 2:
            raise DataError(
                f"the class {shown(classes[int(counts.argmin())])} has a single row: expected at least 2, one to train "
                "on and one to test on; add rows of it, remove it, or choose regression if the target is a quantity"
            )
    n_test = min(max(math.ceil(test_fraction * n_rows), smallest), n_rows - smallest)
    random = np.random.RandomState(seed % 2**32)
    if codes is None:
        order = random.permutation(n_rows)
        return order[n_test:], order[:n_test]
    return _stratified(codes, n_test, random)


def _stratified(codes: np.ndarray, n_test: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of `train_test_split(stratify=codes)`, bit for bit; scikit-learn takes a second to import.

    Every code from 0 to the largest occurs. `RandomState` is frozen, so a seed means the same rows for good.
    """
    counts = np.bincount(codes)
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    n_train = _shares(counts, len(codes) - n_test, random)
    n_held = _shares(counts - n_train, n_test, random)
    train, test = [], []
    for of_class, kept, held in zip(rows, n_train, n_held, strict=True):
        shuffled = of_class[random.permutation(len(of_class))]
        train.append(shuffled[:kept])
        test.append(shuffled[kept : kept + held])
    return random.permutation(np.concatenate(train)), random.permutation(np.concatenate(test))


def _shares(counts: np.ndarray, total: int, random: np.random.RandomState) -> np.ndarray:
    """Divide `total` rows among classes in proportion to `counts`, by largest remainder; ties are drawn."""
    exact = counts / counts.sum() * total
    shares = np.floor(exact)
    left = int(total - shares.sum())
    remainders = exact - shares
    for value in np.unique(remainders)[::-1]:
        if left <= 0:
            break
        (tied,) = np.nonzero(remainders == value)
        chosen = random.choice(tied, size=min(len(tied), left), replace=False)
        shares[chosen] += 1
        left -= len(chosen)
    return shares.astype(int)


def hold_out_rows(
    y: np.ndarray, classes: tuple[str, ...] | None, *, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split the rows of a training part into rows to train on and rows to validate on.

    Every class is trained on: the only row of a class is never held out.

    Parameters
    ----------
    y : ndarray
        Class indices (n_rows,), or targets of a regression.
    classes : tuple of str or None
        Classes; None for regression.
    share : float
        Fraction to hold out, between 0 and 1.
    seed : int
        Seed of the split, at least 0.

    Returns
    -------
    kept : ndarray
        Rows to train on, sorted.
    held : ndarray
        Rows to validate on, sorted.

    Raises
    ------
    ArgumentError
        If the share or the seed is out of range.
    DataError
        If there are too few rows.
    """
    rows = np.arange(len(y))
    codes, names = None, None
    if classes is not None:
        rows = rows[np.bincount(y)[y] > 1]
        present, codes = np.unique(y[rows], return_inverse=True)
        names = tuple(classes[code] for code in present)
    if len(rows) < 2:
        raise DataError(
            f"there {'is' if len(y) == 1 else 'are'} {counted(len(y), 'row')} to train on, too few to hold some out: "
            "add rows, or do not validate (--validation 0, validation_split=0)"
        )
    kept, held = split_rows(len(rows), codes, names, test_fraction=share, seed=seed)
    if codes is not None:  # where most rows are held out, the rounding may have taken all of a small class
        _, held, _ = keep_seen(kept, held, {"class": codes})
    held = np.sort(rows[held])
    return np.setdiff1d(np.arange(len(y)), held), held


def check_split(test_fraction: float, seed: int) -> int:
    """Return the seed; raise ArgumentError unless 0 < test_fraction < 1 and the seed is an integer of at least 0."""
    if not 0 < test_fraction < 1:
        raise ArgumentError(f"test_fraction is {test_fraction}: expected a number between 0 and 1, such as 0.2")
    try:
        value = operator.index(seed)
    except TypeError:
        value = -1
    if value < 0:
        raise ArgumentError(f"seed is {seed!r}: expected an integer from 0")
    return value


def keep_seen(
    train: np.ndarray, test: np.ndarray, columns: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, str | None]:
    """Move every test row whose category or class, a value of `columns`, is in no training row to the training part.

    A model cannot predict a category that it never saw, and `predict` refuses one, so such a row tests nothing. Return
    the rows of both parts, and a sentence on the rows that moved, if any. Raise DataError naming the columns where no
    test row would be left.
    """
    keep = np.ones(len(test), bool)
    new = []
    for name, values in columns.items():
        seen = set(values.take(train).tolist())
        here = np.fromiter(map(seen.__contains__, values[test].tolist()), bool, len(test))
        keep &= here
        if not here.all():
            new.append(name)
    if not keep.any():
        raise DataError(
            f"every test row has a text in {listed(map(repr, new))} that no training row has: expected categories "
            "that repeat; drop identifiers, write quantities as numbers, or add rows"
        )
    note = None
    if new:
        note = (
            f"{len(keep) - keep.sum()} of {len(keep)} test rows train instead: they have values in "
            f"{listed(map(repr, new))} that no other training row has"
        )
    return np.concatenate([train, test[~keep]]), test[keep], note
