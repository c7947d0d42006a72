"""11. The chain rule.

    python examples/lecture/point11_chain_rule.py [FOLDER]

Question: what is the derivative of a composition, and of a network's loss?

Answer: the product of the derivatives of its parts. (3x³ + 2)² is u² with u = 3x³ + 2, so its derivative is
2u · 9x² = 54x⁵ + 36x²; at x = 2 that is 1872, and the tape computes 1872. A network with one hidden layer and its loss
are u0(u1(…u6(W0))), and du0/dW0 is a product of 7 factors, the first 1 × 2 and the last 4 × 12. Multiplied from the
left, every product is a single row: 1 × 12 at the end. It equals the tape's gradient to 1e-14, and finite differences
to 1e-8.
"""

import sys
from pathlib import Path

import numpy as np

import gpugrad as gg
from gpugrad.lab.pictures import saved
from gpugrad.lab.view import BLACK, BLUE, ORANGE, RED, slide, tidy

generator = np.random.default_rng(0)
X, Y = generator.normal(size=3), generator.normal(size=2)
W0, B0 = generator.normal(size=(4, 3)), generator.normal(size=4)
W1, B1 = generator.normal(size=(2, 4)), generator.normal(size=2)


def f(x):
    return (3 * x**3 + 2) ** 2


def slope(x):
    """Return the derivative of f from the tape, at an array of points."""
    x = gg.tensor(x, requires_grad=True)
    f(x).sum().backward()
    return x.grad.numpy()


def factors():
    """Return the loss and the factors of du0/dW0, the outermost function first.

    W0 is flattened row by row. In each factor, rows belong to the output and columns to the input of a function.
    """
    u6 = W0 @ X
    u5 = u6 + B0
    u4 = np.tanh(u5)
    u3 = W1 @ u4
    u2 = u3 + B1
    u1 = u2 - Y
    u0 = u1 @ u1 / 2
    return u0, {
        "du0/du1": u1[None, :],
        "du1/du2": np.eye(2),
        "du2/du3": np.eye(2),
        "du3/du4": W1,
        "du4/du5": np.diag(1 - u4**2),
        "du5/du6": np.eye(4),
        "du6/dW0": np.kron(np.eye(4), X) + 0.0,
    }


def loss(w0):
    """Return the same u0, in tape operations."""
    error = gg.tensor(W1) @ (w0 @ gg.tensor(X) + gg.tensor(B0)).tanh() + gg.tensor(B1) - gg.tensor(Y)
    return (error**2).sum() / 2


def differences(step=1e-6):
    """Return du0/dW0 from central differences, (4, 3)."""
    with gg.no_grad():
        values = [
            [loss(gg.tensor(W0 + sign * step * unit.reshape(4, 3))).item() for sign in (1, -1)] for unit in np.eye(12)
        ]
    return np.array([(ahead - behind) / (2 * step) for ahead, behind in values]).reshape(4, 3)


def draw(chain, gradient, file=None):
    with slide(16, 6.6) as figure:
        above, below = figure.subfigures(2, 1, height_ratios=[1.1, 1])
        matrices = {**chain, "du0/dW0": gradient.reshape(1, 12)}
        widths = [max(matrix.shape[1], 3) for matrix in matrices.values()]
        top = max(abs(matrix).max() for matrix in matrices.values())
        panels = above.subplots(1, len(matrices), width_ratios=widths)
        for i, (axes, (name, matrix)) in enumerate(zip(panels, matrices.items(), strict=True)):
            axes.imshow(matrix, cmap="PuOr", vmin=-top, vmax=top)
            axes.set_title(f"{name}\n{matrix.shape[0]} × {matrix.shape[1]}", fontsize=13)
            axes.set(xticks=[], yticks=[])
            sign = "" if i == len(chain) else "=" if i == len(chain) - 1 else "·"
            axes.text(1.04, 0.5, sign, transform=axes.transAxes, fontsize=22, va="center")
        above.suptitle("A network with one hidden layer: the factors of du0/dW0 and their product")
        x = np.linspace(-1.2, 0.9, 200)
        axes = below.subplots()
        axes.plot(x, f(x), color=BLUE, linewidth=3, label="$(3x^3 + 2)^2$")
        axes.plot(x, 54 * x**5 + 36 * x**2, color=ORANGE, linewidth=3, label="$54x^5 + 36x^2$")
        dots = x[::10]
        axes.plot(dots, slope(dots), "o", color=BLACK, label="derivative by the tape")
        axes.axhline(0, color=RED, linewidth=0.5)
        axes.set(xlabel="$x$", ylabel="value", ylim=(-45, 45), title="A composition and its derivative")
        axes.legend(loc="lower right")
        tidy(axes)
        return saved(figure, file)


def main(folder="."):
    x = np.linspace(-2, 2, 41)
    assert np.allclose(slope(x), 54 * x**5 + 36 * x**2, rtol=1e-13, atol=1e-13)
    print(f"at x = 2: 54x⁵ + 36x² = {54 * 2**5 + 36 * 2**2}, the tape computes {slope(np.array([2.0]))[0]:g}")
    u0, chain = factors()
    row = np.eye(1)
    for name, matrix in chain.items():
        row = row @ matrix
        print(f"{name}: {matrix.shape[0]} × {matrix.shape[1]}, the product so far {row.shape[0]} × {row.shape[1]}")
        print(
            "    "
            + np.array2string(matrix, precision=3, suppress_small=True, max_line_width=110).replace("\n", "\n    ")
        )
    gradient = row.reshape(4, 3)
    print(f"du0/dW0, the product of {len(chain)} factors:")
    print("    " + np.array2string(gradient, precision=6).replace("\n", "\n    "))
    weights = gg.tensor(W0, requires_grad=True)
    u0_by_tape = loss(weights)
    u0_by_tape.backward()
    assert abs(u0 - u0_by_tape.item()) < 1e-14
    assert abs(gradient - weights.grad.numpy()).max() < 1e-14
    assert abs(gradient - differences()).max() < 1e-8
    assert gg.gradcheck(loss, weights)
    print("equal to the tape to 1e-14, to finite differences to 1e-8")
    draw(chain, gradient, Path(folder) / "11_chain_rule.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
