"""Weights of the first layer on handwritten digits, as pictures."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

plt.switch_backend("Agg")
x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x / 16, y, test_size=0.3, random_state=0)
model = MLPClassifier(
    hidden_layer_sizes=(16,), solver="sgd", learning_rate_init=0.2, max_iter=12, verbose=10, random_state=1
)
model.fit(x_train, y_train)
print(f"to train {model.score(x_train, y_train):.8f}, to test {model.score(x_test, y_test):.8f}")

weights = model.coefs_[0]
limit = abs(weights).max()
figure, panels = plt.subplots(4, 4, figsize=(4, 4))
for panel, unit in zip(panels.flat, weights.T, strict=True):
    panel.matshow(unit.reshape(8, 8), cmap="gray", vmin=-limit / 2, vmax=limit / 2)
    panel.set(xticks=(), yticks=())
    print(f"weights of a unit: from {unit.min():.8g} to {unit.max():.8g}, mean {unit.mean():.8g}")
figure.savefig(Path(os.environ.get("PICTURES", ".")) / "first_layer_of_digits.png", dpi=60)
