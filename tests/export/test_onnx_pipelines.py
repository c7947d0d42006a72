"""Pipelines and searches in onnxruntime, from frames of numbers and texts to labels."""

import sys

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

import gpugrad as gg
from gpugrad import export
from gpugrad.errors import ArgumentError

pytest.importorskip("skl2onnx")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, size=(80, 4))
Y = RNG.integers(0, 3, 80)
NAMES = np.array(["low", "mid", "high"])[Y]


def mlp(kind=gg.MLPClassifier, **params):
    return kind(hidden_layer_sizes=(8,), max_iter=30, learning_rate_init=0.02, random_state=0, device="cpu", **params)


STEPS = {
    "StandardScaler": [StandardScaler()],
    "MinMaxScaler": [MinMaxScaler()],
    "PCA": [StandardScaler(), PCA(3)],
    "imputed": [SimpleImputer(), StandardScaler()],
    "quantiles": [QuantileTransformer(n_quantiles=10)],
    "columns": [ColumnTransformer([("a", StandardScaler(), [0, 2]), ("b", MinMaxScaler(), [1])])],
}


# onnxruntime has neither of the others in float64.
IN_FLOAT64 = ["StandardScaler", "MinMaxScaler", "PCA", "columns"]


@pytest.mark.parametrize(
    ("steps", "dtype"), [*((name, "float32") for name in STEPS), *((name, "float64") for name in IN_FLOAT64)]
)
def test_preprocessing(steps, dtype, serve, agree):
    model = make_pipeline(*STEPS[steps], mlp()).fit(X, NAMES)
    rows = np.concatenate([X, X * 0, X * 1e-30, np.tile(X, (125, 1))]).astype(dtype)
    proto = export.to_onnx(model, dtype=dtype)
    agree(model, rows, serve(proto, X=rows))
    agree(model, rows[:1], serve(proto, X=rows[:1]))
    if steps != "quantiles":  # its nodes from skl2onnx accept no empty batch
        assert serve(proto, X=rows[:0])["probabilities"].shape == (0, 3)


@pytest.mark.parametrize("names", [["a b", "a_b"], ["size (m)", "größe"], ["variable", "scaled_input"], ["X", "x"]])
def test_inputs_have_the_names_of_the_columns(names, serve, agree):
    frame = pd.DataFrame(X[:, :2], columns=names)
    model = make_pipeline(StandardScaler(), PCA(2), mlp()).fit(frame, NAMES)
    proto = export.to_onnx(model, dtype="float64", sample=frame[:1])
    assert [value.name for value in proto.graph.input] == names
    agree(model, frame, serve(proto, **{name: frame[[name]].to_numpy() for name in names}))


def test_the_rows_may_follow_the_path(tmp_path):
    model = make_pipeline(StandardScaler(), mlp()).fit(X, NAMES)
    assert export.to_onnx(model, tmp_path / "model.onnx", X) == export.to_onnx(model, sample=X)
    assert (tmp_path / "model.onnx").exists()
    with pytest.raises(ArgumentError, match=r"path is an ndarray .*: pass one that ends in \.onnx, after the model"):
        export.to_onnx(model, X, tmp_path / "model.onnx")


def test_a_column_with_the_name_of_an_output_is_refused():
    frame = pd.DataFrame(X[:, :2], columns=["label", "b"])
    with pytest.raises(ArgumentError, match="column 'label' has the name of an output of the model: rename it"):
        export.to_onnx(make_pipeline(StandardScaler(), mlp()).fit(frame, NAMES), sample=frame)


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), RobustScaler()])
def test_a_column_that_float32_loses_is_warned_of(scaler):
    far = pd.DataFrame(X.copy(), columns=list("abcd"))  # pandas 2 would share its memory
    far["c"] += 1.7e9
    model = GridSearchCV(make_pipeline(ColumnTransformer([("all", scaler, list("abcd"))]), mlp()), {}, cv=2)
    model.fit(far, Y)
    with pytest.warns(UserWarning, match=r"float32 rounds column 'c' by .* of its spread .* dtype='float64'") as warned:
        export.to_onnx(model, sample=far)
    assert warned[0].filename == __file__
    export.to_onnx(model, sample=far, dtype="float64")  # a warning would fail the test


TARGETS = {
    "two classes": (gg.MLPClassifier, Y > 0),
    "numbers as classes": (gg.MLPClassifier, Y * 5),
    "labels": (gg.MLPClassifier, RNG.integers(0, 2, (80, 2))),
    "a number": (gg.MLPRegressor, X @ [1.0, 2, 3, 4]),
    "two numbers": (gg.MLPRegressor, X @ RNG.normal(size=(4, 2))),
}


@pytest.mark.parametrize("target", TARGETS)
def test_every_target(target, serve, agree):
    kind, y = TARGETS[target]
    model = make_pipeline(StandardScaler(), mlp(kind)).fit(X, y)
    rows = X.astype(np.float32)
    agree(model, rows, serve(export.to_onnx(model), X=rows))


def test_a_search(serve, agree):
    search = GridSearchCV(make_pipeline(StandardScaler(), mlp()), {"mlpclassifier__alpha": [1e-4, 1.0]}, cv=2)
    search.fit(X, NAMES)
    agree(search, X.astype(np.float32), serve(export.to_onnx(search), X=X.astype(np.float32)))


def test_many_in_one(serve, agree):
    model = BaggingRegressor(mlp(gg.MLPRegressor), 3, random_state=0).fit(X, X.sum(1))
    agree(model, X.astype(np.float32), serve(export.to_onnx(model), X=X.astype(np.float32)))


TABLE = {
    "age": np.arange(80) % 50,
    "when": 1.7e9 + RNG.normal(0, 1e3, 80),
    "colour": np.array(["red", "grün", "blue"], object)[RNG.integers(0, 3, 80)],
    "size": np.array(["S", "M", "L"], object)[RNG.integers(0, 3, 80)],
    "open": Y > 1,
}


def columns():
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer(
        [
            ("numbers", numbers, ["age"]),
            ("texts", OneHotEncoder(), ["colour"]),
            ("sizes", OrdinalEncoder(categories=[["S", "M", "L"]]), ["size"]),
            ("rest", "passthrough", ["open"]),
        ]
    )


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_of_numbers_and_texts(library, serve, agree):
    frame = pytest.importorskip(library).DataFrame(TABLE)
    model = make_pipeline(columns(), mlp()).fit(frame, NAMES)
    proto = export.to_onnx(model, sample=frame[:2])
    inputs = {name: values[:, None] for name, values in TABLE.items() if name != "when"}
    inputs = {k: v if v.dtype == object else v.astype(np.float32) for k, v in inputs.items()}
    agree(model, frame, serve(proto, **inputs))
    inputs["colour"] = np.where(inputs["colour"] == "red", "pink", inputs["colour"]).astype(object)
    with pytest.raises(Exception, match="Unknown Category"):
        serve(proto, **inputs)


def test_numbers_that_float32_does_not_tell_apart(serve, agree):
    frame = pytest.importorskip("pandas").DataFrame(TABLE)
    numbers = ColumnTransformer([("when", StandardScaler(), ["when", "age"]), ("texts", OneHotEncoder(), ["colour"])])
    model = make_pipeline(numbers, mlp()).fit(frame, NAMES)
    inputs = {"colour": TABLE["colour"][:, None]}
    inputs |= {name: TABLE[name][:, None].astype(np.float64) for name in ("when", "age")}
    agree(model, frame, serve(export.to_onnx(model, sample=frame, dtype="float64"), **inputs))


def test_texts_in_an_array(serve, agree):
    texts = np.column_stack([TABLE["colour"], TABLE["size"]])
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), mlp()).fit(texts, NAMES)
    proto = export.to_onnx(model, sample=texts[:1])
    agree(model, texts, serve(proto, X=texts))
    texts[0, 0] = "pink"
    agree(model, texts, serve(proto, X=texts))


def test_skl2onnx_itself_knows_the_estimators(serve, agree):
    import skl2onnx

    export.register()
    model = make_pipeline(StandardScaler(), mlp()).fit(X, NAMES)
    proto = skl2onnx.to_onnx(model, X[:1].astype(np.float32), options={"zipmap": False})
    agree(model, X.astype(np.float32), serve(proto, X=X.astype(np.float32)))


def in_frame():
    return make_pipeline(columns(), mlp()).fit(pytest.importorskip("pandas").DataFrame(TABLE), NAMES)


def scaled(*steps):
    return make_pipeline(StandardScaler(), *steps, mlp()).fit(X, NAMES)


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (in_frame, {}, "the inputs of this Pipeline are unknown: pass sample= with some rows that it was fitted"),
        (scaled, {"sample": sparse.csr_array(X)}, r"sample is sparse.*pass sample.toarray\(\)"),
        (scaled, {"sample": X[0]}, r"sample has 1 axes, expected a frame, or an array \(rows, columns\)"),
        (scaled, {"sample": X.astype(complex)}, "X in sample is of dtype complex128, expected numbers, booleans or"),
        (scaled, {"sample": np.array([[None] * 4])}, "X in sample has mixed values"),
        (scaled, {"classes": ["a"]}, "classes= does not apply to a Pipeline: leave it out"),
        (
            lambda: scaled(FunctionTransformer(np.sin)),
            {},
            r"cannot convert this Pipeline .*: pass sample= with",
        ),
        (lambda: scaled(FunctionTransformer(np.sin)), {"sample": X}, r"\): export the estimator at its end$"),
    ],
)
def test_what_is_refused(model, options, words):
    with pytest.raises(ArgumentError, match=words):
        export.to_onnx(model(), **options)


def test_one_that_is_not_fitted():
    with pytest.raises(NotFittedError):
        export.to_onnx(make_pipeline(StandardScaler(), mlp()))


def test_without_skl2onnx(monkeypatch):
    model = scaled()
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ArgumentError, match=r'skl2onnx, .* is not installed: pip install "gpugrad\[onnx\]"'):
        export.to_onnx(model)
