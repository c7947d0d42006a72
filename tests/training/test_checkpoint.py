"""Files of weights and checkpoints, and files written whole or not at all."""

from __future__ import annotations

import errno
import functools
import json
import os

import numpy as np
import pytest
from safetensors.numpy import save_file

import gpugrad as gg
from gpugrad import nn
from gpugrad.engine import files
from gpugrad.errors import ArgumentError, CheckpointError, StorageError
from gpugrad.training import checkpoint
from gpugrad.training import state as training_state


@pytest.fixture
def model():
    return nn.MLP(5, [4, 3], 2, activation="tanh", dropout=0.1, seed=0)


def test_a_model_comes_back_with_its_configuration_and_header(tmp_path, model):
    path = tmp_path / "deep" / "model.safetensors"
    gg.save_model(model, path, classes=["no", "yes"])
    loaded, header = gg.load_model(path)
    assert header["classes"] == ["no", "yes"]
    assert loaded.config == model.config
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(loaded.state_dict()[name], array)


def test_weights_go_into_a_model_that_is_given(tmp_path):
    source, target = (nn.Sequential(nn.Dense(3, 2, seed=seed), nn.Tanh()) for seed in (0, 1))
    gg.save_model(source, tmp_path / "m")
    gg.load_model(tmp_path / "m", target)
    np.testing.assert_array_equal(source.state_dict()["0.weight"], target.state_dict()["0.weight"])
    with pytest.raises(CheckpointError, match="pass the model to load into"):
        gg.load_model(tmp_path / "m")


def test_another_shape_is_named(tmp_path, model):
    gg.save_model(model, tmp_path / "m")
    other = nn.MLP(5, [4, 2], 2, dropout=0.1, seed=0)
    with pytest.raises(CheckpointError, match=r"does not fit the model.*shape \(4, 3\), expected \(4, 2\)"):
        gg.load_model(tmp_path / "m", other)


def test_every_truncation_is_refused(tmp_path, model):
    path = tmp_path / "m"
    gg.save_model(model, path)
    content = path.read_bytes()
    for length in (0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="cannot be read"):
            gg.load_model(path)


def test_other_files_are_refused(tmp_path, model):
    with pytest.raises(CheckpointError, match="there is no file"):
        gg.load_model(tmp_path / "absent")
    save_file({"weight": np.zeros(2, np.float32)}, tmp_path / "torch.safetensors")
    with pytest.raises(CheckpointError, match=r"no gpugrad header.*nn\.load_pytorch"):
        gg.load_model(tmp_path / "torch.safetensors")
    newer = {"gpugrad": json.dumps({"version": checkpoint.VERSION + 1})}
    save_file(model.state_dict(), tmp_path / "newer", metadata=newer)
    with pytest.raises(CheckpointError, match=f"version {checkpoint.VERSION + 1}.*upgrade gpugrad"):
        gg.load_model(tmp_path / "newer")
    damaged = {"gpugrad": json.dumps({"version": 1, "model": {"class": "MLP", "config": {"in_features": 5}}})}
    save_file(model.state_dict(), tmp_path / "damaged", metadata=damaged)
    with pytest.raises(CheckpointError, match="damaged"):
        gg.load_model(tmp_path / "damaged")


def test_arrays_of_any_shape_and_numbers_of_any_kind_come_back(tmp_path):
    arrays = {"scalar": np.array(2.5), "empty": np.zeros((0, 3)), "turned": np.arange(6).reshape(2, 3).T}
    header = {"share": np.float32(0.5), "count": np.int64(3), "on": np.bool_(True), "list": np.arange(2), "nan": np.nan}
    checkpoint.write_file(tmp_path / "f", arrays, header)
    back, found = checkpoint.read_file(tmp_path / "f")
    assert {name: (a.shape, a.dtype, a.tolist()) for name, a in back.items()} == {
        name: (a.shape, a.dtype, a.tolist()) for name, a in arrays.items()
    }
    assert np.isnan(found.pop("nan"))
    assert found == {"version": 1, "share": 0.5, "count": 3, "on": True, "list": [0, 1]}
    with pytest.raises(ArgumentError, match=r"cannot hold .* of type set"):
        checkpoint.write_file(tmp_path / "g", arrays, {"set": {1}})
    assert os.listdir(tmp_path) == ["f"]


def test_sets_of_arrays_side_by_side():
    sets = {"model": {"0.weight": np.ones(2), "a/b": np.zeros(1)}, "optimizer": {"m": np.ones(3)}}
    joined = checkpoint.join(sets)
    assert set(joined) == {"model/0.weight", "model/a/b", "optimizer/m"}
    assert checkpoint.split(joined) == sets


def test_a_model_of_ones_own_is_described_by_its_name(tmp_path):
    class Own(nn.Module):
        def __init__(self):
            self.config = object()  # not for the header
            self.scale = nn.Parameter(np.float32(3.0))

    gg.save_model(Own(), tmp_path / "m")
    own = Own()
    own.scale.data[...] = 0
    assert gg.load_model(tmp_path / "m", own)[1]["model"] == {"class": "Own", "config": None}
    assert own.scale.item() == 3


def test_the_model_of_a_checkpoint_can_be_read(tmp_path, model):
    trainer = gg.Trainer(model, device="cpu")
    x, y = np.ones((4, 5), np.float32), [0, 1, 0, 1]
    trainer.fit(x, y, epochs=1, batch_size=4, checkpoint=tmp_path / "c", checkpoint_header={"names": ["a", "b"]})
    loaded, header = gg.load_model(tmp_path / "c")
    assert header["names"] == ["a", "b"]
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_array_equal(loaded.state_dict()[name], array)


def test_a_damaged_checkpoint(tmp_path, model):
    trainer = gg.Trainer(model, device="cpu")
    x, y = np.ones((4, 5), np.float32), [0, 1, 0, 1]
    trainer.fit(x, y, epochs=1, batch_size=4, checkpoint=tmp_path / "c")
    arrays, header = checkpoint.read_file(tmp_path / "c")
    for name in ("param_groups", "history", "steps", "dropout_calls", "callbacks"):
        checkpoint.write_file(tmp_path / "d", arrays, {key: value for key, value in header.items() if key != name})
        other = gg.Trainer(nn.MLP.from_config(model.config), device="cpu")
        before = training_state.capture(other, [])
        with pytest.raises(CheckpointError, match=f"is damaged .*{name}.*use an earlier one"):
            other.fit(x, y, epochs=2, batch_size=4, resume=tmp_path / "d")
        after = training_state.capture(other, [])
        for kept in before.arrays["model"]:  # nothing was changed
            np.testing.assert_array_equal(before.arrays["model"][kept], after.arrays["model"][kept])
        assert (other.epoch, other.steps) == (0, 0)
    checkpoint.write_file(tmp_path / "d", arrays, {**header, "run": None})
    with pytest.raises(CheckpointError, match=r"is damaged .*header"):
        trainer.fit(x, y, epochs=2, batch_size=4, resume=tmp_path / "d")
    without = {name: array for name, array in arrays.items() if name != "model/0.weight"}
    checkpoint.write_file(tmp_path / "d", without, header)
    with pytest.raises(CheckpointError, match=r"missing 0\.weight"):
        trainer.fit(x, y, epochs=2, batch_size=4, resume=tmp_path / "d")


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.write_whole(path, "old")

    def no_space(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StorageError, match=r"No space left on device: free some space"):
        files.write_whole(path, "new" * 1000)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        files.check_writable(tmp_path / "file" / "folder")


def test_a_folder_without_permission(locked_folder):
    for folder in (locked_folder, locked_folder / "new"):
        with pytest.raises(StorageError, match="that you may write to"):
            files.check_writable(folder)


def test_written_files_can_be_read_by_others(tmp_path):
    mask = os.umask(0o022)
    try:
        files.write_whole(tmp_path / "file", b"x")
    finally:
        os.umask(mask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_a_folder_is_not_a_model(tmp_path):
    with pytest.raises(CheckpointError, match=r"is a folder, expected a file: pass .*model\.safetensors"):
        gg.load_model(tmp_path)


# ---- damaged files ----

MOST = 400  # characters of a message


def refusal(call):
    """Return what a call says when it refuses a file, or None; any other error is a failure."""
    try:
        call()
    except (CheckpointError, ArgumentError) as error:
        return str(error)
    return None


def rewritten(path, change, *, checksum):
    """Write a file again with another header; `checksum`: with the checksum of that, as another program could."""
    arrays, header = checkpoint.read_file(path)
    header = change(header)
    text = json.dumps(header)
    metadata = {checkpoint.HEADER: text}
    if checksum:
        metadata[checkpoint.CHECKSUM] = checkpoint._checksum(text, arrays)
    save_file(arrays, path, metadata)


def leaves(value, path=()):
    """Yield the path to each value within a JSON document, and to those that hold others."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from leaves(part, (*path, key))


def changed(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if new is REMOVED and len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


REMOVED = object()
KINDS = [REMOVED, None, [], {}, "text", -1, 0, 1e308, 10**30, True, [[]], {"a": 1}]


def test_a_flipped_bit_anywhere_is_noticed(tmp_path, model):
    path = tmp_path / "m"
    gg.save_model(model, path, classes=["no", "yes"])
    whole = path.read_bytes()
    rng, unnoticed = np.random.default_rng(0), 0
    for _ in range(500):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        said = refusal(lambda: gg.load_model(path))
        assert said is None or len(said) < MOST
        unnoticed += said is None
    assert unnoticed < 15  # in the name of the checksum itself


def test_cut_and_filled_files_are_refused(tmp_path, model):
    path = tmp_path / "m"
    gg.save_model(model, path)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for i in range(200):
        cut = int(rng.integers(len(whole) - 8))
        path.write_bytes(whole[:cut] + (b"", rng.bytes(len(whole) - cut), bytes(len(whole) - cut))[i % 3])
        said = refusal(lambda: gg.load_model(path))
        assert said is not None, cut
        assert len(said) < MOST


@pytest.mark.parametrize("checksum", [False, True])
def test_headers_of_wrong_kinds_load_or_are_refused_in_a_sentence(tmp_path, model, checksum):
    path = tmp_path / "m"
    gg.save_model(model, path, classes=["no", "yes"])
    _, header = checkpoint.read_file(path)
    whole = path.read_bytes()
    for place in leaves(header):
        for new in KINDS if place else KINDS[1:]:
            path.write_bytes(whole)
            rewritten(path, lambda header, place=place, new=new: changed(header, place, new), checksum=checksum)
            assert len(refusal(lambda: gg.load_model(path)) or "") < MOST, (place, new)


def test_checkpoints_of_wrong_kinds_resume_or_are_refused_and_change_nothing(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32), np.arange(30) % 2
    path = tmp_path / "c"

    def trainer():
        return gg.Trainer(nn.MLP(4, [3], 2, seed=0, device="cpu"), device="cpu", schedule="cosine")

    trainer().fit(x, y, epochs=1, checkpoint=path)
    _, header = checkpoint.read_file(path)
    whole = path.read_bytes()
    rng, tried = np.random.default_rng(2), list(leaves(header))[1:]
    for _ in range(200):
        place, new = tried[rng.integers(len(tried))], KINDS[rng.integers(len(KINDS))]
        path.write_bytes(whole)
        rewritten(path, lambda header, place=place, new=new: changed(header, place, new), checksum=True)
        resumed = trainer()
        before = resumed.model.state_dict()["0.weight"]
        said = refusal(functools.partial(resumed.fit, x, y, epochs=2, resume=path))
        if said is not None:
            assert len(said) < MOST, (place, new)
            np.testing.assert_array_equal(resumed.model.state_dict()["0.weight"], before)


def test_a_header_that_claims_a_large_network_builds_nothing(tmp_path, model, monkeypatch):
    gg.save_model(model, tmp_path / "m")
    monkeypatch.setattr(nn.MLP, "from_config", lambda *arguments: pytest.fail("it was built"))
    for hidden in ([15000, 15000], [8] * 5000, [4, 4], ["a"], 7, [1e308, 3]):
        rewritten(
            tmp_path / "m", lambda h, hidden=hidden: changed(h, ("model", "config", "hidden"), hidden), checksum=True
        )
        said = refusal(lambda: gg.load_model(tmp_path / "m"))
        assert "is damaged" in said
        assert len(said) < MOST


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_not_served(tmp_path, model, value):
    list(model.parameters())[2].data[1] = value
    gg.save_model(model, tmp_path / "m")
    with pytest.raises(CheckpointError, match=r"is damaged .*not finite"):
        gg.load_model(tmp_path / "m")
