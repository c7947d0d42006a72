"""Search for the best parameters of a pipeline: by grid, at random, and by successive halving."""

import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_wine
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

x, y = load_wine(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.4, stratify=y, random_state=0)
pipeline = Pipeline(
    [("scale", StandardScaler()), ("network", MLPClassifier(learning_rate_init=0.02, max_iter=15, random_state=0))]
)
grid = {
    "scale": [StandardScaler(), MinMaxScaler()],
    "network__hidden_layer_sizes": [(4,), (8, 8)],
    "network__activation": ["tanh", "relu"],
}
drawn = {"network__alpha": loguniform(1e-5, 10), "network__learning_rate_init": loguniform(1e-3, 0.3)}
searches = {
    "grid": GridSearchCV(pipeline, grid, cv=3, return_train_score=True),
    "drawn": RandomizedSearchCV(pipeline, drawn, n_iter=5, cv=3, scoring="neg_log_loss", random_state=0),
    "halving": HalvingGridSearchCV(pipeline, {"network__alpha": [1e-4, 0.1, 1.0, 10.0]}, cv=2, random_state=0),
}
for name, search in searches.items():
    search.fit(x_train, y_train)
    results = search.cv_results_
    print(f"{name}: best of {len(results['params'])} is number {search.best_index_} with {search.best_score_:.8f}")
    print("  means", *(f"{score:.7f}" for score in results["mean_test_score"]))
    print("  deviations", *(f"{score:.7f}" for score in results["std_test_score"]))
    print("  ranks", *results["rank_test_score"])
    network = search.best_estimator_["network"]
    print(f"  to test {search.score(x_test, y_test):.8f}, loss {network.loss_:.8g}, alpha {network.alpha:.8g}")
print("rows at each halving", *searches["halving"].n_resources_, "candidates", *searches["halving"].n_candidates_)
print("mean score to train on", f"{np.mean(searches['grid'].cv_results_['mean_train_score']):.8f}")
