"""Reliability of a network's probabilities, uncalibrated and calibrated in two ways."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay, calibration_curve
from sklearn.datasets import make_classification
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

plt.switch_backend("Agg")
x, y = make_classification(1200, 10, n_informative=4, n_redundant=2, flip_y=0.15, random_state=3)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5, random_state=0)
network = MLPClassifier((60,), learning_rate_init=0.03, max_iter=40, random_state=0)
models = {
    "as it is": network,
    "sigmoid": CalibratedClassifierCV(network, method="sigmoid", cv=2),
    "isotonic": CalibratedClassifierCV(network, method="isotonic", cv=2),
}
figure, panel = plt.subplots(figsize=(5, 5))
for name, model in models.items():
    probabilities = model.fit(x_train, y_train).predict_proba(x_test)[:, 1]
    print(
        f"{name}: Brier {brier_score_loss(y_test, probabilities):.8f}, log loss {log_loss(y_test, probabilities):.8f}"
    )
    print(f"  area {roc_auc_score(y_test, probabilities):.8f}, accuracy {np.mean((probabilities > 0.5) == y_test):.8f}")
    share, mean = calibration_curve(y_test, probabilities, n_bins=5)
    for wanted, found in zip(mean, share, strict=True):
        print(f"  {wanted:.7f} came true in {found:.7f}")
    CalibrationDisplay.from_predictions(y_test, probabilities, n_bins=5, name=name, ax=panel)
figure.savefig(Path(os.environ.get("PICTURES", ".")) / "reliability_curve.png", dpi=60)
