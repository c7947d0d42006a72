"""`gpugrad export`: from the folder of a run to a file for deployment."""

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import export
from gpugrad.command import evaluate, train
from gpugrad.command.export import export as command
from gpugrad.command.settings import Settings
from gpugrad.errors import ArgumentError, CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    train.run(Settings("digits", hidden=(16,), epochs=2, device="cpu"), out=folder, log=lambda *_: None)
    return folder


@pytest.mark.parametrize("given", ["folder", "file"])
def test_the_whole_model(given, trained, tmp_path, capsys, serve):
    onnx = pytest.importorskip("onnx")
    out = tmp_path / "digits.onnx"
    command(trained if given == "folder" else trained / "model.safetensors", out)
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {out}",
        "inputs  X float32 (rows, 64)",
        "outputs label text (rows), probabilities float32 (rows, 10)",
    ]
    digits = gg.data.load("digits")
    served = serve(onnx.load(out), X=digits.x_test.astype(np.float32))
    accuracy = np.mean(served["label"] == np.array(digits.classes)[digits.y_test])
    tested = evaluate.run(trained, "digits", device="cpu", log=lambda *_: None)
    assert accuracy == pytest.approx(tested["accuracy"])


def test_weights_for_pytorch(trained, tmp_path, capsys):
    torch = pytest.importorskip("torch")
    command(trained, tmp_path / "digits.pt")
    assert "for torch.load" in capsys.readouterr().out
    model = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
    model.load_state_dict(torch.load(tmp_path / "digits.pt"))


def test_weights_for_pytorch_without_pytorch(trained, tmp_path, capsys):
    command(trained, tmp_path / "digits.safetensors")
    assert "for safetensors.torch.load_file" in capsys.readouterr().out
    model = gg.nn.Sequential(gg.nn.Linear(64, 16), gg.nn.ReLU(), gg.nn.Linear(16, 10))
    gg.nn.load_pytorch(model, tmp_path / "digits.safetensors")


def test_a_stored_estimator(tmp_path, serve, agree):
    onnx = pytest.importorskip("onnx")
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    model = gg.MLPClassifier((4,), max_iter=3, device="cpu").fit(x, np.array(["a", "b", "c"])[np.arange(30) % 3])
    export.to_safetensors(model, tmp_path / "model.safetensors")
    command(tmp_path / "model.safetensors", tmp_path / "model.onnx")
    agree(model, x, serve(onnx.load(tmp_path / "model.onnx"), X=x))


def test_what_is_refused(trained, tmp_path):
    with pytest.raises(ArgumentError, match=r"ends in '.h5', expected .onnx or .pt or .pth or .safetensors: rename it"):
        command(trained, tmp_path / "model.h5")
    with pytest.raises(CheckpointError, match="there is no file"):
        command(tmp_path / "none", tmp_path / "model.onnx")
    gg.save_model(gg.nn.MLP(2, [3], 1), tmp_path / "own.safetensors")
    with pytest.raises(CheckpointError, match=r"was not written by gpugrad train: use it with gg.load_model"):
        command(tmp_path / "own.safetensors", tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
