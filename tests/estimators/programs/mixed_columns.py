"""A table with numbers, gaps and words, and the importance of its columns for a network."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.model_selection import cross_validate, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

plt.switch_backend("Agg")
rng = np.random.default_rng(0)
rows = 500
table = pd.DataFrame(
    {
        "age": rng.integers(18, 80, rows).astype(float),
        "income": np.exp(rng.normal(10, 0.5, rows)),
        "city": rng.choice(["north", "south", "west"], rows),
        "plan": rng.choice(["free", "paid"], rows, p=[0.7, 0.3]),
        "noise": rng.normal(size=rows),
    }
)
chance = 0.05 * (table["age"] - 45) + 1.5 * (table["plan"] == "paid") - 1.0 * (table["city"] == "west")
stays = np.where(chance + rng.logistic(scale=0.5, size=rows) > 0, "stays", "leaves")
table.loc[rng.random(rows) < 0.1, "income"] = np.nan

columns = ColumnTransformer(
    [
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["age", "income", "noise"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), ["city", "plan"]),
    ]
)
network = MLPClassifier((16,), alpha=0.1, learning_rate_init=0.02, max_iter=30, random_state=0)
model = make_pipeline(columns, network)
found = cross_validate(model, table, stays, cv=3, scoring=["accuracy", "roc_auc"])
for score in ("test_accuracy", "test_roc_auc"):
    print(score, *(f"{value:.8f}" for value in found[score]))

train, test, y_train, y_test = train_test_split(table, stays, test_size=0.4, random_state=0)
model.fit(train, y_train)
print(f"{network.n_features_in_} columns, to test {model.score(test, y_test):.8f}, loss {network.loss_:.8g}")
importance = permutation_importance(model, test, y_test, n_repeats=5, scoring="neg_log_loss", random_state=0)
order = importance.importances_mean.argsort()[::-1]
for i in order:
    print(f"{table.columns[i]}: {importance.importances_mean[i]:.8f} ± {importance.importances_std[i]:.8f}")

figure, panel = plt.subplots(figsize=(5, 3), layout="constrained")
panel.boxplot(importance.importances[order].T, orientation="horizontal", tick_labels=table.columns[order])
figure.savefig(Path(os.environ.get("PICTURES", ".")) / "mixed_columns.png", dpi=60)
