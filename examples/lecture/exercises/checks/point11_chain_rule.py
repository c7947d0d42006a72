"""Check of point 11: each derivative against the tape's, and their product."""

from pathlib import Path

import numpy as np

import gpugrad as gg
from gpugrad.lab.pictures import saved
from gpugrad.lab.view import slide

from .checking import Exercise, Task
from .tools import jacobian, remembered

VECTOR = "this is a vector, expected a matrix with it on the diagonal: np.diag"
Z = np.array([0.5, 2.0, 0.25])
SIGNED = np.array([1.0, -2.0, 0.5, 0.0])
LOGITS = np.array([0.3, -1.2, 0.9])


@remembered
def of_softmax(z):
    return jacobian(lambda t: t.softmax(), z)


@remembered
def of_relu(z):
    return jacobian(lambda t: t.relu(), z)


def softmax(z):
    return gg.tensor(z).softmax().numpy()


LOG = Task(
    "jacobian_of_log",
    cases=[(Z,), (np.array([1.0, 3.0]),)],
    right=lambda z: jacobian(gg.log, z),
    formula="1/z_i on the diagonal, 0 elsewhere",
    mistakes=[
        (VECTOR, lambda z: 1 / z),
        ("these are the logarithms, expected their derivatives 1/z_i", lambda z: np.diag(np.log(z))),
        (
            "every output depends on its own input only: 1/z_i on the diagonal, 0 elsewhere",
            lambda z: np.tile(1 / z, (len(z), 1)),
        ),
        (
            "every output depends on its own input only: 1/z_i on the diagonal, 0 elsewhere",
            lambda z: np.tile(1 / z, (len(z), 1)).T,
        ),
        ("the diagonal has z_i, expected 1/z_i", np.diag),
        ("the sign is wrong: log rises", lambda z: -np.diag(1 / z)),
    ],
    hints=[
        "The i-th logarithm depends on the i-th number and on no other.",
        "The derivative of log z is 1/z, on the diagonal.",
        "One line with np.diag(…), which makes a matrix of a vector.",
    ],
)
SOFTMAX = Task(
    "jacobian_of_softmax",
    cases=[(LOGITS,), (np.array([1.0, 1.0]),), (np.array([0.0, 3.0, -1.0, 0.5]),)],
    right=of_softmax,
    formula="p_i (1 − p_i) on the diagonal, −p_i p_j elsewhere, p = softmax(z)",
    mistakes=[
        (
            "only the diagonal is there: every p_j depends on every z_i, through the sum, by −p_i p_j",
            lambda z: np.diag(np.diag(of_softmax(z))),
        ),
        ("this is the diagonal as a vector, expected a matrix", lambda z: np.diag(of_softmax(z))),
        ("this is p, on the diagonal or as a vector: −p_i p_j is missing everywhere", lambda z: np.diag(softmax(z))),
        ("this is p, on the diagonal or as a vector: −p_i p_j is missing everywhere", softmax),
        ("the sign is wrong: p_i rises with z_i", lambda z: -of_softmax(z)),
        ("p_i p_j is added, expected subtracted", lambda z: np.diag(p := softmax(z)) + np.outer(p, p)),
        ("p_i is missing on the diagonal: p_i (1 − p_i), not −p_i²", lambda z: -np.outer(p := softmax(z), p)),
        ("the formula holds for p = softmax(z), not for z", lambda z: np.diag(z) - np.outer(z, z)),
        (
            "this is the derivative of log softmax, expected that of softmax",
            lambda z: np.eye(len(z)) - np.tile(softmax(z), (len(z), 1)),
        ),
        ("p is not divided by its sum: p = exp(z) / Σ exp(z)", lambda z: np.diag(p := np.exp(z)) - np.outer(p, p)),
    ],
    hints=[
        "The probabilities add up to 1: if one rises, all others fall, so no entry is 0.",
        "With p = softmax(z): p_i on the diagonal, minus the matrix of all products p_i p_j.",
        "p = …, return np.diag(…) − np.outer(…, …).",
    ],
)
RELU = Task(
    "jacobian_of_relu",
    cases=[(SIGNED,), (np.array([-1.0, 3.0]),)],
    right=of_relu,
    formula="1 on the diagonal where z_i > 0, else 0",
    mistakes=[
        ("this is a vector, expected a matrix with it on the diagonal: np.diag", lambda z: (z > 0) * 1.0),
        ("at the kink, z = 0, the slope is 0 by agreement: z > 0, not z >= 0", lambda z: np.diag((z >= 0) * 1.0)),
        ("at the kink, z = 0, the slope is 0 by agreement, not ½", lambda z: np.diag(np.heaviside(z, 0.5))),
        ("this is relu itself, expected its slope: 1 or 0", lambda z: np.diag(np.maximum(z, 0))),
        ("this is relu itself, expected its slope: 1 or 0", lambda z: np.maximum(z, 0)),
        ("the slope is 0 where z is negative, and not −1", lambda z: np.diag(np.sign(z))),
        ("the slope is 0 where z is negative: relu is flat there", lambda z: np.eye(len(z))),
        ("the zeros and ones are the wrong way round", lambda z: np.diag((z <= 0) * 1.0)),
        (
            "every output depends on its own input only: 0 off the diagonal",
            lambda z: np.tile((z > 0) * 1.0, (len(z), 1)),
        ),
    ],
    hints=[
        "relu lets a positive number through as it is, and nothing of a negative one.",
        "The slope is 1 where z is positive, and 0 elsewhere; on the diagonal.",
        "np.where(…, 1.0, 0.0) makes a vector, np.diag(…) a matrix of it.",
    ],
)

generator = np.random.default_rng(11)
NETWORK = (generator.normal(size=3), np.array([0.0, 1.0]), generator.normal(size=(4, 3)), generator.normal(size=(2, 4)))
OTHER = (generator.normal(size=2), np.array([1.0, 0, 0]), generator.normal(size=(3, 2)), generator.normal(size=(3, 3)))


@remembered
def right(x, y, w0, w1):
    """Return the seven factors, each the tape's Jacobian of one function of the chain."""
    u6 = gg.tensor(w0 @ x)
    u5 = u6.relu()
    u4 = gg.tensor(w1) @ u5
    u3 = u4.softmax()
    return [
        np.eye(1),
        jacobian(lambda t: -(gg.tensor(y) * t).sum().reshape(1), gg.log(u3).numpy()),
        jacobian(gg.log, u3.numpy()),
        of_softmax(u4.numpy()),
        jacobian(lambda t: gg.tensor(w1) @ t, u5.numpy()),
        of_relu(u6.numpy()),
        jacobian(lambda t: t.reshape(w0.shape) @ gg.tensor(x), w0.ravel()),
    ]


def but(place, change):
    """Return the factors with a wrong one, `change(right factor, x, y, W0, W1)`."""

    def mistake(*network):
        found = list(right(*network))
        found[place] = change(found[place], *network)
        return found

    return mistake


def product(chain):
    row = np.eye(1)
    for matrix in chain:
        row = row @ np.asarray(matrix, float)
    return row


def softmax_at(x, y, w0, w1):
    return softmax(w1 @ np.maximum(w0 @ x, 0))


FACTORS = Task(
    "factors",
    cases=[NETWORK, OTHER],
    right=right,
    formula="du0/du1, du1/du2, …, du5/du6, du6/dW0, each with a row per output and a column per input",
    mistakes=[
        ("du1/du2 lacks the sign: −yᵀ", but(1, lambda m, *_: -m)),
        ("du1/du2 is a vector, expected one row: shape (1, n)", but(1, lambda m, *_: m[0])),
        ("du1/du2 is a column, expected one row: shape (1, n)", but(1, lambda m, *_: m.T)),
        ("du4/du5 is transposed: the derivative of W1 z is W1", but(4, lambda m, *_: m.T)),
        ("du4/du5 is z, expected the derivative of W1 z by z", but(4, lambda m, x, y, w0, w1: np.maximum(w0 @ x, 0))),
        (
            "du2/du3 is taken at the numbers before softmax, expected at u3, the probabilities",
            but(2, lambda m, x, y, w0, w1: np.diag(1 / (w1 @ np.maximum(w0 @ x, 0)))),
        ),
        (
            "du3/du4 is taken at the probabilities, expected at u4, the numbers before softmax",
            but(3, lambda m, *network: of_softmax(softmax_at(*network))),
        ),
        (
            "du6/dW0 belongs to the columns of W0 one after the other, expected its rows: np.kron(np.eye(…), x)",
            but(6, lambda m, x, y, w0, w1: np.kron(x, np.eye(len(w0)))),
        ),
        ("du6/dW0 is x, expected a matrix: output i depends on row i of W0 only, by x", but(6, lambda m, x, *_: x)),
        (
            "du6/dW0 is x, expected a matrix: output i depends on row i of W0 only, by x",
            but(6, lambda m, x, *_: x[None, :]),
        ),
        ("du6/dW0 is W0, the derivative by x, expected that by W0", but(6, lambda m, x, y, w0, w1: w0)),
        (
            "du6/dW0 has x in every block, expected only in block i of row i",
            but(6, lambda m, x, y, w0, w1: np.tile(x, (len(w0), len(w0)))),
        ),
        ("the order is reversed: du0/du1 comes first", lambda *network: right(*network)[::-1]),
        ("du0/du1 is missing: seven factors, the first of them (1), 1 × 1", lambda *network: right(*network)[1:]),
        ("this is the product of the factors, expected the list of them", lambda *network: product(right(*network))),
    ],
    hints=[
        "Compute u6, u5, u4 and u3 first, from the inside out; each derivative is taken at the input of its function.",
        "In order: (1), −yᵀ, the Jacobian of log at u3, of softmax at u4, W1, of relu at u6, and last a matrix with "
        "x in block i of row i.",
        "u6 = W0 @ x, …; return [np.eye(1), …[None, :], jacobian_of_log(…), …]; np.kron makes blocks of two matrices.",
    ],
)


def by_tape(x, y, w0, w1):
    w = gg.tensor(w0, requires_grad=True)
    (-(gg.tensor(y) * gg.log((gg.tensor(w1) @ (w @ gg.tensor(x)).relu()).softmax())).sum()).backward()
    return w.grad.numpy()


def reward(jacobian_of_log, jacobian_of_softmax, jacobian_of_relu, factors):
    """Return the shapes of the factors, the gradient, and how a step along it lowers the loss."""
    chain = [np.asarray(matrix, float) for matrix in factors(*NETWORK)]
    found, tape = product(chain)[0], by_tape(*NETWORK).ravel()
    shapes = " · ".join(f"({rows} × {columns})" for rows, columns in (matrix.shape for matrix in chain))
    return [
        f"{shapes} = ({1} × {found.size})",
        f"du0/dW0 = {np.array2string(found, precision=3, max_line_width=200)}",
        f"The tape's gradient differs by {np.abs(found - tape).max():.0e}: backpropagation is this product.",
    ]


def picture(file: Path, jacobian_of_log, jacobian_of_softmax, jacobian_of_relu, factors):
    chain = [np.asarray(matrix, float) for matrix in factors(*NETWORK)]
    names = ["du0/du1", "du1/du2", "du2/du3", "du3/du4", "du4/du5", "du5/du6", "du6/dW0", "du0/dW0"]
    with slide(15, 3.2) as figure:
        panels = figure.subplots(1, 8, width_ratios=[max(m.shape[1], 3) for m in (*chain, product(chain))])
        for axes, name, matrix in zip(panels, names, (*chain, product(chain)), strict=True):
            top = np.abs(matrix).max()
            axes.imshow(matrix, cmap="PuOr", vmin=-top, vmax=top)
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{name}\n{matrix.shape[0]} × {matrix.shape[1]}", fontsize=12)
        figure.suptitle("Seven factors and their product (orange: negative)", fontsize=13)
        saved(figure, file)


EXERCISE = Exercise([LOG, SOFTMAX, RELU, FACTORS], reward, picture)
