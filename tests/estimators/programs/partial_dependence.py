"""Partial dependence of a regressor on single columns and a pair, compared with boosted trees."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.inspection import PartialDependenceDisplay, partial_dependence
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

plt.switch_backend("Agg")
x, y = make_friedman1(400, n_features=6, noise=0.5, random_state=0)
x_train, x_test, y_train, y_test = train_test_split(x, y - y.mean(), test_size=0.25, random_state=0)
network = MLPRegressor(
    hidden_layer_sizes=(30, 15), learning_rate_init=0.01, early_stopping=True, max_iter=80, random_state=0
)
models = {
    "network": make_pipeline(QuantileTransformer(n_quantiles=50), network),
    "trees": HistGradientBoostingRegressor(max_iter=10, random_state=0),
}
figure, rows = plt.subplots(len(models), 4, figsize=(10, 5), layout="constrained")
for panels, (name, model) in zip(rows, models.items(), strict=True):
    model.fit(x_train, y_train)
    print(f"{name}: R² {model.score(x_test, y_test):.8f}")
    for column in range(4):
        found = partial_dependence(model, x_train, [column], kind="both", grid_resolution=8)
        average, individual = found["average"][0], found["individual"][0]
        told = " ".join(f"{value:.7g}" for value in average)
        print(f"  column {column}: {told}; of single rows {np.std(individual, axis=0).mean():.7g}")
    features = [0, 2, 3, (0, 1)]
    PartialDependenceDisplay.from_estimator(model, x_train, features, ax=panels, grid_resolution=8)
figure.savefig(Path(os.environ.get("PICTURES", ".")) / "partial_dependence.png", dpi=60)
