"""Arrays of CuPy, PyTorch and JAX on a GPU as tensors, and tensors as their arrays: the same memory, in order."""

import os
import sys

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.errors import ArgumentError, DeviceError, GraphError, RecordingError

SIZE, ADDITIONS = 1 << 24, 300  # launches that take a GPU some milliseconds, much longer than it takes to make them


@pytest.fixture
def cupy(cuda):
    return cuda.xp


@pytest.fixture
def torch(cuda):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no GPU")
    return torch


@pytest.fixture
def jax(cuda):
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # leave others some of the memory
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    if jax.devices()[0].platform != "gpu":
        pytest.skip("this JAX has no GPU")
    return jax


@pytest.fixture
def no_way_to_the_host(monkeypatch, cupy, cuda):
    def refuse(*_, **__):
        raise AssertionError("an array was copied to the host")

    monkeypatch.setattr(cupy, "asnumpy", refuse)
    monkeypatch.setattr(cuda, "download", refuse)
    monkeypatch.setattr(sys.modules["gpugrad.engine.tensor"], "_host_array", refuse)


class OnlyTheInterface:
    """An array that has `__cuda_array_interface__` alone, as those of Numba do."""

    def __init__(self, array):
        self.array = array
        self.__cuda_array_interface__ = array.__cuda_array_interface__


# ---- from other libraries ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 4), (5,), (), (0, 2)])
def test_an_array_of_cupy_and_its_tensor_are_the_same_memory(cuda, cupy, dtype, shape):
    array = cupy.zeros(shape, dtype)
    tensor = gg.from_dlpack(array, cuda)
    assert (tensor.shape, tensor.dtype, tensor.device) == (shape, np.dtype(dtype), cuda)
    assert tensor.data.data.ptr == array.data.ptr
    array += 7
    cupy.cuda.Device().synchronize()
    assert (tensor.numpy() == 7).all()
    tensor[...] = 9
    cuda.synchronize()
    assert (array.get() == 9).all()


def test_a_tensor_of_pytorch_and_its_tensor_are_the_same_memory(cuda, torch):
    theirs = torch.arange(6.0, device="cuda").reshape(2, 3)
    ours = gg.from_dlpack(theirs, cuda)
    assert ours.data.data.ptr == theirs.data_ptr()
    theirs[0, 0] = 10
    torch.cuda.synchronize()
    ours[1, 2] = 20
    cuda.synchronize()
    assert ours.tolist() == theirs.tolist() == [[10, 1, 2], [3, 4, 20]]


def test_an_array_of_jax_is_read_only(cuda, jax):
    theirs = jax.numpy.arange(3.0)
    ours = gg.from_dlpack(theirs, cuda)
    assert ours.data.data.ptr == theirs.unsafe_buffer_pointer()
    assert (ours * 2).tolist() == [0, 2, 4]
    for view in (ours, ours.detach(), ours.reshape(3, 1)):
        with pytest.raises(ArgumentError, match="read-only memory of another library"):
            view[0] = 1
    assert ours.__cuda_array_interface__["data"] == (ours.data.data.ptr, True)
    with pytest.raises(ArgumentError, match="this tensor is read-only, which CuPy cannot pass on"):
        ours.__dlpack__()
    assert gg.tensor(ours).tolist() == theirs.tolist() == [0, 1, 2]


def test_no_device_named_is_the_gpu_that_the_array_is_on(cuda, cupy):
    array = cupy.zeros(3, np.float32)
    assert gg.from_dlpack(array).device is gg.device("cuda:0")
    assert gg.from_dlpack(gg.tensor([1.0], device=cuda)).device is gg.device("cuda:0")
    assert gg.tensor(array).device is gg.device("cuda:0")
    assert gg.tensor(gg.tensor([1.0], device=cuda)).device is cuda


# ---- order ----


def many_additions(array):
    for _ in range(ADDITIONS):
        array += 1
    return array


def test_the_work_on_the_stream_of_cupy_is_waited_for(cuda, cupy):
    for use in (gg.from_dlpack, gg.tensor):
        with cupy.cuda.Stream(non_blocking=True) as stream:
            array = cupy.zeros(SIZE, np.float32)
            stream.synchronize()
            tensor = use(many_additions(array), device=cuda)
        assert (tensor * 1).numpy().min() == ADDITIONS
        cupy.cuda.Device().synchronize()


def test_the_work_on_the_stream_of_pytorch_is_waited_for(cuda, torch):
    for use in (gg.from_dlpack, gg.tensor):
        with torch.cuda.stream(torch.cuda.Stream()):
            array = torch.zeros(SIZE, device="cuda")
            torch.cuda.synchronize()
            tensor = use(many_additions(array), device=cuda)
        assert (tensor * 1).numpy().min() == ADDITIONS
        torch.cuda.synchronize()


def test_the_work_of_a_device_is_waited_for_by_others(cuda, cupy):
    for use in (cupy.from_dlpack, cupy.asarray):
        data = cuda.zeros(SIZE)
        cuda.synchronize()
        for _ in range(ADDITIONS):
            cuda.run(cupy.add, data, 1, out=data)
        with cupy.cuda.Stream(non_blocking=True):
            assert use(gg.Tensor(data, cuda)).min().get() == ADDITIONS


def test_pytorch_waits_for_the_work_of_a_device(cuda, cupy, torch):
    data = cuda.zeros(SIZE)
    cuda.synchronize()
    for _ in range(ADDITIONS):
        cuda.run(cupy.add, data, 1, out=data)
    assert torch.from_dlpack(gg.Tensor(data, cuda)).min().item() == ADDITIONS


# ---- to other libraries ----


def test_cupy_shares_the_memory_of_a_tensor(cuda, cupy):
    tensor = gg.tensor([1.0, 2.0], device=cuda)
    for array in (cupy.from_dlpack(tensor), cupy.asarray(tensor)):
        assert array.data.ptr == tensor.data.data.ptr
        array += 1
        cupy.cuda.Device().synchronize()
    assert tensor.tolist() == [3, 4]


def test_pytorch_shares_the_memory_of_a_tensor(cuda, torch):
    tensor = gg.tensor([1.0, 2.0], device=cuda)
    for theirs in (torch.from_dlpack(tensor), torch.as_tensor(tensor, device="cuda")):
        assert theirs.data_ptr() == tensor.data.data.ptr
        theirs += 1
        torch.cuda.synchronize()
    assert tensor.tolist() == [3, 4]


def test_jax_reads_a_tensor(cuda, jax):
    assert jax.numpy.from_dlpack(gg.tensor([1.0, 2.0], device=cuda)).tolist() == [1, 2]


def test_the_interface_names_memory_and_stream(cuda):
    tensor = gg.tensor([[1.0, 2.0]], device=cuda)
    interface = tensor.__cuda_array_interface__
    assert interface["shape"] == (1, 2)
    assert interface["typestr"] == "<f4"
    assert interface["data"] == (tensor.data.data.ptr, False)
    assert interface["stream"] == cuda.stream.ptr


def test_a_tensor_that_requires_a_gradient_is_lent_detached(cuda, cupy):
    weight = gg.tensor([1.0, 2.0], requires_grad=True, device=cuda)
    for lend in (cupy.from_dlpack, cupy.asarray):
        with pytest.raises(GraphError, match=r"another library would lose: call detach\(\) first"):
            lend(weight)
    assert cupy.from_dlpack(weight.detach()).data.ptr == weight.data.data.ptr


def test_nothing_is_lent_or_imported_inside_a_recorded_step(cuda, cupy):
    x, array = gg.tensor([1.0, 2.0], device=cuda), cupy.ones(2, np.float32)
    with pytest.raises(RecordingError, match="imported inside a recorded step"):
        gg.record(lambda: x * gg.from_dlpack(array, cuda), cuda)()
    with pytest.raises(RecordingError, match="lent a tensor to another library"):
        gg.record(lambda: cupy.from_dlpack(x * 2), cuda)()


# ---- copies ----


def test_a_copy_of_an_array_on_the_gpu_stays_there(cuda, cupy, no_way_to_the_host):
    array = cupy.arange(3, dtype=np.float32)
    cupy.cuda.Device().synchronize()
    for theirs in (array, OnlyTheInterface(array), gg.Tensor(array, cuda)):
        ours = gg.tensor(theirs, device=cuda)
        cuda.synchronize()
        assert ours.data.data.ptr != array.data.ptr
        assert (ours.data == array).all()
        assert gg.tensor(theirs, np.float64, device=cuda).dtype == np.float64


def test_a_copy_of_a_tensor_of_pytorch_stays_on_the_gpu(cuda, torch, no_way_to_the_host):
    theirs = torch.arange(3.0, device="cuda")
    ours = gg.tensor(theirs, device=cuda)
    cuda.synchronize()
    assert ours.data.data.ptr != theirs.data_ptr()
    assert ours.data.sum() == 3


def test_a_copy_to_the_host_is_made_where_it_is_asked_for(cuda, cupy):
    array = cupy.arange(3, dtype=np.float32)
    for theirs in (array, OnlyTheInterface(array), gg.tensor(array, device=cuda)):
        ours = gg.tensor(theirs, device="cpu")
        assert ours.device is gg.device("cpu")
        assert ours.tolist() == [0, 1, 2]


# ---- what is refused ----


def test_what_cannot_be_shared(cuda, cupy):
    with pytest.raises(ArgumentError, match="a cupy ndarray has dtype int32, expected float32 or float64"):
        gg.from_dlpack(cupy.zeros(3, np.int32), cuda)
    with pytest.raises(ArgumentError, match=r"strides \(4, 16\), expected C-contiguous memory"):
        gg.from_dlpack(cupy.zeros((3, 4), np.float32).T, cuda)
    with pytest.raises(DeviceError, match="a cupy ndarray is on cuda:0, and device"):
        gg.from_dlpack(cupy.zeros(3, np.float32), "cpu")
    with pytest.raises(DeviceError, match="a numpy ndarray is on cpu, and device"):
        gg.from_dlpack(np.zeros(3, np.float32), cuda)


def test_what_pytorch_does_not_share(cuda, torch):
    with pytest.raises(ArgumentError, match=r"a torch Tensor (has dtype |of dtype torch\.)bfloat16"):
        gg.from_dlpack(torch.zeros(3, dtype=torch.bfloat16, device="cuda"), cuda)
    with pytest.raises(ArgumentError, match=r"a torch Tensor of dtype torch\.float32 cannot be shared.*detach\(\)"):
        gg.from_dlpack(torch.zeros(3, requires_grad=True, device="cuda"), cuda)
