"""`gpugrad bench compare`: rows of two records that are faster, slower or within noise."""

import copy
import json
import os

import pytest
from typer.testing import CliRunner

from gpugrad.bench.records.compare import FASTER, NOISE, SLOWER, compare, differences, lines
from gpugrad.bench.records.record import read
from gpugrad.command.app import app
from gpugrad.errors import ArgumentError, DataError


def kernel(name, median, spread=0.0, **more):
    identity = {"kernel": name, "size": "64", "by": "gpugrad", "cache": "hot"}
    return identity | {"median": median, "low": median * (1 - spread), "high": median * (1 + spread)} | more


def record(*rows, section="kernels", **more):
    return {"format": 1, "quick": False, "machine": {}, "sections": {section: {"rows": list(rows)}}} | more


def verdict(a, b, tolerance=0.05):
    (pair,) = compare(record(a), record(b), tolerance).pairs
    return pair.verdict


@pytest.mark.parametrize(
    ("factor", "spread_a", "spread_b", "expected"),
    [
        (1.04, 0.0, 0.0, NOISE),  # less than the tolerance
        (1.06, 0.0, 0.0, SLOWER),
        (1 / 1.06, 0.0, 0.0, FASTER),  # the previous change, inverted
        (1.15, 0.06, 0.06, SLOWER),  # more than the sum of the half spreads
        (1.11, 0.06, 0.06, NOISE),  # less
        (1.11, 0.12, 0.0, NOISE),  # the noise of one record is enough
        (1.11, 0.0, 0.12, NOISE),
    ],
)
def test_a_change_counts_where_it_exceeds_the_tolerance_and_both_spreads(factor, spread_a, spread_b, expected):
    assert verdict(kernel("k", 1e-3, spread_a), kernel("k", factor * 1e-3, spread_b)) == expected


def test_the_tolerance_is_chosen():
    a, b = kernel("k", 1.0), kernel("k", 1.2)
    assert verdict(a, b, tolerance=0.1) == SLOWER
    assert verdict(a, b, tolerance=0.25) == NOISE
    with pytest.raises(ArgumentError, match=r"tolerance is -0\.1, expected 0 or more"):
        compare(record(a), record(b), -0.1)


def test_a_row_that_was_measured_once_has_ten_percent_of_noise():
    once = {"runs": 1}
    assert verdict(kernel("k", 1.0, **once), kernel("k", 1.2, **once)) == NOISE
    assert verdict(kernel("k", 1.0, **once), kernel("k", 1.3, **once)) == SLOWER
    assert verdict(kernel("k", 1.0, runs=9), kernel("k", 1.2, runs=9)) == SLOWER


def test_rows_are_paired_by_what_they_measure():
    a = record(kernel("k", 1.0), kernel("k", 2.0, size="128"), kernel("k", 3.0, by="torch"), kernel("old", 1.0))
    b = record(kernel("k", 3.0, by="torch"), kernel("new", 1.0), kernel("k", 1.0, size="128"), kernel("k", 1.0))
    found = compare(a, b)
    assert {pair.row: pair.ratio for pair in found.pairs} == {
        "k, 64, gpugrad, hot": 1.0,
        "k, 128, gpugrad, hot": 0.5,
        "k, 64, torch, hot": 1.0,
    }
    assert found.only_a == ["kernels: old, 64, gpugrad, hot"]
    assert found.only_b == ["kernels: new, 64, gpugrad, hot"]


def test_rows_of_one_name_are_paired_in_their_order():
    found = compare(record(kernel("k", 1.0), kernel("k", 4.0)), record(kernel("k", 1.0), kernel("k", 8.0)))
    assert [pair.ratio for pair in found.pairs] == [1.0, 2.0]
    assert found.pairs[1].row.endswith("(no. 2)")


def test_the_geometric_means_of_gpugrad_and_of_the_others():
    a = record(kernel("a", 1.0), kernel("b", 1.0), kernel("a", 1.0, by="torch"))
    b = record(kernel("a", 8.0), kernel("b", 0.5), kernel("a", 3.0, by="torch"))
    found = compare(a, b)
    assert found.mean(own=True) == pytest.approx(2.0)
    assert found.mean(own=False) == pytest.approx(3.0)
    assert compare(record(), record()).mean(own=True) is None


def reached(seconds):
    row = {"network": "784-128-10", "batch": 64, "engine": "gpugrad", "data": "mnist", "target": 0.975}
    return record(row | {"seconds": seconds}, section="time_to_accuracy")


@pytest.mark.parametrize(
    ("before", "after", "expected"), [(2.0, None, SLOWER), (None, 2.0, FASTER), (None, None, NOISE), (2.0, 4.0, SLOWER)]
)
def test_a_target_that_was_not_reached_takes_forever(before, after, expected):
    found = compare(reached(before), reached(after))
    assert found.pairs[0].verdict == expected
    text = "\n".join(lines(found, every=True))
    assert ("never" in text) == (None in (before, after))
    assert json.loads(json.dumps(found.record()["counts"]))[expected] == 1


@pytest.mark.parametrize("time", [None, 0, -1.0, "1 ms", float("nan"), True])
def test_an_invalid_time_is_an_error(time):
    with pytest.raises(DataError, match=r"time of kernels: k, 64, gpugrad, hot is .*, expected positive seconds"):
        compare(record(kernel("k", 1.0) | {"median": time}), record(kernel("k", 1.0)))


def test_differences_of_the_machines_are_reported():
    a = record(kernel("k", 1.0, device="cpu", toolchain="numba"))
    a["machine"] = {"processor": "EPYC", "cores": 2, "python": "3.11.7", "packages": {"numpy": "2.0.0", "jax": "0.10"}}
    b = copy.deepcopy(a) | {"quick": True}
    assert differences(a, a) == []
    b["machine"] |= {"cores": 4, "packages": {"numpy": "2.1.0"}, "gpu": {"name": "NVIDIA H200"}}
    b["sections"]["kernels"]["rows"][0] |= {"device": "cuda:0", "toolchain": "cupy"}
    found = differences(a, b)
    assert set(found) == {
        "cores 2 | 4",
        "gpu none | NVIDIA H200",
        "numpy 2.0.0 | 2.1.0",
        "jax 0.10 | none",
        "device cpu | cuda:0",
        "toolchain numba | cupy",
        "quick run no | yes",
    }
    assert "  cores 2 | 4" in lines(compare(a, b))


def test_lines_fit_the_width_and_show_what_changed():
    rows = [kernel(f"a_kernel_with_a_long_name_{i}", 1e-3, size="512 × 1024 → 1024, all weights") for i in range(3)]
    a, b = record(*rows), copy.deepcopy(record(*rows))
    b["sections"]["kernels"]["rows"][0]["median"] = 2e-3
    found = compare(a, b)
    for width in (80, 120):
        assert max(map(len, lines(found, width=width))) <= width
        assert max(map(len, lines(found, width=width, every=True))) <= width
    text = "\n".join(lines(found, width=200))
    assert "a_kernel_with_a_long_name_0, 512 × 1024 → 1024, all weights, gpugrad, hot" in text
    assert "a_kernel_with_a_long_name_1" not in text
    assert "a_kernel_with_a_long_name_1" in "\n".join(lines(found, every=True))
    assert "0 faster, 1 slower, 2 within noise, of 3 rows" in text


# ---- the command ----


def invoked(folder, a, b, *options):
    for name, content in (("a.json", a), ("b.json", b)):
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return CliRunner().invoke(app, ["bench", "compare", str(folder / "a.json"), str(folder / "b.json"), *options])


def test_the_exit_code_is_1_where_a_row_is_slower(tmp_path):
    fast, slow = record(kernel("k", 1.0)), record(kernel("k", 2.0))
    assert invoked(tmp_path, fast, fast).exit_code == 0
    assert invoked(tmp_path, slow, fast).exit_code == 0
    result = invoked(tmp_path, fast, slow, "--json", str(tmp_path / "out.json"))
    assert result.exit_code == 1
    assert "2.00" in result.output
    assert "geometric mean of B / A, gpugrad: 2.000" in result.output
    kept = json.loads((tmp_path / "out.json").read_text())
    assert kept["counts"] == {"faster": 0, "slower": 1, "within noise": 0}
    assert kept["mean"] == 2.0
    assert invoked(tmp_path, fast, slow, "--tolerance", "1.5").exit_code == 0


def test_records_without_a_common_time_are_refused(tmp_path):
    result = invoked(tmp_path, record(kernel("k", 1.0)), record(section="latency"))
    assert isinstance(result.exception, DataError)
    assert "a.json (kernels) and " in str(result.exception)
    assert "b.json (latency) have no time in common" in str(result.exception)
    assert not result.output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("not JSON", "cannot read "),
        ("[1, 2]", "is not a record of format 1"),
        ('{"format": 7, "sections": {}}', "is not a record of format 1"),
        (r'{"format": 1, "sections": {}, "commit": "\ud800"}', "cannot read "),
        ('{"format": 1, "sections": {"kernels": 3}}', "the section kernels of the record has no list"),
        (
            '{"format": 1, "sections": {"kernels": {"rows": [3]}}}',
            "the section kernels of the record has no list",
        ),
    ],
)
def test_a_file_that_is_not_a_record_is_an_error(tmp_path, content, words):
    result = invoked(tmp_path, record(kernel("k", 1.0)), content)
    assert isinstance(result.exception, DataError)
    assert words in str(result.exception)


@pytest.mark.skipif(os.name != "posix", reason="this system has no devices")
def test_what_is_no_regular_file_is_no_record():
    with pytest.raises(DataError, match="/dev/null is no regular file: pass a file written by gpugrad bench"):
        read("/dev/null")
