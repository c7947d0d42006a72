"""Compare the estimators with scikit-learn's: held-out scores and the time of `fit`, on ten data sets.

Both have the same parameters and random_state, train on the same standardized rows, and are scored on the same
held-out third. First each trains a few epochs, which also compiles the kernels, and their losses must agree. Then
both are timed in turn; which one is first alternates with the seed.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.device import Device
from ...errors import ArgumentError, KernelError
from . import timing
from .kernels import MEASURABLE
from .timing import Timing

HELD_OUT = 1 / 3
CHECK_EPOCHS = 2
CHECK_TOLERANCE = 1e-3  # relative difference of the losses after CHECK_EPOCHS; float32 on a GPU differs by 1e-6
NOISE = 2.0  # "worse" needs a mean difference of more than NOISE standard errors plus SLACK below zero
SLACK = 1e-3  # allowed difference in score if the seeds differ only in a row or two
NO_WORSE, WORSE = "no worse", "worse"
Arrays = tuple[np.ndarray, np.ndarray]
Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A data set and the estimator that trains on it.

    Parameters
    ----------
    name : str
        Name of the data set.
    load : callable
        Maps a seed to x (rows, features) and y (rows,) or (rows, labels).
    estimator : str
        Name of the estimator's class.
    options : dict
        Parameters of the estimator.
    """

    name: str
    load: Callable[[int], Arrays]
    estimator: str
    options: dict[str, Any]

    def split(self, seed: int) -> tuple[Arrays, Arrays]:
        """Return (x, y) for training and for scoring, standardized with the statistics of the training rows."""
        from sklearn.model_selection import train_test_split
        from sklearn.preprocessing import StandardScaler

        x, y = self.load(seed)
        regression = self.estimator == "MLPRegressor"
        stratify = None if regression or y.ndim > 1 else y
        x, x_test, y, y_test = train_test_split(x, y, test_size=HELD_OUT, random_state=seed, stratify=stratify)
        scaler = StandardScaler().fit(x)
        if regression:
            mean, deviation = y.mean(), y.std()
            y, y_test = (y - mean) / deviation, (y_test - mean) / deviation
        return (scaler.transform(x), y), (scaler.transform(x_test), y_test)


def tasks() -> list[Task]:
    """Return the ten tasks: small tables included in scikit-learn, and generated data."""
    from sklearn import datasets

    def table(load: Callable[..., Any]) -> Callable[[int], Arrays]:
        return lambda seed: load(return_X_y=True)

    def drawn(draw: Callable[..., Any], rows: int, **options: Any) -> Callable[[int], Arrays]:
        return lambda seed: draw(rows, random_state=seed, **options)

    def classifier(hidden: tuple[int, ...], **options: Any) -> tuple[str, dict[str, Any]]:
        return "MLPClassifier", {"hidden_layer_sizes": hidden, **options}

    def regressor(hidden: tuple[int, ...], **options: Any) -> tuple[str, dict[str, Any]]:
        return "MLPRegressor", {"hidden_layer_sizes": hidden, **options}

    multilabel = {"n_features": 30, "n_classes": 10, "n_labels": 3}
    descent = {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1}
    return [
        Task("digits", table(datasets.load_digits), *classifier((100,))),
        Task("iris", table(datasets.load_iris), *classifier((16,), solver="lbfgs", alpha=0.1)),
        Task("wine", table(datasets.load_wine), *classifier((32,), learning_rate_init=0.01, alpha=0.1)),
        Task("breast cancer", table(datasets.load_breast_cancer), *classifier((64, 32), early_stopping=True)),
        Task("diabetes", table(datasets.load_diabetes), *regressor((32,), learning_rate_init=0.01, alpha=10.0)),
        Task("moons", drawn(datasets.make_moons, 1500, noise=0.25), *classifier((32, 32), activation="tanh")),
        Task("circles", drawn(datasets.make_circles, 1500, noise=0.15, factor=0.5), *classifier((64,), **descent)),
        Task("blobs", drawn(datasets.make_blobs, 1500, centers=6, n_features=8, cluster_std=4.0), *classifier((50,))),
        Task("friedman", drawn(datasets.make_friedman1, 1500, noise=1.0), *regressor((64, 64), batch_size=64)),
        Task("multilabel", drawn(datasets.make_multilabel_classification, 1500, **multilabel), *classifier((100,))),
    ]


def choose(names: Sequence[str] | None = None) -> list[Task]:
    """Return the tasks with these names, or all for None; raise ArgumentError for an unknown name."""
    known = {task.name: task for task in tasks()}
    for name in names or ():
        if name not in known:
            raise ArgumentError(f"unknown data set {name!r}, expected one of {', '.join(known)}")
    return [task for name, task in known.items() if names is None or name in names]


def compare_scores(ours: Sequence[float], theirs: Sequence[float]) -> Row:
    """Return the mean of the paired score differences, ours - theirs, its standard error, and the verdict.

    The verdict is "worse" if the mean is below zero by more than NOISE standard errors plus SLACK.
    """
    differences = np.subtract(ours, theirs)
    mean = float(differences.mean())
    error = float(differences.std(ddof=1) / np.sqrt(len(differences)))
    return {
        "difference": mean,
        "standard_error": error,
        "equal": int((differences == 0).sum()),
        "verdict": NO_WORSE if mean >= -NOISE * error - SLACK else WORSE,
    }


def largest_difference(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """Return the largest difference of two loss curves over their common epochs, relative to the larger loss."""
    pairs = np.array(list(zip(ours, theirs, strict=False)))
    return float((np.abs(pairs[:, 0] - pairs[:, 1]) / np.abs(pairs).max(axis=1)).max())


def measure(
    chosen: Sequence[Task],
    device: Device,
    *,
    seeds: int = 10,
    most_epochs: int | None = None,
    on_row: Callable[[Row], None] = print,
) -> list[Row]:
    """Measure each data set: held-out scores, seconds of `fit`, and the largest difference of the loss curves.

    Parameters
    ----------
    chosen : sequence of Task
        The data sets.
    device : Device
        The device of gpugrad's estimators.
    seeds : int, default 10
        Number of seeds, at least 2.
    most_epochs : int, optional
        Maximum number of epochs; by default the estimator's own.
    on_row : callable, default print
        Receives each row as it is measured.

    Returns
    -------
    list of dict
        One row per data set. ``times_ours`` is the median over the seeds of scikit-learn's seconds over gpugrad's.

    Raises
    ------
    ArgumentError
        If there are fewer than two seeds or the device is not measurable.
    KernelError
        If the two do not train the same network.
    """
    if seeds < 2:
        raise ArgumentError(f"seeds is {seeds}, expected at least 2, to estimate the noise of a score")
    if device.kind not in MEASURABLE:
        raise ArgumentError(f"times in the {device.kind} mean nothing: measure cpu or cuda")
    rows = []
    for task in chosen:
        rows.append(_measure(task, device, seeds, most_epochs))
        on_row(rows[-1])
    return rows


def both(task: Task, device: Device, seed: int, most_epochs: int | None = None) -> dict[str, Any]:
    """Return both estimators, not fitted."""
    from sklearn import neural_network

    from ... import estimators

    shared = {**task.options, "random_state": seed}
    if most_epochs is not None:
        shared["max_iter"] = most_epochs
    ours = getattr(estimators, task.estimator)(**shared, device=device.name, toolchain=device.toolchain)
    return {"ours": ours, "theirs": getattr(neural_network, task.estimator)(**shared)}


def check_agreement(task: Task, device: Device) -> None:
    """Raise KernelError unless both have the same losses in the first epochs from the same initial weights."""
    (x, y), _ = task.split(0)
    models = both(task, device, 0, CHECK_EPOCHS)
    for model in models.values():
        _seconds_of_fit(model, x, y)
    ours, theirs = curve(models["ours"]), curve(models["theirs"])
    if not largest_difference(ours, theirs) <= CHECK_TOLERANCE:
        raise KernelError(
            f"on {task.name} the losses of the first epochs are {ours}, scikit-learn's {theirs}: they do not train "
            "the same network, so they cannot be compared"
        )


def curve(model: Any) -> list[float]:
    """Return the loss of each epoch; for L-BFGS, which does not store them, the last loss."""
    return [float(loss) for loss in getattr(model, "loss_curve_", [model.loss_])]


def _measure(task: Task, device: Device, seeds: int, most_epochs: int | None) -> Row:
    check_agreement(task, device)
    scores: dict[str, list[float]] = {"ours": [], "theirs": []}
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    epochs: dict[str, list[int]] = {"ours": [], "theirs": []}
    curves = []
    for seed in range(seeds):
        (x, y), held_out = task.split(seed)
        models = both(task, device, seed, most_epochs)
        for who in sorted(models, reverse=bool(seed % 2)):
            seconds[who].append(_seconds_of_fit(models[who], x, y))
            scores[who].append(float(models[who].score(*held_out)))
            epochs[who].append(int(models[who].n_iter_))
        curves.append(largest_difference(curve(models["ours"]), curve(models["theirs"])))
    ours, theirs = Timing.of(seconds["ours"], True), Timing.of(seconds["theirs"], True)
    return {
        "data": task.name,
        "rows": len(x),
        "features": x.shape[1],
        "estimator": task.estimator,
        "options": task.options,
        "device": device.name,
        "toolchain": device.toolchain,
        "seeds": seeds,
        "score": float(np.mean(scores["ours"])),
        "score_spread": float(np.std(scores["ours"], ddof=1)),
        "sklearn_score": float(np.mean(scores["theirs"])),
        "sklearn_score_spread": float(np.std(scores["theirs"], ddof=1)),
        **compare_scores(scores["ours"], scores["theirs"]),
        "curve": max(curves),
        "epochs": float(np.median(epochs["ours"])),
        "sklearn_epochs": float(np.median(epochs["theirs"])),
        "median": ours.median,
        "low": ours.low,
        "high": ours.high,
        "runs": ours.runs,
        "sklearn_median": theirs.median,
        "sklearn_low": theirs.low,
        "sklearn_high": theirs.high,
        "times_ours": float(np.median(np.divide(seconds["theirs"], seconds["ours"]))),
    }


def _seconds_of_fit(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    from sklearn.exceptions import ConvergenceWarning

    time.sleep(timing.QUIET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = time.perf_counter()
        model.fit(x, y)
        return time.perf_counter() - start
