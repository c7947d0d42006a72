"""Initial weights: each function draws a matrix (n_in, n_out) of float32 from a generator.

Their aim is that signals and gradients neither grow nor fade from layer to layer. Weights of variance gain²/n_in do
that for relu with gain = 1/√E[act(z)²] = √2, z ~ N(0, 1) (He et al.), and for leaky_relu with √(2/(1 + slope²)). gelu
and silu become relu far from 0 and take its gain: for inputs of variance 1, five layers then change the variance of
the signals by factors of 0.7 and 0.3, and that of the gradients by 0.9 and 0.4; their own 1/√E[act(z)²], 1.53 and 1.68,
would make both grow without bound, by 1.5 and 2.2, and 1.9 and 2.8. tanh, sigmoid and identity have gain 1, as Glorot
& Bengio assume: the activation is linear near 0.

The rows of `kernels.activation.ACTIVATIONS` say which activation has which: `default_initialiser`, `activation_gain`.

He, Zhang, Ren & Sun, "Delving deep into rectifiers", arXiv:1502.01852. Glorot & Bengio, "Understanding the difficulty
of training deep feedforward neural networks", AISTATS 2010. Saxe, McClelland & Ganguli, arXiv:1312.6120 (orthogonal).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..errors import ArgumentError, choose
from ..kernels.activation import ACTIVATIONS

Initialiser = Callable[[np.random.Generator, int, int, float], np.ndarray]


def he_uniform(rng: np.random.Generator, n_in: int, n_out: int, gain: float = math.sqrt(2)) -> np.ndarray:
    """U(−a, a) with a = gain·√(3/n_in): variance gain²/n_in. He et al., arXiv:1502.01852."""
    return _uniform(rng, n_in, n_out, gain * math.sqrt(3 / n_in))


def he_normal(rng: np.random.Generator, n_in: int, n_out: int, gain: float = math.sqrt(2)) -> np.ndarray:
    """N(0, σ²) with σ = gain/√n_in. He et al., arXiv:1502.01852, equation 10."""
    return _normal(rng, n_in, n_out, gain / math.sqrt(n_in))


def glorot_uniform(rng: np.random.Generator, n_in: int, n_out: int, gain: float = 1.0) -> np.ndarray:
    """U(−a, a) with a = gain·√(6/(n_in + n_out)). Glorot & Bengio, AISTATS 2010, equation 16."""
    return _uniform(rng, n_in, n_out, gain * math.sqrt(6 / (n_in + n_out)))


def glorot_normal(rng: np.random.Generator, n_in: int, n_out: int, gain: float = 1.0) -> np.ndarray:
    """N(0, σ²) with σ = gain·√(2/(n_in + n_out)). Glorot & Bengio, AISTATS 2010, equation 12."""
    return _normal(rng, n_in, n_out, gain * math.sqrt(2 / (n_in + n_out)))


def orthogonal(rng: np.random.Generator, n_in: int, n_out: int, gain: float = 1.0) -> np.ndarray:
    """gain times a random matrix whose columns, or rows if they are fewer, are orthonormal.

    The Q of a QR decomposition of a normal matrix, with the signs that make R's diagonal positive, so that all
    orthogonal matrices are equally likely. Saxe et al., arXiv:1312.6120; Mezzadri, arXiv:math-ph/0609050 (signs).
    """
    q, r = np.linalg.qr(rng.standard_normal((max(n_in, n_out), min(n_in, n_out))))
    q *= np.copysign(1.0, np.diagonal(r))
    return np.ascontiguousarray(gain * (q if n_in >= n_out else q.T), np.float32)


def zeros(rng: np.random.Generator, n_in: int, n_out: int, gain: float = 1.0) -> np.ndarray:
    """All zero: for an output layer that is to start from equal predictions; a hidden layer would never learn."""
    return np.zeros((n_in, n_out), np.float32)


def _uniform(rng: np.random.Generator, n_in: int, n_out: int, limit: float) -> np.ndarray:
    return rng.uniform(-limit, limit, (n_in, n_out)).astype(np.float32)


def _normal(rng: np.random.Generator, n_in: int, n_out: int, deviation: float) -> np.ndarray:
    return (deviation * rng.standard_normal((n_in, n_out))).astype(np.float32)


INITIALISERS: dict[str, Initialiser] = {
    f.__name__: f for f in (he_uniform, he_normal, glorot_uniform, glorot_normal, orthogonal, zeros)
}


def default_initialiser(activation: str) -> Initialiser:
    """The initialiser of the layers of an activation."""
    return INITIALISERS[ACTIVATIONS[choose("activation", activation, ACTIVATIONS)].init]


def activation_gain(activation: str, negative_slope: float = 0.01) -> float:
    """The gain of an activation."""
    row = ACTIVATIONS[choose("activation", activation, ACTIVATIONS)]
    return row.gain / math.sqrt(1 + negative_slope**2) if row.sloped else row.gain


def draw_weight(
    initialiser: str | Initialiser | None,
    rng: np.random.Generator,
    n_in: int,
    n_out: int,
    activation: str = "identity",
    negative_slope: float = 0.01,
) -> np.ndarray:
    """Draw the weight (n_in, n_out) of a layer, with the gain of its activation.

    initialiser: a name of INITIALISERS, a function (rng, n_in, n_out, gain) → (n_in, n_out), or None for the
    activation's default. Raises ArgumentError for an unknown name and for a function that returns another shape.
    """
    gain = activation_gain(activation, negative_slope)
    if initialiser is None:
        function = default_initialiser(activation)
    elif callable(initialiser):
        function = initialiser
    else:
        function = INITIALISERS[choose("initialiser", initialiser, INITIALISERS)]
    weight = np.asarray(function(rng, n_in, n_out, gain))
    if weight.shape != (n_in, n_out):
        raise ArgumentError(
            f"weight_init returned shape {weight.shape}, expected {(n_in, n_out)}: weights are (n_in, n_out)"
        )
    return weight
