"""Exercise for point 10: Adagrad, RMSprop and Adam.

    python examples/lecture/exercises/point10_race.py [--hint] [--picture]

With g_t = ∇f(x_{t−1}) in step t = 1, 2, …, and squares, roots and quotients of each coordinate by itself:

    Adagrad    s_t = s_{t−1} + g_t²                       x_t = x_{t−1} − η · g_t / (√s_t + ε)
    RMSprop    v_t = α · v_{t−1} + (1 − α) · g_t²         x_t = x_{t−1} − η · g_t / (√v_t + ε)
    Adam       m_t = β₁ · m_{t−1} + (1 − β₁) · g_t
               v_t = β₂ · v_{t−1} + (1 − β₂) · g_t²       x_t = x_{t−1} − η · m̂_t / (√v̂_t + ε)
               m̂_t = m_t / (1 − β₁^t),  v̂_t = v_t / (1 − β₂^t)

s, v and m are 0 before the first step. Fill in the three functions and run the file. Once all are right, they race out
of a saddle.
"""

from checks.point10_race import EXERCISE


def adagrad(gradient, x0, rate, epsilon, steps):
    """Return the path from x0: a list of steps + 1 points, the first of them x0; gradient is a function of a point."""
    raise NotImplementedError


def rmsprop(gradient, x0, rate, alpha, epsilon, steps):
    """Return the path of RMSprop, as above."""
    raise NotImplementedError


def adam(gradient, x0, rate, beta1, beta2, epsilon, steps):
    """Return the path of Adam, as above."""
    raise NotImplementedError


if __name__ == "__main__":
    EXERCISE.run(adagrad, rmsprop, adam)
