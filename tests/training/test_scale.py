"""The scale of features is given once, to fit; the model, its files and its exports keep it."""

from __future__ import annotations

import copy
import logging

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn
from gpugrad.errors import ArgumentError, CheckpointError
from gpugrad.training import checkpoint

SCALE = 1 / 255
rng = np.random.default_rng(0)
X, Y = rng.integers(0, 256, (60, 5)).astype(np.uint8), rng.integers(0, 3, 60)
SCALED = X * np.float32(SCALE)


def make_trainer(seed=0, **options):
    return gg.Trainer(nn.MLP(5, [8], 3, seed=seed), device="cpu", **options)


@pytest.fixture
def trained():
    trainer = make_trainer()
    trainer.fit(X, Y, epochs=2, batch_size=16, scale=SCALE)
    return trainer


def outputs(trainer, x=X, **options):
    return trainer.predict_proba(x, **options)


def test_evaluate_and_predict_use_the_scale_of_fit(trained):
    expected = make_trainer()
    expected.fit(SCALED, Y, epochs=2, batch_size=16)
    np.testing.assert_allclose(outputs(trained), outputs(expected, SCALED), rtol=1e-5)
    np.testing.assert_array_equal(trained.predict(X), expected.predict(SCALED))
    assert trained.evaluate(X, Y) == pytest.approx(expected.evaluate(SCALED, Y), rel=1e-5)
    assert (trained.scale, expected.scale, make_trainer().scale) == (SCALE, 1.0, None)


def test_the_same_scale_may_be_given_again_and_another_is_refused(trained):
    for same in (SCALE, np.float32(SCALE)):
        np.testing.assert_array_equal(outputs(trained, scale=same), outputs(trained))
    message = "scale is 1, but the model was trained with scale 0.00392157: leave scale out"
    for use in (trained.predict, trained.predict_proba, lambda x, scale: trained.evaluate(x, Y, scale=scale)):
        with pytest.raises(ArgumentError, match=message):
            use(X, scale=1.0)


def test_before_any_fit_the_given_scale_is_used_and_not_kept():
    trainer = make_trainer()
    np.testing.assert_allclose(outputs(trainer, scale=SCALE), outputs(trainer, SCALED), rtol=1e-5)
    assert trainer.scale is None


def test_a_later_fit_keeps_the_scale_unless_another_is_given(trained):
    trained.fit(X, Y, epochs=1)
    assert trained.scale == SCALE
    trained.fit(X, Y, epochs=1, scale=0.5)
    assert trained.scale == 0.5
    with pytest.raises(ArgumentError, match="scale is 'x'"):
        trained.fit(X, Y, scale="x")
    assert trained.scale == 0.5


def test_a_fit_that_is_refused_changes_no_scale(trained, tmp_path):
    with pytest.raises(CheckpointError):
        trained.fit(X, Y, scale=0.5, resume=tmp_path / "absent")
    trained.save(tmp_path / "m")
    with pytest.raises(CheckpointError):
        trained.fit(X, Y, scale=0.5, resume=tmp_path / "m")
    assert trained.scale == SCALE


@pytest.mark.parametrize("save", ["save_model", "save", "checkpoint"])
def test_a_loaded_model_predicts_the_same_from_the_same_features(trained, tmp_path, save):
    path = tmp_path / "m"
    if save == "save_model":
        gg.save_model(trained.model, path)
    elif save == "save":
        trained.save(path, names=["a"], scale=SCALE)  # a call of before, with the same value
    else:
        trained.fit(X, Y, epochs=1, checkpoint=path, checkpoint_header={"scale": SCALE})
    for model in (None, nn.MLP(5, [8], 3, seed=7)):
        loaded, header = gg.load_model(path, model)
        assert header["scale"] == loaded.input_scale == SCALE
        np.testing.assert_array_equal(outputs(gg.Trainer(loaded, device="cpu")), outputs(trained))


def test_copies_of_a_model_keep_the_scale(trained):
    np.testing.assert_array_equal(outputs(gg.Trainer(copy.deepcopy(trained.model), device="cpu")), outputs(trained))


def test_a_model_of_a_loop_of_ones_own(tmp_path):
    model = nn.MLP(5, [8], 3, seed=0)
    gg.save_model(model, tmp_path / "m")
    assert gg.load_model(tmp_path / "m")[0].input_scale is None
    gg.save_model(model, tmp_path / "m", scale=0.5)
    assert gg.load_model(tmp_path / "m")[0].input_scale == 0.5
    model.input_scale = 0.25
    with pytest.raises(ArgumentError, match=r"trained with scale 0\.25"):
        gg.save_model(model, tmp_path / "m", scale=0.5)
    model.input_scale = nn.Parameter(np.ones(1, np.float32))
    with pytest.raises(ArgumentError, match=r"model\.input_scale is a Parameter, expected a positive number"):
        gg.Trainer(model, device="cpu")


@pytest.mark.parametrize("written", [{"scale": [1, 2]}, {"scale": -1}, {"scale": "x"}, {}])
def test_a_file_of_before_whose_header_had_another_meaning_of_scale(tmp_path, written):
    model = nn.MLP(5, [8], 3, seed=0)
    header = {"model": checkpoint.describe_model(model), **written}
    checkpoint.write_file(tmp_path / "m", model.state_dict(), header)
    assert gg.load_model(tmp_path / "m")[0].input_scale is None


# ---- checkpoints ----


def test_a_resumed_run_has_the_scale_of_its_checkpoint(tmp_path):
    whole = make_trainer()
    whole.fit(X, Y, epochs=4, batch_size=16, scale=SCALE)
    make_trainer().fit(X, Y, epochs=2, batch_size=16, scale=SCALE, checkpoint=tmp_path / "c")
    for scale in (None, SCALE):
        resumed = make_trainer()
        resumed.fit(X, Y, epochs=4, batch_size=16, scale=scale, resume=tmp_path / "c")
        np.testing.assert_array_equal(outputs(resumed), outputs(whole))
    resumed.fit(X, Y, epochs=1, scale=0.5)
    resumed.fit(X, Y, epochs=4, batch_size=16, resume=tmp_path / "c")  # and not the one of the last fit
    np.testing.assert_array_equal(outputs(resumed), outputs(whole))
    other = make_trainer()
    with pytest.raises(CheckpointError, match=r"was written with scale 0\.0039.*, this run has 1\.0: resume with"):
        other.fit(X, Y, epochs=4, batch_size=16, scale=1.0, resume=tmp_path / "c")
    assert other.scale is None


def test_a_checkpoint_of_before_names_no_scale(tmp_path):
    make_trainer().fit(X, Y, epochs=2, batch_size=16, scale=SCALE, checkpoint=tmp_path / "c")
    arrays, header = checkpoint.read_file(tmp_path / "c")
    del header["scale"], header["run"]["scale"]
    checkpoint.write_file(tmp_path / "c", arrays, header)
    resumed = make_trainer()
    resumed.fit(X, Y, epochs=3, batch_size=16, scale=SCALE, resume=tmp_path / "c")
    assert (resumed.epoch, resumed.scale) == (3, SCALE)


# ---- exports ----


def test_onnx_accepts_the_features_of_fit(trained):
    onnxruntime = pytest.importorskip("onnxruntime")
    for options in ({}, {"scale": SCALE}):
        proto = gg.export.to_onnx(trained.model, classes=[0, 1, 2], **options)
        session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
        (found,) = session.run(["probabilities"], {"X": X.astype(np.float32)})
        np.testing.assert_allclose(found, outputs(trained), rtol=1e-4, atol=1e-6)
    with pytest.raises(ArgumentError, match="trained with scale"):
        gg.export.to_onnx(trained.model, scale=1.0)


def test_weights_for_pytorch_come_with_a_warning_of_the_scale(trained, caplog):
    with caplog.at_level(logging.WARNING):
        gg.export.to_pytorch(trained.model)
    assert "expect features multiplied by 0.00392157" in caplog.text
    caplog.clear()
    gg.export.to_pytorch(nn.MLP(5, [8], 3))
    assert not caplog.text
