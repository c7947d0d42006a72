"""The lecture's points as races of the page: what to run, and what to watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .own_function import OWN


@dataclass(frozen=True)
class Point:
    """A point of the lecture.

    Parameters
    ----------
    title : str
        Number and title.
    race : mapping of str to str
        Fields of the page's link: surface or f, start, optimizer, momentum, noise, steps, view.
    watch : str
        What to watch, in a sentence or two.
    """

    title: str
    race: Mapping[str, str]
    watch: str


POINTS: dict[str, Point] = {
    "1": Point(
        "1. One dimension",
        {
            "surface": OWN, "f": "3*x**4 - 4*x**3 - 12*x**2 + y**2", "start": "0.5,0", "view": "-2,3,-2,2",
            "optimizer": "sgd:0.01", "steps": "200",
        },
        "The start decides: from x = 0.5 it reaches the global minimum at x = 2, from x = −0.5 the local one at −1.",
    ),
    "2": Point(
        "2. Many dimensions",
        {"surface": "himmelblau", "start": "0.3,0.2", "optimizer": "sgd:0.01", "steps": "100"},
        "The path crosses each contour line at a right angle: the gradient points straight uphill.",
    ),
    "3": Point(
        "3. Learning rate",
        {"surface": "parabola", "start": "1,0", "optimizer": "sgd:1", "steps": "100"},
        "η·f″ = 2: x jumps between 1 and −1 forever. Try 0.1, which converges, 0.01, which is slow, and 100.",
    ),
    "4": Point(
        "4. Where it fails",
        {"surface": "double well", "start": "0.125,1.2", "optimizer": "sgd:0.05", "steps": "300"},
        "On the line between two basins descent ends at the saddle; click on either side of it to reach a minimum.",
    ),
    "5": Point(
        "5. The loss of a network",
        {"surface": "network loss", "start": "-1.2,1.2", "optimizer": "sgd:0.1", "steps": "150"},
        "The loss of a real network, on a plane through its parameters: each step is a pass over all of its data.",
    ),
    "6": Point(
        "6. Minibatches",
        {
            "surface": OWN, "f": "(x**2 + y**2)/2", "start": "-2.5,2", "view": "-3,3,-3,3", "optimizer": "sgd:0.1",
            "noise": "2", "steps": "300",
        },
        "Gradients of minibatches are noisy: the path never settles. A tenth of the rate moves less, but takes longer.",
    ),
    "7": Point(
        "7. Escaping saddles",
        {"surface": "saddle", "start": "-1,0", "optimizer": "sgd:0.05", "noise": "0.0001", "steps": "150"},
        "On the ridge the slightest noise lets descent leave the saddle; with noise 0 it is stuck there.",
    ),
    "8": Point(
        "8. Momentum",
        {
            "surface": "ravine", "start": "-5,1", "optimizer": "sgd:0.048,momentum:0.048", "momentum": "0.6",
            "steps": "500",
        },
        "The zigzags of gradient descent cancel in the momentum, and the steps along the ravine add up.",
    ),
    "9": Point(
        "9. Adaptive rate",
        {"surface": "ravine", "start": "-5,1", "optimizer": "sgd:10,adagrad-norm:10", "steps": "600"},
        "A rate of 10 makes gradient descent diverge at once, while the sum of past gradients tames it for AdaGrad.",
    ),
    "10": Point(
        "10. The race",
        {
            "surface": "saddle", "start": "-1,0.001",
            "optimizer": "sgd:0.05,momentum:0.05,nesterov:0.026,adagrad:0.071,rmsprop:0.0071,adadelta:28,adam:0.071",
            "steps": "90",
        },
        "With these rates every first step is 0.1 long. Adadelta and Adam leave first, gradient descent leaves last.",
    ),
    "11": Point(
        "11. Chain rule",
        {
            "surface": OWN, "f": "(3*x**3 + 2)**2 + y**2", "start": "-0.5,0", "view": "-1.5,1,-1,1",
            "optimizer": "sgd:0.005", "steps": "100",
        },
        "By the chain rule the derivative by x is 54x⁵ + 36x²: 7.312 at the start, the gradient norm in the table.",
    ),
}  # fmt: skip
