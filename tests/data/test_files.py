"""Data sets from files, end to end: table or arrays to float32 features, a split, and the same features to predict."""

import json

import numpy as np
import pytest

from gpugrad import data
from gpugrad.data import Preprocessing, load_features, load_labelled
from gpugrad.data.preprocessing import Column
from gpugrad.errors import ArgumentError, DataError

RNG = np.random.default_rng(7)
N = 60
AGE = RNG.integers(18, 80, N)
INCOME = np.round(RNG.normal(3e4, 1e4, N), 2)
JOB = RNG.choice(["cook", "nurse", "smith"], N)
LABEL = np.where(INCOME + 300 * AGE > 4.5e4, "yes", "no")
COLUMNS = {"age": AGE, "income": INCOME, "job": JOB, "buys": LABEL}


def write_csv(path, columns):
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_table(path, columns):
    if path.suffix == ".csv":
        return write_csv(path, columns)
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.table(columns), path)
    return path


def write_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_to_classify(tmp_path, suffix):
    path = write_table(tmp_path / f"shop{suffix}", COLUMNS)
    shop = data.load(path, target="buys")
    assert (shop.name, shop.task, shop.classes, shop.scale) == (f"shop{suffix}", "classification", ("no", "yes"), 1.0)
    assert (shop.n_features, shop.n_outputs, len(shop.x_train), len(shop.x_test)) == (5, 2, 48, 12)
    for part in (shop.x_train, shop.x_test):
        assert part.dtype == np.float32
        assert part.flags.c_contiguous
    assert shop.y_train.dtype == shop.y_test.dtype == np.int32
    assert shop.preprocessing.feature_names == ("age", "income", "job=cook", "job=nurse", "job=smith")
    # Standardized by the training part alone: exactly there, only roughly in the test part.
    np.testing.assert_allclose(shop.x_train[:, :2].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(shop.x_train[:, :2].std(0), 1, atol=1e-6)
    assert np.abs(shop.x_test[:, :2].mean(0)).min() > 1e-3
    # Every row of the file occurs once, with its own features and class.
    age, income = (shop.preprocessing.columns[i] for i in (0, 1))
    x = np.concatenate([shop.x_train, shop.x_test]).astype(np.float64)
    y = np.concatenate([shop.y_train, shop.y_test])
    rows = zip(
        np.rint(x[:, 0] * age.scale + age.mean).astype(int).tolist(),
        np.round(x[:, 1] * income.scale + income.mean).astype(int).tolist(),
        np.array(["cook", "nurse", "smith"])[x[:, 2:].argmax(1)].tolist(),
        np.array(shop.classes)[y].tolist(),
        strict=True,
    )
    raw = zip(AGE.tolist(), np.round(INCOME).astype(int).tolist(), JOB.tolist(), LABEL.tolist(), strict=True)
    assert sorted(rows) == sorted(raw)


def test_a_table_to_fit_a_quantity_to(tmp_path):
    path = write_csv(tmp_path / "shop.csv", COLUMNS)
    shop = data.load(path, target="income", seed=5)
    assert (shop.task, shop.classes, shop.n_classes, shop.n_outputs) == ("regression", None, 0, 1)
    assert shop.y_train.dtype == np.float32
    assert shop.y_train.shape == (48, 1)
    np.testing.assert_allclose([shop.y_train.mean(), shop.y_train.std()], [0, 1], atol=1e-6)
    both = np.concatenate([shop.y_train, shop.y_test])
    np.testing.assert_allclose(np.sort(shop.preprocessing.inverse_target(both)[:, 0]), np.sort(INCOME), rtol=1e-5)


def test_the_test_part_touches_no_statistic(tmp_path):
    """With other numbers in the test rows, the training part and the preprocessing keep every bit."""
    first = data.load(write_csv(tmp_path / "a.csv", {"x": INCOME, "y": LABEL}), target="y")
    column = first.preprocessing.columns[0]
    seen = np.round(first.x_train[:, 0] * column.scale + column.mean, 2)
    changed = np.array([v if np.abs(seen - v).min() < 0.02 else v * 100 for v in INCOME])
    assert (changed != INCOME).sum() == 12
    second = data.load(write_csv(tmp_path / "b.csv", {"x": changed, "y": LABEL}), target="y")
    assert first.preprocessing == second.preprocessing
    np.testing.assert_array_equal(first.x_train, second.x_train)
    assert not np.array_equal(first.x_test, second.x_test)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_to_predict_on(tmp_path, suffix):
    shop = data.load(write_csv(tmp_path / "shop.csv", COLUMNS), target="buys")
    stored = Preprocessing.from_json(json.loads(json.dumps(shop.preprocessing.to_json())))
    rows = {name: values[:4] for name, values in COLUMNS.items()}
    expected = shop.preprocessing.transform({"age": AGE[:4], "income": INCOME[:4], "job": JOB[:4].astype(object)})
    with_target = write_table(tmp_path / f"some{suffix}", rows)
    np.testing.assert_array_equal(load_features(with_target, stored, n_features=5), expected)
    without = write_table(tmp_path / f"less{suffix}", {name: rows[name] for name in ("job", "income", "age")})
    np.testing.assert_array_equal(load_features(without, stored, n_features=5), expected)
    x, y = load_labelled(with_target, stored, shop.classes, n_features=5)
    np.testing.assert_array_equal(x, expected)
    assert [shop.classes[code] for code in y] == LABEL[:4].tolist()


def test_an_empty_target_does_not_hinder_predicting(tmp_path):
    fitted = Preprocessing.fit({"a": np.array([0.0, 2.0])}, target="y")
    path = tmp_path / "t.csv"
    path.write_text("a,y\n1,\n3,\n")
    assert load_features(path, fitted, n_features=1).tolist() == [[0], [2]]


def test_categories_that_look_like_numbers_stay_categories(tmp_path):
    path = write_csv(tmp_path / "a.csv", {"code": ["1", "02", "x"] * 4, "y": ["a", "b"] * 6})
    fitted = data.load(path, target="y").preprocessing
    assert fitted.feature_names == ("code=02", "code=1", "code=x")
    some = write_csv(tmp_path / "b.csv", {"code": ["02", "1"]})  # only numbers here
    assert load_features(some, fitted, n_features=3).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_labelled_quantities_come_standardised(tmp_path):
    path = write_csv(tmp_path / "shop.csv", COLUMNS)
    shop = data.load(path, target="income")
    _, y = load_labelled(path, shop.preprocessing, None, n_features=shop.n_features)
    assert y.shape == (N, 1)
    np.testing.assert_allclose(shop.preprocessing.inverse_target(y)[:, 0], INCOME, rtol=1e-5)


@pytest.mark.parametrize("other", [".csv", ".parquet"])
def test_booleans_in_any_spelling_are_one_pair(tmp_path, other):
    new = RNG.random(N) < 0.5
    spelled = np.where(new, RNG.choice(["TRUE", "True", "true"], N), RNG.choice(["FALSE", "False", "false"], N))
    shop = data.load(write_csv(tmp_path / "s.csv", {"age": AGE, "new": spelled, "buys": spelled}), target="buys")
    assert shop.classes == ("False", "True")
    assert shop.preprocessing.feature_names == ("age", "new=False", "new=True")
    path = write_table(tmp_path / f"t{other}", {"age": AGE, "new": new, "buys": new})
    x, y = load_labelled(path, shop.preprocessing, shop.classes, n_features=3)
    np.testing.assert_array_equal(y, new)
    np.testing.assert_array_equal(x[:, 2], new)
    assert data.load(path, target="buys").preprocessing == shop.preprocessing


def test_categories_of_an_earlier_gpugrad_are_found(tmp_path):
    old = Preprocessing((Column("new", categories=("FALSE", "TRUE")),))
    path = write_csv(tmp_path / "t.csv", {"new": ["TRUE", "FALSE"]})
    assert load_features(path, old, n_features=2).tolist() == [[0, 1], [1, 0]]


def test_columns_that_are_categories_on_demand(tmp_path):
    path = write_csv(tmp_path / "t.csv", {"zip": [10115, 53111] * 6, "y": ["a", "b"] * 6})
    assert data.load(path, target="y").preprocessing.feature_names == ("zip",)
    for categorical in ("zip", ["zip"]):
        chosen = data.load(path, target="y", categorical=categorical)
        assert chosen.preprocessing.feature_names == ("zip=10115", "zip=53111")
        assert chosen.notes == ("categories of zip (2)",)
    with pytest.raises(DataError, match=r"there is no column 'zap' in .*: did you mean 'zip'"):
        data.load(path, target="y", categorical=["zap"])
    with pytest.raises(ArgumentError, match="leave out --categorical"):
        data.load(write_npz(tmp_path / "a.npz", x=IMAGES, y=CODES), categorical=["x0"])
    with pytest.raises(ArgumentError, match=r"categorical=.* does not apply to digits"):
        data.load("digits", categorical=["x0"])


def test_rows_that_leave_the_test_part_are_told(tmp_path):
    codes = [f"c{i}" if i % 4 == 0 else "usual" for i in range(N)]
    shop = data.load(write_csv(tmp_path / "s.csv", {"code": codes, "age": AGE, "buys": LABEL}), target="buys")
    left = 12 - len(shop.x_test)
    assert 0 < left < 12
    assert shop.notes == (
        f"categories of code ({len(set(codes))})",
        f"{left} of 12 test rows train instead: they have values in 'code' that no other training row has",
    )


def test_a_category_of_one_row_trains(tmp_path):
    job = JOB.copy()
    for seed in range(8):  # in either part
        job[11] = "astronaut"
        shop = data.load(write_csv(tmp_path / "s.csv", {**COLUMNS, "job": job}), target="buys", seed=seed)
        assert shop.x_train[:, 2].sum() == 1
        assert shop.x_test[:, 2].sum() == 0
        assert len(shop.x_train) + len(shop.x_test) == N


IMAGES = RNG.integers(0, 256, (30, 4, 3)).astype(np.uint8)
CODES = np.arange(30) % 3


@pytest.mark.parametrize(
    ("arrays", "target"),
    [
        ({"x": IMAGES, "y": CODES}, None),
        ({"X": IMAGES, "y": CODES[:, None]}, None),
        ({"x_train": IMAGES, "y_train": CODES.astype(float)}, None),
        ({"pixels": IMAGES, "what": CODES}, "what"),
        ({"x": IMAGES, "y": np.zeros(30), "what": CODES, "more": CODES}, "what"),
    ],
)
def test_images_in_an_npz_stay_bytes(tmp_path, arrays, target):
    images = data.load(write_npz(tmp_path / "a.npz", **arrays), target=target)
    assert (images.classes, images.scale, images.preprocessing) == (("0", "1", "2"), 1 / 255, None)
    assert images.x_train.shape == (24, 12)
    assert images.x_train.dtype == np.uint8
    assert images.x_train.flags.c_contiguous
    both = np.concatenate([np.c_[images.x_train, images.y_train], np.c_[images.x_test, images.y_test]])
    assert sorted(both.tolist()) == sorted(np.c_[IMAGES.reshape(30, 12), CODES].tolist())


def test_the_split_of_an_npz_is_kept(tmp_path):
    x, x_test = RNG.normal(5, 2, (20, 3)), RNG.normal(5, 2, (6, 3)).astype(np.float16)
    y, y_test = np.array(["b", "a"] * 10), np.array(["a"] * 6)
    path = write_npz(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    kept = data.load(path)
    np.testing.assert_allclose(kept.x_train, (x - x.mean(0)) / x.std(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(kept.x_test, (x_test - x.mean(0)) / x.std(0), rtol=1e-5, atol=1e-6)
    assert kept.x_train.dtype == kept.x_test.dtype == np.float32
    assert kept.y_train.tolist() == [1, 0] * 10
    assert kept.y_test.tolist() == [0] * 6
    np.testing.assert_array_equal(load_features(path, kept.preprocessing, n_features=3), kept.x_test)
    x_again, y_again = load_labelled(path, kept.preprocessing, kept.classes, n_features=3)
    np.testing.assert_array_equal(x_again, kept.x_test)
    np.testing.assert_array_equal(y_again, kept.y_test)


def test_bytes_of_a_regression_are_standardised(tmp_path):
    y = IMAGES.reshape(30, 12) @ RNG.normal(size=12)
    fit = data.load(write_npz(tmp_path / "a.npz", x=IMAGES, y=y))
    assert fit.task == "regression"
    assert fit.x_train.dtype == np.float32
    both = np.concatenate([fit.y_train, fit.y_test])
    np.testing.assert_allclose(np.sort(fit.preprocessing.inverse_target(both)[:, 0]), np.sort(y), rtol=1e-4, atol=1e-3)


def test_raw_features_for_a_model_without_preprocessing(tmp_path):
    flat = IMAGES.reshape(30, 12)
    names = [f"pixel{i}" for i in range(12)]
    table = write_csv(tmp_path / "a.csv", {"label": CODES, **dict(zip(names, flat.T, strict=True))})
    for path in (
        table,
        write_npz(tmp_path / "a.npz", x=IMAGES),
        write_npz(tmp_path / "b.npz", anything=IMAGES.astype(np.float64)),
        write_npz(tmp_path / "c.npz", x_test=flat.astype(np.int32), y_test=CODES),
    ):
        x = load_features(path, None, n_features=12)
        assert x.dtype == np.uint8
        assert x.flags.c_contiguous
        np.testing.assert_array_equal(x, flat)
    halves = load_features(write_npz(tmp_path / "d.npz", x=flat / 2 + 0.25), None, n_features=12)
    assert halves.dtype == np.float32
    np.testing.assert_array_equal(halves, flat / 2 + 0.25)
    x, y = load_labelled(table, None, ("0", "1", "2"), n_features=12, target="label")
    np.testing.assert_array_equal(x, flat)
    np.testing.assert_array_equal(y, CODES)
    with pytest.raises(DataError, match="has 13 features: expected 64, as the model was trained on"):
        load_features(table, None, n_features=64)
    with pytest.raises(ArgumentError, match="needs a target"):
        load_labelled(table, None, ("0", "1", "2"), n_features=12)


@pytest.mark.parametrize(
    ("content", "options", "error", "message"),
    [
        ("a,b\n1,x\n", {}, ArgumentError, "needs a target: name .* --target, one of a, b"),
        ("a,b\n1,x\n", {"target": "c", "task": "class"}, ArgumentError, "unknown task 'class'"),
        ("a,b\n1,x\n", {"target": "b", "test_fraction": 1}, ArgumentError, "test_fraction is 1"),
        ("age,b\n1,x\n", {"target": "agee"}, DataError, "there is no column 'agee' in .*: did you mean 'age'"),
        ("b\nx\ny\n", {"target": "b"}, DataError, "no column but the target 'b'"),
        ("a,b\n1,x\n1,x\n", {"target": "b"}, DataError, "one class only, 'x'"),
        ("a,b\n1,\n2,x\n", {"target": "b"}, DataError, "column 'b' has no value in data row 1"),
        ("a,b\n1,x\n2,y\n3,x\n", {"target": "b"}, DataError, "the class 'y' has a single row"),
        ("a,b\n1,0.5\n", {"target": "b", "task": "regression"}, DataError, "is 0.5 in every row"),
        ("a,b\np,x\nq,y\nr,x\ns,y\n", {"target": "b"}, DataError, "every test row has a text in 'a' that no training"),
    ],
)
def test_a_table_that_cannot_be_trained_on(tmp_path, content, options, error, message):
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(error, match=message) as caught:
        data.load(path, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "target", "message"),
    [
        ({"a": IMAGES, "b": CODES}, None, "holds the arrays a, b: expected x and y"),
        ({"x": IMAGES, "y": CODES}, "z", "there is no array 'z'"),
        ({"a": IMAGES, "b": IMAGES, "y": CODES}, "y", "holds the arrays a, b: expected features named x"),
        ({"x": IMAGES, "y": CODES[:-1]}, None, "'y' of .* has 29 rows: expected 30"),
        ({"x": IMAGES, "y": np.eye(3)[CODES]}, None, r"shape \(30, 3\): expected one target per row.* argmax"),
        ({"x": IMAGES.astype(str), "y": CODES}, None, "'x' of .* has the dtype <U3: expected numbers"),
        ({"x": IMAGES[:0], "y": CODES[:0]}, None, r"shape \(0, 4, 3\): expected \(rows, features\)"),
        ({"x": IMAGES, "y": CODES.astype("M8[s]")}, None, "dtype datetime64"),
        ({"x": IMAGES, "y": CODES.astype(object)}, None, "damaged or holds Python objects"),
        ({"x": np.where(IMAGES[3, 1, 2] == IMAGES, np.nan, 1), "y": CODES}, None, "has nan in data row"),
        ({"x": IMAGES, "y": np.where(CODES == 1, np.nan, CODES)}, None, "column 'y' has no value in data row 2"),
        ({}, None, "holds no array"),
        (
            {"x_train": IMAGES, "y_train": CODES, "x_test": IMAGES[:, :2], "y_test": CODES},
            None,
            "x_test of .* has 6 features: expected 12",
        ),
        (
            {"x_train": IMAGES, "y_train": CODES, "x_test": IMAGES, "y_test": CODES + 1},
            None,
            "'y_test' has the label '3' in data row 3: expected one of the classes 0, 1, 2",
        ),
    ],
)
def test_arrays_that_cannot_be_trained_on(tmp_path, arrays, target, message):
    with pytest.raises(DataError, match=message):
        data.load(write_npz(tmp_path / "a.npz", **arrays), target=target)


def test_a_damaged_npz_is_refused(tmp_path):
    path = write_npz(tmp_path / "a.npz", x=IMAGES, y=CODES)
    content = path.read_bytes()
    broken = bytearray(content)
    broken[200] ^= 0xFF
    for damaged, message in ((b"", "is empty"), (content[:-40], "not an .npz file"), (bytes(broken), "damaged")):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=message):
            data.load(path)
    with pytest.raises(DataError, match="there is no file"):
        data.load(tmp_path / "absent.npz")


def test_a_file_to_predict_on_must_fit(tmp_path):
    fitted = Preprocessing.fit({"a": np.array([0.0, 2.0])}, target="y")
    path = write_csv(tmp_path / "t.csv", {"a": [1, 2]})
    with pytest.raises(DataError, match="has 1 feature: expected 3"):
        load_features(path, fitted, n_features=3)
    with pytest.raises(DataError, match="lacks the column a"):
        load_features(write_csv(tmp_path / "t.csv", {"b": [1, 2]}), fitted, n_features=1)
    with pytest.raises(ArgumentError, match=r"t\.txt is not a data file, expected a name that ends in \.csv"):
        load_features(tmp_path / "t.txt", fitted, n_features=1)


def german(number):
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


def trained_in_german(tmp_path):
    """Return a preprocessing from its JSON: of decimal commas, percent signs, euros, and plain numbers."""
    values = RNG.normal(5e3, 1e3, (N, 2))
    rows = [f"{german(a)};{i + 1}%;{german(b)} €;{i}" for i, (a, b) in enumerate(values)]
    path = tmp_path / "trained.csv"
    path.write_text("\n".join(["size;share;rent;count", *rows]) + "\n")
    fitted = data.load(path, target="rent").preprocessing
    return Preprocessing.from_json(json.loads(json.dumps(fitted.to_json())))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("3.500;50%;3.500;3", [3500, 0.5, 3, 3500]),
        ("3,5;0;1.234,5 €;3", [3.5, 0, 3, 1234.5]),
        ("3,5;50%;7;3,5", [3.5, 0.5, 3.5, 7]),
        (
            "3.5;50%;1;3",
            r"column 'size' has '3\.5' in data row 1: expected a number with a decimal comma, as in training",
        ),
        ("3,5;50;1;3", "column 'share' has '50' in data row 1: expected a number with a percent sign, as in training"),
        (
            "3,5;50%;1;3%",
            "column 'count' has '3%' in data row 1: expected a number with no percent sign, as in training",
        ),
        ("3,5;50%;1.5;3", r"column 'rent' has '1\.5' in data row 1: expected a number with a decimal comma"),
        (
            "3,5;50%;$7;3",
            r"column 'rent' has '\$7' in data row 1: expected a number with the currency €, as in training",
        ),
        ("a;50%;1;3", "column 'size' has 'a' in data row 1: expected a number, as in training"),
    ],
)
def test_numbers_are_read_in_the_form_of_training(tmp_path, row, expected):
    fitted = trained_in_german(tmp_path)
    path = tmp_path / "few.csv"
    path.write_text(f"size;share;rent;count\n{row}\n")
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            load_labelled(path, fitted, None, n_features=3)
        return
    x, y = load_labelled(path, fitted, None, n_features=3)
    found = [value * column.scale + column.mean for value, column in zip(x[0], fitted.columns, strict=True)]
    np.testing.assert_allclose([*found, fitted.inverse_target(y).item()], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(load_features(path, fitted, n_features=3), x)


def test_a_decimal_point_of_training_decides_too(tmp_path):
    fitted = data.load(write_csv(tmp_path / "shop.csv", COLUMNS), target="buys").preprocessing
    path = tmp_path / "few.csv"
    path.write_text('age,income,job\n30,"35,000",cook\n')  # 35 or 35000, for all that this file tells
    x = load_features(path, fitted, n_features=5)
    assert x[0, 1] * fitted.columns[1].scale + fitted.columns[1].mean == pytest.approx(35000)
    path.write_text('age,income,job\n30,"3,5",cook\n')
    with pytest.raises(DataError, match="'3,5' in data row 1: expected a number with a decimal point, as in training"):
        load_features(path, fitted, n_features=5)


def test_a_model_without_forms_reads_as_the_file_tells(tmp_path):
    stored = trained_in_german(tmp_path).to_json()
    del stored["forms"], stored["target_form"]
    path = tmp_path / "few.csv"
    path.write_text("size;share;count\n3,5;50;3\n")
    assert load_features(path, Preprocessing.from_json(stored), n_features=3).shape == (1, 3)


@pytest.mark.parametrize("form", [["?", None, ""], [".", "yes", ""], [".", None, 3], ["."], None])
def test_a_damaged_form_is_refused(tmp_path, form):
    stored = trained_in_german(tmp_path).to_json()
    with pytest.raises(DataError, match="the stored preprocessing is damaged"):
        Preprocessing.from_json({**stored, "target_form": form})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 2}, "target is 2, expected the name of a column, as text: write it in quotes"),
        ({"target": "buys", "categorical": 3}, "categorical is 3, expected the name"),
        ({"target": "buys", "categorical": ["job", 3]}, "categorical is 3, expected the name"),
    ],
)
def test_a_column_is_named_by_text(tmp_path, options, message):
    path = write_csv(tmp_path / "shop.csv", COLUMNS)
    with pytest.raises(ArgumentError, match=message):
        data.load(path, **options)
    with pytest.raises(ArgumentError, match="target is 2, expected the name"):
        load_labelled(path, None, None, n_features=3, target=2)
