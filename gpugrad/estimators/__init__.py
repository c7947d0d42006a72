"""Estimators of scikit-learn that train on gpugrad: change the import, keep the program.

scikit-learn's own classes check the input, draw the initial weights, binarize the labels and name the fitted
attributes; here a device computes whole epochs, the gradients for L-BFGS and the outputs.
"""

from .multilayer import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
