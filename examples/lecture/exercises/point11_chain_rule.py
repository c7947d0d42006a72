"""Exercise for point 11: the chain rule, one derivative at a time.

    python examples/lecture/exercises/point11_chain_rule.py [--hint] [--picture]

The loss of one row x with the label y, which has a single 1, is a chain of functions:

    u0(W0) = −yᵀ log(softmax(W1 a(W0 x))) = u1(u2(u3(u4(u5(u6(W0)))))),
    u1(z) = −yᵀz,  u2 = log,  u3 = softmax,  u4(z) = W1 z,  u5 = a = relu,  u6(W) = W x

Its derivative is the product of seven factors, du0/du1 · du1/du2 · … · du5/du6 · du6/dW0, with du0/du1 = (1). In each,
rows belong to the output of a function and columns to its input; W0 is one long row of numbers, its rows one after the
other. With p = softmax(z):

    ∂ log(z)_i / ∂z_j = 1/z_i if i = j, else 0
    ∂p_i / ∂z_j = p_i (1 − p_i) if i = j, else −p_i p_j
    ∂a(z)_i / ∂z_j = 1 if i = j and z_i > 0, else 0        (at the kink 0 as well)

Fill in the four functions and run the file. Once all are right, their product is compared with the tape's gradient.
"""

from checks.point11_chain_rule import EXERCISE


def jacobian_of_log(z):
    """Return the derivatives of log, (n, n), at z, (n,)."""
    raise NotImplementedError


def jacobian_of_softmax(z):
    """Return the derivatives of softmax, (n, n), at z, (n,)."""
    raise NotImplementedError


def jacobian_of_relu(z):
    """Return the derivatives of relu(z) = max(z, 0), (n, n), at z, (n,)."""
    raise NotImplementedError


def factors(x, y, W0, W1):
    """Return the list of the seven factors of du0/dW0, from du0/du1 to du6/dW0; the last is (n_hidden, W0.size)."""
    raise NotImplementedError


if __name__ == "__main__":
    EXERCISE.run(jacobian_of_log, jacobian_of_softmax, jacobian_of_relu, factors)
