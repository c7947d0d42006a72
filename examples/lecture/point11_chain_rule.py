"""11. The chain rule.

    python examples/lecture/point11_chain_rule.py [FOLDER] [--dark]

Question: what is the derivative of a composition, and of a network's loss?

Answer: the product of the derivatives of its parts. (3x³ + 2)² is u² with u = 3x³ + 2, so its derivative is
2u · 9x² = 54x⁵ + 36x²; at x = 2 that is 1872, and the tape computes 1872. The cross-entropy of a network with one
hidden layer is a chain of seven functions,

    u0(W0) = −yᵀ log(softmax(W1 a(W0 x))) = u1(u2(u3(u4(u5(u6(W0)))))),
    u1(z) = −yᵀz,  u2 = log,  u3 = softmax,  u4(z) = W1 z,  u5 = a,  u6(W) = W x,

and du0/dW0 is the product of 7 factors, the first 1 × 1 and the last 4 × 12. Multiplied from the left, every product is
a single row: 1 × 12 at the end. For W1 the product ends earlier, with du4/dW1, 3 × 12. Both equal the tape's gradients
to 1e-14, and finite differences to 1e-8.

a = relu has a kink at 0, where its slope is 0 on the left and 1 on the right. The tape uses 0. It does not matter,
because no sum that a network computes is exactly 0: of 1000000 sums of random weights and inputs, 0 are.
"""

import numpy as np

import gpugrad as gg
from gpugrad.lab.pictures import saved
from gpugrad.lab.script import present
from gpugrad.lab.view import BLACK, BLUE, ORANGE, RED, slide, tidy

generator = np.random.default_rng(11)
X, Y = generator.normal(size=3), np.array([0.0, 1.0, 0.0])  # a row of three numbers, of the second of three classes
W0, W1 = generator.normal(size=(4, 3)), generator.normal(size=(3, 4))


def f(x):
    return (3 * x**3 + 2) ** 2


def slope(function, x):
    """Return the derivative of a function from the tape, at an array of points."""
    x = gg.tensor(x, requires_grad=True)
    function(x).sum().backward()
    return x.grad.numpy()


def relu(z):
    return np.maximum(z, 0)


def jacobian_of_relu(z):
    """Return da/dz, (n, n): each output depends on its own input, with slope 1 or 0; 0 at the kink."""
    return np.diag(np.where(z > 0, 1.0, 0.0))


def softmax(z):
    powers = np.exp(z - z.max())
    return powers / powers.sum()


def jacobian_of_softmax(z):
    """Return dp/dz, (n, n), p = softmax(z): pᵢ (1 − pᵢ) on the diagonal, −pᵢ pⱼ elsewhere."""
    p = softmax(z)
    return np.diag(p) - np.outer(p, p)


def jacobian_of_log(z):
    """Return d(log z)/dz, (n, n): 1/zᵢ on the diagonal."""
    return np.diag(1 / z)


def factors():
    """Return the loss, and the factors of du0/dW0 and of du0/dW1, the outermost function first.

    Matrices are flattened row by row. In each factor, rows belong to the output and columns to the input of a function.
    """
    u6 = W0 @ X
    u5 = relu(u6)
    u4 = W1 @ u5
    u3 = softmax(u4)
    u2 = np.log(u3)
    u1 = -Y @ u2
    u0 = u1
    shared = {
        "du0/du1": np.eye(1),
        "du1/du2": -Y[None, :],
        "du2/du3": jacobian_of_log(u3),
        "du3/du4": jacobian_of_softmax(u4),
    }
    first = {
        **shared,
        "du4/du5": W1,
        "du5/du6": jacobian_of_relu(u6),
        "du6/dW0": np.kron(np.eye(4), X),  # each row of W0 is multiplied by X
    }
    return u0, first, {**shared, "du4/dW1": np.kron(np.eye(3), u5)}


def product(chain):
    """Return the product of all factors of a chain, from the left: a single row."""
    row = np.eye(1)
    for matrix in chain.values():
        row = row @ matrix
    return row


def loss(w0, w1):
    """Return the same u0, in tape operations."""
    return -(gg.tensor(Y) * gg.log((w1 @ (w0 @ gg.tensor(X)).relu()).softmax())).sum()


def by_tape():
    """Return u0, du0/dW0 and du0/dW1 from the tape."""
    w0, w1 = gg.tensor(W0, requires_grad=True), gg.tensor(W1, requires_grad=True)
    u0 = loss(w0, w1)
    u0.backward()
    return u0.item(), w0.grad.numpy(), w1.grad.numpy()


def differences(step=1e-6):
    """Return du0/dW0 and du0/dW1 from central differences."""

    def at(place, change):
        weights = [W0.copy(), W1.copy()]
        weights[place] += change
        return loss(*map(gg.tensor, weights)).item()

    def slopes(place, shape):
        units = step * np.eye(12).reshape(12, *shape)
        return np.reshape([(at(place, unit) - at(place, -unit)) / (2 * step) for unit in units], shape)

    with gg.no_grad():
        return slopes(0, W0.shape), slopes(1, W1.shape)


def sums_at_the_kink(count=1_000_000):
    """Return how many of the sums W x, with random W and x, are exactly 0, and how many there are."""
    random = np.random.default_rng(1)
    w, x = random.standard_normal((count, 3), np.float32), random.standard_normal((count, 3), np.float32)
    return np.count_nonzero((w * x).sum(axis=1) == 0), count


def draw(chain, gradient, file=None):
    with slide(16, 6.6) as figure:
        above, below = figure.subfigures(2, 1, height_ratios=[1.1, 1])
        matrices = {**chain, "du0/dW0": gradient.reshape(1, 12)}
        widths = [max(matrix.shape[1], 3) for matrix in matrices.values()]
        panels = above.subplots(1, len(matrices), width_ratios=widths)
        for i, (axes, (name, matrix)) in enumerate(zip(panels, matrices.items(), strict=True)):
            top = abs(matrix).max()
            axes.imshow(matrix, cmap="PuOr", vmin=-top, vmax=top)
            axes.set_title(f"{name}\n{matrix.shape[0]} × {matrix.shape[1]}", fontsize=13)
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(("1", "−yᵀ", "log", "softmax", "$W_1$", "relu", "$x$", "")[i], fontsize=13)
            sign = "" if i == len(chain) else "=" if i == len(chain) - 1 else "·"
            axes.text(1.04, 0.5, sign, transform=axes.transAxes, fontsize=22, va="center")
        above.suptitle("Cross-entropy of a network: the factors of du0/dW0 and their product (orange: negative)")
        left, right = below.subplots(1, 2, width_ratios=[1.5, 1])
        x = np.linspace(-1.1, 0.8, 200)
        left.plot(x, f(x), color=BLUE, linewidth=3, label="$(3x^3 + 2)^2$")
        left.plot(x, 54 * x**5 + 36 * x**2, color=ORANGE, linewidth=3, label="$54x^5 + 36x^2$")
        dots = x[::10]
        left.plot(dots, slope(f, dots), "o", color=BLACK, label="derivative by the tape")
        left.axhline(0, color=RED, linewidth=0.5)
        left.set(xlabel="$x$", ylabel="value", ylim=(-45, 45), title="A composition and its derivative")
        left.legend(loc="lower right")
        z = np.linspace(-1, 1, 41)
        right.plot(z, relu(z), color=BLUE, linewidth=3, label="relu")
        right.plot(z[z < 0], 0 * z[z < 0], color=ORANGE, linewidth=3, label="its slope: 0, then 1")
        right.plot(z[z > 0], 0 * z[z > 0] + 1, color=ORANGE, linewidth=3)
        right.plot(z[::4], slope(gg.relu, z[::4]), "o", color=BLACK, label="slope by the tape, 0 at the kink")
        right.set(xlabel="$z$", title="The kink of relu", xticks=[-1, 0, 1], yticks=[0, 0.5, 1])
        right.legend(loc="center left")
        for axes in (left, right):
            tidy(axes)
        return saved(figure, file)


def show(name, chain, known=()):
    """Print the factors of a derivative except known ones, and their product so far."""
    row = np.eye(1)
    for factor, matrix in chain.items():
        row = row @ matrix
        if factor in known:
            continue
        print(f"{factor}: {matrix.shape[0]} × {matrix.shape[1]}, the product so far {row.shape[0]} × {row.shape[1]}")
        lines = np.array2string(matrix + 0.0, precision=3, suppress_small=True, max_line_width=110)
        print("    " + lines.replace("\n", "\n    "))
    print(f"{name}, the product of {len(chain)} factors: {np.array2string(row[0], precision=4, max_line_width=110)}")


def main(picture):
    x = np.linspace(-2, 2, 41)
    assert np.allclose(slope(f, x), 54 * x**5 + 36 * x**2, rtol=1e-13, atol=1e-13)
    print(f"at x = 2: 54x⁵ + 36x² = {54 * 2**5 + 36 * 2**2}, the tape computes {slope(f, np.array([2.0]))[0]:g}")
    u0, first, second = factors()
    show("du0/dW0", first)
    show("du0/dW1", second, known=first)
    gradients = product(first).reshape(W0.shape), product(second).reshape(W1.shape)
    u0_by_tape, *gradients_by_tape = by_tape()
    assert abs(u0 - u0_by_tape) < 1e-14
    for gradient, tape, difference in zip(gradients, gradients_by_tape, differences(), strict=True):
        assert abs(gradient - tape).max() < 1e-14
        assert abs(gradient - difference).max() < 1e-8
    print("both equal the tape's gradients to 1e-14, and finite differences to 1e-8")
    at_kink, zeros, count = slope(gg.relu, np.zeros(1))[0], *sums_at_the_kink()
    print(f"at the kink of relu the tape uses {at_kink:g}; of {count} random sums, {zeros} are exactly 0")
    draw(first, gradients[0], picture("11_chain_rule.png"))


if __name__ == "__main__":
    present(__doc__, main)
