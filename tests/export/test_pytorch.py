"""torch.nn.Sequential loads the weights and predicts the same."""

import itertools
import sys

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import export, nn
from gpugrad.errors import ArgumentError
from gpugrad.kernels import activation

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
Y = np.arange(30) % 3

# In each of the two libraries.
ACTIVATIONS = {row.sklearn_name or row.name: row.module for row in activation.ACTIVATIONS.values()}


def sequential(torch, activation, *sizes):
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        make = getattr(torch.nn, activation, None) or pytest.skip(f"PyTorch has no {activation}")
        layers += [torch.nn.Linear(n_in, n_out), make()]
    return torch.nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_estimator(activation, suffix, tmp_path):
    torch = pytest.importorskip("torch")
    model = gg.MLPClassifier((6, 5), activation, max_iter=3, random_state=0, device="cpu", dropout=0.2).fit(X, Y)
    path = tmp_path / f"model{suffix}"
    export.to_pytorch(model, path)
    if suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(path)
    else:
        state = torch.load(path)
    theirs = sequential(torch, ACTIVATIONS[activation], 4, 6, 5, 3)
    theirs.load_state_dict(state)
    with torch.no_grad():
        probabilities = theirs(torch.from_numpy(X)).softmax(1).numpy()
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-6)


def test_a_network_of_the_engine(tmp_path):
    torch = pytest.importorskip("torch")
    model = nn.MLP(4, [6, 5], 2, activation="gelu", dropout=0.5, seed=1)
    export.to_pytorch(model, tmp_path / "model.pt")
    theirs = sequential(torch, "GELU", 4, 6, 5, 2)
    theirs.load_state_dict(torch.load(tmp_path / "model.pt"))
    with torch.no_grad():
        found = theirs(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(found, model.eval()(gg.tensor(X)).detach().numpy(), atol=1e-6)


def test_names_and_layout_without_torch(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    model = nn.Sequential(nn.Dense(4, 3, bias=False, seed=1), nn.Dropout(0.5), nn.ReLU(), nn.Dense(3, 2, seed=2))
    state = export.to_pytorch(model, tmp_path / "model.safetensors")
    assert {name: array.shape for name, array in state.items()} == {
        "0.weight": (3, 4),
        "2.weight": (2, 3),
        "2.bias": (2,),
    }
    other = nn.Sequential(nn.Dense(4, 3, bias=False), nn.ReLU(), nn.Dense(3, 2))
    nn.load_pytorch(other, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(other[0].weight.numpy(), model[0].weight.numpy())
    with pytest.raises(ArgumentError, match=r"PyTorch.*is not installed: pip install torch, or write .safetensors"):
        export.to_pytorch(model, tmp_path / "model.pt")
    assert not (tmp_path / "model.pt").exists()


def test_an_unknown_ending(tmp_path):
    with pytest.raises(ArgumentError, match=r"ends in '.bin', expected .pt or .pth or .safetensors: rename it"):
        export.to_pytorch(nn.MLP(4, [3], 2), tmp_path / "model.bin")
