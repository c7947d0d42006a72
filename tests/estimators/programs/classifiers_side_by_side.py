"""A network next to other classifiers and in ensembles, bagged, voting and stacked, on two toy sets."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import make_circles, make_moons
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

plt.switch_backend("Agg")


def network():
    return MLPClassifier((20,), alpha=0.1, learning_rate_init=0.02, max_iter=60, random_state=42)


parts = [("network", network()), ("forest", RandomForestClassifier(10, max_depth=4, random_state=0))]
models = {
    "neighbours": KNeighborsClassifier(3),
    "line": LogisticRegression(),
    "network": network(),
    "bagging": BaggingClassifier(network(), n_estimators=4, max_samples=0.7, random_state=0),
    "voting": VotingClassifier(parts, voting="soft"),
    "stacking": StackingClassifier(parts, cv=3),
}
sets = {
    "moons": make_moons(150, noise=0.3, random_state=0),
    "circles": make_circles(150, noise=0.2, factor=0.5, random_state=1),
}
figure, panels = plt.subplots(len(sets), len(models), figsize=(9, 3.4), layout="constrained")
for row, (name, (x, y)) in zip(panels, sets.items(), strict=True):
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.4, random_state=42)
    for panel, (label, model) in zip(row, models.items(), strict=True):
        pipeline = make_pipeline(StandardScaler(), model).fit(x_train, y_train)
        certain = pipeline.predict_proba(x_test).max(axis=1).mean()
        print(f"{name}, {label}: accuracy {pipeline.score(x_test, y_test):.6f}, mean certainty {certain:.8g}")
        DecisionBoundaryDisplay.from_estimator(pipeline, x, ax=panel, cmap="RdBu", alpha=0.7, grid_resolution=30)
        panel.scatter(*x_test.T, c=y_test, cmap="RdBu", s=5)
        panel.set(xticks=(), yticks=(), title=label)
figure.savefig(Path(os.environ.get("PICTURES", ".")) / "classifiers_side_by_side.png", dpi=60)
