"""PyTorch: the same network trains the same, and its weights can be imported and exported."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

import gpugrad as gg
from gpugrad import nn
from gpugrad.errors import ArgumentError, CheckpointError
from gpugrad.kernels.activation import ACTIVATIONS


def linear(n_in, n_out, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_out, n_in)).astype(dtype), rng.normal(size=n_out).astype(dtype)


def linears(**layers):
    """A state_dict of Linear layers, name = (n_in, n_out)."""
    state = {}
    for seed, (name, sizes) in enumerate(layers.items()):
        state[f"{name}.weight"], state[f"{name}.bias"] = linear(*sizes, seed=seed)
    return state


def check_loaded(model, state, names):
    loaded = model.state_dict()
    dense = [name for name, module in model.named_modules() if isinstance(module, nn.Dense)]
    for ours, theirs in zip(dense, names, strict=True):
        np.testing.assert_array_equal(loaded[f"{ours}.weight"], state[f"{theirs}.weight"].T)
        np.testing.assert_array_equal(loaded[f"{ours}.bias"], state[f"{theirs}.bias"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_and_backward_are_those_of_pytorch(activation):
    torch = pytest.importorskip("torch")
    make = getattr(torch.nn, ACTIVATIONS[activation].module, None) or pytest.skip(f"PyTorch has no {activation}")
    sizes = [7, 16, 12, 3]
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(7, 16), make(), torch.nn.Linear(16, 12), make(), torch.nn.Linear(12, 3)
    )
    model = nn.MLP(7, sizes[1:-1], 3, activation=activation)
    nn.load_pytorch(model, theirs.state_dict())

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 7)).astype(np.float32), rng.integers(0, 3, 20)
    expected = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(y))
    expected.backward()
    loss = nn.CrossEntropyLoss()(model(gg.tensor(x)), gg.tensor(y))
    loss.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-5)
    for ours, parameter in zip(model.parameters(), theirs.parameters(), strict=True):
        gradient = parameter.grad.numpy().T
        np.testing.assert_allclose(ours.grad.numpy(), gradient, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())


def test_weights_go_to_pytorch_and_back(tmp_path):
    torch = pytest.importorskip("torch")
    safetensors_torch = pytest.importorskip("safetensors.torch")
    model = nn.MLP(5, [8], 2, activation="tanh", seed=0)
    theirs = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    exported = nn.to_pytorch(model, names=["0", "2"])
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in exported.items()})
    x = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    np.testing.assert_allclose(model(gg.tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-5)

    path = tmp_path / "linear.safetensors"
    safetensors_torch.save_file(theirs.state_dict(), path)
    again = nn.MLP(5, [8], 2, activation="tanh", seed=1)
    nn.load_pytorch(again, path)
    np.testing.assert_array_equal(again(gg.tensor(x)).numpy(), model(gg.tensor(x)).numpy())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("target", [np.float32, np.float64])
def test_every_float_dtype_is_cast(tmp_path, dtype, target):
    torch = pytest.importorskip("torch")
    safetensors_torch = pytest.importorskip("safetensors.torch")
    state = {name: torch.tensor(array).to(getattr(torch, dtype)) for name, array in linears(fc=(4, 3)).items()}
    path = tmp_path / "fc.safetensors"
    safetensors_torch.save_file(state, path)
    for source in (path, state):
        model = nn.Dense(4, 3, dtype=target)
        nn.load_pytorch(model, source)
        assert model.weight.dtype == target
        np.testing.assert_array_equal(model.weight.numpy(), state["fc.weight"].double().numpy().T.astype(target))


# ---- which layer is which ----


def test_by_name_where_the_names_agree():
    class Net(nn.Module):
        def __init__(self):
            self.head = nn.Dense(3, 3)
            self.body = nn.Dense(3, 3)

    state = linears(body=(3, 3), head=(3, 3))
    model = Net()
    nn.load_pytorch(model, state)
    check_loaded(model, state, ["head", "body"])


@pytest.mark.parametrize("pattern", ["{}", "fc{}", "layers.{}.linear"])
def test_by_number_where_the_names_are_numbered(tmp_path, pattern):
    names = [pattern.format(i) for i in (1, 3, 5, 7, 9, 11)]
    state = linears(**dict.fromkeys(names, (4, 4)))
    path = tmp_path / "numbered.safetensors"
    save_file(state, path)
    for source in (path, state, dict(reversed(state.items()))):
        model = nn.MLP(4, [4] * 5, 4)
        nn.load_pytorch(model, source)
        check_loaded(model, state, names)


def test_by_shape_where_only_one_order_fits():
    state = linears(output=(8, 3), encoder=(5, 8), middle=(8, 8))
    model = nn.MLP(5, [8, 8], 3, dropout=0.1)
    nn.load_pytorch(model, state)
    check_loaded(model, state, ["encoder", "middle", "output"])


def test_an_ambiguous_order_is_refused_and_can_be_passed():
    state = linears(output=(8, 3), encoder=(5, 8), middle=(8, 8), inner=(8, 8))
    model = nn.MLP(5, [8, 8, 8], 3)
    with pytest.raises(CheckpointError, match=r"order of the Linear layers .*inner \(8, 8\).* is ambiguous.*names="):
        nn.load_pytorch(model, state)
    names = ["encoder", "inner", "middle", "output"]
    nn.load_pytorch(model, state, names=names)
    check_loaded(model, state, names)


def test_a_single_layer_without_a_name_and_one_without_bias():
    weight, bias = linear(4, 3)
    model = nn.Dense(4, 3)
    nn.load_pytorch(model, {"weight": weight, "bias": bias})
    np.testing.assert_array_equal(model.weight.numpy(), weight.T)
    plain = nn.Dense(4, 3, bias=False)
    nn.load_pytorch(plain, {"fc.weight": weight})
    np.testing.assert_array_equal(plain.weight.numpy(), weight.T)
    assert list(nn.to_pytorch(model)) == ["weight", "bias"]
    assert list(nn.to_pytorch(plain, names=["fc"])) == ["fc.weight"]


def test_layers_that_share_a_weight():
    model = nn.Sequential(nn.Dense(3, 3), nn.Dense(3, 3))
    model[1].weight = model[0].weight
    state = nn.to_pytorch(model)
    assert list(state) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    nn.load_pytorch(model, {name: array + 1 for name, array in state.items()})
    for layer, name in zip(model, ("0", "1"), strict=True):
        np.testing.assert_array_equal(layer.weight.numpy(), state[f"{name}.weight"].T + 1)
        np.testing.assert_array_equal(layer.bias.numpy(), state[f"{name}.bias"] + 1)
    state["1.weight"] += 1
    with pytest.raises(CheckpointError, match=r"1\.weight differs from the entry of a layer that shares its weight"):
        nn.load_pytorch(model, state)


# ---- errors ----


def test_every_problem_is_named_and_nothing_changed():
    model = nn.MLP(4, [6], 3, seed=0)
    before = model.state_dict()
    state = linears(fc1=(5, 6), fc2=(6, 3))
    del state["fc2.bias"]
    state |= {"norm.weight": np.ones(6, np.float32), "fc1.bias": np.ones(6, np.int64)}
    with pytest.raises(CheckpointError) as error:
        nn.load_pytorch(model, state)
    for part in (
        "fit MLP",
        "fc1.weight has shape (6, 5), expected (6, 4) of Dense(4, 6, activation='relu')",
        "fc1.bias has dtype int64, expected floats",
        "missing fc2.bias (3,) of Dense(6, 3)",
        "unexpected norm.weight (6,)",
    ):
        assert part in str(error.value)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_another_number_of_layers():
    with pytest.raises(CheckpointError, match=r"has 2 Linear layers \(fc1, fc2\), the model has 3 Dense layers"):
        nn.load_pytorch(nn.MLP(4, [4, 4], 4), linears(fc1=(4, 4), fc2=(4, 4)))
    with pytest.raises(CheckpointError, match=r"has 0 Linear layers \(none\)"):
        nn.load_pytorch(nn.Dense(4, 4), {})


def test_parameters_that_are_in_no_dense_layer():
    model = nn.Sequential(nn.Dense(2, 2))
    model.scale = nn.Parameter([1.0])
    with pytest.raises(CheckpointError, match="no Linear layer holds scale"):
        nn.load_pytorch(model, linears(fc=(2, 2)))
    with pytest.raises(ArgumentError, match="scale are in no Dense or Linear layer"):
        nn.to_pytorch(model)
    with pytest.raises(ArgumentError, match="got 2 names for 1 Dense layer "):
        nn.to_pytorch(nn.Dense(2, 2), names=["a", "b"])


def test_files_that_cannot_be_read(tmp_path):
    model = nn.Dense(2, 2)
    with pytest.raises(CheckpointError, match="there is no file"):
        nn.load_pytorch(model, tmp_path / "missing.safetensors")
    path = tmp_path / "weights.pt"
    for content in (b"", b"PK\x03\x04 a pickle in a zip", b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"cannot be read .*safetensors\.torch\.save_file"):
            nn.load_pytorch(model, path)
    save_file({"fc.weight": np.ones((2, 2), np.int32), "fc.bias": np.ones(2, np.int32)}, path)
    with pytest.raises(CheckpointError, match=r"fc\..* has dtype I32, expected F16, BF16, F32 or F64"):
        nn.load_pytorch(model, path)
    save_file({"fc.weight": np.ones((2, 2), np.float32), "fc.bias": np.ones(2, np.float32)}, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match="cannot be read"):
        nn.load_pytorch(model, path)


def test_arguments_of_load_pytorch_in_another_order_are_refused(tmp_path):
    model = nn.Dense(2, 2)
    with pytest.raises(ArgumentError, match=r"model is a str, expected an nn.Module: write nn.load_pytorch"):
        nn.load_pytorch(str(tmp_path / "weights.safetensors"), model)
    with pytest.raises(ArgumentError, match=r"source is a Dense, expected arrays by name: pass its state_dict\(\)"):
        nn.load_pytorch(model, nn.Dense(2, 2))


def test_a_path_given_before_the_model_is_refused_by_to_onnx(tmp_path):
    with pytest.raises(ArgumentError, match=r"path is a Dense, expected the path of a file: pass one that ends in"):
        gg.export.to_onnx(tmp_path / "model.onnx", nn.Dense(2, 2))
