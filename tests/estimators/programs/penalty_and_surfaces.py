"""How the penalty alpha smooths the surface between two classes, on three toy sets."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_circles, make_classification, make_moons
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

plt.switch_backend("Agg")
straight = make_classification(120, 2, n_redundant=0, n_informative=2, n_clusters_per_class=1, random_state=1)
sets = {
    "moons": make_moons(120, noise=0.3, random_state=0),
    "circles": make_circles(120, noise=0.2, factor=0.5, random_state=1),
    "straight": straight,
}
alphas = [0.01, 1.0, 10.0]
figure, panels = plt.subplots(len(sets), len(alphas), figsize=(7, 7), layout="constrained")
for row, (name, (x, y)) in zip(panels, sets.items(), strict=True):
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.4, random_state=42)
    sides = [np.linspace(x[:, i].min() - 0.5, x[:, i].max() + 0.5, 40) for i in range(2)]
    grid = np.meshgrid(*sides)
    points = np.column_stack([axis.ravel() for axis in grid])
    for panel, alpha in zip(row, alphas, strict=True):
        network = MLPClassifier((16, 16), solver="lbfgs", alpha=alpha, max_iter=25, random_state=1)
        model = make_pipeline(StandardScaler(), network).fit(x_train, y_train)
        surface = model.predict_proba(points)[:, 1]
        print(f"{name}, alpha {alpha}: accuracy {model.score(x_test, y_test):.6f}")
        print(f"  loss {network.loss_:.8g}, mean probability {surface.mean():.8g}")
        panel.contourf(*grid, surface.reshape(grid[0].shape), levels=10, cmap="RdBu", alpha=0.7)
        panel.scatter(*x_test.T, c=y_test, cmap="RdBu", s=8)
        panel.set_title(f"{name}, {alpha}", fontsize=8)
figure.savefig(Path(os.environ.get("PICTURES", ".")) / "penalty_and_surfaces.png", dpi=60)
