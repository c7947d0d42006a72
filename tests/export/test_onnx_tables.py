"""Networks of the engine in onnxruntime: raw columns in, as the command line trains on them, labels out."""

import csv

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import export, nn
from gpugrad.command import predict, train
from gpugrad.command.settings import Settings
from gpugrad.command.trained import load_trained
from gpugrad.data.preprocessing import Column, Preprocessing
from gpugrad.errors import ArgumentError
from gpugrad.export import graph
from gpugrad.kernels.activation import ACTIVATIONS

pytest.importorskip("onnx")

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


def outputs(model, x=X):
    return model.eval()(gg.tensor(x)).detach().numpy()


@pytest.mark.parametrize("activation", [*filter(graph.has_counterpart, ACTIVATIONS)])
@pytest.mark.parametrize("bias", [True, False])
def test_an_mlp(activation, bias, serve):
    model = nn.MLP(6, [9, 7], 3, activation=activation, bias=bias, negative_slope=0.2, dropout=0.3, seed=1)
    for x in (X, X * 0, X * 1e-30, X * 1e4, X[:1], X[:0], np.tile(X, (250, 1))):
        served = serve(export.to_onnx(model), X=x)
        expected = outputs(model, x)
        largest = np.abs(expected).max(initial=1)
        np.testing.assert_allclose(served["variable"], expected, rtol=1e-5, atol=1e-5 * largest)


def test_modules_of_every_kind(serve):
    model = nn.Sequential(
        nn.Flatten(),
        nn.Dense(6, 8, seed=1),
        nn.GELU(),
        nn.Sequential(nn.Dense(8, 8, seed=2), nn.LeakyReLU(0.3), nn.Dropout(0.5), nn.Dense(8, 8, seed=3), nn.SiLU()),
        nn.Dense(8, 8, activation="tanh", seed=4),
        nn.Identity(),
        nn.Sigmoid(),
        nn.Dense(8, 2, seed=5),
        nn.Tanh(),
        nn.ReLU(),
    )
    np.testing.assert_allclose(serve(export.to_onnx(model), X=X)["variable"], outputs(model), atol=1e-6)


def test_in_float64(serve):
    model = nn.MLP(6, [9], 3, activation="silu", seed=1, dtype=np.float64)
    x = X.astype(np.float64)
    served = serve(export.to_onnx(model), X=x)["variable"]
    np.testing.assert_allclose(served, outputs(model, x), rtol=1e-12, atol=1e-14)
    in_float32 = serve(export.to_onnx(model, dtype="float32"), X=X)["variable"]
    np.testing.assert_array_equal(in_float32, served)  # X is the same in both


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [(["a", "β", ""], object), ([3, -1, 2**40], np.int64), (np.array([7, 8, 9], np.uint8), np.int64)],
)
def test_classes_and_scale(classes, dtype, serve):
    model = nn.MLP(6, [5], 3, seed=1)
    served = serve(export.to_onnx(model, classes=classes, scale=1 / 255), X=X * 255)
    expected = gg.softmax(gg.tensor(outputs(model)), 1).numpy()
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    assert served["label"].dtype == dtype
    np.testing.assert_array_equal(served["label"], np.array(classes, dtype)[expected.argmax(1)])


TABLE = Preprocessing(
    (
        Column("age", 1.7e9, 1e3),  # as a time in seconds: float32 has steps of 128 there
        Column("size", -2.0, 0.5),
        Column("colour", categories=("blue", "grün", "red")),
        Column("label", categories=("x", "y")),
        Column("weight", 3.0, 2.0),
    ),
    target="price",
    target_mean=1e6,
    target_scale=2.5,
)


def columns(rows=50):
    rng = np.random.default_rng(1)
    return {
        "age": 1.7e9 + rng.normal(0, 1e3, rows),
        "size": rng.normal(-2, 0.5, rows),
        "colour": np.array(["blue", "grün", "red"], object)[rng.integers(0, 3, rows)],
        "label": np.array(["x", "y"], object)[rng.integers(0, 2, rows)],
        "weight": rng.normal(3, 2, rows),
    }


def as_inputs(table):
    return {name: values[:, None] for name, values in table.items()}


def test_raw_columns_of_numbers_and_texts(serve):
    model = nn.MLP(TABLE.n_features, [9], 3, seed=1)
    table = columns()
    served = serve(export.to_onnx(model, preprocessing=TABLE, classes=["x", "y", "z"]), **as_inputs(table))
    expected = gg.softmax(gg.tensor(outputs(model, TABLE.transform(table))), 1).numpy()
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-6)
    np.testing.assert_array_equal(served["label_"], np.array(["x", "y", "z"], object)[expected.argmax(1)])  # an input


def test_a_target_in_its_own_units(serve):
    model = nn.MLP(TABLE.n_features, [9], 1, seed=1)
    table = columns()
    for rows in (table, {k: v[:0] for k, v in table.items()}):
        served = serve(export.to_onnx(model, preprocessing=TABLE), **as_inputs(rows))["variable"]
        assert served.dtype == np.float64
        expected = TABLE.inverse_target(outputs(model, TABLE.transform(rows)))
        assert served.shape == expected.shape
        np.testing.assert_allclose((served - 1e6), (expected - 1e6), atol=1e-5)


def test_a_table_for_a_network_of_float64(serve):
    model = nn.MLP(TABLE.n_features, [9], 3, seed=1, dtype=np.float64)
    table = columns()
    served = serve(export.to_onnx(model, preprocessing=TABLE, classes=[0, 1, 2]), **as_inputs(table))
    assert served["probabilities"].dtype == np.float64
    features = TABLE.transform(table).astype(np.float64)  # of float32, as the command line has them
    expected = gg.softmax(gg.tensor(outputs(model, features)), 1).numpy()
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-6)


def test_numbers_alone_are_one_input(serve):
    numbers = Preprocessing(tuple(c for c in TABLE.columns if not c.categories))
    model = nn.MLP(3, [9], 2, seed=1)
    x = np.column_stack([columns()[name] for name in ("age", "size", "weight")])
    proto = export.to_onnx(model, preprocessing=numbers)
    assert {p.key: p.value for p in proto.metadata_props} == {"features": '["age", "size", "weight"]'}
    expected = outputs(model, numbers.transform(dict(zip(("age", "size", "weight"), x.T, strict=True))))
    np.testing.assert_allclose(serve(proto, X=x)["variable"], expected, atol=1e-6)
    coarse = x.astype(np.float32)
    expected = outputs(model, numbers.transform(dict(zip(("age", "size", "weight"), coarse.T, strict=True))))
    served = serve(export.to_onnx(model, preprocessing=numbers, dtype="float32"), X=coarse)["variable"]
    np.testing.assert_allclose(served, expected, atol=1e-6)


def test_a_category_that_was_not_there_in_training_is_refused(serve):
    model = nn.MLP(TABLE.n_features, [9], 1, seed=1)
    inputs = as_inputs(columns())
    inputs["colour"][3] = "pink"
    with pytest.raises(Exception, match="Unknown Category"):
        serve(export.to_onnx(model, preprocessing=TABLE), **inputs)


@pytest.fixture(scope="module", params=["classes", "regression", "digits", "bytes"])
def trained(request, tmp_path_factory):
    """Return the folder of a run of `gpugrad train`, and a file of rows to predict."""
    folder = tmp_path_factory.mktemp(request.param)
    rng = np.random.default_rng(3)
    if request.param in ("classes", "regression"):
        file, target = folder / "table.csv", "kind" if request.param == "classes" else "price"
        with open(file, "w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["size", "colour", "open", "weight", target])
            for i in range(120):
                size, colour = rng.normal(), ("red", "blue", "green")[i % 3]
                value = ("pear", "plum")[size > 0] if target == "kind" else 1000 + 5 * size
                writer.writerow([size, colour, i % 2 == 0, 1e8 + i, value])
        settings = Settings(str(file), target=target, hidden=(8,), epochs=3, device="cpu")
    elif request.param == "bytes":
        file = folder / "images.npz"
        x = rng.integers(0, 256, (100, 9)).astype(np.uint8)
        np.savez(file, x=x, y=(x.mean(1) > 127).astype(int))
        settings = Settings(str(file), hidden=(8,), epochs=3, device="cpu")
    else:
        file = folder / "digits.npz"
        np.savez(file, x=rng.integers(0, 17, (50, 64)).astype(np.uint8))
        settings = Settings("digits", hidden=(8,), epochs=2, device="cpu")
    train.run(settings, out=folder, log=lambda *_: None)
    return folder, file


def test_a_trained_model_predicts_as_the_command_does(trained, serve):
    folder, file = trained
    loaded = load_trained(folder, "cpu", None)
    parts = {"preprocessing": loaded.preprocessing, "classes": loaded.classes}
    proto = export.to_onnx(loaded.trainer.model, **parts)
    text, _ = predict.run(folder, file, device="cpu")
    rows = list(csv.DictReader(text.splitlines()))
    if loaded.preprocessing is None:
        inputs = {"X": np.load(file)["x"].astype(np.float32)}
    else:
        raw = gg.data.read_table(file, text=loaded.preprocessing.categorical, ignore=(loaded.preprocessing.target,))
        inputs = as_inputs(raw)
    served = serve(proto, **inputs)
    if loaded.classes is None:
        np.testing.assert_allclose(served["variable"][:, 0], [float(r["prediction"]) for r in rows], atol=1e-5)
        return
    assert served["label"].tolist() == [row["label"] for row in rows]
    expected = [[float(row[f"probability_{name}"]) for name in loaded.classes] for row in rows]
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)


class Other(nn.Sequential):
    def forward(self, x):
        return super().forward(x) * 2


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (nn.Sequential(nn.Dense(2, 2), nn.Module()), {}, "a Module cannot be exported, expected a Sequential of Dense"),
        (Other(nn.Dense(2, 2)), {}, "an Other cannot be exported"),
        (nn.Sequential(nn.ReLU()), {}, "Sequential has no Dense layer, expected at least one"),
        (nn.MLP(2, [3], 3), {"classes": ["a", "b"]}, "got 2 classes for 3 outputs of the model: pass one for each"),
        (nn.MLP(2, [3], 2), {"classes": [0.5, 1]}, r"classes are \[0.5, 1\], expected whole numbers or texts"),
        (nn.MLP(2, [3], 2), {"classes": ["a", 1]}, "expected whole numbers or texts"),
        (nn.MLP(2, [3], 2), {"preprocessing": TABLE}, "preprocessing makes 8 features, the model takes 2"),
        (nn.MLP(2, [3], 2), {"sample": X}, "sample= does not apply to an MLP: leave it out"),
    ],
)
def test_what_is_refused(model, options, words):
    with pytest.raises(ArgumentError, match=words):
        export.to_onnx(model, **options)
