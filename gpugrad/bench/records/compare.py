"""Compare two records: find the rows that became faster or slower by more than their noise."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import geometric_mean
from typing import Any

from ...errors import ArgumentError, DataError, counted
from ..measure.kernels import OWN
from .rows import Row, rows_of
from .tables import duration

__all__ = ["Comparison", "Pair", "compare", "lines"]

# The columns that identify a measurement. Rows of one record that agree in all of them are paired in order.
IDENTITY = {
    "kernels": ("kernel", "size", "by", "cache"),
    "training": ("network", "batch", "engine", "data"),
    "training_in_company": ("network", "batch", "engine", "data"),
    "latency": ("network", "engine", "training"),
    "time_to_accuracy": ("network", "batch", "engine", "data", "target"),
    "scaling": ("axis", "value", "network", "batch"),
    "startup": ("what", "cache"),
    "estimators": ("data", "estimator", "device"),
}
MAKERS = ("by", "engine")  # columns with the library or engine of a row; without them it is gpugrad
ONE_RUN = 0.1  # noise of a row without a spread, relative to its time
FASTER, SLOWER, NOISE = "faster", "slower", "within noise"
SHORTEST = 24  # minimum characters of a row's name on a narrow terminal
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Pair:
    """A measurement in both records.

    Parameters
    ----------
    section, row : str
        Section and name of the row.
    own : bool
        Whether gpugrad was measured, not another library.
    a, b : float
        Seconds in each record.
    ratio : float
        Ratio b / a.
    noise : float
        Noise relative to the time.
    verdict : {"faster", "slower", "within noise"}
        The verdict on b.
    """

    section: str
    row: str
    own: bool
    a: float
    b: float
    ratio: float
    noise: float
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """A comparison of record B with record A.

    Parameters
    ----------
    tolerance : float
        Changes up to this are noise.
    pairs : list of Pair
        Measurements in both records.
    only_a, only_b : list of str
        Measurements in one record only.
    differences : list of str
        Differences of versions and machines.
    not_compared : list of str
        Sections without times.
    """

    tolerance: float
    pairs: list[Pair]
    only_a: list[str]
    only_b: list[str]
    differences: list[str]
    not_compared: list[str]

    def count(self, verdict: str) -> int:
        """Return the number of pairs with a verdict.

        Parameters
        ----------
        verdict : {"faster", "slower", "within noise"}
            The verdict.

        Returns
        -------
        int
            Number of pairs.
        """
        return sum(pair.verdict == verdict for pair in self.pairs)

    def mean(self, *, own: bool) -> float | None:
        """Return the geometric mean of the ratios B/A.

        Parameters
        ----------
        own : bool
            Use the rows of gpugrad, or those of other libraries.

        Returns
        -------
        float or None
            The mean; None without rows.
        """
        ratios = [pair.ratio for pair in self.pairs if pair.own == own and 0 < pair.ratio < math.inf]
        return geometric_mean(ratios) if ratios else None

    def record(self) -> dict[str, Any]:
        """Return the comparison as a JSON-able dict.

        Returns
        -------
        dict
            All fields, the counts of verdicts and the means.
        """
        counts = {name: self.count(name) for name in (FASTER, SLOWER, NOISE)}
        return {**asdict(self), "counts": counts, "mean": self.mean(own=True), "mean_others": self.mean(own=False)}


def compare(a: dict[str, Any], b: dict[str, Any], tolerance: float = 0.05) -> Comparison:
    """Pair the rows of two records and judge the ratio of their times, B/A.

    Parameters
    ----------
    a, b : dict
        The older and the newer record.
    tolerance : float, default 0.05
        Changes up to this are noise, at least 0.

    Returns
    -------
    Comparison
        The pairs and the differences of the records.

    Raises
    ------
    ArgumentError
        If the tolerance is negative.
    DataError
        If the time of a row is not a positive number.

    Notes
    -----
    The time of a row is its median, or its `seconds`; null seconds, of a target that was not reached, are infinite.
    A row is slower if B/A is more than 1 + tolerance and more than 1 + noise, faster if A/B is, and within noise
    otherwise. The noise is the sum of both rows' relative half spreads, (high - low) / (2 median), and 10 % for a row
    measured once.
    """
    if not 0 <= tolerance < math.inf:
        raise ArgumentError(f"the tolerance is {tolerance}, expected 0 or more, such as 0.05 for 5 %")
    pairs, only_a, only_b = [], [], []
    for section in IDENTITY:
        rows_a, rows_b = keyed(a, section), keyed(b, section)
        pairs += [_judge(section, key, rows_a[key], rows_b[key], tolerance) for key in rows_a if key in rows_b]
        only_a += [f"{section}: {_words(key)}" for key in rows_a if key not in rows_b]
        only_b += [f"{section}: {_words(key)}" for key in rows_b if key not in rows_a]
    others = sorted({*a["sections"], *b["sections"]} - set(IDENTITY))
    return Comparison(tolerance, pairs, only_a, only_b, differences(a, b), others)


def keyed(record: dict[str, Any], section: str) -> dict[Key, Row]:
    """Return the rows of a section by their identity, plus a number that makes it unique."""
    seen: Counter[Key] = Counter()
    rows = {}
    for row in rows_of(record, section):
        key = tuple(row.get(name) for name in IDENTITY[section])
        rows[(*key, seen[key])] = row
        seen[key] += 1
    return rows


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Return the differences in versions and machine between two records, as "numpy 2.0.0 | 2.1.0"."""
    facts_a, facts_b = _facts(a), _facts(b)
    return [
        f"{name} {facts_a.get(name) or 'none'} | {facts_b.get(name) or 'none'}"
        for name in {**facts_a, **facts_b}
        if facts_a.get(name) != facts_b.get(name)
    ]


def lines(comparison: Comparison, *, every: bool = False, width: int = 120) -> Iterator[str]:
    """Yield the lines of a comparison: rows, then counts, means and other differences.

    Parameters
    ----------
    comparison : Comparison
        The comparison.
    every : bool, default False
        Include rows within noise.
    width : int, default 120
        Number of columns.

    Yields
    ------
    str
        A line.
    """
    shown = [pair for pair in comparison.pairs if every or pair.verdict != NOISE]
    room = max(min(max((len(pair.row) for pair in shown), default=0), width - 45), SHORTEST)
    section = None
    for pair in shown:
        if pair.section != section:
            section = pair.section
            yield f"{section:<{room}} {'A':>8} {'B':>8} {'B / A':>6} {'noise':>5}  verdict"
        row = pair.row if len(pair.row) <= room else f"{pair.row[: room - 1]}…"
        yield (
            f"{row:<{room}} {_time(pair.a):>8} {_time(pair.b):>8} {pair.ratio:>6.2f} {pair.noise:>5.0%}  {pair.verdict}"
        )
    if shown:
        yield ""
    for record, rows in (("A", comparison.only_a), ("B", comparison.only_b)):
        if every:
            yield from (f"only in {record}: {row}" for row in rows)
        elif rows:
            counts = Counter(row.partition(":")[0] for row in rows)
            yield f"only in {record}: rows of {', '.join(f'{name} ({count})' for name, count in counts.items())}"
    if comparison.not_compared:
        yield f"not compared (sections without times): {', '.join(comparison.not_compared)}"
    if comparison.differences:
        yield "differences (A | B):"
        yield from (f"  {difference}" for difference in comparison.differences)
    verdicts = ", ".join(f"{comparison.count(verdict)} {verdict}" for verdict in (FASTER, SLOWER, NOISE))
    both = counted(len(comparison.pairs), "row")
    yield f"{verdicts}, of {both} in both records; tolerance {comparison.tolerance:.1%}"
    for who, own in ((OWN, True), ("other libraries", False)):
        mean = comparison.mean(own=own)
        if mean is not None:
            yield f"geometric mean of B / A, {who}: {mean:.3f}"


def _judge(section: str, key: Key, a: Row, b: Row, tolerance: float) -> Pair:
    time_a, time_b = _seconds(section, key, a), _seconds(section, key, b)
    ratio = 1.0 if time_a == time_b else time_b / time_a  # both may be infinite
    noise = _half_spread(a, time_a) + _half_spread(b, time_b)
    bound = 1 + max(tolerance, noise)
    verdict = SLOWER if ratio > bound else FASTER if ratio < 1 / bound else NOISE
    own = all(row.get(maker, OWN) == OWN for row in (a, b) for maker in MAKERS)
    return Pair(section, _words(key), own, time_a, time_b, ratio, noise, verdict)


def _seconds(section: str, key: Key, row: Row) -> float:
    value = row["seconds"] if "seconds" in row else row.get("median")
    if value is None and "seconds" in row:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise DataError(
            f"the time of {section}: {_words(key)} is {value!r}, expected positive seconds: measure it again"
        )
    return float(value)


def _half_spread(row: Row, time: float) -> float:
    if time == math.inf:
        return 0.0
    low, high = row.get("low"), row.get("high")
    return ONE_RUN if low is None or high is None or row.get("runs") == 1 else (high - low) / (2 * time)


def _facts(record: dict[str, Any]) -> dict[str, Any]:
    """Return the conditions that times depend on."""
    machine = record.get("machine", {})
    gpu = machine.get("gpu", {})
    own = next((row for row in rows_of(record, "kernels") if row.get("by") == OWN), {})
    return {
        **{name: machine.get(name) for name in ("gpugrad", "revision", "processor", "cores", "platform", "python")},
        "gpu": gpu.get("name"),
        "driver": gpu.get("nvidia_smi", {}).get("driver_version"),
        "tuned variants": machine.get("tuned_variants"),
        **machine.get("packages", {}),
        **({"device": own.get("device"), "toolchain": own.get("toolchain")} if own else {}),
        "quick run": "yes" if record.get("quick") else "no",
    }


def _words(key: Sequence[Any]) -> str:
    *values, number = key
    text = ", ".join(str(value) for value in values if value is not None)
    return text + (f" (no. {number + 1})" if number else "")


def _time(seconds: float) -> str:
    return "never" if seconds == math.inf else duration(seconds)
