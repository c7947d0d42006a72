"""Exercise for point 4: find out where a descent has ended.

    python examples/lecture/exercises/point04_where_it_fails.py [--hint] [--picture]

Where the gradient is zero, the second derivatives decide. The Hessian H has the entries ∂²f / ∂x_i ∂x_j. Its column j
is the derivative of the gradient along x_j, here a central difference, with the j-th unit vector e_j:

    H e_j ≈ (∇f(x + h e_j) − ∇f(x − h e_j)) / 2h

All eigenvalues positive: a minimum. All negative: a maximum. Some of both: a saddle. Otherwise, when some are zero and
the others have one sign, the second derivatives do not decide. As they are computed, |λ| ≤ tolerance counts as zero.

Fill in the three functions and run the file. Once all are right, they find the kinds of nine points of a surface, and
why saddles are prevalent in many dimensions.
"""

from checks.point04_where_it_fails import EXERCISE


def hessian(gradient, x, h):
    """Return the matrix of second derivatives at x, (dim, dim); gradient(x) is ∇f at x, (dim,)."""
    raise NotImplementedError


def kind(matrix, tolerance):
    """Return "minimum", "maximum", "saddle" or "undecided" for a point with this Hessian."""
    raise NotImplementedError


def negative_share(matrix):
    """Return the share of the eigenvalues that are negative, a number from 0 to 1; matrix is symmetric."""
    raise NotImplementedError


if __name__ == "__main__":
    EXERCISE.run(hessian, kind, negative_share)
