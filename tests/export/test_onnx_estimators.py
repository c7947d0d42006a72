"""Estimators in onnxruntime: every kind of target and activation, on random rows and on edge cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gpugrad as gg
from gpugrad import export
from gpugrad.errors import ArgumentError, StorageError
from gpugrad.export import graph
from gpugrad.kernels.activation import SKLEARN_NAMES

pytest.importorskip("onnx")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ACTIVATIONS = [called for called, name in SKLEARN_NAMES.items() if graph.has_counterpart(name)]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
CODES = RNG.integers(0, 3, 60)

TARGETS = {
    "two classes": CODES > 0,
    "two texts": np.array(["no", "yes"])[CODES % 2],
    "three classes": CODES * 10 - 7,
    "three texts": np.array(["rot", "grün", "blau"])[CODES],
    "three objects": np.array(["a", "b", "cc"], object)[CODES],
    "whole floats": CODES.astype(float),
    "one class": np.full(60, 4),
    "two labels": RNG.integers(0, 2, (60, 2)),
    "four labels": RNG.integers(0, 2, (60, 4)),
    "a number": X @ RNG.normal(size=5),
    "three numbers": X @ RNG.normal(size=(5, 3)),
    "counts": RNG.poisson(3, 60),
}
REGRESSION = ("a number", "three numbers", "counts")


def fitted(target, *, hidden=(8, 6), activation="relu", dtype=np.float32, features=5, **params):
    """Return an estimator with weights as large as after a long run."""
    kind = gg.MLPRegressor if target in REGRESSION else gg.MLPClassifier
    if target == "counts":
        params["loss"] = "poisson"
    x = np.resize(X, (60, features)).astype(dtype)
    params |= {"hidden_layer_sizes": hidden, "activation": activation, "max_iter": 1, "random_state": 0}
    model = kind(device="cpu", **params).fit(x, TARGETS[target])
    rng = np.random.default_rng(1)
    model.coefs_ = [rng.normal(0, 1.5 / np.sqrt(len(w)), w.shape).astype(dtype) for w in model.coefs_]
    model.intercepts_ = [rng.normal(0, 0.3, b.shape).astype(dtype) for b in model.intercepts_]
    return model


EDGES = {
    "random": RNG.normal(size=(200, 5)),
    "zeros": np.zeros((3, 5)),
    "tiny": RNG.normal(size=(50, 5)) * 1e-30,
    "large": RNG.normal(size=(50, 5)) * 1e3,
    "huge": RNG.normal(size=(50, 5)) * 1e18,
    "one row": RNG.normal(size=(1, 5)),
    "10 000 rows": RNG.normal(size=(10_000, 5)),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("target", ["two classes", "three texts", "four labels", "three numbers", "counts"])
def test_every_activation_on_every_edge(target, activation, serve, agree):
    model = fitted(target, activation=activation)
    proto = export.to_onnx(model)
    for name, rows in EDGES.items():
        if target == "counts" and name == "huge":
            continue  # e^z is infinite or 0
        rows = rows.astype(np.float32)
        with np.errstate(all="ignore"):
            agree(model, rows, serve(proto, X=rows))


@pytest.mark.parametrize("target", TARGETS)
def test_every_target(target, serve, agree):
    model = fitted(target)
    rows = EDGES["random"].astype(np.float32)
    agree(model, rows, serve(export.to_onnx(model), X=rows))


@pytest.mark.parametrize("target", TARGETS)
def test_no_rows(target, serve):
    model = fitted(target)
    outputs = serve(export.to_onnx(model), X=np.zeros((0, 5), np.float32))
    one = serve(export.to_onnx(model), X=np.zeros((1, 5), np.float32))
    assert {k: (0, *v.shape[1:]) for k, v in one.items()} == {k: v.shape for k, v in outputs.items()}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("target", ["two classes", "three classes", "three numbers", "counts"])
def test_in_float64(target, activation, serve):
    model = fitted(target, activation=activation, dtype=np.float64)
    served = serve(export.to_onnx(model, dtype="float64"), X=EDGES["random"])
    # onnxruntime has no erf of float64
    close = {"rtol": 1e-6, "atol": 1e-6} if activation == "gelu" else {"rtol": 1e-11, "atol": 1e-12}
    found = served.get("probabilities", served.get("variable"))
    assert found.dtype == np.float64
    expected = model.predict_proba(EDGES["random"]) if target in ("two classes", "three classes") else None
    expected = model.predict(EDGES["random"]).reshape(len(found), -1) if expected is None else expected
    np.testing.assert_allclose(found, expected, **close)


@given(
    hidden=st.lists(st.integers(1, 40), min_size=0, max_size=4),
    features=st.integers(1, 20),
    activation=st.sampled_from(ACTIVATIONS),
    target=st.sampled_from(list(TARGETS)),
)
@settings(max_examples=30, deadline=None)
def test_any_network(hidden, features, activation, target):
    runtime = pytest.importorskip("onnxruntime")
    model = fitted(target, hidden=hidden, activation=activation, features=features)
    rows = np.random.default_rng(2).normal(size=(20, features)).astype(np.float32)
    session = runtime.InferenceSession(export.to_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"X": rows})[-1]
    expected = model.predict(rows) if target in REGRESSION else model.predict_proba(rows)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)


def test_what_the_model_says_of_itself():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    model = gg.MLPClassifier((3,), max_iter=1, device="cpu").fit(frame, TARGETS["three texts"])
    proto = export.to_onnx(model)
    assert proto.producer_name == "gpugrad"
    assert {p.key: p.value for p in proto.metadata_props} == {"features": '["a", "b", "c", "d", "e"]'}
    assert [(d.domain, d.version) for d in proto.opset_import] == [("", 18), ("ai.onnx.ml", 3)]
    assert [v.name for v in (*proto.graph.input, *proto.graph.output)] == ["X", "label", "probabilities"]


def test_dropout_is_left_out():
    model = fitted("three classes", dropout=0.5)
    assert "Dropout" not in {node.op_type for node in export.to_onnx(model).graph.node}


def test_the_file_holds_the_same(tmp_path, serve, agree):
    onnx = pytest.importorskip("onnx")
    model = fitted("three texts")
    proto = export.to_onnx(model, tmp_path / "model.onnx")
    read = onnx.load(tmp_path / "model.onnx")
    assert read == proto
    agree(model, X.astype(np.float32), serve(read, X=X.astype(np.float32)))


class Unknown:
    pass


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (lambda: fitted("a number"), {"path": "model.pkl"}, "model.pkl ends in '.pkl', expected .onnx: rename it"),
        (lambda: fitted("a number"), {"path": "model"}, "model ends in nothing, expected .onnx"),
        (lambda: fitted("a number"), {"dtype": "float16"}, "dtype is 'float16', expected float32 or float64"),
        (lambda: fitted("a number"), {"dtype": "text"}, "dtype is 'text', expected float32 or float64"),
        (lambda: fitted("a number"), {"classes": ["a"]}, "classes= does not apply to an MLPRegressor"),
        (lambda: fitted("a number"), {"scale": 2.0}, "scale= does not apply to an MLPRegressor"),
        (lambda: fitted("a number"), {"sample": X}, "sample= does not apply to an MLPRegressor"),
        (Unknown, {}, "model is an Unknown, expected an estimator, a pipeline or an nn.MLP"),
    ],
)
def test_what_is_refused(model, options, words):
    with pytest.raises(ArgumentError, match=words):
        export.to_onnx(model(), **options)


@pytest.mark.parametrize("model", [gg.MLPClassifier(), gg.MLPRegressor(), LogisticRegression()])
def test_one_that_is_not_fitted(model):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        export.to_onnx(model)


def test_classes_that_onnx_does_not_have():
    model = fitted("three classes")
    model.classes_ = np.array([b"a", b"b", b"c"])
    with pytest.raises(ArgumentError, match="the classes are of type bytes, expected whole numbers or texts"):
        export.to_onnx(model)


def test_without_onnx(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ArgumentError, match=r'onnx, .* is not installed: pip install "gpugrad\[onnx\]"'):
        export.to_onnx(fitted("a number"))


def test_weights_that_no_file_holds(monkeypatch):
    monkeypatch.setattr(graph, "LARGEST", 100)
    with pytest.raises(ArgumentError, match="GiB, and an ONNX file holds at most 2: export to safetensors"):
        export.to_onnx(fitted("a number"))
    with pytest.raises(ArgumentError, match=r"^the weights take .* GiB, and"):
        export.to_onnx(make_pipeline(StandardScaler(), fitted("a number")).fit(X, TARGETS["a number"]))


def test_a_folder_that_cannot_be_written_to(request):
    model = fitted("a number")  # before the process becomes another user, who cannot cache compiled code
    locked_folder = request.getfixturevalue("locked_folder")
    with pytest.raises(StorageError, match="a folder that you may write to"):
        export.to_onnx(model, locked_folder / "model.onnx")


def test_a_class_with_other_results_is_refused():
    class Reversed(gg.MLPClassifier):
        def predict_proba(self, X):
            return super().predict_proba(X)[:, ::-1]

    class Same(gg.MLPClassifier):
        pass

    labels = np.arange(60) % 2
    other = Reversed(max_iter=1, device="cpu").fit(X, labels)
    for write in (export.to_onnx, export.to_pytorch):
        with pytest.raises(ArgumentError, match="Reversed overrides predict_proba, which cannot be exported"):
            write(other)
    assert export.to_onnx(Same(max_iter=1, device="cpu").fit(X, labels))


def test_classes_beyond_int64_are_refused():
    labels = np.where(np.arange(60) % 2, np.uint64(2**63), np.uint64(3))
    model = gg.MLPClassifier(max_iter=1, device="cpu").fit(X, labels)
    with pytest.raises(ArgumentError, match=f"the class {2**63} is beyond int64"):
        export.to_onnx(model)
    with pytest.raises(ArgumentError, match=f"the class {2**63} is beyond int64"):
        export.to_onnx(gg.nn.MLP(5, [3], 2), classes=np.array([3, 2**63], np.uint64))


def test_weights_that_are_not_finite_are_refused():
    model = fitted(next(iter(REGRESSION)))
    model.coefs_[0][0, 0] = np.nan
    with pytest.raises(ArgumentError, match="the weights are not all finite in float32"):
        export.to_onnx(model)
    model.coefs_[0] = np.full(model.coefs_[0].shape, 1e300)
    with pytest.raises(ArgumentError, match="the weights are not all finite in float32"):
        export.to_onnx(model)
    assert export.to_onnx(model, dtype="float64")
