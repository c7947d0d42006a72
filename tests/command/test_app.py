"""The command as a user runs it: output, files and errors."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

import gpugrad
from gpugrad import device, kernels
from gpugrad.command import app as cli
from gpugrad.engine.files import only_writer
from gpugrad.training import plots

TABLE = [
    "size,colour,weight,kind",
    *(
        f"{i % 7 + 3 * odd},{('red', 'blue', 'green')[i % 3]},{0.5 * (i % 5) + 4 * odd},{('pear', 'plum')[odd]}"
        for i in range(80)
        for odd in [i % 2]
    ),
]


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs the command in this process: (exit code, standard output, standard error)."""
    monkeypatch.setenv("GPUGRAD_DEVICE", "cpu")
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["gpugrad", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as exit:
            code = exit.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "fruit.csv"
    path.write_text("\n".join(TABLE) + "\n")
    return path


def last_json(out):
    return json.loads(out.strip().splitlines()[-1])


QUICK = ("--epochs", 2, "--hidden", 16)


def test_train_digits_prints_a_good_accuracy(run):
    code, out, err = run("train", "digits", "--json")
    result = last_json(out)
    assert code == 0
    assert result["test_accuracy"] >= 0.97
    assert {
        "dataset": "digits", "device": "cpu", "toolchain": "numba", "epochs": 20, "seed": 0
    }.items() <= result.items()  # fmt: skip
    for name in ("steps", "seconds", "samples_per_second", "train_loss", "test_loss", "parameters"):
        assert result[name] > 0
    assert len(out.strip().splitlines()) == 1
    assert "device  cpu" in err


def test_out_contains_model_history_and_pictures(run, tmp_path):
    out = tmp_path / "run"
    code, text, _ = run("train", "digits", *QUICK, "--out", out)
    assert code == 0
    assert "accuracy" in text
    names = {"model.safetensors", "checkpoint.safetensors", "history.json", "history.csv"}
    if plots.available():
        names |= {"history.png", "confusion.png"}
        assert (out / "history.png").read_bytes().startswith(b"\x89PNG")
    assert set(os.listdir(out)) == names
    records = json.loads((out / "history.json").read_text())["records"]
    rows = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    assert [float(row["train_loss"]) for row in rows] == [record["train_loss"] for record in records]
    assert [int(row["epoch"]) for row in rows] == [1, 2]


def test_dark_pictures(run, tmp_path):
    from PIL import Image

    pytest.importorskip("matplotlib")
    quick = ("--hidden", "8", "--epochs", "1")
    code, out, _ = run("train", "digits", *quick, "--out", tmp_path / "run", "--dark")
    assert code == 0
    assert "after 1 epoch in" in out
    for name in ("history.png", "confusion.png"):
        with Image.open(tmp_path / "run" / name) as image:
            assert max(image.convert("RGB").getpixel((0, 0))) < 30
    code, _, err = run("train", "digits", *quick, "--dark")
    assert (code, err) == (1, "gpugrad: --dark has no effect without --out, which writes the pictures: leave it out\n")


def test_evaluate_repeats_the_test_of_the_training(run, tmp_path):
    _, out, _ = run("train", "digits", *QUICK, "--out", tmp_path / "run", "--json")
    trained = last_json(out)
    code, out, err = run("evaluate", tmp_path / "run", "digits", "--json")
    assert code == 0
    assert last_json(out)["accuracy"] == trained["test_accuracy"]
    assert last_json(out)["loss"] == pytest.approx(trained["test_loss"], rel=1e-6)
    assert "precision" in err


def test_resume_uses_the_settings_of_the_checkpoint(run, tmp_path):
    """test_kill.py verifies that a killed and resumed run is bit-for-bit identical."""
    folder = tmp_path / "run"
    _, out, _ = run("train", "digits", *QUICK, "--dropout", 0.2, "--schedule", "cosine", "--out", folder, "--json")
    first = last_json(out)
    code, out, _ = run("train", "digits", "--resume", "--out", folder, "--json")
    assert code == 0
    for name in ("epochs", "steps", "train_loss", "test_loss", "parameters"):
        assert last_json(out)[name] == first[name]
    code, out, _ = run("train", "digits", "--resume", "--epochs", 3, "--out", folder, "--json")
    assert last_json(out)["epochs"] == 3
    code, _, err = run("train", "digits", "--resume", "--batch-size", 32, "--out", folder)
    assert code == 1
    assert "--batch-size cannot change" in err
    assert f"the run in {folder} has 64" in err
    code, _, err = run("train", "digits", "--resume", "--batch-size", 64, "--hidden", 8, "--out", folder)
    assert (code, "has 16: leave it out" in err) == (1, True)
    code, _, err = run("train", "digits.csv", "--resume", "--out", folder)
    assert (code, "is on digits, not on digits.csv" in err) == (1, True)


def write_shop(path, towns, *, scale=1, labels="pq", rows=60):
    lines = (f"{towns[i % len(towns)]},{scale * (i % 11)},{labels[i % 5 == 0]}" for i in range(rows))
    path.write_text("\n".join(["town,size,y", *lines]) + "\n")


def test_resume_is_refused_on_data_of_another_kind(run, tmp_path):
    table, folder = tmp_path / "t.csv", tmp_path / "run"
    write_shop(table, ["Bonn", "Ulm", "Kiel"])
    options = ("--target", "y", "--hidden", 4, "--batch-size", 16, "--out", folder)
    assert run("train", table, *options, "--epochs", 1)[0] == 0
    model = (folder / "model.safetensors").read_bytes()
    text = table.read_text()
    for change, difference in (
        (lambda: write_shop(table, ["Aachen", "Trier", "Jena"]), "it lacks the category 'Bonn' in column 'town'"),
        (lambda: write_shop(table, ["Bonn", "Ulm", "Kiel", "Jena"]), "it has the new category 'Jena' in column 'town'"),
        (lambda: write_shop(table, ["Bonn", "Ulm", "Kiel"], scale=2), "column 'size' has the mean and deviation "),
        (lambda: write_shop(table, ["Bonn", "Ulm", "Kiel"], labels="pr"), "it lacks the class 'q'"),
        (lambda: write_shop(table, [1, 2, 3]), "column 'town' has numbers, not categories"),
        (lambda: table.write_text(text.replace("size", "height")), "it lacks the column 'size'"),
        (lambda: table.write_text(text.replace("\n", ",1\n").replace("y,1", "y,new")), "it has the new column 'new'"),
        (
            lambda: table.write_text(
                "\n".join(",".join(line.split(",")[i] for i in (1, 0, 2)) for line in text.splitlines())
            ),
            "it has the column 'town' in another place",
        ),
    ):
        change()
        code, _, err = run("train", table, "--target", "y", "--out", folder, "--resume", "--epochs", 2)
        assert code == 1
        assert difference in err
        assert "; continue with the same data, or start a new run without --resume" in err
        assert len(err.splitlines()) == 1
    assert (folder / "model.safetensors").read_bytes() == model
    table.write_text(text)
    assert run("train", table, "--target", "y", "--out", folder, "--resume", "--epochs", 2)[0] == 0


def test_the_data_are_described(run, tmp_path):
    table = tmp_path / "t.csv"
    write_shop(table, [f"village{i}" if i % 9 == 0 else "Bonn" for i in range(60)])
    options = ("--target", "y", "--epochs", 1, "--hidden", 4)
    _, out, _ = run("train", table, *options)
    assert "\n        categories of town (8)\n" in out
    assert " test rows train instead: they have values in 'town' that no other training row has\n" in out
    _, out, _ = run("train", table, *options, "--categorical", "size,town", "--out", tmp_path / "run")
    assert "\n        categories of town (8), size (11)\n" in out
    code, out, _ = run("train", table, "--target", "y", "--resume", "--epochs", 2, "--out", tmp_path / "run")
    assert (code, "categories of town (8), size (11)" in out) == (0, True)
    code, out, _ = run("evaluate", tmp_path / "run", table)
    assert (code, " that it was not trained on\n" in out) == (0, True)
    code, _, err = run("train", table, *options, "--categorical", "site")
    assert (code, "there is no column 'site'" in err) == (1, True)
    table.write_text("a,y\n" + "".join(f"{'o3' if i == 41 else i},{'pq'[i % 2]}\n" for i in range(60)))
    code, _, err = run("train", table, *options)
    assert code == 1
    assert "column 'a' has 'o3' in data row 42: expected a number, as in 59 of 60 rows" in err
    assert "--categorical" in err


@pytest.mark.slow
def test_after_an_interrupt_there_is_a_model_and_the_run_can_continue(run, start, tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "gpugrad", "train", "digits", "--device", "cpu", "--hidden", "16", "--json"]
    process = start(*command, "--epochs", "100000", "--out", str(folder))
    end = time.monotonic() + 60
    while not (folder / "checkpoint.safetensors").exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("gpugrad: interrupted\n")
    assert "Traceback" not in err
    result = last_json(out)
    assert result["stopped"].startswith("interrupted in epoch")
    assert f"\n{result['stopped']}; continue with --resume\n" in err
    code, out, _ = run("evaluate", folder, "digits", "--json")
    assert last_json(out)["accuracy"] == result["test_accuracy"]
    code, out, _ = run("train", "digits", "--resume", "--out", folder, "--epochs", result["epochs"] + 1, "--json")
    assert (code, last_json(out)["epochs"]) == (0, result["epochs"] + 1)


def test_evaluate_uses_the_held_out_rows(run, tmp_path):
    _, out, _ = run("train", "digits", *QUICK, "--seed", 7, "--out", tmp_path / "run", "--json")
    trained = last_json(out)
    _, out, _ = run("evaluate", tmp_path / "run", "digits", "--json")
    assert last_json(out)["accuracy"] == trained["test_accuracy"]
    assert last_json(out)["loss"] == pytest.approx(trained["test_loss"], rel=1e-6)


def test_a_second_training_leaves_no_picture_of_the_first(run, table, tmp_path):
    if not plots.available():
        pytest.skip("no pictures without matplotlib")
    out = tmp_path / "run"
    quick = ("--epochs", 1, "--hidden", 4, "--batch-size", 16, "--out", out)
    run("train", table, "--target", "kind", *quick)
    assert (out / "confusion.png").exists()
    code, text, _ = run("train", table, "--target", "weight", *quick, "--overwrite")
    assert (code, ", regression\n" in text, " after 1 epoch in " in text) == (0, True, True)
    assert not (out / "confusion.png").exists()


def test_a_run_is_replaced_only_if_asked(run, table, tmp_path):
    out = tmp_path / "run"
    options = ("train", table, "--target", "kind", *QUICK, "--batch-size", 16, "--out", out)
    run(*options)
    before = {path: path.read_bytes() for path in out.iterdir()}
    code, _, err = run(*options)
    assert (code, "run has a run already: pass --resume to continue it, --overwrite to replace it" in err) == (1, True)
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert run(*options, "--seed", 1, "--overwrite")[0] == 0
    assert (out / "model.safetensors").read_bytes() != before[out / "model.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("train", "digits", "--out", ""), "--out"),
        (("train", "digits", "--out="), "--out"),
        (("train", "digits", "--resume", "--out", ""), "--out"),
        (("train", "mnist", "--data-dir", ""), "--data-dir"),
        (("train", "digits", "--profile", ""), "--profile"),
        (("evaluate", "", "digits"), "model"),
        (("predict", "m", "x.csv", "--out", ""), "--out"),
        (("export", "m", ""), "out"),
        (("descend", "saddle", "--out", ""), "--out"),
        (("bench", "kernels", "--json", ""), "--json"),
        (("bench", "report", "a.json", "--out", ""), "--out"),
        (("bench", "report", "a.json", "--png", ""), "--png"),
        (("bench", "compare", "a.json", ""), "B"),
    ],
)
def test_an_empty_path_is_refused(run, tmp_path, monkeypatch, arguments, name):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*arguments)
    words = f"'{name}': it is empty, expected a path; name a file or folder, or leave it out: see gpugrad"
    assert words.lower() in err.lower()  # Typer 0.26 writes the name of an argument in capitals
    assert (code, len(err.splitlines()), os.listdir()) == (2, 1, [])


def test_options_that_contradict_each_other_or_what_is_read_are_refused(run, table, tmp_path):
    out, train = tmp_path / "run", ("train", table, "--target", "kind", *QUICK, "--batch-size", 16)
    for more in (["--overwrite"], ["--overwrite", "--resume", "--out", out]):
        code, _, err = run(*train, *more)
        assert (code, "--overwrite replaces the run in --out: name the folder" in err) == (1, True)
    code, _, err = run(*train, "--out", out, "--profile", tmp_path)
    assert (code, "Is a directory: name a file in it" in err, out.exists()) == (1, True, False)
    code, _, err = run("train", table, "--target", "")
    assert (code, "there is no column ''" in err) == (1, True)
    run(*train, "--out", out)
    before = (out / "model.safetensors").read_bytes(), table.read_bytes()
    for target in (table, out / "model.safetensors"):
        code, _, err = run("predict", out, table, "--out", target)
        assert (code, "which is read: name another file for the predictions" in err) == (1, True)
    assert ((out / "model.safetensors").read_bytes(), table.read_bytes()) == before


def test_refused_data_leave_no_folder(run, tmp_path):
    (tmp_path / "empty.csv").write_text("a,kind\n,x\n2,y\n")
    assert run("train", tmp_path / "empty.csv", "--target", "kind", "--out", tmp_path / "new" / "run")[0] == 1
    assert not (tmp_path / "new" / "run").exists()


def test_a_finished_run_that_is_resumed_says_so(run, table, tmp_path):
    options = ("train", table, "--target", "kind", "--out", tmp_path / "run")
    run(*options, *QUICK, "--batch-size", 16)
    for more in ((), ("--epochs", 1)):
        code, text, _ = run(*options, "--resume", *more)
        assert (code, "run has 2 epochs already: pass more by --epochs to train on" in text) == (0, True)
    assert "already" not in run(*options, "--resume", "--epochs", 3)[1]


@pytest.mark.parametrize(("schedule", "spans"), [("one-cycle", True), ("step", True), ("constant", False)])
def test_a_schedule_that_a_resumed_run_stretches_is_named(run, table, tmp_path, schedule, spans):
    options = ("train", table, "--target", "kind", "--out", tmp_path / "run")
    run(*options, *QUICK, "--batch-size", 16, "--schedule", schedule)
    assert "spans" not in run(*options, "--resume")[1]
    text = run(*options, "--resume", "--epochs", 3)[1]
    assert (f"schedule {schedule} now spans 3 epochs, not 2: the rates differ" in text) == spans
    assert "spans" not in run(*options, "--resume")[1]


def test_a_long_run_prints_its_epochs_where_there_is_no_progress_bar(run, monkeypatch):
    monkeypatch.setattr("gpugrad.command.train.SECONDS_PER_LINE", 0.0)
    _, text, _ = run("train", "digits", "--epochs", 10, "--hidden", 8)
    lines = [line for line in text.splitlines() if line.startswith("epoch")]
    assert [line.split(":")[0] for line in lines] == [f"epoch   {number:>2}/10" for number in range(1, 11)]
    assert re.fullmatch(r"epoch    1/10: loss \d\.\d{4}, validation \d\.\d{4}, accuracy \d\.\d{4}", lines[0])


def test_rows_that_validate_are_not_counted_as_trained_on(run):
    _, text, _ = run("train", "digits", *QUICK)
    assert "data    digits: 1293 rows to train, 144 to validate, 360 to test, 64 features" in text
    _, text, _ = run("train", "digits", *QUICK, "--validation", 0)
    assert "data    digits: 1437 rows to train, 360 to test, 64 features" in text


def test_an_accuracy_is_printed_beside_that_of_the_majority_class(run, tmp_path):
    table = tmp_path / "rare.csv"
    table.write_text("a,kind\n" + "".join(f"{i % 7},{'yes' if i % 20 == 0 else 'no'}\n" for i in range(400)))
    code, text, _ = run("train", table, "--target", "kind", *QUICK, "--out", tmp_path / "run")
    assert (code, " (majority class 'no': 0.9500) after 2 epochs" in text) == (0, True)
    assert "(majority class 'no': 0.9500) on 80 rows" in run("evaluate", tmp_path / "run", table)[1]
    assert last_json(run("evaluate", tmp_path / "run", table, "--json")[1])["majority_class_accuracy"] == 0.95
    text = run("train", "digits", *QUICK, "--json")[1]
    assert "(majority" not in text
    assert 0.09 < last_json(text)["majority_class_accuracy"] < 0.12


def test_the_file_of_a_run_is_evaluated_on_the_rows_that_were_held_out(run, table, tmp_path):
    out = tmp_path / "run"
    _, text, _ = run("train", table, "--target", "kind", *QUICK, "--batch-size", 16, "--out", out, "--json")
    trained = last_json(text)
    moved = tmp_path / "elsewhere.csv"
    moved.write_bytes(table.read_bytes())
    _, text, _ = run("evaluate", out, moved, "--json")
    tested = last_json(text)
    assert (tested["loss"], tested["accuracy"]) == (trained["test_loss"], trained["test_accuracy"])
    assert "that it was not trained on" in run("evaluate", out, moved)[1]
    _, text, _ = run("evaluate", out, moved, "--all-rows")
    assert ", of which it was trained on most" in text
    moved.write_text(table.read_text() + "1,red,2,fig\n".replace("fig", "pear"))
    assert "trained on" not in run("evaluate", out, moved)[1]


def test_a_class_of_two_rows_is_trained_and_tested(run, table):
    table.write_text(table.read_text() + "1,red,2,fig\n2,red,2,fig\n")
    code, out, _ = run("train", table, "--target", "kind", *QUICK, "--batch-size", 16, "--json")
    assert code == 0
    assert 0 <= last_json(out)["test_accuracy"] <= 1


def test_a_table_from_training_to_predictions(run, table, tmp_path):
    out = tmp_path / "run"
    code, text, _ = run("train", table, "--target", "kind", "--epochs", 60, "--batch-size", 16, "--out", out)
    assert code == 0
    assert "5 features, 2 classes" in text
    new = tmp_path / "new.csv"
    new.write_text("colour,weight,size\nred,0.5,2\nblue,5.5,8\n")
    code, text, _ = run("predict", out, new)
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["label"] for row in rows] == ["pear", "plum"]
    for row in rows:
        assert float(row["probability_pear"]) + float(row["probability_plum"]) == pytest.approx(1, abs=1e-5)
    _, text, _ = run("predict", out, new, "--out", tmp_path / "p.csv", "--json")
    assert last_json(text)["rows"] == 2
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 3
    code, text, _ = run("evaluate", out, table, "--json")
    assert last_json(text)["accuracy"] > 0.95


def test_regression_predicts_in_the_target_s_units(run, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    path = tmp_path / "prices.csv"
    path.write_text("a,b,price\n" + "\n".join(f"{a},{b},{1000 + 300 * a - 200 * b}" for a, b in x) + "\n")
    code, out, _ = run("train", path, "--target", "price", "--out", tmp_path / "run", "--json", "--lr", 0.01)
    result = last_json(out)
    assert code == 0
    assert result["test_accuracy"] is None
    assert result["test_r2"] > 0.95
    code, out, _ = run("evaluate", tmp_path / "run", path, "--all-rows", "--json")
    again = last_json(out)
    code, _, err = run("train", path, "--target", "price", "--label-smoothing", 0.1)
    assert (code, "--label-smoothing needs classes" in err) == (1, True)
    code, _, err = run("train", path, "--target", "price", "--balanced")
    assert (code, "--balanced needs classes" in err) == (1, True)
    code, out, _ = run("predict", tmp_path / "run", path)
    predictions = np.array([float(row["prediction"]) for row in csv.DictReader(out.splitlines())])
    assert abs(predictions.mean() - 1000) < 60
    errors = predictions - (1000 + x @ [300, -200])
    assert again["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-4)


def test_json_of_a_score_that_is_not_a_number(run, tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("a,y\n" + "".join(f"{i},{i / 7}\n" for i in range(50)))
    run("train", path, "--target", "y", *QUICK, "--batch-size", 8, "--out", tmp_path / "run")
    one = tmp_path / "one.csv"
    one.write_text("a,y\n1,2.5\n")
    code, out, _ = run("evaluate", tmp_path / "run", one, "--json")
    assert code == 0
    assert "NaN" not in out
    assert last_json(out)["r2"] is None


def test_whole_numbers_can_be_a_quantity(run, table, tmp_path):
    quick = (*QUICK, "--batch-size", 16, "--json")
    _, out, _ = run("train", table, "--target", "size", *quick)
    assert last_json(out)["test_accuracy"] is not None
    _, out, _ = run("train", table, "--target", "size", "--task", "regression", *quick)
    assert last_json(out)["test_rmse"] > 0


def test_help_and_version(run):
    code, out, _ = run("--version")
    assert (code, out) == (0, f"gpugrad {gpugrad.__version__}\n")
    code, out, _ = run()
    assert code == 0
    listed = [
        line.split()[1]
        for line in out.partition("Commands")[2].splitlines()
        if line.startswith("│ ") and line[2] != " "
    ]
    assert listed[0] == "train"
    assert run("bench")[::2] == (0, "")
    assert "Usage: gpugrad bench" in run("bench")[1]
    for command in ("train", "evaluate", "predict", "info"):
        assert command in out
        code, text, _ = run(command, "--help")
        assert (code, f"Example: gpugrad {command}" in text) == (0, True)
        assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tran"], "no such command 'tran', did you mean 'train': see"),
        (["train"], "see gpugrad train --help"),
        (["train", "digits", "--lr", "abc"], "'--lr'"),
        (["train", "digits", "--epochs", "1.5"], "'--epochs'"),
        (["train", "digits", "--epochz", "1"], "--epochs"),
        (["evaluate", "run"], "see gpugrad evaluate --help"),
    ],
)
def test_options_that_cannot_be_read_are_one_sentence(run, arguments, words):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("gpugrad: ")
    assert words in err
    assert len(err.splitlines()) == 1


def test_info_lists_missing_packages_and_the_remedy(run):
    code, out, _ = run("info", "--json")
    report = last_json(out)
    assert code == 0
    devices = {(entry["device"], entry["toolchain"]): entry for entry in report["devices"]}
    assert devices["cpu", "numba"]["available"]
    assert devices["cpu", "numpy"]["available"]
    for entry in report["devices"]:
        assert entry["available"] or entry["reason"]
    assert {entry["package"] for entry in report["packages"]} >= {"numpy", "numba", "cupy"}
    for entry in report["packages"]:
        assert entry["version"] or "pip install" in entry["add_with"]
    code, out, _ = run("info")
    assert "Devices" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["digit"], "did you mean 'digits'"),
        (["digits", "--optimizer", "adm"], "did you mean 'adam'"),
        (["digits", "--activation", "rely"], "did you mean 'relu'"),
        (["digits", "--schedule", "cosin"], "did you mean 'cosine'"),
        (["digits", "--device", "gpu"], "unknown device 'gpu'"),
        (["digits", "--toolchain", "cupy"], "unknown toolchain"),
        (["digits", "--epochs", 0], "--epochs is 0"),
        (["digits", "--batch-size", -1], "--batch-size is -1"),
        (["digits", "--hidden", "64,x"], "--hidden is '64,x'"),
        (["digits", "--hidden", "64,-1"], "--hidden is '64,-1'"),
        (["digits", "--lr", 0], "--lr is 0"),
        (["digits", "--lr", "nan"], "--lr is nan"),
        (["digits", "--weight-decay", -0.1], "--weight-decay is -0.1"),
        (["digits", "--dropout", 1], "--dropout is 1"),
        (["digits", "--validation", 1.5], "--validation is 1.5"),
        (["digits", "--early-stopping", -2], "--early-stopping is -2"),
        (["digits", "--seed", -1], "seed is -1"),
        (["digits", "--target", "x"], "does not apply to digits"),
        (["digits", "--resume"], "--resume needs --out"),
        (["absent.csv", "--target", "y"], "absent.csv"),
        (["x" * 300 + ".csv", "--target", "y"], "File name too long"),
        (["digits", "--hidden", "99999999999"], "out of memory"),
        (["digits", "--hidden", "0,5"], "--hidden is '0,5'"),
        (["digits", "--task", "regression"], "does not apply to digits"),
    ],
)  # fmt: skip
def test_a_bad_option_is_one_sentence_with_a_remedy(run, tmp_path, arguments, words):
    out = tmp_path / "run"
    code, _, err = run("train", *arguments, *([] if "--resume" in arguments else ["--out", out]))
    assert code == 1
    assert err.startswith("gpugrad: ")
    assert words in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert not out.exists() or not os.listdir(out)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("a,b,kind\n", "row"),
        ("a,b,kind\n1,2,x\n1,2\n", "cells"),
        ("a,b,kind\n" + "1,2,x\n" * 50, "class"),
        ("a,b,kind\n" + "1,,x\n2,3,y\n" * 50, "'b' has no value in data row 1"),
        ("a,b,kind\n" + "1,nan,x\n2,3,y\n" * 50, "'b' has no value in data row 1"),
        ("a,b,kind\n" + "1,inf,x\n2,3,y\n" * 50, "inf"),
        ("a,b,sort\n" + "1,2,x\n2,3,y\n" * 50, "kind"),
    ],
    ids=["empty", "header only", "ragged", "one class", "missing value", "NaN", "infinity", "no target"],
)
def test_a_bad_table_is_one_sentence(run, tmp_path, content, words):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    out = tmp_path / "run"
    code, _, err = run("train", path, "--target", "kind", "--out", out)
    assert code == 1
    assert words.lower() in err.lower()
    assert len(err.strip().splitlines()) == 1
    assert not out.exists() or not os.listdir(out)


def test_labels_outside_the_classes(run, table, tmp_path):
    run("train", table, "--target", "kind", *QUICK, "--batch-size", 16, "--out", tmp_path / "run")
    other = tmp_path / "other.csv"
    other.write_text("size,colour,weight,kind\n1,red,2,apple\n")
    code, _, err = run("evaluate", tmp_path / "run", other)
    assert code == 1
    assert "apple" in err


def test_bad_model_files(run, table, tmp_path):
    code, _, err = run("predict", tmp_path / "absent", table)
    assert (code, "there is no file" in err) == (1, True)
    run("train", table, "--target", "kind", *QUICK, "--batch-size", 16, "--out", tmp_path / "run")
    model = tmp_path / "run" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-10])
    code, _, err = run("predict", tmp_path / "run", table)
    assert (code, "truncated" in err) == (1, True)
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:50])
    code, _, err = run("train", table, "--target", "kind", "--resume", "--out", tmp_path / "run")
    assert (code, "truncated" in err) == (1, True)


def test_an_output_folder_that_is_a_file(run, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run("train", "digits", "--out", tmp_path / "file")
    assert code == 1
    assert err.startswith("gpugrad: cannot write")


def test_a_loss_that_explodes(run, tmp_path):
    code, _, err = run("train", "digits", "--optimizer", "sgd", "--lr", 1e30, "--out", tmp_path / "run")
    assert code == 1
    assert "epoch 1, step" in err
    assert "wrote" in err


@pytest.mark.slow
def test_check_compares_every_kernel(run):
    code, out, _ = run("check", "--device", "cpu", "--toolchain", "numpy", "--json")
    report = last_json(out)
    assert (code, report["failed"], report["toolchains"]) == (0, [], ["cpu/numpy"])
    assert report["checks"] == report["kernels"] == len(list(kernels.contracts()))
    assert report["examples"] > 500


@pytest.mark.slow
def test_check_fails_on_a_wrong_kernel(run, monkeypatch):
    right = kernels.load("reference").adam_step

    def wrong(g, lr, grad_scale, p, *others, **settings):
        right(g, lr, grad_scale, p, *others, **settings)
        p *= 1.001

    launchers = vars(kernels.load("reference")) | {"adam_step": wrong}
    monkeypatch.setitem(vars(device("cpu", "numpy")), "kernels", SimpleNamespace(**launchers))
    code, out, _ = run("check", "--device", "cpu", "--toolchain", "numpy", "--json")
    assert code == 1
    assert last_json(out)["failed"] == ["adam_step"]


def test_a_second_run_into_a_folder_is_refused_and_the_first_goes_on(run, tmp_path):
    pytest.importorskip("fcntl")
    out = tmp_path / "run"
    with only_writer(out):
        (out / ".model.gpugrad-part").write_text("being written")
        code, _, err = run("train", "digits", "--epochs", "1", "--hidden", "4", "--out", str(out))
        assert (code, err) == (
            1, f"gpugrad: process {os.getpid()} is writing to {out}: wait until it ends, or choose another folder\n"
        )  # fmt: skip
        assert (out / ".model.gpugrad-part").exists()
    code, _, err = run("train", "digits", "--epochs", "1", "--hidden", "4", "--out", str(out))
    assert (code, err) == (0, "")
    assert "model.safetensors" in os.listdir(out)
    assert not [name for name in os.listdir(out) if name.startswith(".")]
