"""Arrays of NumPy, PyTorch and JAX as tensors and tensors as their arrays, on the CPU; tests/gpu has the GPU's."""

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.engine.device import Device
from gpugrad.errors import ArgumentError, DeviceError, GraphError, RecordingError


def numbers(*shape, dtype=np.float32):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture
def jax():
    return pytest.importorskip("jax", reason="JAX is not installed")


def frozen(array):
    array.flags.writeable = False
    return array


# ---- from other libraries ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 4), (5,), (), (0, 2)])
def test_a_numpy_array_and_its_tensor_are_the_same_memory(dtype, shape):
    array = np.zeros(shape, dtype)
    tensor = gg.from_dlpack(array)
    assert (tensor.shape, tensor.dtype, tensor.device) == (shape, np.dtype(dtype), gg.device("cpu"))
    assert not tensor.requires_grad
    array[...] = 7
    np.testing.assert_array_equal(tensor.numpy(), array)
    tensor[...] = 9
    np.testing.assert_array_equal(array, np.full(shape, 9))
    assert tensor.data.__array_interface__["data"][0] == array.__array_interface__["data"][0]


def test_a_pytorch_tensor_and_its_tensor_are_the_same_memory(torch):
    theirs = torch.arange(6.0).reshape(2, 3)
    ours = gg.from_dlpack(theirs)
    theirs[0, 0] = 10
    ours[1, 2] = 20
    assert ours.tolist() == theirs.tolist() == [[10, 1, 2], [3, 4, 20]]
    assert ours.data.ctypes.data == theirs.data_ptr()


def test_memory_lives_as_long_as_its_tensor(torch):
    ours = gg.from_dlpack(torch.full((1000,), 3.0))
    others = [torch.full((1000,), 4.0) for _ in range(50)]  # memory that was freed would be theirs now
    assert ours.numpy().tolist() == [3.0] * 1000
    assert len(others) == 50


def test_a_gradient_of_memory_of_another_library(torch):
    theirs = torch.tensor([1.0, 2.0, 3.0])
    ours = gg.from_dlpack(theirs)
    ours.requires_grad = True
    (ours**2).sum().backward()
    assert ours.grad.tolist() == [2, 4, 6]
    assert theirs.grad is None


def test_any_device_of_the_host_can_share_its_memory():
    array = numbers(3)
    for device in ("cpu", gg.device("cpu", "numpy"), Device("emulator", "cupy")):
        tensor = gg.from_dlpack(array, device)
        assert tensor.device is gg.device(device)
        assert np.shares_memory(tensor.data, array)


def test_a_tensor_of_ours_is_shared_too():
    tensor = gg.tensor([1.0, 2.0])
    gg.from_dlpack(tensor)[0] = 5
    assert tensor.tolist() == [5, 2]


# ---- read-only memory ----


@pytest.mark.parametrize("library", ["numpy", "jax"])
def test_read_only_memory_makes_a_read_only_tensor(library, request):
    array = frozen(np.arange(3, dtype=np.float32))
    if library == "jax":
        array = request.getfixturevalue("jax").numpy.arange(3.0)
    tensor = gg.from_dlpack(array)
    for view in (tensor, tensor.detach(), tensor.reshape(3, 1), gg.from_dlpack(tensor)):
        with pytest.raises(ArgumentError, match=r"read-only memory of another library: copy it with gg\.tensor"):
            view[0] = 1
    assert np.asarray(array).tolist() == [0, 1, 2]
    assert (tensor * 2).tolist() == [0, 2, 4]
    assert not np.from_dlpack(tensor).flags.writeable
    copy = gg.tensor(tensor)
    copy[0] = 1
    assert copy.tolist() == [1, 1, 2]
    assert tensor.data.ctypes.data == np.from_dlpack(array).ctypes.data


# ---- errors ----


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float16", "complex64", "bool"])
def test_dtypes_that_are_not_shared(dtype):
    with pytest.raises(
        ArgumentError, match=f"a numpy ndarray has dtype {dtype}, expected float32 or float64: convert it, or copy it"
    ):
        gg.from_dlpack(np.zeros(3, dtype))


def test_a_bfloat16_of_pytorch(torch):
    with pytest.raises(ArgumentError, match=r"a torch Tensor of dtype torch\.bfloat16 cannot be shared"):
        gg.from_dlpack(torch.zeros(3, dtype=torch.bfloat16))


def test_a_pytorch_tensor_that_requires_a_gradient(torch):
    for make in (gg.from_dlpack, gg.tensor):
        with pytest.raises(ArgumentError, match=r"detach\(\)") as caught:
            make(torch.zeros(3, requires_grad=True))
        assert str(caught.value).startswith("a")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "strides"),
    [(numbers(4, 3).T, r"\(4, 12\)"), (numbers(6)[::2], r"\(8,\)"), (numbers(6)[::-1], r"\(-4,\)"),
     (numbers(4, 4)[:, :2], r"\(16, 4\)")],
    ids=["transposed", "every second", "reversed", "columns"],
)  # fmt: skip
def test_memory_that_is_not_contiguous(array, strides):
    with pytest.raises(ArgumentError, match=f"strides {strides}, expected C-contiguous memory: make it contiguous"):
        gg.from_dlpack(array)
    np.testing.assert_array_equal(gg.tensor(array).numpy(), array)


def test_what_is_no_array():
    with pytest.raises(ArgumentError, match="from_dlpack got a list, expected an array with __dlpack__: copy"):
        gg.from_dlpack([1.0, 2.0])


class Elsewhere:
    """An array on a device of another kind, or on a GPU that this machine does not have."""

    def __init__(self, *place):
        self.place = place

    def __dlpack_device__(self):
        return self.place

    def __dlpack__(self, **options):
        raise AssertionError("it is refused before it is asked for its memory")


def test_memory_elsewhere():
    with pytest.raises(DeviceError, match="is on a device of DLPack type 8, expected a CPU or a CUDA GPU"):
        gg.from_dlpack(Elsewhere(8, 0))
    with pytest.raises(DeviceError, match=r"is on cuda:1, and device\('cpu', .*copy it with gg\.tensor\(x, device=…\)"):
        gg.from_dlpack(Elsewhere(2, 1), device="cpu")
    with pytest.raises(DeviceError, match="device 'cuda:99' with toolchain 'cupy' cannot be used"):
        gg.from_dlpack(Elsewhere(2, 99))


# ---- to other libraries ----


def test_numpy_shares_the_memory_of_a_tensor():
    tensor = gg.tensor([[1.0, 2.0], [3.0, 4.0]])
    array = np.from_dlpack(tensor)
    array[0, 0] = 8
    tensor[1] = 0
    assert array.tolist() == tensor.tolist() == [[8, 2], [0, 0]]
    assert np.from_dlpack(tensor, copy=True).ctypes.data != array.ctypes.data
    assert np.from_dlpack(tensor.argmax(1)).tolist() == [0, 0]  # integers, too


def test_pytorch_shares_the_memory_of_a_tensor(torch):
    tensor = gg.tensor([1.0, 2.0])
    theirs = torch.from_dlpack(tensor)
    theirs[0] = 8
    tensor[1] = 9
    assert theirs.tolist() == tensor.tolist() == [8, 9]
    assert theirs.data_ptr() == tensor.data.ctypes.data


def test_jax_reads_a_tensor(jax):
    assert jax.numpy.from_dlpack(gg.tensor([1.0, 2.0])).tolist() == [1, 2]


def test_a_parameter_is_shared_detached(torch):
    model = gg.nn.Dense(2, 3, seed=0)
    theirs = torch.from_dlpack(model.weight.detach())
    theirs.fill_(0.5)
    assert model(gg.tensor([[1.0, 1.0]])).tolist() == [[1, 1, 1]]
    with pytest.raises(GraphError, match=r"requires a gradient, which another library would lose: call detach\(\)"):
        torch.from_dlpack(model.weight)
    with pytest.raises(GraphError, match=r"call detach\(\)"):
        np.from_dlpack(model.weight)


def test_the_attribute_of_a_gpu_is_not_there_on_a_cpu():
    for tensor in (gg.tensor([1.0]), gg.tensor([1.0], requires_grad=True)):
        assert not hasattr(tensor, "__cuda_array_interface__")
        with pytest.raises(AttributeError, match="a tensor on cpu has no __cuda_array_interface__"):
            _ = tensor.__cuda_array_interface__


def test_an_array_of_a_tensor_is_a_copy():
    tensor = gg.tensor([1.0, 2.0])
    array = np.asarray(tensor)
    array[0] = 9
    assert tensor.tolist() == [1, 2]
    assert np.asarray(tensor, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match=r"always copied to NumPy: use np\.from_dlpack"):
        np.asarray(tensor, copy=False)


# ---- copies ----


def test_a_tensor_made_of_other_libraries_is_a_copy(torch):
    for theirs in (torch.tensor([1.0, 2.0]), torch.tensor([1, 2]), torch.tensor([1.0, 2.0]).to(torch.float16)):
        ours = gg.tensor(theirs)
        theirs[0] = 9
        assert ours.tolist() == [1, 2]
        assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
    with pytest.raises(ArgumentError, match=r"a tensor cannot be made from a Tensor: .*BFloat16"):
        gg.tensor(torch.zeros(2, dtype=torch.bfloat16))


def test_a_tensor_made_of_a_tensor_stays_on_its_device():
    device = gg.device("cpu", "numpy")
    tensor = gg.tensor([1.0, 2.0], device=device)
    copy = gg.tensor(tensor)
    copy[0] = 9
    assert copy.device is device
    assert tensor.tolist() == [1, 2]
    assert gg.tensor(tensor, device="cpu").device is gg.device("cpu")


# ---- recorded steps ----


def test_nothing_is_shared_inside_a_recorded_step():
    x, array = gg.tensor([1.0, 2.0]), numbers(2)
    with pytest.raises(RecordingError, match="imported inside a recorded step"):
        gg.record(lambda: x * gg.from_dlpack(array))()
    with pytest.raises(RecordingError, match="lent a tensor to another library"):
        gg.record(lambda: np.from_dlpack(x * 2))()


def test_a_recorded_step_reads_what_the_other_library_wrote():
    array = numbers(4)
    x = gg.from_dlpack(array)
    step = gg.record(lambda: (x * x).sum())
    for _ in range(3):
        assert float(step()) == pytest.approx(float((array * array).sum()), rel=1e-6)
        array += 1
    assert step.recordings == 1
