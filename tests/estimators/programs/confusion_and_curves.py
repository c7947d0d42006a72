"""Confused digits, and the growth of the score with rows and with the size of the network."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from sklearn.model_selection import LearningCurveDisplay, cross_val_predict, learning_curve, validation_curve
from sklearn.neural_network import MLPClassifier

plt.switch_backend("Agg")
x, y = load_digits(return_X_y=True)
x, y = x[:700] / 16, y[:700]
model = MLPClassifier((24,), batch_size=50, learning_rate_init=0.01, max_iter=8, random_state=0)

guesses = cross_val_predict(model, x, y, cv=3)
matrix = confusion_matrix(y, guesses)
print(matrix)
print("right", np.trace(matrix), "of", matrix.sum())

sizes, train_scores, test_scores = learning_curve(model, x, y, train_sizes=[0.2, 0.6, 1.0], cv=3)
for size, train, test in zip(sizes, train_scores, test_scores, strict=True):
    print(f"{size} rows: to train {train.mean():.8f}, to test {test.mean():.8f} ± {test.std():.8f}")

widths = [2, 8, 32]
scores = validation_curve(model, x, y, param_name="hidden_layer_sizes", param_range=widths, cv=3)
for width, train, test in zip(widths, *scores, strict=True):
    print(f"{width} units: to train {train.mean():.8f}, to test {test.mean():.8f} ± {test.std():.8f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
ConfusionMatrixDisplay(matrix).plot(ax=left, colorbar=False)
LearningCurveDisplay(train_sizes=sizes, train_scores=train_scores, test_scores=test_scores).plot(
    ax=right, score_name="accuracy"
)
figure.savefig(Path(os.environ.get("PICTURES", ".")) / "confusion_and_curves.png", dpi=60)
