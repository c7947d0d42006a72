"""The named data sets: digits as in scikit-learn, and IDX folders in every form, including the real MNIST."""

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets
from sklearn.model_selection import train_test_split

from gpugrad import data
from gpugrad.data import digits
from gpugrad.data.builtin import IDX_FILES, IMAGE_SETS, cache_folder
from gpugrad.errors import ArgumentError, DataError

MD5 = (
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
)


def test_digits_are_those_of_scikit_learn():
    x, y = datasets.load_digits(return_X_y=True)
    expected = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    ours = data.load("digits")
    for actual, part in zip((ours.x_train, ours.x_test, ours.y_train, ours.y_test), expected, strict=True):
        np.testing.assert_array_equal(actual, part)
    assert ours.x_train.dtype == ours.x_test.dtype == np.uint8
    assert ours.y_train.dtype == ours.y_test.dtype == np.int32
    assert ours.x_train.flags.c_contiguous
    assert ours.x_train.max() * ours.scale == 1
    assert (ours.task, ours.n_features, ours.n_classes, ours.n_outputs) == ("classification", 64, 10, 10)
    assert ours.classes == tuple("0123456789")
    assert ours.preprocessing is None


def test_digits_are_read_without_importing_scikit_learn():
    program = (
        "import sys, gpugrad as gg; gg.data.load('digits'); assert not {'sklearn', 'http.client'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(data.__file__).parents[2])


@pytest.mark.parametrize("place", ["no such file", "datasets/data/iris.csv", "datasets/data/breast_cancer.csv"])
def test_digits_that_moved_are_read_by_scikit_learn(monkeypatch, place):
    expected = digits.digits()
    monkeypatch.setattr(digits, "PLACE", Path(place))
    np.testing.assert_array_equal(digits.digits(), expected)
    assert digits.digits().dtype == np.uint8


def test_the_split_of_digits_follows_seed_and_fraction():
    one, other = data.load("digits", seed=1), data.load("digits", seed=2, test_fraction=0.5)
    assert len(one.x_test) == 360
    assert len(other.x_test) == 899
    assert not np.array_equal(one.y_test, data.load("digits").y_test)
    np.testing.assert_array_equal(one.x_train, data.load("digits", seed=1).x_train)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "label"}, "target='label' does not apply to digits"),
        ({"task": "regression"}, "task='regression' does not apply to digits"),
        ({"test_fraction": 0}, "test_fraction is 0: expected a number between 0 and 1"),
        ({"test_fraction": 1.0}, "test_fraction is 1.0"),
        ({"seed": -1}, "seed is -1: expected an integer from 0"),
        ({"seed": 0.5}, "seed is 0.5"),
    ],
)
def test_options_that_do_not_apply_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        data.load("digits", **options)


@pytest.mark.parametrize("name", ["mnits", "mnist.idx", "digit", ""])
def test_an_unknown_name_lists_what_there_is(name):
    with pytest.raises(ArgumentError, match=r"unknown data set .* digits, mnist, fashion-mnist, FILE\.csv"):
        data.load(name)


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


LABELS = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8])


def write_images(folder, labels=LABELS, zipped=(), **changes):
    """Four small IDX files; `changes` replaces parts by the first letters of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    parts = {
        "train_images": rng.integers(0, 256, (len(labels), 3, 2)),
        "train_labels": labels,
        "t10k_images": rng.integers(0, 256, (4, 3, 2)),
        "t10k_labels": np.array([0, 1, 2, 9]),
    } | changes
    for name, part in zip(IDX_FILES, parts.values(), strict=True):
        content = idx(part)
        if name in zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return [part.reshape(len(part), np.prod(part.shape[1:], dtype=int)) for part in parts.values()]


@pytest.mark.parametrize("zipped", [(), IDX_FILES, IDX_FILES[1:3]])
@pytest.mark.parametrize("below", ["", "fashion-mnist"])
@pytest.mark.parametrize("how", ["argument", "environment"])
def test_a_folder_of_the_user_is_read_in_every_form(tmp_path, monkeypatch, zipped, below, how):
    parts = write_images(tmp_path / below, zipped=zipped)
    monkeypatch.setenv("GPUGRAD_DATA", str(tmp_path if how == "environment" else tmp_path / "elsewhere"))
    fashion = data.load("fashion-mnist", data_dir=tmp_path if how == "argument" else None)
    np.testing.assert_array_equal(fashion.x_train, parts[0])
    np.testing.assert_array_equal(fashion.y_train, parts[1][:, 0])
    np.testing.assert_array_equal(fashion.x_test, parts[2])
    np.testing.assert_array_equal(fashion.y_test, parts[3][:, 0])
    assert fashion.x_train.dtype == np.uint8
    assert fashion.y_train.dtype == np.int32
    assert fashion.scale == 1 / 255
    assert fashion.classes[0] == "T-shirt/top"
    assert fashion.classes[9] == "Ankle boot"
    assert len(fashion.classes) == 10


def test_the_folder_of_that_name_wins(tmp_path):
    write_images(tmp_path, labels=LABELS[::-1])
    write_images(tmp_path / "mnist")
    assert data.load("mnist", data_dir=tmp_path).y_train.tolist() == LABELS.tolist()


def test_three_of_four_files_are_not_enough(tmp_path):
    write_images(tmp_path)
    (tmp_path / IDX_FILES[3]).unlink()
    with pytest.raises(DataError, match=r"does not hold mnist: expected the files .*t10k-labels-idx1-ubyte"):
        data.load("mnist", data_dir=tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_files_of_the_other_data_set_are_refused(tmp_path, name):
    other = next(other for other in IMAGE_SETS if other != name)
    write_images(tmp_path, labels=np.array(IMAGE_SETS[other].first_labels))
    with pytest.raises(DataError, match=f"holds {other}, not {name}"):
        data.load(name, data_dir=tmp_path)
    assert data.load(other, data_dir=tmp_path).name == other


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_labels": np.arange(5)}, "has 5 labels: expected 12, one per image"),
        ({"t10k_labels": np.array([0, 1, 2, 10])}, "has the label 10: expected classes from 0 to 9"),
        ({"t10k_images": np.zeros((4, 2, 2))}, r"images of \(2, 2\) pixels: expected \(3, 2\)"),
        ({"train_images": np.zeros(12)}, r"holds uint8 of shape \(12,\): expected uint8 images"),
        ({"t10k_labels": np.zeros((0,))}, r"holds uint8 of shape \(0,\): expected uint8 labels"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, changes, message):
    write_images(tmp_path, **changes)
    with pytest.raises(DataError, match=message):
        data.load("mnist", data_dir=tmp_path)


def test_the_cache_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "gpugrad"
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_folder() == Path.home() / ".cache" / "gpugrad"


@pytest.mark.skipif("GPUGRAD_DATA" not in os.environ, reason="GPUGRAD_DATA does not name a folder with MNIST")
def test_mnist_is_the_published_one():
    mnist = data.load("mnist")
    assert mnist.x_train.shape == (60_000, 784)
    assert mnist.x_test.shape == (10_000, 784)
    assert mnist.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    assert mnist.classes == tuple("0123456789")
    images = {"train": mnist.x_train, "t10k": mnist.x_test}
    labels = {"train": mnist.y_train, "t10k": mnist.y_test}
    for name, published in zip(IDX_FILES, MD5, strict=True):
        part = name.partition("-")[0]
        x = images[part].reshape(-1, 28, 28) if "images" in name else labels[part]
        assert hashlib.md5(idx(x), usedforsecurity=False).hexdigest() == published


def test_reprs_are_one_line():
    assert repr(data.load("digits")) == (
        "Dataset('digits': 1437 rows to train, 360 to test, 64 features uint8, 10 classes)"
    )
    columns = {"size": np.array([1.0, 2.0]), "city": np.array(["a", "b"], object)}
    made = data.Preprocessing.fit(columns, target="rent", y=np.array([1.0, 3.0]))
    assert repr(made) == "Preprocessing(2 columns, 1 of them texts, to 3 features, target 'rent')"
    y = np.zeros((2, 1), np.float32)
    table = data.Dataset("rents.csv", "regression", y, y, y, y, None, 1.0, made)
    assert repr(table) == "Dataset('rents.csv': 2 rows to train, 2 to test, 1 feature float32, regression)"


def test_dir_shows_public_names_only():
    assert {"load", "Dataset", "open_parquet"} <= {*dir(data)} == {*data.__all__}
