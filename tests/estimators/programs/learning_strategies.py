"""Loss curves of seven ways to descend, on four data sets."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, load_iris, make_circles, make_moons
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler

plt.switch_backend("Agg")
plain = {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.2}
nesterov = {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": True, "learning_rate_init": 0.2}
strategies = {
    "constant": {**plain, "learning_rate": "constant"},
    "constant, momentum": {**nesterov, "learning_rate": "constant", "nesterovs_momentum": False},
    "constant, Nesterov": {**nesterov, "learning_rate": "constant"},
    "falling": {**plain, "learning_rate": "invscaling"},
    "falling, Nesterov": {**nesterov, "learning_rate": "invscaling"},
    "adaptive": {**plain, "learning_rate": "adaptive"},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
}
x_digits, y_digits = load_digits(return_X_y=True)
sets = {
    "iris": load_iris(return_X_y=True),
    "digits": (x_digits[:400], y_digits[:400]),
    "circles": make_circles(200, noise=0.2, factor=0.5, random_state=1),
    "moons": make_moons(200, noise=0.3, random_state=0),
}
figure, panels = plt.subplots(2, 2, figsize=(8, 6), layout="constrained")
for panel, (name, (x, y)) in zip(panels.flat, sets.items(), strict=True):
    x = MinMaxScaler().fit_transform(x)
    for label, options in strategies.items():
        model = MLPClassifier((50,), random_state=0, max_iter=12 if name == "digits" else 30, **options).fit(x, y)
        print(f"{name}, {label}: accuracy {model.score(x, y):.6f}, loss {model.loss_:.8g} after {model.n_iter_} epochs")
        panel.plot(model.loss_curve_, label=label)
    panel.set(title=name, xlabel="epoch", ylabel="loss")
figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
figure.savefig(Path(os.environ.get("PICTURES", ".")) / "learning_strategies.png", dpi=60)
