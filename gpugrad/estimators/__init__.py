"""Estimators of scikit-learn that train on gpugrad: change the import, keep the program.

scikit-learn's own classes check the input, draw the initial weights, binarize the labels and name what was learned;
here their arithmetic, a whole epoch at a time, runs on a device.
"""

from .multilayer import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
