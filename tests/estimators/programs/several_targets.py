"""Several outputs per row: targets, labels, one network for each or one for all; scaled targets."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_linnerud, make_multilabel_classification
from sklearn.metrics import f1_score, hamming_loss
from sklearn.model_selection import cross_val_predict
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

plt.switch_backend("Agg")
x, y = load_linnerud(return_X_y=True)
x, y = StandardScaler().fit_transform(x), StandardScaler().fit_transform(y)
regressor = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", alpha=1.0, max_iter=40, random_state=0)
for name, model in {"one for all": regressor, "one for each": MultiOutputRegressor(regressor)}.items():
    print(f"{name}: R² {model.fit(x, y).score(x, y):.7f}, first row", *(f"{v:.6f}" for v in model.predict(x[:1])[0]))

x, labels = make_multilabel_classification(300, 12, n_classes=4, random_state=0)
x = StandardScaler().fit_transform(x)
network = MLPClassifier((12,), learning_rate_init=0.02, max_iter=30, random_state=0)
chain = ClassifierChain(network, order="random", random_state=0)
for name, model in {"together": network, "apart": MultiOutputClassifier(network), "in a chain": chain}.items():
    guesses = model.fit(x[:200], labels[:200]).predict(x[200:])
    print(f"{name}: {hamming_loss(labels[200:], guesses):.8f} of the labels wrong")
    print(f"  F1 {f1_score(labels[200:], guesses, average='macro'):.8f}, labels given", int(np.sum(guesses)))

x, y = load_diabetes(return_X_y=True)
pipeline = make_pipeline(
    StandardScaler(),
    MLPRegressor(hidden_layer_sizes=(16,), batch_size=32, learning_rate_init=0.02, max_iter=20, random_state=0),
)
logarithms = TransformedTargetRegressor(pipeline, func=np.log, inverse_func=np.exp)
scaled = TransformedTargetRegressor(pipeline, transformer=StandardScaler())
figure, panels = plt.subplots(1, 2, figsize=(8, 4), sharey=True)
for panel, (name, model) in zip(panels, {"logarithms": logarithms, "scaled": scaled}.items(), strict=True):
    guesses = cross_val_predict(model, x, y, cv=3)
    print(f"{name}: mean error {np.abs(guesses - y).mean():.7f}, R {np.corrcoef(guesses, y)[0, 1]:.7f}")
    panel.scatter(y, guesses, s=4)
    panel.set(title=name, xlabel="target", ylabel="prediction")
figure.savefig(Path(os.environ.get("PICTURES", ".")) / "several_targets.png", dpi=60)
