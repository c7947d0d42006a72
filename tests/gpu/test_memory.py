"""Arrays on a GPU: copies in both directions, running out of memory, memory of training, streamed data."""

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn
from gpugrad.errors import DeviceMemoryError, RecordingError


def test_copies_are_copies(cuda):
    host = np.arange(12, dtype=np.float32).reshape(3, 4)
    there = cuda.upload(host)
    host[:] = -1
    back = cuda.download(there)
    np.testing.assert_array_equal(back, np.arange(12).reshape(3, 4))
    back[:] = -2
    np.testing.assert_array_equal(cuda.download(there), np.arange(12).reshape(3, 4))
    for strided in (np.arange(12).reshape(3, 4).T, np.arange(24)[::2], np.float32(3)):
        np.testing.assert_array_equal(cuda.download(cuda.upload(strided)), strided)


@pytest.mark.parametrize("value", [3, np.arange(4), np.arange(12, dtype=np.int64).reshape(3, 4)[:, ::-1]])
def test_write(cuda, value):
    array = cuda.zeros((3, 4))
    cuda.write(array, value)
    np.testing.assert_array_equal(cuda.download(array), np.broadcast_to(np.asarray(value, np.float32), (3, 4)))


def test_many_writes_in_a_row_keep_their_order(cuda):
    """Host memory that a copy still reads is not reused by the next copy."""
    array = cuda.zeros(1 << 16)
    seen = []
    for i in range(50):
        cuda.write(array, np.full(1 << 16, i, np.float32))
        seen.append(cuda.copy(array))
    for i, copy in enumerate(seen):
        assert (cuda.download(copy) == i).all()


@pytest.mark.parametrize("share", [0.97, 20.0])
def test_running_out_of_memory_is_reported_and_the_device_still_works(cuda, share):
    with cuda.current():
        _, total = cuda.xp.cuda.Device().mem_info
    held = cuda.empty(int(0.1 * total), np.uint8)
    rows = int(share * total) // 4096
    message = (
        rf"cuda:0 has no room for an array of shape \({rows}, 1024\) and dtype float32: it takes .* GiB, and .* GiB of "
        r".* GiB are free; choose a smaller batch or model"
    )
    with pytest.raises(DeviceMemoryError, match=message):
        cuda.empty((rows, 1024))
    row = gg.tensor(np.ones((1, 1 << 20), np.float32), device=cuda)
    with pytest.raises(DeviceMemoryError, match=r"shape \(1048576, 1048576\)"):
        row + gg.tensor(np.ones((1 << 20, 1), np.float32), device=cuda)
    assert cuda.download(cuda.full(3, 2)).tolist() == [2, 2, 2]
    assert held.size > 0


def test_the_peak_is_the_memory_taken_from_the_driver(cuda):
    before = cuda.peak_memory()
    array = cuda.empty(1 << 26)
    assert cuda.peak_memory() >= array.nbytes
    del array
    assert cuda.peak_memory() >= max(before, 4 << 26)


def test_a_replayed_step_takes_no_more_memory(cuda):
    model = nn.MLP(20, [32], 5, dropout=0.1, seed=0)
    trainer = gg.Trainer(model, device=cuda, seed=0)
    x = np.random.default_rng(0).normal(size=(640, 20)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int32) + 2
    trainer.fit(x, y, epochs=2, batch_size=64)
    pool = cuda.xp.get_default_memory_pool()
    used = []
    for _ in range(3):
        trainer.fit(x, y, epochs=4, batch_size=64)
        used.append(pool.used_bytes())
    assert used[0] == used[1] == used[2]


def test_a_host_value_cannot_be_read_inside_a_recorded_step(cuda):
    x = gg.tensor(np.ones(3, np.float32), device=cuda)
    with pytest.raises(RecordingError, match="read a value back to the host"):
        gg.record(lambda: (x * 2).numpy(), cuda)()
    assert (x * 2).tolist() == [2, 2, 2]
