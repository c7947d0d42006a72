"""Two records beside each other: which rows became faster or slower, by more than their noise."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import geometric_mean
from typing import Any

from ...errors import ArgumentError, DataError
from ..measure.kernels import OWN
from .rows import Row, rows_of
from .tables import duration

# What makes two rows the same measurement. Rows of one record that share all of it are paired in their order.
IDENTITY = {
    "kernels": ("kernel", "size", "by", "cache"),
    "training": ("network", "batch", "engine", "data"),
    "time_to_accuracy": ("network", "batch", "engine", "data", "target"),
    "scaling": ("axis", "value", "network", "batch"),
    "startup": ("what", "cache"),
    "estimators": ("data", "estimator", "device"),
}
MAKERS = ("by", "engine")  # who made a row: gpugrad, where it does not say
ONE_RUN = 0.1  # the noise of a row without a spread, as a share of its time
FASTER, SLOWER, NOISE = "faster", "slower", "within noise"
SHORTEST = 24  # characters that are left of a row's name, however narrow the terminal is
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Pair:
    """One measurement in both records: seconds in each, ratio B/A, the noise as a share of the time, the verdict."""

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
    """Record B against record A; only_a, only_b: rows that the other lacks; differences: of versions and machines."""

    tolerance: float
    pairs: list[Pair]
    only_a: list[str]
    only_b: list[str]
    differences: list[str]
    not_compared: list[str]  # sections

    def count(self, verdict: str) -> int:
        return sum(pair.verdict == verdict for pair in self.pairs)

    def mean(self, *, own: bool) -> float | None:
        """The geometric mean of the ratios B/A, of gpugrad or of the others; None without rows."""
        ratios = [pair.ratio for pair in self.pairs if pair.own == own and 0 < pair.ratio < math.inf]
        return geometric_mean(ratios) if ratios else None

    def record(self) -> dict[str, Any]:
        """All of it, for JSON."""
        counts = {name: self.count(name) for name in (FASTER, SLOWER, NOISE)}
        return {**asdict(self), "counts": counts, "mean": self.mean(own=True), "mean_others": self.mean(own=False)}


def compare(a: dict[str, Any], b: dict[str, Any], tolerance: float = 0.05) -> Comparison:
    """Pair the rows of two records and judge the ratio of their times, B/A.

    The time of a row is its median, or its `seconds` in a section that has those; seconds that are null, of a target
    that was not reached, are infinite. A row is slower where B/A is more than 1 + tolerance and more than 1 + noise,
    faster where A/B is, and within noise else. The noise is the sum of both rows' relative half spreads,
    (high - low) / (2 median); a row that was measured once has none, and 10 % stand for it.

    Raises ArgumentError for a negative tolerance, DataError for a row whose time is no positive number.
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
    """The rows of a section by what identifies them, and a number where that is not unique."""
    seen: Counter[Key] = Counter()
    rows = {}
    for row in rows_of(record, section):
        key = tuple(row.get(name) for name in IDENTITY[section])
        rows[(*key, seen[key])] = row
        seen[key] += 1
    return rows


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """What is not the same in two records, the versions and the machine, as "numpy 2.0.0 | 2.1.0"."""
    facts_a, facts_b = _facts(a), _facts(b)
    return [
        f"{name} {facts_a.get(name) or 'none'} | {facts_b.get(name) or 'none'}"
        for name in {**facts_a, **facts_b}
        if facts_a.get(name) != facts_b.get(name)
    ]


def lines(comparison: Comparison, *, every: bool = False, width: int = 120) -> Iterator[str]:
    """What to print in `width` columns: the rows that differ, or all, then counts, means and what else differs."""
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
        yield f"not compared, sections without times: {', '.join(comparison.not_compared)}"
    if comparison.differences:
        yield "not the same in both (A | B):"
        yield from (f"  {difference}" for difference in comparison.differences)
    told = ", ".join(f"{comparison.count(verdict)} {verdict}" for verdict in (FASTER, SLOWER, NOISE))
    yield f"{told}, of {len(comparison.pairs)} rows in both records; tolerance {comparison.tolerance:.1%}"
    for who, own in ((OWN, True), ("other libraries", False)):
        mean = comparison.mean(own=own)
        if mean is not None:
            yield f"geometric mean of B / A, {who}: {mean:.3f}"


def _judge(section: str, key: Key, a: Row, b: Row, tolerance: float) -> Pair:
    time_a, time_b = _seconds(section, key, a), _seconds(section, key, b)
    ratio = 1.0 if time_a == time_b else time_b / time_a  # also where both are infinite
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
    """What was measured, and the conditions that times depend on."""
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
    told = ", ".join(str(value) for value in values if value is not None)
    return told + (f" (no. {number + 1})" if number else "")


def _time(seconds: float) -> str:
    return "never" if seconds == math.inf else duration(seconds)
