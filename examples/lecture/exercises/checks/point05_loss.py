"""Check of point 5: softmax, cross-entropy and its gradient, against the engine's."""

import numpy as np

import gpugrad as gg
from gpugrad import data, nn

from .checking import Exercise, Task
from .tools import draw_lines, remembered

generator = np.random.default_rng(5)
ROWS = generator.normal(size=(4, 3))
LARGE = np.array([[1000.0, 999.0, 0.0], [-1000.0, -1002.0, -1001.0]])
FEW = np.array([[1.0, 2.0]])
# Whatever is right for one row only, or after the largest of all numbers is subtracted, fails here.
FAR = np.array([[900.0, 901.0, 899.0], [-900.0, -901.0, -899.0]])
PEAK = np.array([[0.0, 0.0, 0.0, 2000.0]])  # far above the row's mean


def one_hot(labels, n_classes):
    return np.eye(n_classes)[labels]


@remembered
def probabilities(z):
    return gg.tensor(np.asarray(z, float)).softmax().numpy()


@remembered
def loss(z, y):
    return nn.CrossEntropyLoss()(gg.tensor(z), gg.tensor(y.argmax(axis=1).astype(np.int32))).item()


@remembered
def slope(weights, x, y):
    w = gg.tensor(weights, requires_grad=True)
    nn.CrossEntropyLoss()(gg.tensor(x) @ w.T, gg.tensor(y.argmax(axis=1).astype(np.int32))).backward()
    return w.grad.numpy()


def powers(z, axis=None):
    return np.exp(z) / np.exp(z).sum(axis=axis, keepdims=axis is not None)


def shifted_by_all(z):
    raised = np.exp(z - z.max())
    return raised / raised.sum(axis=1, keepdims=True)


SOFTMAX = Task(
    "softmax",
    cases=[(ROWS,), (FEW,), (LARGE,), (FAR,), (PEAK,)],
    right=probabilities,
    formula="exp(z) divided by the sum of each row's exp(z), after the row's largest number is subtracted from z",
    mistakes=[
        (
            "exp overflows far above the mean: subtract the row's largest number, not its mean",
            lambda z: powers(z - z.mean(axis=1, keepdims=True), axis=1),
        ),
        (
            "exp overflows for z = 1000: subtract the largest number of each row first, which changes no probability",
            lambda z: powers(z, axis=1),
        ),
        (
            "the largest of all rows is subtracted, and another row's exp is 0 everywhere: subtract that of each row",
            shifted_by_all,
        ),
        (
            "the sum runs over the rows of a class, expected over the classes of a row: axis=1, not axis=0",
            lambda z: powers(z, axis=0),
        ),
        (
            "the sum runs over the rows of a class, expected over the classes of a row: axis=1, not axis=0",
            lambda z: probabilities(z.T).T,
        ),
        (
            "the sum runs over the rows of a class, expected over the classes of a row: axis=1, not axis=0",
            lambda z: powers(z - z.max(axis=1, keepdims=True), axis=0),
        ),
        (
            "the sum runs over the rows of a class, expected over the classes of a row: axis=1, not axis=0",
            lambda z: powers(z - z.max(), axis=0),
        ),
        ("the sum runs over all rows, expected one sum per row: axis=1, keepdims=True", powers),
        ("the sum runs over all rows, expected one sum per row: axis=1, keepdims=True", lambda z: powers(z - z.max())),
        (
            "the sum runs over all rows, expected one sum per row: axis=1, keepdims=True",
            lambda z: powers(z - z.max(axis=1, keepdims=True)),
        ),
        ("the result is not divided by its sum", np.exp),
        ("the result is not divided by its sum", lambda z: np.exp(z - z.max(axis=1, keepdims=True))),
        ("the numbers are divided by their sum without exp", lambda z: z / z.sum(axis=1, keepdims=True)),
        ("this is the logarithm of softmax", lambda z: np.log(probabilities(z))),
    ],
    hints=[
        "exp makes each number positive, and dividing by their sum makes the sum 1; each row by itself.",
        "With m the largest number of the row: exp(z_j − m) / Σ_k exp(z_k − m).",
        "Two lines: powers = np.exp(z − …), return powers / …; .max(axis=…, keepdims=True) and .sum(axis=…, "
        "keepdims=True) give a column.",
    ],
)

Y, Y2 = one_hot([0, 2, 1, 1], 3), one_hot([1], 2)
SURE = np.array([[1000.0, 0.0, 0.0], [0.0, 1000.0, 0.0]])  # of the right class in the first row, wrong in the second
EPSILONS = [10.0**-n for n in range(5, 17)]


def logs(z):
    return np.log(probabilities(z))


def log_after(shifted):
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


CROSS_ENTROPY = Task(
    "cross_entropy",
    cases=[
        (ROWS, Y),
        (FEW, Y2),
        (LARGE, one_hot([1, 0], 3)),
        (SURE, one_hot([0, 0], 3)),
        (FAR, one_hot([1, 2], 3)),
        (PEAK, one_hot([3], 4)),
    ],
    right=loss,
    formula="−(1/n) Σ yᵀ log softmax(z)",
    mistakes=[
        ("the sign is missing: logarithms of probabilities are negative, and a loss is not", lambda z, y: -loss(z, y)),
        ("this is the sum over the rows, expected the mean: divide by n", lambda z, y: len(z) * loss(z, y)),
        (
            "this is the mean over rows and classes, expected the sum over classes and the mean over rows",
            lambda z, y: loss(z, y) / z.shape[1],
        ),
        (
            "log of a probability that is rounded to 0: use log softmax(z)_j = z_j − m − log Σ exp(z_k − m)",
            lambda z, y: -(y * logs(z)).sum() / len(z),
        ),
        (
            "log of a probability that is rounded to 0: use log softmax(z)_j = z_j − m − log Σ exp(z_k − m)",
            lambda z, y: -np.log((y * probabilities(z)).sum(axis=1)).mean(),
        ),
        *(
            (
                "log softmax cannot be replaced by log(p + ε) or a clipped p: use z_j − m − log Σ exp(z_k − m)",
                lambda z, y, least=least: -(y * np.log(np.clip(probabilities(z), least, 1))).sum() / len(z),
            )
            for least in EPSILONS
        ),
        (
            "exp overflows for z = 1000: subtract the largest number of each row first",
            lambda z, y: -(y * log_after(z)).sum() / len(z),
        ),
        (
            "exp overflows far above the mean: subtract the row's largest number, not its mean",
            lambda z, y: -(y * log_after(z - z.mean(axis=1, keepdims=True))).sum() / len(z),
        ),
        (
            "the logarithm is missing: this is the mean probability of the right class",
            lambda z, y: -(y * probabilities(z)).sum() / len(z),
        ),
        ("softmax is missing: log softmax(z), not z", lambda z, y: -(y * z).sum() / len(z)),
        (
            "each row has its own loss here, expected their mean",
            lambda z, y: np.array([loss(z[i : i + 1], y[i : i + 1]) for i in range(len(z))]),
        ),
    ],
    hints=[
        "Multiplying by y picks the logarithm of one probability per row; the loss is minus their mean.",
        "Where p is rounded to 0, its logarithm is still finite: log softmax(z)_j = z_j − m − log Σ_k exp(z_k − m).",
        "shifted = z − …, log_p = shifted − np.log(…), return −(y * log_p).sum(…).mean().",
    ],
)

W = generator.normal(size=(3, 2))
X = generator.normal(size=(4, 2))
GRADIENT = Task(
    "gradient",
    cases=[
        (W, X, Y),
        (generator.normal(size=(2, 5)), generator.normal(size=(6, 5)), one_hot([0, 1, 1, 0, 1, 1], 2)),
        (1000 * W, X, Y),
    ],
    right=slope,
    formula="(1/n) Σ (softmax(W x_i) − y_i) x_iᵀ",
    mistakes=[
        ("this is the sum over the rows, expected the mean: divide by n", lambda w, x, y: len(x) * slope(w, x, y)),
        ("the sign is wrong: softmax(W x) − y, not y − softmax(W x)", lambda w, x, y: -slope(w, x, y)),
        ("it is transposed: expected the shape of W", lambda w, x, y: slope(w, x, y).T),
        ("y is not subtracted from the probabilities", lambda w, x, y: probabilities(x @ w.T).T @ x / len(x)),
        (
            "softmax is missing: subtract y from softmax(W x), not from W x",
            lambda w, x, y: (x @ w.T - y).T @ x / len(x),
        ),
        ("this divides by all numbers of y, expected by n, the rows", lambda w, x, y: slope(w, x, y) / y.shape[1]),
        ("this divides by all numbers of x, expected by n, the rows", lambda w, x, y: slope(w, x, y) / x.shape[1]),
    ],
    hints=[
        "The gradient of a mean is the mean of the gradients: one matrix per row of x, added up and divided by n.",
        "The sum over rows of the outer products d_i x_iᵀ is the matrix product dᵀ x, d = softmax(x Wᵀ) − y.",
        "d = softmax(x @ …) − …, return d.T @ … / …; check the shape: it is that of W.",
    ],
)


def train(softmax, cross_entropy, gradient, steps=100, rate=0.5):
    """Return the losses of gradient descent on the digits, and the accuracy on new ones."""
    digits = data.load("digits")
    x, new = (np.asarray(part, float) * digits.scale for part in (digits.x_train, digits.x_test))
    y, weights, losses = one_hot(digits.y_train, 10), np.zeros((10, 64)), []
    for _ in range(steps):
        losses.append(float(cross_entropy(x @ weights.T, y)))
        weights = weights - rate * np.asarray(gradient(weights, x, y))
    found = np.asarray(softmax(new @ weights.T)).argmax(axis=1)
    return losses, np.mean(found == digits.y_test), len(x)


def reward(softmax, cross_entropy, gradient):
    losses, accuracy, n = train(softmax, cross_entropy, gradient)
    return [
        f"A guess has the loss ln 10 = {np.log(10):.3f}; yours begins at {losses[0]:.3f} and is {losses[-1]:.3f} after "
        f"{len(losses)} steps of gradient descent on {n} digits.",
        f"The classifier recognizes {accuracy:.1%} of the digits that it has not seen.",
    ]


def picture(file, softmax, cross_entropy, gradient):
    losses = train(softmax, cross_entropy, gradient)[0]
    draw_lines(file, {"training on handwritten digits": losses}, "step", "loss $L(W)$", ylim=(0, None))


EXERCISE = Exercise([SOFTMAX, CROSS_ENTROPY, GRADIENT], reward, picture)
