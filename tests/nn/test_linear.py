"""Linear is PyTorch's layer, layout included; no state loads transposed without an error."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.errors import ArgumentError, CheckpointError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 5)).astype(np.float32)


def square(kind, seed=0):
    return nn.Sequential(kind(5, 5, seed=seed), nn.Tanh(), kind(5, 5, seed=seed + 1))


def outputs(model, x=X):
    return model(gg.tensor(x)).numpy()


def torch_square():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 5), torch.nn.Tanh(), torch.nn.Linear(5, 5))


# ---- the layer ----


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lead", [(), (7,), (2, 3), (0,)])
def test_outputs_and_gradients_are_those_of_pytorch(bias, lead):
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.Linear(5, 3, bias=bias), nn.Linear(5, 3, bias=bias)
    assert {k: tuple(v.shape) for k, v in theirs.state_dict().items()} == {
        k: v.shape for k, v in ours.state_dict().items()
    }
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict())
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    x = RNG.normal(size=(*lead, 5)).astype(np.float32)
    a, b = gg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    for _ in range(2):  # the second gradient is added to the first
        out, expected = ours(a), theirs(b)
        np.testing.assert_allclose(out.numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
        if out.size:
            (out * out).sum().backward()
            (expected * expected).sum().backward()
    if out.size:
        for mine, other in zip((a, *ours.parameters()), (b, *theirs.parameters()), strict=True):
            np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-5, atol=1e-5)


def test_gradients_are_finite_differences():
    layer = nn.Linear(4, 3, dtype="float64", seed=0)
    x = gg.tensor(RNG.normal(size=(5, 4)), requires_grad=True)
    assert gg.gradcheck(lambda x, w, b: layer(x), (x, layer.weight, layer.bias))


def test_initial_values_are_uniform_within_one_over_the_root_of_fan_in():
    layer = nn.Linear(400, 300, seed=0)
    for p in layer.parameters():
        values = p.numpy()
        assert np.abs(values).max() <= np.float32(0.05)
        assert values.std() == pytest.approx(0.05 / np.sqrt(3), rel=0.1)
    np.testing.assert_array_equal(nn.Linear(400, 300, seed=0).weight.numpy(), layer.weight.numpy())


def test_every_device_computes_the_same(every_device):
    layer, x = nn.Linear(5, 3, seed=0), gg.tensor(X)
    expected = layer(x)
    (expected * expected).sum().backward()
    gradients = [p.grad.numpy() for p in layer.parameters()]
    layer.zero_grad()
    layer.to(every_device)
    out = layer(x.to(every_device))
    (out * out).sum().backward()
    np.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)
    for p, gradient in zip(layer.parameters(), gradients, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), gradient, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_recorded_step_equals_the_eager_one_bit_for_bit(optimizer):
    x, y = gg.tensor(X), gg.tensor(np.arange(6, dtype=np.int32) % 3)
    results = []
    for recorded in (False, True):
        model = nn.Sequential(nn.Linear(5, 8, seed=0), nn.ReLU(), nn.Linear(8, 3, bias=False, seed=1))
        made, criterion = optim.make(optimizer, model.parameters(), lr=0.05), nn.CrossEntropyLoss()

        def step(x, y, model=model, made=made, criterion=criterion):
            made.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            made.step()
            return loss

        run = gg.record(step) if recorded else step
        results.append([float(run(x, y)) for _ in range(20)])
    assert results[0] == results[1]
    assert results[0][-1] < results[0][0]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ArgumentError, match="out_features is 0, expected an integer of at least 1"):
        nn.Linear(3, 0)
    with pytest.raises(ArgumentError, match=r"Linear\(in_features=4.* 5 features, expected 4"):
        nn.Linear(4, 2)(gg.tensor(X))
    with pytest.raises(ArgumentError, match="dtype float64, its weight has float32"):
        nn.Linear(5, 2)(gg.tensor(X.astype(np.float64)))


def test_it_goes_wherever_dense_goes(tmp_path):
    """Summary, training, files, PyTorch's weights and ONNX."""
    model = nn.Sequential(nn.Linear(5, 4, seed=0), nn.ReLU(), nn.Linear(4, 3, seed=1))
    table = nn.summary(model)
    assert [layer.output_shape for layer in table.layers] == [(4,), (4,), (3,)]
    assert table.parameters == 39
    trainer = gg.Trainer(model, device="cpu")
    trainer.fit(np.tile(X, (20, 1)), np.tile(np.arange(6) % 3, 20), epochs=2, batch_size=32, progress=False)
    trainer.save(tmp_path / "model.safetensors")
    again = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    gg.load_model(tmp_path / "model.safetensors", again)
    np.testing.assert_array_equal(outputs(again), outputs(model))
    exported = nn.to_pytorch(model)
    assert {name: array.shape for name, array in exported.items()} == {n: p.shape for n, p in model.named_parameters()}
    fresh = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Dense(4, 3))
    nn.load_pytorch(fresh, {f"fc{name}": array for name, array in exported.items()})
    np.testing.assert_allclose(outputs(fresh), outputs(model), rtol=1e-5, atol=1e-6)
    copied = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    np.testing.assert_array_equal(outputs(copied), outputs(model))


def test_it_is_exported_to_onnx(tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from gpugrad import export

    model = nn.Sequential(nn.Linear(5, 4, seed=0), nn.ReLU(), nn.Linear(4, 3, bias=False, seed=1))
    path = tmp_path / "model.onnx"
    export.to_onnx(model, path)
    session = runtime.InferenceSession(str(path))
    found = session.run(None, {session.get_inputs()[0].name: X})[0]
    np.testing.assert_allclose(found, outputs(model), rtol=1e-5, atol=1e-6)


# ---- layouts: nothing loads transposed in silence ----


def test_a_state_knows_its_layout_and_goes_between_dense_and_linear():
    dense, linear = square(nn.Dense), square(nn.Linear)
    linear.load_state_dict(dense.state_dict())
    np.testing.assert_allclose(outputs(linear), outputs(dense), rtol=1e-5, atol=1e-6)
    other = square(nn.Dense, seed=5)
    states = [linear.state_dict(), linear.state_dict().copy(), copy.deepcopy(linear.state_dict())]
    for state in (*states, pickle.loads(pickle.dumps(linear.state_dict()))):
        other.load_state_dict(state)
        np.testing.assert_array_equal(other.state_dict()["0.weight"], dense.state_dict()["0.weight"])
    other.load_state_dict(nn.to_pytorch(dense))
    np.testing.assert_array_equal(other.state_dict()["0.weight"], dense.state_dict()["0.weight"])


def test_a_file_knows_its_layout(tmp_path):
    dense, linear = square(nn.Dense), square(nn.Linear, seed=3)
    for saved, loaded in ((dense, square(nn.Linear, 7)), (linear, square(nn.Dense, 7)), (dense, square(nn.Dense, 7))):
        gg.Trainer(saved, device="cpu").save(tmp_path / "model.safetensors")
        gg.load_model(tmp_path / "model.safetensors", loaded)
        np.testing.assert_allclose(outputs(loaded), outputs(saved), rtol=1e-5, atol=1e-6)


def test_square_pytorch_weights_are_refused_by_dense_and_named_ways_work():
    theirs = torch_square()
    torch = pytest.importorskip("torch")
    expected = theirs(torch.tensor(X)).detach().numpy()
    model = square(nn.Dense)
    before = model.state_dict()
    for state in (theirs.state_dict(), {name: value.numpy() for name, value in theirs.state_dict().items()}):
        message = r'0\.weight is square \(5, 5\).*layout="in_out".*layout="out_in".*nn\.load_pytorch'
        with pytest.raises(CheckpointError, match=message):
            model.load_state_dict(state)
        np.testing.assert_array_equal(model.state_dict()["0.weight"], before["0.weight"])
        loaded = square(nn.Dense)
        loaded.load_state_dict(state, layout="out_in")
        np.testing.assert_allclose(outputs(loaded), expected, rtol=1e-5, atol=1e-6)
        loaded = square(nn.Dense)
        nn.load_pytorch(loaded, state)
        np.testing.assert_allclose(outputs(loaded), expected, rtol=1e-5, atol=1e-6)
        linear = square(nn.Linear)
        linear.load_state_dict(state)
        np.testing.assert_allclose(outputs(linear), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("host", [False, True], ids=["PyTorch tensors", "NumPy arrays"])
def test_weights_put_into_a_state_have_no_known_layout(host):
    model, theirs = square(nn.Dense), torch_square()
    weights = {name: value.numpy() if host else value for name, value in theirs.state_dict().items()}
    state = model.state_dict()
    state["0.weight"] *= 2  # the same array
    model.load_state_dict(state)
    first = next(iter(weights.items()))
    for change in (lambda s: s.update(weights), lambda s: s.__ior__(weights), lambda s: s.__setitem__(*first)):
        state = model.state_dict()
        change(state)
        with pytest.raises(CheckpointError, match=r"0\.weight is square"):
            model.load_state_dict(state)
    mixed = nn.MLP(5, [4, 4], 3, seed=0).state_dict()
    mixed["1.weight"] = mixed["1.weight"].T + 1
    with pytest.raises(CheckpointError, match=r"1\.weight is square"):
        nn.MLP(5, [4, 4], 3).load_state_dict(mixed)


def test_a_plain_dict_of_weights_that_are_not_square_needs_no_layout():
    model = nn.MLP(5, [4, 4], 3, seed=0)  # the middle one is square, the others show the layout
    doubled = {name: 2 * array for name, array in model.state_dict().items()}
    model.load_state_dict(doubled)
    np.testing.assert_array_equal(model.state_dict()["1.weight"], doubled["1.weight"])
    message = r"0\.weight has shape \(4, 5\), expected \(5, 4\).*transposed, load PyTorch's with nn\.load_pytorch"
    with pytest.raises(CheckpointError, match=message):
        model.load_state_dict(dict(nn.to_pytorch(model)))


def test_a_plain_dict_of_square_weights_is_loaded_with_a_layout():
    model, other = square(nn.Dense), square(nn.Dense, seed=5)
    plain = dict(model.state_dict())
    with pytest.raises(CheckpointError, match=r"0\.weight is square"):
        other.load_state_dict(plain)
    for layout in ("own", "in_out"):
        other = square(nn.Dense, seed=5)
        other.load_state_dict(plain, layout=layout)
        np.testing.assert_array_equal(outputs(other), outputs(model))
    with pytest.raises(ArgumentError, match="unknown layout 'out_on': did you mean 'out_in'"):
        other.load_state_dict(plain, layout="out_on")
    # A symmetric matrix has no wrong layout.
    other.load_state_dict({name: np.zeros_like(array) for name, array in plain.items()})


def test_training_of_square_layers_keeps_their_best_weights_and_resumes(tmp_path):
    def train(epochs, **options):
        model = square(nn.Dense)
        trainer = gg.Trainer(model, device="cpu", optimizer=optim.SGD(model.parameters(), lr=0.1), seed=0)
        trainer.fit(
            np.tile(X, (10, 1)), np.tile(np.arange(6) % 5, 10), epochs=epochs, batch_size=20, progress=False,
            validation_split=0.2, early_stopping=50, **options,
        )  # fmt: skip
        return model.state_dict()

    path = tmp_path / "run.ckpt"
    train(2, checkpoint=path)
    whole, resumed = train(4), train(4, resume=path)
    for name, array in whole.items():
        np.testing.assert_array_equal(resumed[name], array)


@pytest.mark.parametrize("state", [None, [1], nn.Linear(2, 2, device="cpu"), "model.safetensors"])
def test_a_state_that_is_no_mapping_is_refused(state):
    with pytest.raises(ArgumentError, match=r"state is a .*, expected arrays by name: pass"):
        nn.Linear(2, 2, device="cpu").load_state_dict(state)
