"""JAX at its fastest: a whole epoch in one jitted lax.scan, data resident on the device, state donated."""

from __future__ import annotations

import os
from typing import Any

# Set before the import: several processes share the GPU, and JAX would preallocate most of its memory.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import DeviceError
from ..measure.networks import Problem, Weights

try:
    import optax
except ImportError:
    optax = None

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


class Adam:
    """Adam for machines without optax; its speed is within 3 % of optax.adam on two cores."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def init(self, weights: Any) -> Any:
        """Return the initial moments and step count."""
        return jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights), jnp.zeros((), jnp.int32)

    def update(self, gradient: Any, state: Any) -> Any:
        """Return the update of the weights and the new state."""
        m, v, t = state
        t = t + 1
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, gradient)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, gradient)
        c1, c2 = 1 - BETA1**t, 1 - BETA2**t
        return jax.tree.map(lambda m, v: -self.lr * (m / c1) / (jnp.sqrt(v / c2) + EPS), m, v), (m, v, t)


def _logits(weights: Any, x: Any) -> Any:
    for w, b in weights[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = weights[-1]
    return x @ w + b


@jax.jit
def _classes(weights: Any, x: Any) -> Any:
    return _logits(weights, x).argmax(axis=1)


def _loss(weights: Any, x: Any, y: Any) -> Any:
    logits = _logits(weights, x)
    return (jax.nn.logsumexp(logits, axis=1) - jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]).mean()


class Scan:
    """A network trained by JAX."""

    def __init__(self, problem: Problem, device: str) -> None:
        kind, _, index = device.partition(":")
        try:
            self.device = jax.devices(kind)[int(index or 0)]
        except RuntimeError as error:
            raise DeviceError(f"JAX has no {device} ({error}): install jax[cuda12], or leave JAX out") from None
        jax.config.update("jax_default_matmul_precision", "highest")  # float32 instead of tf32 on a GPU
        self.problem = problem
        optimizer = optax.adam(problem.lr) if optax else Adam(problem.lr)

        def epoch(state: Any, x: Any, y: Any, order: Any) -> Any:
            def step(state: Any, rows: Any) -> Any:
                weights, moments = state
                loss, gradient = jax.value_and_grad(_loss)(weights, x[rows], y[rows])
                change, moments = optimizer.update(gradient, moments)
                return (jax.tree.map(jnp.add, weights, change), moments), loss

            return jax.lax.scan(step, state, order)

        self._epoch = jax.jit(epoch, donate_argnums=0)
        self._data = self._put((problem.x.astype(np.float32) * np.float32(problem.scale), problem.y))
        weights = self._put(problem.weights())
        self._state = (weights, self._put(optimizer.init(weights)))

    def _put(self, values: Any) -> Any:
        return jax.device_put(values, self.device)

    def train(self, epoch: int) -> None:
        """Train an epoch."""
        self._state, losses = self._epoch(self._state, *self._data, self._put(self.problem.order(epoch)))
        jax.block_until_ready((self._state, losses))

    def weights(self) -> Weights:
        """Return (w, b) of each layer."""
        return [(np.asarray(w), np.asarray(b)) for w, b in self._state[0]]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the classes of rows."""
        return np.asarray(_classes(self._state[0], self._put(x)))


make = Scan
