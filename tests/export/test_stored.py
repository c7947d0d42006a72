"""Estimators as safetensors and as NumPy arrays: a round trip changes nothing, and a file runs no code."""

import json

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.exceptions import NotFittedError

import gpugrad as gg
from gpugrad import export
from gpugrad.errors import ArgumentError, CheckpointError
from gpugrad.export import Exports
from gpugrad.training import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = RNG.integers(0, 3, 60)

CLASSES = {
    "two": Y > 0,
    "two texts": np.array(["no", "yes"])[Y % 2],
    "three": Y * 10 - 7,
    "three texts": np.array(["rot", "grün", "blau"])[Y],
    "three objects": np.array(["a", "b", "cc"], object)[Y],
    "floats": Y.astype(np.float32),
    "one": np.full(60, 4),
    "two labels": RNG.integers(0, 2, (60, 2)),
    "four labels": RNG.integers(0, 2, (60, 4)),
}
NUMBERS = {"a number": X.sum(1), "three numbers": X[:, :3], "counts": RNG.poisson(3, 60)}


def fitted(target, **params):
    params = {"hidden_layer_sizes": (5, 3), "max_iter": 4, "random_state": 0, "device": "cpu", **params}
    if target in CLASSES:
        return gg.MLPClassifier(**params).fit(X, CLASSES[target])
    return gg.MLPRegressor(loss="poisson" if target == "counts" else "squared_error", **params).fit(X, NUMBERS[target])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [*CLASSES, *NUMBERS])
def test_read_back_it_is_the_same(target, dtype, tmp_path):
    model = fitted(target)
    model.coefs_ = [w.astype(dtype) for w in model.coefs_]
    model.intercepts_ = [b.astype(dtype) for b in model.intercepts_]
    export.to_safetensors(model, tmp_path / "model.safetensors")
    back = export.load_safetensors(tmp_path / "model.safetensors")
    assert type(back) is type(model)
    assert back.get_params() == model.get_params()
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    assert back.predict(X).dtype == model.predict(X).dtype
    learned = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")}
    assert learned == {name for name in vars(back) if name.endswith("_") and not name.startswith("_")}
    assert back.loss_curve_ == model.loss_curve_
    assert back.history_.records == model.history_.records
    if target in CLASSES:
        np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))
        assert back.classes_.dtype == model.classes_.dtype
        np.testing.assert_array_equal(back.classes_, model.classes_)
        assert back.score(X, CLASSES[target]) == model.score(X, CLASSES[target])


@pytest.mark.parametrize("target", ["three texts", "two labels", "counts"])
def test_what_was_read_trains_on(target, tmp_path):
    model = fitted(target)
    export.to_safetensors(model, tmp_path / "model.safetensors")
    back = export.load_safetensors(tmp_path / "model.safetensors")
    back.partial_fit(X, {**CLASSES, **NUMBERS}[target])
    assert back.n_iter_ == 1
    assert back.t_ == model.t_ + 60
    assert not np.array_equal(back.coefs_[0], model.coefs_[0])
    back.fit(X, {**CLASSES, **NUMBERS}[target])
    np.testing.assert_array_equal(back.coefs_[0], model.coefs_[0])


@pytest.mark.parametrize("params", [{"solver": "lbfgs"}, {"early_stopping": True}, {"hidden_layer_sizes": ()}])
def test_other_trainings(params, tmp_path):
    model = fitted("three", **params)
    export.to_safetensors(model, tmp_path / "model.safetensors")
    back = export.load_safetensors(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))
    assert getattr(back, "validation_scores_", None) == getattr(model, "validation_scores_", None)


def test_names_of_features(tmp_path):
    frame = pytest.importorskip("pandas").DataFrame(X, columns=["a", "b", "ü", "d"])
    model = gg.MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, device="cpu").fit(frame, X[:, 0])
    export.to_safetensors(model, tmp_path / "model.safetensors")
    back = export.load_safetensors(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(back.predict(frame), model.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        back.predict(frame[["b", "a", "ü", "d"]])


def test_parameters_that_are_no_plain_values(tmp_path):
    weights = {"rot": 2.0, "grün": 1, "blau": np.float32(0.5)}
    model = fitted(
        "three texts",
        class_weight=weights,
        callbacks=[gg.Callback()],
        random_state=np.random.RandomState(0),
        device=gg.device("cpu"),
        checkpoint=tmp_path / "checkpoint",
        hidden_layer_sizes=np.array([5, 3]),
        alpha=np.float64(0.5),
    )
    export.to_safetensors(model, tmp_path / "model.safetensors")
    back = export.load_safetensors(tmp_path / "model.safetensors")
    assert back.class_weight == weights
    assert (back.callbacks, back.random_state, back.checkpoint, back.device) == (None, None, None, "cpu")
    assert (back.hidden_layer_sizes, back.alpha) == ((5, 3), 0.5)
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    back.fit(X, CLASSES["three texts"])


def test_another_device(tmp_path):
    model = fitted("a number")
    model.device = "cuda"
    export.to_safetensors(model, tmp_path / "model.safetensors")
    assert export.load_safetensors(tmp_path / "model.safetensors").device == "cuda"
    back = export.load_safetensors(tmp_path / "model.safetensors", device="cpu")
    assert back.predict(X).shape == (60,)


def change(header, arrays, what):
    if what == "class":
        header["class"] = "Module"
    elif what == "parameter":
        header["params"]["momentum_of_inertia"] = 1
    elif what == "value of a parameter":
        header["params"]["activation"] = "relux"
    elif what == "activation of the output":
        header["out_activation"] = "softmin"
    elif what == "layers":
        header["layers"] = 2
    elif what == "no layers":
        header["layers"] = 0
    elif what == "shape":
        arrays["intercepts_0"] = arrays["intercepts_0"][:-1]
    elif what == "dtype":
        arrays["coefs_0"] = arrays["coefs_0"].astype(np.int32)
    elif what == "classes":
        header["classes"] = header["classes"][:2]
    else:
        del header[what]


@pytest.mark.parametrize(
    "what",
    ["class", "activation of the output", "parameter", "value of a parameter", "layers", "no layers", "shape", "dtype",
     "classes", "params", "out_activation", "progress"],
)  # fmt: skip
def test_damaged_files(what, tmp_path):
    path = tmp_path / "model.safetensors"
    export.to_safetensors(fitted("three texts"), path)
    arrays, header = checkpoint.read_file(path)
    change(header, arrays, what)
    checkpoint.write_file(path, arrays, header)
    with pytest.raises(CheckpointError, match="does not describe an estimator of this gpugrad"):
        export.load_safetensors(path)


def test_files_of_another_kind(tmp_path):
    path = tmp_path / "model.safetensors"
    gg.save_model(gg.nn.MLP(2, [3], 1), path)
    with pytest.raises(CheckpointError, match=r"has no estimator.*load a model with gg.load_model"):
        export.load_safetensors(path)
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        export.load_safetensors(path)
    with pytest.raises(CheckpointError, match="there is no file"):
        export.load_safetensors(tmp_path / "none.safetensors")


@pytest.mark.parametrize("target", [*CLASSES, *NUMBERS])
def test_arrays_are_enough_to_predict_by_hand(target, tmp_path):
    model = fitted(target, activation="tanh")
    export.to_numpy(model, tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as arrays:
        metadata = json.loads(str(arrays["metadata"]))
        assert metadata["params"]["activation"] == "tanh"
        x = X
        for i in range(metadata["layers"]):
            x = x @ arrays[f"coefs_{i}"] + arrays[f"intercepts_{i}"]
            x = np.tanh(x) if i < metadata["layers"] - 1 else x
        if metadata["out_activation"] == "exp":
            x = np.exp(x)
        if target in NUMBERS:
            np.testing.assert_allclose(x.reshape(model.predict(X).shape), model.predict(X), atol=1e-12)
        elif metadata["multilabel"]:
            np.testing.assert_array_equal(x > 0, model.predict(X))
        else:
            index = (
                x.argmax(1) if metadata["out_activation"] == "softmax" else (x[:, 0] > 0) * (len(arrays["classes"]) > 1)
            )
            np.testing.assert_array_equal(arrays["classes"][index.astype(int)], model.predict(X))


@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        ("export_onnx", ".onnx"),
        ("export_safetensors", ".safetensors"),
        ("export_pytorch", ".safetensors"),
        ("export_numpy", ".npz"),
    ],
)
def test_methods_of_the_estimators(method, suffix, tmp_path):
    if method == "export_onnx":
        pytest.importorskip("onnx")
    model, path = fitted("three texts"), tmp_path / f"model{suffix}"
    getattr(Exports, method)(model, path)
    assert path.stat().st_size > 200
    with pytest.raises(ArgumentError, match=f"ends in '.txt', expected .*{suffix}"):
        getattr(Exports, method)(model, tmp_path / "model.txt")
    with pytest.raises(NotFittedError):
        getattr(Exports, method)(gg.MLPClassifier(), path)


@pytest.mark.parametrize(
    ("write", "name"),
    [(export.to_safetensors, "model.safetensors"), (export.to_numpy, "model.npz"), (export.to_pytorch, "model.pt")],
)
def test_other_models_are_refused(write, name, tmp_path):
    theirs = neural_network.MLPClassifier((3,), max_iter=2).fit(X, Y)
    with pytest.raises(ArgumentError, match="model is an MLPClassifier, expected gpugrad's MLPClassifier or"):
        write(theirs, tmp_path / name)
    assert not (tmp_path / name).exists()
