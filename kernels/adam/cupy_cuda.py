"""Launcher of adam.cu."""

import math

import numpy as np

from ..cuda.grids import THREADS, elementwise_blocks
from ..cuda.source import Source

SOURCE = Source(__file__, "adam.cu")


def adam_step(
    g, lr, grad_scale, p, m, v, v_max, step, *, beta1, beta2, eps, eps_hat, weight_decay, decoupled, maximize
):
    log_beta1, log_beta2 = (math.log(beta) if beta > 0 else -math.inf for beta in (beta1, beta2))
    numbers = map(np.float32, (beta1, 1 - beta1, log_beta1, beta2, 1 - beta2, log_beta2, eps))
    options = *numbers, np.int32(eps_hat), np.float32(weight_decay), np.int32(decoupled), np.int32(maximize)
    arrays = g, lr, grad_scale, p, m, v, v_max, step
    SOURCE.launch("adam_step", elementwise_blocks(p.size), THREADS, *arrays, np.int64(p.size), *options)
