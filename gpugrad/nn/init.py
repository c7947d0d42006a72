"""Initialisers: each function draws a weight matrix (n_in, n_out) of float32 from a generator.

Good initial weights keep the variance of signals and gradients constant from layer to layer. For relu, a variance of
gain²/n_in does so with gain = 1/√E[act(z)²] = √2, z ~ N(0, 1) (He et al.). For leaky_relu the gain is
√(2/(1 + slope²)). gelu and silu approach relu far from 0 and use its gain: with inputs of variance 1, five layers then
change the variance of the signals by factors of 0.7 (gelu) and 0.3 (silu), and that of the gradients by 0.9 and 0.4.
Their own 1/√E[act(z)²], 1.53 and 1.68, would let both grow without bound: signals by 1.5 and 2.2, gradients by 1.9 and
2.8. tanh, sigmoid and identity have gain 1, since Glorot & Bengio assume an activation that is linear near 0.

The rows of `kernels.activation.ACTIVATIONS` hold the default initialiser and the gain of each activation.

He, Zhang, Ren & Sun, "Delving deep into rectifiers", arXiv:1502.01852. Glorot & Bengio, "Understanding the difficulty
of training deep feedforward neural networks", AISTATS 2010. Saxe, McClelland & Ganguli, arXiv:1312.6120 (orthogonal).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..errors import ArgumentError, choose
from ..kernels.activation import ACTIVATIONS

__all__ = [
    "INITIALISERS",
    "Initialiser",
    "activation_gain",
    "default_initialiser",
    "draw_weight",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "orthogonal",
    "zeros",
]

Initialiser = Callable[[np.random.Generator, int, int, float], np.ndarray]


def he_uniform(rng: np.random.Generator, n_in: int, n_out: int, gain: float = math.sqrt(2)) -> np.ndarray:
    """Draw uniform weights of variance gain²/n_in.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the random numbers.
    n_in : int
        Inputs of the layer, the fan-in.
    n_out : int
        Outputs of the layer, the fan-out.
    gain : float, default √2
        Factor of the standard deviation.

    Returns
    -------
    numpy.ndarray, (n_in, n_out), float32
        The weights.

    Notes
    -----
    U(−a, a) with a = gain·√(3/n_in).

    References
    ----------
    He, Zhang, Ren & Sun, "Delving deep into rectifiers", arXiv:1502.01852.
    """
    return _uniform(rng, n_in, n_out, gain * math.sqrt(3 / n_in))


def he_normal(rng: np.random.Generator, n_in: int, n_out: int, gain: float = math.sqrt(2)) -> np.ndarray:
    """Draw normal weights of variance gain²/n_in.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the random numbers.
    n_in : int
        Inputs of the layer, the fan-in.
    n_out : int
        Outputs of the layer, the fan-out.
    gain : float, default √2
        Factor of the standard deviation.

    Returns
    -------
    numpy.ndarray, (n_in, n_out), float32
        The weights.

    Notes
    -----
    N(0, σ²) with σ = gain/√n_in.

    References
    ----------
    He, Zhang, Ren & Sun, "Delving deep into rectifiers", arXiv:1502.01852, equation 10.
    """
    return _normal(rng, n_in, n_out, gain / math.sqrt(n_in))


def glorot_uniform(rng: np.random.Generator, n_in: int, n_out: int, gain: float = 1.0) -> np.ndarray:
    """Draw uniform weights of variance 2·gain²/(n_in + n_out).

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the random numbers.
    n_in : int
        Inputs of the layer, the fan-in.
    n_out : int
        Outputs of the layer, the fan-out.
    gain : float, default 1.0
        Factor of the standard deviation.

    Returns
    -------
    numpy.ndarray, (n_in, n_out), float32
        The weights.

    Notes
    -----
    U(−a, a) with a = gain·√(6/(n_in + n_out)).

    References
    ----------
    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    equation 16.
    """
    return _uniform(rng, n_in, n_out, gain * math.sqrt(6 / (n_in + n_out)))


def glorot_normal(rng: np.random.Generator, n_in: int, n_out: int, gain: float = 1.0) -> np.ndarray:
    """Draw normal weights of variance 2·gain²/(n_in + n_out).

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the random numbers.
    n_in : int
        Inputs of the layer, the fan-in.
    n_out : int
        Outputs of the layer, the fan-out.
    gain : float, default 1.0
        Factor of the standard deviation.

    Returns
    -------
    numpy.ndarray, (n_in, n_out), float32
        The weights.

    Notes
    -----
    N(0, σ²) with σ = gain·√(2/(n_in + n_out)).

    References
    ----------
    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    equation 12.
    """
    return _normal(rng, n_in, n_out, gain * math.sqrt(2 / (n_in + n_out)))


def orthogonal(rng: np.random.Generator, n_in: int, n_out: int, gain: float = 1.0) -> np.ndarray:
    """Draw a random matrix with orthonormal columns, or orthonormal rows if they are fewer, times gain.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the random numbers.
    n_in : int
        Inputs of the layer, the fan-in.
    n_out : int
        Outputs of the layer, the fan-out.
    gain : float, default 1.0
        Factor of the matrix.

    Returns
    -------
    numpy.ndarray, (n_in, n_out), float32
        The weights.

    Notes
    -----
    The matrix is Q of a QR decomposition of a normal matrix, with the signs that make the diagonal of R positive, so
    that all orthogonal matrices are equally likely.

    References
    ----------
    Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    arXiv:1312.6120. Mezzadri, "How to generate random matrices from the classical compact groups",
    arXiv:math-ph/0609050 (signs).
    """
    q, r = np.linalg.qr(rng.standard_normal((max(n_in, n_out), min(n_in, n_out))))
    q *= np.copysign(1.0, np.diagonal(r))
    return np.ascontiguousarray(gain * (q if n_in >= n_out else q.T), np.float32)


def zeros(rng: np.random.Generator, n_in: int, n_out: int, gain: float = 1.0) -> np.ndarray:
    """Return zeros, for an output layer that starts from equal predictions; a hidden layer would never learn.

    Parameters
    ----------
    rng : numpy.random.Generator
        Ignored.
    n_in : int
        Inputs of the layer, the fan-in.
    n_out : int
        Outputs of the layer, the fan-out.
    gain : float, default 1.0
        Ignored.

    Returns
    -------
    numpy.ndarray, (n_in, n_out), float32
        The weights.
    """
    return np.zeros((n_in, n_out), np.float32)


def _uniform(rng: np.random.Generator, n_in: int, n_out: int, limit: float) -> np.ndarray:
    return rng.uniform(-limit, limit, (n_in, n_out)).astype(np.float32)


def _normal(rng: np.random.Generator, n_in: int, n_out: int, deviation: float) -> np.ndarray:
    return (deviation * rng.standard_normal((n_in, n_out))).astype(np.float32)


INITIALISERS: dict[str, Initialiser] = {
    f.__name__: f for f in (he_uniform, he_normal, glorot_uniform, glorot_normal, orthogonal, zeros)
}


def default_initialiser(activation: str) -> Initialiser:
    """Return the default initialiser of an activation's layers.

    Parameters
    ----------
    activation : str
        Name of the activation.

    Returns
    -------
    callable
        Function (rng, n_in, n_out, gain) → (n_in, n_out).
    """
    return INITIALISERS[ACTIVATIONS[choose("activation", activation, ACTIVATIONS)].init]


def activation_gain(activation: str, negative_slope: float = 0.01) -> float:
    """Return the gain of an activation.

    Parameters
    ----------
    activation : str
        Name of the activation.
    negative_slope : float, default 0.01
        Slope of leaky_relu for negative inputs.

    Returns
    -------
    float
        Factor of the standard deviation of initial weights.
    """
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
    """Draw the weight of a layer, with the gain of its activation.

    Parameters
    ----------
    initialiser : str or callable or None
        Name in `INITIALISERS`, a function (rng, n_in, n_out, gain) → (n_in, n_out), or None for the default of the
        activation.
    rng : numpy.random.Generator
        Source of the random numbers.
    n_in : int
        Inputs of the layer.
    n_out : int
        Outputs of the layer.
    activation : str, default "identity"
        Name of the layer's activation.
    negative_slope : float, default 0.01
        Slope of leaky_relu for negative inputs.

    Returns
    -------
    numpy.ndarray, (n_in, n_out)
        The weight.

    Raises
    ------
    ArgumentError
        If the name is unknown, or the function returns another shape.
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


def __dir__() -> list[str]:
    return sorted(__all__)
