"""Backpropagation written out for one hidden layer: du0/dW0 as a product of factors, compared with the tape.

    python examples/backpropagation.py

The network and its loss are a chain of functions of the first weights, from the inside out:

    u6 = W0·x          u5 = u6 + b0       u4 = tanh(u5)      the hidden layer
    u3 = W1·u4         u2 = u3 + b1       u1 = u2 − y        the output, and its error
    u0 = ½·‖u1‖²                                             the loss

By the chain rule, the derivative of the loss is the product of the derivatives of these functions,

    du0/dW0 = du0/du1 · du1/du2 · du2/du3 · du3/du4 · du4/du5 · du5/du6 · du6/dW0,

each a matrix (rows: outputs of the function; columns: inputs). Multiplied from the left, every intermediate product is
a single row, which makes the backward pass as cheap as the forward pass.
"""

import numpy as np

import gpugrad as gg


def factors(x, y, w0, b0, w1, b1):
    """Return the loss and the factors [(name, matrix)] of du0/dW0, outermost first; W0 is flattened row by row."""
    u6 = w0 @ x
    u5 = u6 + b0
    u4 = np.tanh(u5)
    u3 = w1 @ u4
    u2 = u3 + b1
    u1 = u2 - y
    u0 = 0.5 * u1 @ u1
    return u0, [
        ("du0/du1", u1[None, :]),
        ("du1/du2", np.eye(len(u2))),
        ("du2/du3", np.eye(len(u3))),
        ("du3/du4", w1),
        ("du4/du5", np.diag(1 - u4**2)),
        ("du5/du6", np.eye(len(u6))),
        ("du6/dW0", np.kron(np.eye(len(u6)), x[None, :])),
    ]


def by_tape(x, y, w0, b0, w1, b1):
    """Return the same loss and gradient from the tape."""
    weight = gg.tensor(w0, requires_grad=True)
    hidden = (weight @ gg.tensor(x) + gg.tensor(b0)).tanh()
    error = gg.tensor(w1) @ hidden + gg.tensor(b1) - gg.tensor(y)
    loss = 0.5 * (error**2).sum()
    loss.backward()
    return float(loss), weight.grad.numpy()


def main():
    rng = np.random.default_rng(0)
    n_in, n_hidden, n_out = 3, 4, 2
    x, y = rng.normal(size=n_in), rng.normal(size=n_out)
    w0, b0 = rng.normal(size=(n_hidden, n_in)), rng.normal(size=n_hidden)
    w1, b1 = rng.normal(size=(n_out, n_hidden)), rng.normal(size=n_out)

    loss, chain = factors(x, y, w0, b0, w1, b1)
    row = np.eye(1)
    print(f"loss u0 = {loss:.6f}")
    for name, matrix in chain:
        row = row @ matrix
        print(f"{name}  {matrix.shape[0]:>2} × {matrix.shape[1]:<2}  product so far {row.shape[0]} × {row.shape[1]}")
    gradient = row.reshape(w0.shape)
    print("du0/dW0 as the product of its factors:")
    print(np.array2string(gradient, precision=6))

    tape_loss, tape_gradient = by_tape(x, y, w0, b0, w1, b1)
    print("du0/dW0 from the tape:")
    print(np.array2string(tape_gradient, precision=6))
    difference = np.abs(gradient - tape_gradient).max()
    print(f"largest difference {difference:.1e}")
    assert abs(loss - tape_loss) < 1e-12
    assert difference < 1e-12


if __name__ == "__main__":
    main()
