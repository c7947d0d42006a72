"""Check of point 4: Hessians of polynomials of the third degree, of which central differences are exact."""

import numpy as np

from gpugrad.lab import surface

from .checking import Exercise, Task
from .tools import draw_lines

H = 0.1
HIMMELBLAU = surface("himmelblau")


def cubic(x):
    """Return the gradient of a³ + a²b + 3ab + 2b²."""
    a, b = x
    return np.array([3 * a**2 + 2 * a * b + 3 * b, a**2 + 3 * a + 4 * b])


def cubic_hessian(x):
    a, b = x
    return np.array([[6 * a + 2 * b, 2 * a + 3], [2 * a + 3, 4.0]])


def three(x):
    """Return the gradient of a²b + bc² + a·c."""
    a, b, c = x
    return np.array([2 * a * b + c, a**2 + c**2, 2 * b * c + a])


def three_hessian(x):
    a, b, c = x
    return np.array([[2 * b, 2 * a, 1], [2 * a, 0, 2 * c], [1, 2 * c, 2 * b]])


def gradient_of(polynomial):
    def gradient(x):
        return polynomial(x)

    return gradient


GRADIENT, GRADIENT3 = gradient_of(cubic), gradient_of(three)
RIGHT = {GRADIENT: cubic_hessian, GRADIENT3: three_hessian}


def moved(difference):
    """Return a wrong Hessian whose column j is `difference(gradient, x, h·e_j, h)`."""
    return lambda f, x, h: np.stack([difference(f, x, e, h) for e in h * np.eye(len(x))], axis=1)


HESSIAN = Task(
    "hessian",
    cases=[
        (GRADIENT, np.array([1.0, -0.5]), H),
        (GRADIENT, np.array([0.0, 2.0]), 0.25),
        (GRADIENT3, np.array([1.0, 2.0, -1.0]), H),
    ],
    right=lambda f, x, h: RIGHT[f](x),
    formula="column j is (∇f(x + h e_j) − ∇f(x − h e_j)) / 2h",
    mistakes=[
        ("the difference is divided by h, expected 2h: the two points are 2h apart", lambda f, x, h: 2 * RIGHT[f](x)),
        ("the difference is divided by 2 only, expected 2h", lambda f, x, h: h * RIGHT[f](x)),
        ("/ 2 * h divides by 2 and multiplies by h: write / (2 * h)", lambda f, x, h: h**2 * RIGHT[f](x)),
        ("the difference is not divided by 2h", lambda f, x, h: 2 * h * RIGHT[f](x)),
        ("the sign is wrong: the gradient behind is subtracted from the one ahead", lambda f, x, h: -RIGHT[f](x)),
        (
            "the difference is one-sided, expected the gradients at x + h e_j and at x − h e_j",
            moved(lambda f, x, e, h: (f(x + e) - f(x)) / h),
        ),
        (
            "the difference is one-sided, expected the gradients at x + h e_j and at x − h e_j",
            moved(lambda f, x, e, h: (f(x) - f(x - e)) / h),
        ),
        (
            "the difference is one-sided, expected the gradients at x + h e_j and at x − h e_j",
            moved(lambda f, x, e, h: (f(x + e) - f(x)) / (2 * h)),
        ),
        (
            "all coordinates are moved at once, expected one at a time: x + h e_j",
            moved(lambda f, x, e, h: (f(x + h) - f(x - h)) / (2 * h)),
        ),
        (
            "only the diagonal is there, expected the mixed derivatives too",
            lambda f, x, h: np.diag(np.diag(RIGHT[f](x))),
        ),
    ],
    hints=[
        "Each column says how the gradient changes when one coordinate changes.",
        "Column j: the gradient at x + h e_j, minus the one at x − h e_j, divided by 2h; np.eye(len(x)) has the e_j.",
        "columns = [… for e in np.eye(len(x))], then np.stack(columns, axis=…).",
    ],
)

SADDLE = np.array([[1.0, 2.0], [2.0, 1.0]])  # eigenvalues 3 and −1, although its diagonal is positive
TURNED = np.array([[-3.0, 1.0], [1.0, -2.0]])
CASES = [
    np.diag([1.0, 3.0]),
    np.diag([2.0, -1.0]),
    TURNED,
    SADDLE,
    np.diag([1.0, 0.0]),
    np.diag([0.0, -1.0]),
    np.diag([1.0, 0.0, -1.0]),
    np.zeros((2, 2)),
    np.diag([2.0, 1e-9]),
    np.diag([-1.0, -1e-9]),
    np.diag([-1.0, 1e-9]),
    np.diag([1.0, -1e-9]),
    np.diag([-1.0, -2.0, 3.0]),
    np.array([[2.0]]),
]
OTHER_TOLERANCES = [
    *((np.diag(values), 0.1) for values in ([2.0, 0.01], [2.0, -0.01], [-2.0, 0.01])),
    (np.diag([1.0, -1e-9]), 1e-12),
]


def by(values_of, zero=lambda tolerance: tolerance, undecided="undecided"):
    """Return a rule like the right one, but for the numbers that it looks at and for zero."""

    def rule(matrix, tolerance):
        values, close = values_of(matrix), zero(tolerance)
        up, down = (values > close).any(), (values < -close).any()
        if up and down:
            return "saddle"
        if (abs(values) <= close).any():
            return undecided
        return "minimum" if up else "maximum"

    return rule


EIGEN = np.linalg.eigvalsh


def by_determinant(matrix, tolerance):
    value = np.linalg.det(matrix)
    return "minimum" if value > tolerance else "saddle" if value < -tolerance else "undecided"


def by_trace(matrix, tolerance):
    value = np.trace(matrix)
    return "minimum" if value > tolerance else "maximum" if value < -tolerance else "undecided"


def zero_first(matrix, tolerance):
    return "undecided" if (abs(EIGEN(matrix)) <= tolerance).any() else by(EIGEN)(matrix, tolerance)


def lenient(matrix, tolerance):
    values = EIGEN(matrix)
    return "minimum" if (values > -tolerance).all() else "maximum" if (values < tolerance).all() else "saddle"


KIND = Task(
    "kind",
    cases=[*((matrix, 1e-6) for matrix in CASES), *OTHER_TOLERANCES],
    right=by(EIGEN),
    formula="all eigenvalues positive is a minimum, all negative a maximum, some of both a saddle, else undecided",
    mistakes=[
        ("minimum and maximum are mixed up: at a minimum f curves up in every direction", by(lambda m: -EIGEN(m))),
        ("the signs of the diagonal do not decide, those of the eigenvalues do", by(np.diag)),
        ("the determinant does not decide: it is positive at a maximum of two dimensions too", by_determinant),
        ("the sum of the eigenvalues does not decide, the sign of each does", by_trace),
        ("the tolerance is not used, and rounding decides: count |λ| ≤ tolerance as zero", by(EIGEN, lambda _: 0.0)),
        (
            "a tolerance is given, and another one decides here: count |λ| ≤ tolerance as zero",
            by(EIGEN, lambda _: 1e-6),
        ),
        ("with eigenvalues of both signs it is a saddle, even if another one is zero", zero_first),
        ("an eigenvalue of zero is no decision: f may rise or fall that way", lenient),
        ("an eigenvalue of zero does not make a saddle, that takes both signs", by(EIGEN, undecided="saddle")),
    ],
    hints=[
        "An eigenvalue is the curvature along its eigenvector: f rises both ways where it is positive.",
        "Ask whether any eigenvalue is above tolerance, and whether any is below −tolerance: that makes four answers.",
        "values = np.linalg.eigvalsh(…), up = (…).any(), down = (…).any(), then if, if, and what is left; look "
        "out for zeros before you say minimum.",
    ],
)

SHARES = [
    np.diag([1.0, -1.0, -2.0]),
    TURNED,
    SADDLE,
    np.diag([1.0, 2.0, 3.0, -4.0]),
    np.diag([1.0, 5.0]),
    np.diag([0.0, -1.0]),
]
SHARE = Task(
    "negative_share",
    cases=[(matrix,) for matrix in SHARES],
    right=lambda matrix: np.mean(EIGEN(matrix) < 0),
    formula="the number of negative eigenvalues divided by that of all",
    mistakes=[
        ("this is the number of negative eigenvalues, divide it by that of all", lambda m: np.sum(EIGEN(m) < 0)),
        ("this is the share of positive eigenvalues", lambda m: np.mean(EIGEN(m) > 0)),
        ("a zero is not negative", lambda m: np.mean(EIGEN(m) <= 0)),
        ("these are the numbers of the diagonal, expected the eigenvalues", lambda m: np.mean(np.diag(m) < 0)),
        ("these are the entries of the matrix, expected the eigenvalues", lambda m: np.mean(m < 0)),
    ],
    hints=[
        "At a minimum the share is 0, at a maximum 1.",
        "Compare the eigenvalues with zero, and take the mean of the answers.",
        "np.mean(… < 0), with the function for eigenvalues of symmetric matrices in np.linalg.",
    ],
)


def random_kinds(kind, negative_share, dim, count=1000):
    """Return the share of minima among random symmetric matrices, and the mean share of negative eigenvalues."""
    made = np.random.default_rng(dim).normal(size=(count, dim, dim))
    symmetric = (made + np.swapaxes(made, 1, 2)) / 2
    minima = np.mean([kind(matrix, 1e-9) == "minimum" for matrix in symmetric])
    return minima, np.mean([negative_share(matrix) for matrix in symmetric])


def reward(hessian, kind, negative_share):
    """Return the kinds of the stationary points of Himmelblau's function, and of random matrices."""
    lines = []
    for points in (HIMMELBLAU.minima, HIMMELBLAU.saddles, HIMMELBLAU.maxima):
        for point in np.array(points):
            matrix = np.asarray(hessian(HIMMELBLAU.gradient, point, 1e-4))
            share = negative_share((matrix + matrix.T) / 2)
            where = f"({point[0]:.2f}, {point[1]:.2f})".replace("-", "−")
            lines.append(f"Himmelblau at {where}: {kind(matrix, 1e-6)}, {share:.0%} of the eigenvalues negative.")
    for dim in (1, 2, 4, 8):
        minima, share = random_kinds(kind, negative_share, dim)
        lines.append(
            f"Of 1000 random Hessians in {dim} dimension{'s' * (dim > 1)}, {minima:.1%} are minima; "
            f"{share:.0%} of the eigenvalues are negative."
        )
    return [*lines, "The more dimensions, the rarer it is that no direction leads down: saddles are prevalent."]


def picture(file, hessian, kind, negative_share):
    minima = [np.nan, *(random_kinds(kind, negative_share, dim)[0] for dim in range(1, 9))]
    draw_lines(file, {"random symmetric matrices": minima}, "dimensions", "share of minima")


EXERCISE = Exercise([HESSIAN, KIND, SHARE], reward, picture)
