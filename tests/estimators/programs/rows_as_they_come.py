"""Rows that arrive in portions, learned by partial_fit; and all at once, with early stopping on held-out rows."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import MinMaxScaler

plt.switch_backend("Agg")
x, y = load_digits(return_X_y=True)
x_test, y_test = x[1400:], y[1400:]
scaler = MinMaxScaler()
classifier = MLPClassifier((32,), batch_size=50, learning_rate_init=0.01, random_state=0)
progress = []
for start in range(0, 1400, 200):
    part = slice(start, start + 200)
    portion = scaler.partial_fit(x[part]).transform(x[part])
    classifier.partial_fit(portion, y[part], classes=np.arange(10))
    progress.append(classifier.score(scaler.transform(x_test), y_test))
    print(f"{classifier.t_} rows seen: loss {classifier.loss_:.8g}, to test {progress[-1]:.8f}")

stopped = MLPClassifier((32,), early_stopping=True, n_iter_no_change=3, learning_rate_init=0.02, random_state=0)
stopped.fit(scaler.transform(x[:1400]), y[:1400])
print(f"stopped after {stopped.n_iter_} epochs, best {stopped.best_validation_score_:.8f}")
print("validation", *(f"{score:.6f}" for score in stopped.validation_scores_))

regressor = MLPRegressor(hidden_layer_sizes=(16,), learning_rate="adaptive", solver="sgd", random_state=0)
for _ in range(20):
    regressor.partial_fit(x[:400, :32] / 16, x[:400, 36] / 16)
print(f"regressor: loss {regressor.loss_:.8g}, R² {regressor.score(x[400:800, :32] / 16, x[400:800, 36] / 16):.8f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
left.plot(progress, "o-")
left.set(xlabel="portion", ylabel="accuracy to test")
right.plot(stopped.loss_curve_, label="loss")
right.plot(stopped.validation_scores_, label="validation score")
right.legend()
figure.savefig(Path(os.environ.get("PICTURES", ".")) / "rows_as_they_come.png", dpi=60)
