"""`gpugrad bench operations`: its rows, its refusals and its record; no time is compared with another."""

import json

import pytest
from typer.testing import CliRunner

import gpugrad as gg
from gpugrad.bench.measure import operations
from gpugrad.command.app import app
from gpugrad.errors import ArgumentError


def test_both_sides_compute_the_same():
    torch = pytest.importorskip("torch")
    device = gg.device("cpu")
    for _, ours, theirs in operations._operations(device, torch):
        assert ours().numpy() == pytest.approx(theirs().detach().numpy(), rel=1e-5, abs=1e-6)
    for _, ours, theirs in operations._steps(device, torch):
        ours(), theirs()


def test_a_gpu_is_refused():
    with pytest.raises(ArgumentError, match="the device is simulator, expected a CPU"):
        operations.measure(gg.Device("simulator", "numba"), on_row=print)


def test_the_command_prints_every_row_and_writes_a_record(tmp_path):
    pytest.importorskip("torch")
    file = tmp_path / "record.json"
    ended = CliRunner().invoke(app, ["bench", "operations", "--quick", "--json", str(file)])
    assert ended.exit_code == 0, ended.output
    rows = json.loads(file.read_text())["sections"]["operations"]["rows"]
    assert [row["operation"] for row in rows][-2:] == ["step, Adam", "step, fused Adam"]
    for row in rows:
        assert row["operation"] in ended.output
        assert 0 < row["low"] <= row["times_ours"] <= row["high"]
