"""Parameters that scikit-learn lacks, each against its formula, written out in NumPy."""

import copy
import functools
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import datasets
from sklearn.base import clone
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.utils import compute_sample_weight

import gpugrad as gg
from gpugrad import optim
from gpugrad.errors import ArgumentError
from gpugrad.optim import StepLR

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

STEPS = 6


def labelled(rows=90, n_classes=3):
    return datasets.make_classification(
        rows, 8, n_informative=5, n_classes=n_classes, n_clusters_per_class=1, random_state=0
    )


def linear(name="MLPClassifier", **options):
    """A network without a hidden layer, whose gradient is a line of NumPy; all rows in one minibatch."""
    options = {
        "alpha": 0.0,
        "batch_size": 90,
        "max_iter": STEPS,
        "random_state": 0,
        "learning_rate_init": 0.1,
        **options,
    }
    return getattr(gg, name)(hidden_layer_sizes=(), shuffle=False, device="cpu", tol=0.0, **options)


def descend(start, gradient, rule, rates=(0.1,) * STEPS, decay=0.0, clip_norm=np.inf, clip_value=np.inf):
    """Train (w, b) in a literal loop; `rule(gradient, state, t)` returns the step at the rate 1."""
    parameters = [np.array(p) for p in start]
    kept = [{} for _ in parameters]
    for t, rate in enumerate(rates, 1):
        gradients = [np.clip(g, -clip_value, clip_value) for g in gradient(*parameters)]
        norm = np.sqrt(sum((g * g).sum() for g in gradients))
        parameters[0] *= 1 - rate * decay
        for p, g, state in zip(parameters, gradients, kept, strict=True):
            p -= rate * rule(g * min(1.0, clip_norm / (norm + 1e-6)), state, t)
    return parameters


def adam(g, s, t):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    return s["m"] / (1 - 0.9**t) / (np.sqrt(s["v"] / (1 - 0.999**t)) + 1e-8)


def rmsprop(g, s, t):
    s["v"] = 0.99 * s.get("v", 0) + 0.01 * g * g
    return g / (np.sqrt(s["v"]) + 1e-8)


def adagrad(g, s, t):
    s["s"] = s.get("s", 0) + g * g
    return g / (np.sqrt(s["s"]) + 1e-10)


def adadelta(g, s, t):
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g * g
    delta = np.sqrt((s.get("u", 0) + 1e-6) / (s["v"] + 1e-6)) * g
    s["u"] = 0.9 * s.get("u", 0) + 0.1 * delta * delta
    return delta


def plain(g, s, t):
    return g


SGD = {"solver": "sgd", "momentum": 0.0}


def cross_entropy_gradient(x, y, smoothing=0.0, weight=None):
    target = np.eye(y.max() + 1)[y] * (1 - smoothing) + smoothing / (y.max() + 1)
    weight = np.ones(len(y)) if weight is None else weight

    def gradient(w, b):
        error = (softmax(x @ w + b, axis=1) - target) * (weight / weight.sum())[:, None]
        return x.T @ error, error.sum(0)

    return gradient


def initial(model, x, y):
    """Return the initial weights and intercepts of a model."""
    start = clone(model).set_params(
        max_iter=1, solver="sgd", learning_rate_init=1e-300, weight_decay=None, schedule=None
    )
    start = start.fit(x, y)
    return start.coefs_[0], start.intercepts_[0]


def assert_learned(model, parameters):
    np.testing.assert_allclose(model.coefs_[0], parameters[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.intercepts_[0], parameters[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "rule", "limits"),
    [
        ({"solver": "adamw"}, adam, {"decay": 0.01}),
        ({"solver": "adamw", "weight_decay": 0.5}, adam, {"decay": 0.5}),
        ({"solver": "adamw", "weight_decay": 0.0}, adam, {}),
        ({"solver": "rmsprop"}, rmsprop, {}),
        ({"solver": "adagrad"}, adagrad, {}),
        ({"solver": "adadelta"}, adadelta, {}),
        ({**SGD, "weight_decay": 0.3}, plain, {"decay": 0.3}),
        ({**SGD, "clip_norm": 0.05}, plain, {"clip_norm": 0.05}),
        ({**SGD, "clip_value": 0.01}, plain, {"clip_value": 0.01}),
        ({**SGD, "clip_norm": 0.05, "clip_value": 0.03}, plain, {"clip_norm": 0.05, "clip_value": 0.03}),
        ({**SGD, "schedule": "exponential"}, plain, {"rates": [0.1 * 0.01 ** (t / STEPS) for t in range(STEPS)]}),
        (
            {**SGD, "schedule": functools.partial(StepLR, step_size=2, gamma=0.5), "weight_decay": 0.3},
            plain,
            {"rates": [0.1 * 0.5 ** (t // 2) for t in range(STEPS)], "decay": 0.3},
        ),
    ],
    ids=lambda value: None if not isinstance(value, dict) else ",".join(map(str, value)) or "nothing",
)
def test_a_step_is_its_formula(options, rule, limits):
    x, y = labelled()
    model = linear(**options).fit(x, y)
    assert_learned(model, descend(initial(linear(**options), x, y), cross_entropy_gradient(x, y), rule, **limits))


@pytest.mark.parametrize("smoothing", [0.1, 0.7])
def test_smoothed_labels(smoothing):
    x, y = labelled()
    options = {**SGD, "label_smoothing": smoothing}
    model = linear(**options).fit(x, y)
    start = initial(linear(**options), x, y)
    assert_learned(model, descend(start, cross_entropy_gradient(x, y, smoothing), plain))


def test_smoothed_labels_of_two_classes_are_half_way():
    x, y = labelled(n_classes=2)
    model = linear(**SGD, label_smoothing=0.2).fit(x, y)

    def gradient(w, b):
        error = (1 / (1 + np.exp(-(x @ w + b))) - (0.8 * y + 0.1)[:, None]) / len(y)
        return x.T @ error, error.sum(0)

    assert_learned(model, descend(initial(linear(**SGD, label_smoothing=0.2), x, y), gradient, plain))


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 5.0, 2: 0.5}])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weights_are_weights_of_rows(class_weight, solver):
    x, y = labelled()
    options = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 5, "solver": solver, "device": "cpu"}
    model = gg.MLPClassifier(class_weight=class_weight, **options)
    other = gg.MLPClassifier(**options)
    own = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model.fit(x, y, own), other.fit(x, y, own * compute_sample_weight(class_weight, y))
    np.testing.assert_array_equal(model.coefs_[0], other.coefs_[0])
    assert model.loss_ == other.loss_


def test_class_weights_by_the_names_of_the_classes():
    x, y = labelled(n_classes=2)
    names = np.array(["no", "yes"])[y]
    options = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 5, "device": "cpu"}
    named = gg.MLPClassifier(class_weight={"yes": 3.0}, **options).fit(x, names)
    numbered = gg.MLPClassifier(class_weight={1: 3.0}, **options).fit(x, y)
    assert named.loss_curve_ == numbered.loss_curve_
    with pytest.raises(ValueError, match="not supported for partial_fit"):
        gg.MLPClassifier(class_weight="balanced").partial_fit(x, y, classes=[0, 1])


@pytest.mark.parametrize(
    ("options", "slope", "loss"),
    [
        ({"loss": "absolute_error"}, np.sign, np.abs),
        (
            {"loss": "huber", "delta": 0.4},
            lambda e: np.clip(e, -0.4, 0.4),
            lambda e: np.where(np.abs(e) <= 0.4, e * e / 2, 0.4 * (np.abs(e) - 0.2)),
        ),
        (
            {"loss": "huber"},
            lambda e: np.clip(e, -1, 1),
            lambda e: np.where(np.abs(e) <= 1, e * e / 2, np.abs(e) - 0.5),
        ),
    ],
)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_losses_of_a_regression(options, slope, loss, n_outputs):
    x, y = datasets.make_regression(90, 6, n_targets=n_outputs, random_state=0)
    y = y / 60
    wide = y.reshape(len(y), -1)
    model = linear("MLPRegressor", **SGD, **options).fit(x, y)

    def gradient(w, b):
        error = slope(x @ w + b - wide) / len(x)
        return x.T @ error, error.sum(0)

    start = initial(linear("MLPRegressor", **SGD, **options), x, y)
    assert_learned(model, descend(start, gradient, plain))
    w, b = descend(start, gradient, plain, rates=[0.1] * (STEPS - 1))
    assert model.loss_ == pytest.approx(loss(x @ w + b - wide).mean())


@pytest.mark.parametrize("activation", ["leaky_relu", "gelu", "silu"])
def test_more_activations(activation):
    from scipy.special import erf, expit

    functions = {
        "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
        "gelu": lambda z: z * 0.5 * (1 + erf(z / np.sqrt(2))),
        "silu": lambda z: z * expit(z),
    }
    x, y = labelled()
    model = gg.MLPClassifier((9,), activation, random_state=0, max_iter=30, learning_rate_init=0.01, device="cpu").fit(
        x, y
    )
    (w0, w1), (b0, b1) = model.coefs_, model.intercepts_
    expected = softmax(functions[activation](x @ w0 + b0) @ w1 + b1, axis=1)
    np.testing.assert_allclose(model.predict_proba(x), expected, rtol=1e-9)
    # L-BFGS only gets there with the right gradient.
    model.set_params(solver="lbfgs", max_iter=300).fit(x, y)
    assert model.loss_ < 0.01
    with pytest.raises(ArgumentError, match="does not have"):
        model.to_sklearn()


def test_what_scikit_learn_does_not_have_is_left_out_on_the_way_to_it():
    x, y = datasets.make_regression(90, 6, random_state=0)
    model = gg.MLPRegressor(solver="adamw", loss="huber", max_iter=3, dropout=0.1, device="cpu").fit(x, y)
    theirs = model.to_sklearn()
    assert (theirs.solver, theirs.loss) == ("adam", "squared_error")
    np.testing.assert_allclose(theirs.predict(x), model.predict(x))
    theirs.fit(x, y)


# ---- dropout ----


def test_dropout_is_drawn_from_random_state_and_is_for_training_alone():
    x, y = labelled()
    options = {"hidden_layer_sizes": (20,), "max_iter": 8, "batch_size": 30, "device": "cpu"}
    curves = [
        gg.MLPClassifier(dropout=dropout, random_state=seed, **options).fit(x, y).loss_curve_
        for dropout, seed in [(0.4, 1), (0.4, 1), (0.4, 2), (0.0, 1)]
    ]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]
    assert curves[0][0] != curves[3][0]
    model = gg.MLPClassifier(dropout=0.4, random_state=0, **options).fit(x, y)
    (w0, w1), (b0, b1) = model.coefs_, model.intercepts_
    np.testing.assert_allclose(model.predict_proba(x), softmax(np.maximum(x @ w0 + b0, 0) @ w1 + b1, axis=1), rtol=1e-9)


def test_the_first_loss_with_dropout_is_of_the_network_without_some_outputs():
    """With nearly all outputs dropped, the network is its last intercepts."""
    x, y = labelled()
    model = gg.MLPClassifier((4,), dropout=1 - 1e-12, random_state=0, max_iter=1, alpha=0.0, device="cpu").fit(x, y)
    intercepts = clone(model).set_params(solver="sgd", learning_rate_init=1e-300).fit(x, y).intercepts_[1]
    expected = -np.log(softmax(intercepts))[y].mean()
    assert model.loss_ == pytest.approx(expected)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5}, {"schedule": "cosine"}, {"solver": "sgd", "momentum": 0.5}])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_goes_on_with_the_same_bits(options, copied):
    x, y = labelled()
    models = [gg.MLPClassifier((20,), max_iter=4, random_state=0, device="cpu", **options)]
    for _ in range(2):
        models[0].partial_fit(x, y, classes=[0, 1, 2])
    models.append(copied(models[0]))
    for _ in range(2):
        for model in models:
            model.partial_fit(x, y)
    assert models[0].loss_curve_ == models[1].loss_curve_
    assert all((a == b).all() for a, b in zip(models[0].coefs_, models[1].coefs_, strict=True))


def test_partial_fit_draws_new_dropout_each_time_and_so_does_a_pickle():
    x, y = labelled()
    options = {
        "hidden_layer_sizes": (20,),
        "dropout": 0.5,
        "random_state": 0,
        "device": "cpu",
        "learning_rate_init": 1e-9,
    }
    model = gg.MLPClassifier(**options)
    for i in range(4):
        model.partial_fit(x, y, classes=[0, 1, 2])
        if i == 1:
            model = pickle.loads(pickle.dumps(model))
    assert len(set(np.round(model.loss_curve_, 5))) == 4


def test_the_kernels_of_a_gpu_drop_the_same(tmp_path):
    x, y = labelled()
    options = {"hidden_layer_sizes": (12,), "max_iter": 3, "batch_size": 32, "random_state": 0, "clip_norm": 0.5}
    options |= {"dropout": 0.3, "solver": "adamw", "schedule": "cosine", "label_smoothing": 0.1, "activation": "gelu"}
    curves = [gg.MLPClassifier(device=d, **options).fit(x, y).loss_curve_ for d in ("cpu", "emulator")]
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-5)


# ---- validation, callbacks, output ----


def split(x, y, rows=60):
    return (x[:rows], y[:rows]), (x[rows:], y[rows:])


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_validation_data_of_a_classifier(solver):
    (x, y), held = split(*labelled())
    weight = np.linspace(0.5, 2, len(held[1]))
    model = gg.MLPClassifier((7,), solver=solver, random_state=0, max_iter=5, alpha=0.5, device="cpu")
    plain_curve = model.fit(x, y).loss_curve_
    assert model.validation_scores_ is model.validation_loss_curve_ is None
    model.fit(x, y, validation_data=(*held, weight))
    assert model.loss_curve_ == plain_curve
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == 5
    assert model.validation_loss_curve_[-1] == pytest.approx(
        log_loss(held[1], model.predict_proba(held[0]), sample_weight=weight)
    )
    assert model.validation_scores_[-1] == accuracy_score(held[1], model.predict(held[0]), sample_weight=weight)
    assert model.history_["validation_accuracy"] == model.validation_scores_
    assert model.history_["validation_loss"] == model.validation_loss_curve_


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "absolute_error"])
def test_validation_data_of_a_regressor(loss):
    x, _ = datasets.make_regression(90, 6, random_state=0)
    (x, y), (xv, yv) = split(x, np.random.default_rng(0).poisson(3, 90).astype(float))
    model = gg.MLPRegressor(loss, (7,), random_state=0, max_iter=4, device="cpu").fit(x, y, validation_data=(xv, yv))
    from sklearn.metrics import mean_absolute_error, mean_poisson_deviance, mean_squared_error

    expected = {
        "squared_error": lambda y, p: mean_squared_error(y, p) / 2,
        "absolute_error": mean_absolute_error,
        "poisson": lambda y, p: mean_poisson_deviance(y, p) / 2,
    }[loss](yv, model.predict(xv))
    assert model.validation_loss_curve_[-1] == pytest.approx(expected)
    assert model.history_["validation_r2"][-1] == pytest.approx(r2_score(yv, model.predict(xv)))


def test_early_stopping_on_validation_data_holds_back_no_rows():
    (x, y), held = split(*labelled())
    model = gg.MLPClassifier((7,), early_stopping=True, random_state=0, n_iter_no_change=3, max_iter=100, device="cpu")
    model.fit(x, y, validation_data=held)
    assert model.n_iter_ < 100
    assert model.t_ == model.n_iter_ * len(x)
    assert model.score(*held) == model.best_validation_score_ == max(model.validation_scores_)
    alone = clone(model).fit(x, y)
    assert alone.t_ == alone.n_iter_ * (len(x) - 6)
    assert len(alone.validation_loss_curve_) == alone.n_iter_


def test_bad_validation_data_is_refused():
    (x, y), (xv, yv) = split(*labelled())
    model = gg.MLPClassifier((7,), max_iter=2, device="cpu")
    for given, message in (
        (xv, "expected a tuple"),
        ((xv,), "expected a tuple"),
        ((xv[:, :3], yv), "3 features"),
        ((xv, yv[:-1]), "inconsistent numbers"),
        ((xv, yv + 1), "has the classes"),
        ((xv, yv, [1.0]), "sample_weight"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(x, y, validation_data=given)
    with pytest.raises(ValueError, match="lbfgs"):
        model.set_params(solver="lbfgs").fit(x, y, validation_data=(xv, yv))
    regressor = gg.MLPRegressor(max_iter=2, device="cpu")
    with pytest.raises(ValueError, match="2 outputs"):
        regressor.fit(x, y, validation_data=(xv, np.c_[yv, yv]))


class Witness(gg.Callback):
    def __init__(self, stop_at=None):
        self.stop_at, self.seen = stop_at, []

    def __deepcopy__(self, memo):
        return self

    def on_fit_begin(self, trainer):
        self.seen.append("fit")

    def on_epoch_begin(self, trainer, epoch):
        self.seen.append(f"epoch {epoch}")

    def on_step_end(self, trainer, step):
        self.seen.append(step)

    def on_epoch_end(self, trainer, record):
        self.seen.append(record["train_loss"])
        if trainer.epoch == self.stop_at:
            trainer.stop("enough")

    def on_fit_end(self, trainer):
        self.seen.append("end")


def test_callbacks_see_the_training_and_may_stop_it():
    x, y = labelled()
    witness = Witness(stop_at=2)
    model = gg.MLPClassifier((7,), batch_size=45, callbacks=[witness], random_state=0, device="cpu").fit(x, y)
    first, second = model.loss_curve_
    assert witness.seen == ["fit", "epoch 0", 1, 2, first, "epoch 1", 3, 4, second, "end"]
    assert model.history_.stopped == "enough"


def test_early_stopping_as_a_callback():
    (x, y), held = split(*labelled())
    stopping = gg.EarlyStopping(3, monitor="validation_loss")
    options = {"callbacks": [stopping], "random_state": 0, "learning_rate_init": 0.05, "device": "cpu"}
    model = gg.MLPClassifier((30,), **options).fit(x, y, validation_data=held)
    assert "has not improved" in model.history_.stopped
    assert log_loss(held[1], model.predict_proba(held[0])) == pytest.approx(min(model.validation_loss_curve_))


def test_an_error_in_a_callback_comes_through_and_the_estimator_can_be_fitted_again():
    class Fault(gg.Callback):
        def on_epoch_end(self, trainer, record):
            raise KeyError("mine")

    x, y = labelled()
    model = gg.MLPClassifier((7,), callbacks=[Fault()], max_iter=3, device="cpu")
    with pytest.raises(KeyError, match="mine"):
        model.fit(x, y)
    assert model.set_params(callbacks=None).fit(x, y).n_iter_ == 3


def test_a_bar_in_place_of_lines(capsys):
    x, y = labelled()
    gg.MLPClassifier((7,), max_iter=3, verbose=2, early_stopping=True, device="cpu").fit(x, y)
    assert capsys.readouterr().out == ""


def test_the_curves_are_drawn(tmp_path):
    x, y = labelled()
    model = gg.MLPClassifier((7,), max_iter=3, early_stopping=True, device="cpu").fit(x, y)
    figure = model.plot_loss_curve(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    drawn = figure.axes[0].lines
    np.testing.assert_allclose(drawn[0].get_ydata(), model.loss_curve_)
    np.testing.assert_allclose(drawn[1].get_ydata(), model.validation_loss_curve_)
    with pytest.raises(gg.errors.GpugradError, match="without epochs"):
        gg.MLPClassifier().plot_loss_curve()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"solver": "adamax"}, "'solver' parameter"),
        ({"activation": "swish"}, "'activation' parameter"),
        ({"class_weight": "even"}, "'class_weight' parameter"),
        ({"label_smoothing": -0.1}, "'label_smoothing' parameter"),
        ({"clip_norm": 0}, "'clip_norm' parameter"),
        ({"weight_decay": -1}, "'weight_decay' parameter"),
        ({"schedule": "linear"}, "'schedule' parameter"),
        ({"schedule": lambda optimizer: 0.1}, "schedule made a float"),
        ({"schedule": "cosine", "solver": "sgd", "learning_rate": "adaptive"}, "expected one of them"),
        ({"callbacks": ["early stopping"]}, "callbacks has 'early stopping'"),
        ({"solver": "lbfgs", "dropout": 0.5}, "dropout is 0.5 with solver 'lbfgs'"),
        ({"solver": "lbfgs", "weight_decay": 0.5}, "weight_decay is 0.5 with solver 'lbfgs'"),
        ({"solver": "lbfgs", "callbacks": [gg.Callback()]}, "callbacks is"),
        ({"solver": "lbfgs", "checkpoint": "file"}, "checkpoint is 'file'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(options, message):
    x, y = labelled()
    with pytest.raises(ValueError, match=message):
        gg.MLPClassifier((5,), device="cpu", **options).fit(x, y)


# ---- what came with the loop ----


@pytest.mark.parametrize("rows", [96, 90], ids=["whole groups", "a smaller group and minibatch at the end"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_accumulated_minibatches_are_one_batch(solver, rows):
    x, y = datasets.make_classification(rows, 6, n_informative=4, n_classes=3, random_state=0)
    options = {"hidden_layer_sizes": (7,), "solver": solver, "random_state": 0, "max_iter": 4, "alpha": 0.5}
    options |= {"device": "cpu", "clip_norm": 1.0}
    whole = gg.MLPClassifier(batch_size=32, **options).fit(x, y)
    parts = gg.MLPClassifier(batch_size=8, accumulation_steps=4, **options).fit(x, y)
    assert parts.history_["steps"] == whole.history_["steps"]
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-9)
    for one, other in zip((*parts.coefs_, *parts.intercepts_), (*whole.coefs_, *whole.intercepts_), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("last", [1000, 150])
def test_a_schedule_spans_the_calls_of_partial_fit_whatever_their_rows(last):
    """At the end of each call its share of max_iter is done: the rate falls at short chunks too, and ends at 0."""
    rng = np.random.default_rng(0)
    options = {"schedule": "cosine", "batch_size": 100, "random_state": 0}
    model = gg.MLPRegressor(hidden_layer_sizes=(4,), max_iter=8, **options)
    for call, n in enumerate((1000, 1000, 1000, last) * 2, 1):
        x = rng.normal(size=(n, 3))
        model.partial_fit(x, x[:, 0])
        rate = model._session.schedule.get_last_lr()[0]
        assert rate == pytest.approx(0.001 * (1 + math.cos(math.pi * call / 8)) / 2, abs=2e-5)


@pytest.mark.parametrize("options", [{}, {"schedule": "cosine", "dropout": 0.2}, {"learning_rate": "adaptive"}])
def test_weights_that_are_not_finite_name_the_operation_at_fault(options):
    x, y = datasets.make_classification(60, 6, random_state=0)
    model = gg.MLPClassifier(
        (7,), solver="sgd", learning_rate_init=1e80, batch_size=20, max_iter=5, random_state=0, device="cpu", **options
    )
    with pytest.raises(
        ValueError, match=r"need to be preprocessed\. It happened in epoch \d, step \d of 3: \w+\(.*wrote"
    ):
        model.fit(x, y)
    # As in scikit-learn, the weights are the non-finite ones, not those before the error was explained.
    assert model.n_iter_ == len(model.loss_curve_) == len(model.history_) == 5
    assert not all(np.isfinite(w).all() for w in model.coefs_)


def test_weights_that_were_not_finite_when_it_began(tmp_path):
    x, y = datasets.make_classification(60, 6, random_state=0)
    options = {"solver": "sgd", "learning_rate_init": 1e80, "max_iter": 5, "random_state": 0, "device": "cpu"}
    model = gg.MLPClassifier((7,), checkpoint=tmp_path / "c", **options)
    with pytest.raises(ValueError, match="It happened in epoch"):
        model.fit(x, y)
    for _ in range(2):
        with pytest.raises(ValueError, match="It happened before this run: its initial weights"):
            model.fit(x, y, resume=True)


def test_a_minibatch_of_rows_of_weight_zero_in_a_group():
    x, y = datasets.make_classification(60, 6, random_state=0)
    weight = np.r_[np.zeros(20), np.ones(40)]
    options = {"shuffle": False, "random_state": 0, "max_iter": 6, "device": "cpu"}
    parts = gg.MLPClassifier((7,), batch_size=20, accumulation_steps=3, **options).fit(x, y, sample_weight=weight)
    whole = gg.MLPClassifier((7,), batch_size=60, **options).fit(x, y, sample_weight=weight)
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-9)


def test_early_stopping_keeps_the_weights_from_before_they_were_not_finite():
    x, y = datasets.make_classification(60, 6, random_state=0)
    options = {
        "solver": "sgd",
        "learning_rate_init": 1e60,
        "early_stopping": True,
        "max_iter": 3,
        "n_iter_no_change": 1,
    }
    model = gg.MLPClassifier((7,), batch_size=54, random_state=0, device="cpu", **options).fit(x, y)
    assert all(np.isfinite(w).all() for w in model.coefs_)


def test_the_penalty_of_a_rule_with_decoupled_decay_is_in_the_loss(monkeypatch):
    """The weight decay is not part of it, since it would not pass through the gradient."""
    x, y = datasets.make_classification(60, 6, random_state=0)
    options = {"hidden_layer_sizes": (7,), "random_state": 0, "max_iter": 6, "alpha": 2.0, "device": "cpu"}
    usual = gg.MLPClassifier(solver="adamw", **options).fit(x, y)
    monkeypatch.setitem(optim.RULES, "adamw", replace(optim.RULES["adamw"], solver=None))
    decoupled = gg.MLPClassifier(solver="adamw", **options).fit(x, y)
    np.testing.assert_allclose(decoupled.loss_curve_, usual.loss_curve_, rtol=1e-9)
    for one, other in zip(decoupled.coefs_, usual.coefs_, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_a_batch_of_partial_fit_need_not_have_every_class_of_a_dict():
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    model = gg.MLPClassifier((4,), class_weight={2: 5.0, 1: 2.0}, random_state=0)
    model.partial_fit(x, y, classes=[0, 1, 2])
    other = gg.MLPClassifier((4,), random_state=0)
    other.partial_fit(x, y, classes=[0, 1, 2], sample_weight=np.where(y == 1, 2.0, 1.0))
    np.testing.assert_array_equal(model.coefs_[0], other.coefs_[0])
    with pytest.raises(ValueError, match="not in class_weight"):
        gg.MLPClassifier((4,), class_weight={7: 5.0}).partial_fit(x, y, classes=[0, 1, 2])


@pytest.mark.parametrize("dtype", ["longdouble", "float16", "int8", "bool"])
def test_predict_takes_the_dtypes_that_fit_takes(dtype):
    x = (np.random.default_rng(0).normal(size=(60, 3)) * 3).astype(dtype)
    y = np.arange(60) % 2
    model = gg.MLPClassifier((4,), max_iter=2, random_state=0).fit(x, y)
    np.testing.assert_array_equal(model.predict_proba(x), model.predict_proba(x.astype(np.float64)))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_fit_within_a_fit_is_refused_and_harms_nothing(method):
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10.0)

    class Again(gg.Callback):
        def on_epoch_end(self, run, record):
            with pytest.raises(ArgumentError, match=r"this MLPRegressor is in fit\(\) already"):
                getattr(model, method)(x, y)

    options = {"max_iter": 2, "random_state": 0, "device": "cpu"}
    model = gg.MLPRegressor(**options, callbacks=[Again()])
    model.fit(x, y)
    plain = gg.MLPRegressor(**options).fit(x, y)
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])


def test_partial_fit_uses_the_rate_of_now():
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10.0)
    model = gg.MLPRegressor(random_state=0, device="cpu").partial_fit(x, y)
    before = model.coefs_[0].copy()
    model.set_params(learning_rate_init=1e-30).partial_fit(x, y)
    np.testing.assert_array_equal(model.coefs_[0], before)
