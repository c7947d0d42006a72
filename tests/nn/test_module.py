"""Module: its parts and their names, modes, moving, copies, saving and loading, repr."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.errors import ArgumentError, CheckpointError, DeviceError, GraphError


class Tree(nn.Module):
    """Parameters and modules as attributes, in lists, tuples and dicts, and shared."""

    def __init__(self):
        self.scale = nn.Parameter([1.0, 2.0])
        self.first = nn.Dense(2, 3, seed=0)
        self.blocks = [nn.Dense(3, 3, seed=1), nn.ReLU()]
        self.heads = {"mean": nn.Dense(3, 1, seed=2), "spread": (nn.Dense(3, 1, bias=False, seed=3),)}
        self.again = self.first
        self.tied = self.scale
        self.note = "not a part"

    def forward(self, x):
        x = self.first(x * self.scale)
        for block in self.blocks:
            x = block(x)
        return self.heads["mean"](x) + self.heads["spread"][0](x)


NAMES = [
    "scale",
    "first.weight",
    "first.bias",
    "blocks.0.weight",
    "blocks.0.bias",
    "heads.mean.weight",
    "heads.mean.bias",
    "heads.spread.0.weight",
]


def inputs(rows=4, features=2):
    return gg.tensor(np.random.default_rng(5).normal(size=(rows, features)).astype(np.float32))


def test_parts_are_found_in_order_and_shared_ones_once():
    tree = Tree()
    assert [name for name, _ in tree.named_parameters()] == NAMES
    assert [p.shape for p in tree.parameters()] == [(2,), (2, 3), (3,), (3, 3), (3,), (3, 1), (1,), (3, 1)]
    names = [name for name, _ in tree.named_modules()]
    assert names == ["", "first", "blocks.0", "blocks.1", "heads.mean", "heads.spread.0"]
    assert next(iter(tree.modules())) is tree
    assert [name for name, _ in tree.named_children()] == [*names[1:], "again"]
    assert len(list(tree.children())) == 6


def test_a_part_that_is_replaced_or_removed():
    tree = Tree()
    tree.blocks.append(nn.Dense(3, 3))
    del tree.heads
    tree.scale = tree.tied = None
    assert [name for name, _ in tree.named_parameters()] == [*NAMES[1:5], "blocks.2.weight", "blocks.2.bias"]


def test_a_module_that_contains_itself_is_walked_once():
    tree = Tree()
    tree.parent = tree
    tree.first.root = tree
    assert [name for name, _ in tree.named_parameters()] == NAMES


def test_modes_reach_everything():
    tree = Tree()
    assert all(module.training for module in tree.modules())
    assert tree.eval() is tree
    assert not any(module.training for module in tree.modules())
    assert tree.train() is tree
    assert all(module.training for module in tree.modules())


def test_zero_grad_forgets_all_gradients():
    tree = Tree()
    tree(inputs()).sum().backward()
    assert all(p.grad is not None for p in tree.parameters())
    tree.zero_grad()
    assert all(p.grad is None for p in tree.parameters())


def test_a_shared_module_gets_the_sum_of_both_gradients():
    layer = nn.Dense(3, 3, seed=0)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    assert len(list(model.parameters())) == 2
    x = inputs(features=3)
    model(x).sum().backward()
    w, b = (gg.tensor(p.numpy(), requires_grad=True) for p in (layer.weight, layer.bias))
    ((x @ w + b).tanh() @ w + b).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.numpy(), w.grad.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.bias.grad.numpy(), b.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_moving_between_devices_in_place():
    numba, numpy = gg.device("cpu"), gg.device("cpu", "numpy")
    tree = Tree()
    kept = list(tree.parameters())
    before = tree.state_dict()
    assert tree.device is numba
    assert tree.to(numpy) is tree
    assert tree.device is numpy
    assert all(a is b and a.device is numpy for a, b in zip(tree.parameters(), kept, strict=True))
    for name, array in tree.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(DeviceError):
        tree(inputs())
    assert tree(inputs().to(numpy)).device is numpy
    assert nn.ReLU().device is None
    with pytest.raises(ArgumentError, match="unknown device 'gpu'"):
        tree.to("gpu")
    assert tree.device is numpy


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_have_the_same_values_and_structure_and_memory_of_their_own(clone):
    model = nn.MLP(2, [5], 3, dropout=0.5, seed=0, activation="silu").eval()
    model.twin = model[0]
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    model(inputs()).sum().backward()
    model[1].generator = gg.Generator(3, gg.device("cpu"))
    other = clone(model)
    assert other.config == model.config
    assert not other.training
    assert other.twin is other[0]
    assert other[1].generator is None
    assert other.device is model.device
    np.testing.assert_array_equal(other(inputs()).numpy(), model(inputs()).numpy())
    assert all(p.grad is None for p in other.parameters())
    before = other.state_dict()
    optimizer.step()
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert not np.array_equal(before["0.weight"], model.state_dict()["0.weight"])


# ---- values ----


def test_state_dict_goes_from_model_to_model():
    source, target = nn.MLP(2, [4], 3, seed=0), nn.MLP(2, [4], 3, seed=1)
    state = source.state_dict()
    assert list(state) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert all(type(array) is np.ndarray for array in state.values())
    target.load_state_dict(state)
    np.testing.assert_array_equal(source(inputs()).numpy(), target(inputs()).numpy())
    state["0.weight"][:] = 7  # a copy
    assert not (source.state_dict()["0.weight"] == 7).any()
    assert not (target.state_dict()["0.weight"] == 7).any()


def test_loading_keeps_the_memory_that_an_optimizer_owns_and_the_dtype():
    model = nn.MLP(2, [4], 3, seed=0)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    memory = model[0].weight.data
    model.load_state_dict({name: np.ones(array.shape, np.float64) for name, array in model.state_dict().items()})
    assert model[0].weight.data is memory
    assert memory.dtype == np.float32
    model(gg.tensor([[1.0, 1.0]])).sum().backward()
    optimizer.step()  # d(sum)/d(weight of the last layer) is 1·1 + 1·1 + 1 in each element
    np.testing.assert_allclose(model.state_dict()["1.weight"], 1 - 3)


def test_loading_is_a_change_in_place_for_the_tape():
    model = nn.MLP(2, [4], 3, seed=0)
    loss = model(inputs()).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


def test_loading_names_every_problem_and_changes_nothing():
    model = nn.MLP(2, [4], 3, seed=0)
    before = model.state_dict()
    state = {name: array + 1 for name, array in before.items()}
    del state["1.bias"]
    state |= {"1.weight": np.ones((4, 2)), "head.weight": np.ones(3), "0.bias": np.array(list("abcd"))}
    with pytest.raises(CheckpointError) as error:
        model.load_state_dict(state)
    for part in (
        "fit MLP",
        "missing 1.bias (3,)",
        "unexpected head.weight (3,)",
        "1.weight has shape (4, 2), expected (4, 3)",
        "0.bias has dtype <U1",
    ):
        assert part in str(error.value)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_loading_that_is_not_strict_leaves_alone_what_has_no_match():
    model = nn.MLP(2, [4], 3, seed=0)
    before = model.state_dict()
    model.load_state_dict({"0.bias": np.full(4, 9.0), "other": np.ones(1)}, strict=False)
    assert (model.state_dict()["0.bias"] == 9).all()
    np.testing.assert_array_equal(model.state_dict()["1.weight"], before["1.weight"])
    with pytest.raises(CheckpointError, match=r"0\.bias has shape \(5,\), expected \(4,\)"):
        model.load_state_dict({"0.bias": np.ones(5)}, strict=False)


# ---- how it looks ----


def test_repr_shows_the_structure():
    model = nn.Sequential(
        nn.Dense(2, 3, activation="leaky_relu", negative_slope=0.2),
        nn.Sequential(nn.LeakyReLU(0.1), nn.Dropout(0.25)),
        nn.Dense(3, 1, bias=False),
    )
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Dense(2, 3, activation='leaky_relu', negative_slope=0.2)\n"
        "  (1): Sequential(\n"
        "    (0): LeakyReLU(0.1)\n"
        "    (1): Dropout(0.25)\n"
        "  )\n"
        "  (2): Dense(3, 1, bias=False)\n"
        ")"
    )
    assert repr(nn.CrossEntropyLoss()) == "CrossEntropyLoss()"
    assert repr(nn.HuberLoss("sum", delta=2)) == "HuberLoss(reduction='sum', delta=2.0)"


def test_summary_of_a_network():
    model = nn.MLP(784, [256], 10, dropout=0.1, seed=0)
    model[0].bias.requires_grad = False
    table = nn.summary(model)
    assert [(layer.name, layer.kind, layer.output_shape, layer.parameters) for layer in table.layers] == [
        ("0", "Dense", (256,), 200_960),
        ("1", "Dropout", (256,), 0),
        ("2", "Dense", (10,), 2_570),
    ]
    assert (table.parameters, table.trainable, table.bytes) == (203_530, 203_274, 814_120)
    text = str(table)
    for part in ("MLP", "Dropout", "(batch, 256)", "200,960", "803,840", "203,530", "814,120", "256 frozen"):
        assert part in text
    assert "\x1b" not in text
    assert repr(table) == text
    assert model.training
    assert model[1].training


def test_summary_of_other_modules():
    tree = Tree().eval()
    tree.blocks[0].train()
    unknown = nn.summary(tree)
    assert all(layer.output_shape is None for layer in unknown.layers)
    assert "?" in str(unknown)
    known = nn.summary(tree, 2)
    assert [layer.name for layer in known.layers] == [
        "",
        "first",
        "blocks.0",
        "blocks.1",
        "heads.mean",
        "heads.spread.0",
    ]
    assert [layer.output_shape for layer in known.layers] == [(1,), (3,), (3,), (3,), (1,), (1,)]
    assert sum(layer.parameters for layer in known.layers) == known.parameters == sum(p.size for p in tree.parameters())
    assert tree.blocks[0].training
    assert not tree.training
    double = nn.Dense(3, 2, dtype=np.float64)
    assert nn.summary(double, (3,)).bytes == 64
    assert nn.summary(nn.Sequential(nn.Flatten(), nn.Dense(6, 2)), (2, 3)).layers[0].output_shape == (6,)
    assert nn.summary(nn.Sequential()).parameters == 0
    with pytest.raises(ArgumentError, match="4 features, expected 3"):
        nn.summary(double, (4,))
    with pytest.raises(ArgumentError, match="input_shape is 0"):
        nn.summary(double, 0)


def test_a_module_without_forward_says_so():
    with pytest.raises(AttributeError, match="forward"):
        nn.Module()(inputs())
