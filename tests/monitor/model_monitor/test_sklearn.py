"""ModelMonitor on scikit-learn: the estimator is trained as without it, and stays usable wherever scikit-learn wants an estimator."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    precision_recall_fscore_support,
    r2_score,
)
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from perfkit.errors import UsageError
from perfkit.monitor import ModelMonitor, StopOn
from perfkit.monitor import record as records

RNG = np.random.default_rng(1)
X = RNG.normal(size=(160, 6))
NUMBERS = (X[:, :3] + 0.5 * RNG.normal(size=(160, 3))).argmax(1)
WORDS = np.array(["cat", "dog", "owl"])[NUMBERS]
YES = np.where(X[:, 0] + 0.5 * RNG.normal(size=160) > 0.5, "yes", "no")
AMOUNTS = X @ np.arange(6.0) + RNG.normal(size=160)
HELD = (X[120:], slice(120, None))


@pytest.fixture
def watched(tmp_path):
    def make(model, **settings):
        return ModelMonitor(model, results_dir=tmp_path, quiet=True, **settings)

    return make


def fitted(monitor, y, **more):
    return monitor.fit(X[:120], y[:120], validation_data=(X[120:], y[120:]), **more)


@pytest.mark.parametrize("y", [NUMBERS, WORDS], ids=["numbers", "words"])
@pytest.mark.parametrize(
    "model", [LogisticRegression(), RandomForestClassifier(5, random_state=0), SVC(), GaussianNB()], ids=repr
)
def test_metrics_of_classes_are_those_of_scikit_learn(watched, model, y):
    monitor = watched(clone(model))
    assert fitted(monitor, y) is monitor.model
    history, predicted = monitor.history, monitor.predict(X[120:])
    precision, recall, f1, _ = precision_recall_fscore_support(y[120:], predicted, average="macro", zero_division=0)
    expected = {"accuracy": accuracy_score(y[120:], predicted), "precision": precision, "recall": recall, "f1": f1}
    assert {name: history.last(f"val/{name}") for name in expected} == pytest.approx(expected, abs=1e-12)
    assert history.last("train_eval/accuracy") == pytest.approx(monitor.score(X[:120], y[:120]), abs=1e-12)
    if isinstance(model, SVC):
        assert "val/loss" not in history  # it has no probabilities
    else:
        assert history.last("val/loss") == pytest.approx(log_loss(y[120:], monitor.predict_proba(X[120:])), abs=1e-9)
    assert history["perf/samples_per_s"] * history["perf/step_time_s"] == pytest.approx(120)


def test_the_second_of_two_words_is_positive_as_in_scikit_learn(watched):
    monitor = watched(LogisticRegression())
    fitted(monitor, YES)
    assert monitor.history.last("val/f1") == pytest.approx(
        f1_score(YES[120:], monitor.predict(X[120:]), pos_label="yes"), abs=1e-12
    )
    other = watched(LogisticRegression(), positive="no")
    fitted(other, YES)
    assert other.history.last("val/f1") == pytest.approx(
        f1_score(YES[120:], other.predict(X[120:]), pos_label="no"), abs=1e-12
    )


@pytest.mark.parametrize("y", [AMOUNTS, AMOUNTS[:, None]], ids=["vector", "column"])
@pytest.mark.parametrize("model", [LinearRegression(), RandomForestRegressor(5, random_state=0)], ids=repr)
@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_metrics_of_amounts_are_those_of_scikit_learn(watched, model, y):
    monitor = watched(clone(model))
    fitted(monitor, y)
    predicted = monitor.predict(X[120:])
    assert monitor.history.last("val/mae") == pytest.approx(mean_absolute_error(y[120:], predicted), abs=1e-12)
    assert monitor.history.last("val/r2") == pytest.approx(r2_score(y[120:], predicted), abs=1e-12)
    assert monitor.history.last("val/loss") == monitor.history.last("val/mse")


def test_several_labels_at_once(watched):
    y = np.stack([X[:, 0] > 0, X[:, 1] > 0.3], axis=1).astype(int)
    monitor = watched(RandomForestClassifier(5, random_state=0))
    fitted(monitor, y)
    assert monitor.history.last("val/accuracy") == pytest.approx(
        accuracy_score(y[120:], monitor.predict(X[120:])), abs=1e-12
    )


def test_the_estimator_is_the_same_as_without(watched):
    alone, model = MLPClassifier((8,), max_iter=20, random_state=0), MLPClassifier((8,), max_iter=20, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        alone.fit(X[:120], WORDS[:120])
    with pytest.warns(UserWarning, match="Maximum iterations"):
        fitted(watched(model), WORDS)
    assert all(np.array_equal(a, b) for a, b in zip(alone.coefs_, model.coefs_, strict=True))
    assert alone.loss_curve_ == model.loss_curve_


@pytest.mark.parametrize(
    "model",
    [SGDClassifier(loss="log_loss", random_state=0), MLPClassifier((8,), random_state=0), GaussianNB()],
    ids=repr,
)
def test_epochs_step_an_estimator_by_partial_fit(watched, model):
    alone, stepped = clone(model), clone(model)
    for _ in range(4):
        alone.partial_fit(X[:120], WORDS[:120], classes=np.unique(WORDS))
    monitor = watched(stepped)
    assert fitted(monitor, WORDS, epochs=4) is stepped
    assert np.array_equal(alone.predict_proba(X), stepped.predict_proba(X))
    assert monitor.history.series("val/loss").epochs.tolist() == [0, 1, 2, 3]
    assert monitor.history.series("perf/step_time_s").steps.tolist() == [0, 1, 2, 3]


def test_epochs_end_by_early_stop(watched):
    monitor = watched(SGDClassifier(random_state=0), stop=StopOn("val/accuracy", patience=2, min_delta=1.0))
    fitted(monitor, WORDS, epochs=50)
    assert len(monitor.history["val/accuracy"]) == 3


def test_epochs_of_what_cannot_be_stepped_are_refused(watched):
    with pytest.raises(UsageError, match="LogisticRegression has no partial_fit; leave epochs out"):
        fitted(watched(LogisticRegression()), WORDS, epochs=3)
    with pytest.raises(UsageError, match="probe is for models"):
        fitted(watched(LogisticRegression(), probe=(X, WORDS)), WORDS)


def test_scikit_learn_takes_it_for_the_estimator(watched):
    monitor = watched(LogisticRegression(C=0.5))
    assert type(clone(monitor)) is LogisticRegression
    assert clone(monitor).C == 0.5
    scores = cross_val_score(monitor, X, WORDS, cv=3)
    assert scores == pytest.approx(cross_val_score(LogisticRegression(C=0.5), X, WORDS, cv=3), abs=0)
    search = GridSearchCV(monitor, {"C": [0.1, 1.0]}, cv=3).fit(X, WORDS)
    assert type(search.best_estimator_) is LogisticRegression


def test_as_the_last_step_of_a_pipeline_it_is_watched(watched):
    monitor = watched(LogisticRegression())
    pipeline = make_pipeline(StandardScaler(), monitor)
    with pytest.raises(Exception, match="not fitted"):
        pipeline.predict(X)
    pipeline.fit(X, WORDS)
    alone = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, WORDS)
    assert (pipeline.predict(X) == alone.predict(X)).all()
    assert monitor.history.last("train_eval/accuracy") == pytest.approx(alone.score(X, WORDS), abs=1e-12)


@pytest.mark.parametrize(
    "model",
    [
        Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())]),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=3),
    ],
    ids=["pipeline", "search"],
)
def test_pipelines_and_searches_are_estimators_too(watched, model):
    monitor = watched(clone(model))
    fitted(monitor, WORDS)
    assert monitor.history.last("val/accuracy") == pytest.approx(monitor.score(X[120:], WORDS[120:]), abs=1e-12)
    assert type(pickle.loads(pickle.dumps(monitor))) is type(model)


def test_what_has_no_right_answers_is_timed_alone(watched):
    monitor = watched(KMeans(3, n_init=1, random_state=0))
    monitor.fit(X)
    assert "perf/step_time_s" in monitor.history
    assert not [name for name in monitor.history if name.startswith("train_eval/")]
    search = watched(GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=3, refit=False))
    search.fit(X, WORDS)
    assert not [name for name in search.history if name.startswith("train_eval/")]


def test_an_error_comes_out_and_is_recorded(watched):
    monitor = watched(LogisticRegression())
    with pytest.raises(ValueError, match="NaN") as raised:
        monitor.fit(X * np.nan, WORDS)
    assert raised.value.__context__ is None
    assert records.read(monitor.run).statuses[-1].state == "failed"


def test_overfitting_is_told_with_what_to_do(watched):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 40)), rng.integers(0, 2, 80)
    monitor = watched(MLPClassifier((64,), learning_rate_init=0.01, random_state=0))
    monitor.fit(x[:40], y[:40], validation_data=(x[40:], y[40:]), epochs=40)
    (event,) = [e for e in monitor.history.events if e.source == "learning:overfitting"]
    assert event.severity == "warning"
    assert "stop at epoch" in event.advice
