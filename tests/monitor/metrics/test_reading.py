"""How y_true and y_pred are read: shapes, labels, probabilities, logits; and what is refused."""

import math

import numpy as np
import pytest

from perfkit.errors import MonitorError, UsageError
from perfkit.monitor.metrics import ClassCounts, RegressionSums, accumulator_for, infer_task
from perfkit.monitor.names import METRICS, canonical, metric_of


def counted(task, y_true, y_pred, **settings):
    counts = ClassCounts(task, **settings)
    counts.update(y_true, y_pred)
    return counts


@pytest.mark.parametrize(
    ("y_true", "y_pred", "reading", "accuracy"),
    [
        ([0, 1, 1], [0, 1, 0], "labels", 2 / 3),
        ([0, 1, 1], [True, True, False], "labels", 1 / 3),
        ([0, 1, 1], [0.0, 1.0, 0.0], "labels", 2 / 3),
        ([0, 1, 1], [0.2, 0.6, 0.5], "probabilities", 2 / 3),  # 0.5 is not above 0.5
        ([0, 1, 1], [-0.2, 0.6, 0.5], "logits", 1.0),
        ([0, 1, 1], [-2.0, 3.0, 1.0], "logits", 1.0),  # whole numbers, but four of them with the truth
        ([[0], [1], [1]], [[0.2], [0.6], [0.7]], "probabilities", 1.0),  # as Keras has them
        ([0, 1, 1], [[0.8, 0.2], [0.4, 0.6], [0.9, 0.1]], "probabilities", 2 / 3),
        ([0, 1, 1], [[8.0, 0.2], [0.4, 0.6], [0.9, 0.1]], "logits", 2 / 3),
        ([[1, 0], [0, 1]], [[0.8, 0.2], [0.4, 0.6]], "probabilities", 1.0),
        (["1", "1"], [0.9, 0.1], "probabilities", 0.5),
    ],
)  # fmt: skip
def test_binary_predictions(y_true, y_pred, reading, accuracy):
    counts = counted("binary", y_true, y_pred, positive="1" if isinstance(y_true[0], str) else 1)
    assert counts.reading == reading
    assert counts.compute()["accuracy"] == pytest.approx(accuracy)


def test_a_later_batch_tells_that_the_first_held_logits():
    """All of a small first batch of logits may lie in [0, 1]: they are read again when a later one says what they were."""
    counts = ClassCounts("binary")
    counts.update([1, 0], [0.3, 0.2])
    assert (counts.reading, counts.compute()["accuracy"]) == ("probabilities", 0.5)
    counts.update([1, 0], [4.0, -3.0])
    assert (counts.reading, counts.compute()["accuracy"]) == ("logits", 0.75)
    one = counted("binary", [1, 0, 1, 0], [0.3, 0.2, 4.0, -3.0])
    assert counts.compute() == one.compute()


def test_labels_after_scores_are_a_contradiction():
    counts = counted("binary", [1, 0], [0.3, 0.2])
    with pytest.raises(MonitorError, match="read as probabilities or logits so far, but now it must be labels"):
        counts.update([1, 0], [1, 0])
    assert counts.count == 2


@pytest.mark.parametrize(("threshold", "recall"), [(0.5, 0.5), (0.1, 1.0), (0.95, 0.0)])
def test_the_threshold_is_a_probability_also_for_logits(threshold, recall):
    logits = [math.log(p / (1 - p)) for p in (0.9, 0.2)]
    assert counted("binary", [1, 1], logits, threshold=threshold).compute()["recall"] == recall


def test_the_positive_column_is_that_of_the_positive_class():
    scores = [[0.8, 0.2], [0.4, 0.6]]
    assert counted("binary", ["no", "yes"], scores, classes=["no", "yes"]).compute()["recall"] == 1.0
    first = counted("binary", ["no", "yes"], scores, classes=["no", "yes"], positive="no", threshold=0.7)
    assert first.per_class()["recall[no]"] == 1.0
    with pytest.raises(MonitorError, match="which of the two columns"):
        counted("binary", ["no", "yes"], scores, positive="yes")


@pytest.mark.parametrize(
    ("shape_true", "shape_pred"),
    [((6,), (6, 3)), ((6, 1), (6, 3)), ((2, 5), (2, 5, 3)), ((2, 5), (2, 3, 5)), ((2, 4, 5), (2, 3, 4, 5))],
)
def test_tokens_and_pixels_are_samples_wherever_the_classes_axis_is(shape_true, shape_pred):
    rng = np.random.default_rng(1)
    y_true, scores = rng.integers(0, 3, shape_true), rng.normal(size=shape_pred)
    axis = next(i for i, size in enumerate(shape_pred) if size == 3)
    right = (scores.argmax(axis=axis).ravel() == y_true.ravel()).mean()
    counts = counted("multiclass", y_true, scores)
    assert counts.compute()["accuracy"] == pytest.approx(right)
    assert counts.count == y_true.size


def test_one_hot_rows_are_labels():
    one_hot = np.eye(3)[[2, 0, 1]]
    counts = counted("multiclass", one_hot, np.eye(3)[[2, 0, 0]] * 0.8, classes=["a", "b", "c"])
    assert counts.support == {"a": 1, "b": 1, "c": 1}
    assert counts.compute()["accuracy"] == pytest.approx(2 / 3)


def test_samples_to_be_ignored_are_left_out():
    counts = counted("multiclass", [[1, -100], [0, 2]], np.eye(3)[[[1, 0], [0, 1]]], ignore=-100)
    assert (counts.count, counts.compute()["accuracy"]) == (3, pytest.approx(2 / 3))
    assert counts.support == {0: 1, 1: 1, 2: 1}


def test_a_row_of_nan_predicts_nothing():
    """A model that has diverged gets the metrics that it deserves, and training is not stopped by an error of ours."""
    scores = np.array([[0.1, 0.9], [np.nan, 0.3], [0.8, 0.2]])
    counts = counted("multiclass", [1, 0, 0], scores)
    assert counts.unreadable == 1
    assert counts.compute()["accuracy"] == pytest.approx(2 / 3)
    assert counts.per_class()["recall[0]"] == 0.5
    assert counts.per_class()["precision[0]"] == 1.0
    binary = counted("binary", [0, 0], [np.nan, 0.3])
    assert (binary.compute()["accuracy"], binary.unreadable) == (0.5, 1)
    rows = counted("multilabel", [[0, 0], [1, 0]], [[np.nan, 0.1], [0.9, 0.1]])
    assert (rows.compute()["accuracy"], rows.unreadable) == (0.5, 1)


def test_classes_may_come_after_the_first_batch():
    counts = ClassCounts("multiclass", average=None)
    counts.update(["a"], ["a"])
    counts.update(["b", "c"], ["a", "c"])
    assert counts.support == {"a": 1, "b": 1, "c": 1}
    assert counts.compute()["precision[a]"] == 0.5


@pytest.mark.parametrize("make", ["torch", "pandas-like", "sparse", "list"])
def test_arrays_of_frameworks_are_read(make):
    indicators = [[1, 0], [0, 1]]
    if make == "torch":
        torch = pytest.importorskip("torch")
        given = torch.tensor(indicators, dtype=torch.bfloat16, requires_grad=True)
    elif make == "sparse":
        given = pytest.importorskip("scipy.sparse").csr_matrix(indicators)
    elif make == "pandas-like":
        given = type("Frame", (), {"to_numpy": lambda self: np.array(indicators)})()
    else:
        given = indicators
    assert counted("multilabel", indicators, given).compute()["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("task", "settings", "y_true", "y_pred", "match"),
    [
        ("multiclass", {}, [0, 1], ["a", "b"], "two kinds, text and numbers"),
        ("multiclass", {}, [0, 0.5], [0, 1], "0.5 is not a label"),
        ("multiclass", {}, [0, math.nan], [0, 1], "nan is not a label"),
        ("multiclass", {}, [0, 1], [0.2, 1.5], "0.2 is not a label"),
        ("multiclass", {}, [0, 1, 2], [0, 1], r"\(3,\) and y_pred of shape \(2,\) do not belong together"),
        ("multiclass", {}, [0, 5], [[0.1, 0.9]] * 2, "label 5 has none of the 2 columns"),
        ("multiclass", {}, ["a", "b"], [[0.1, 0.9]] * 2, "two kinds"),
        ("multiclass", {"classes": ["a", "b"]}, ["a", "x"], ["a", "b"], "'x' is not among the classes"),
        ("multiclass", {"classes": [0, 1, 2]}, [0, 1], [[0.1, 0.9]] * 2, "2 columns, but there are 3 classes"),
        ("multiclass", {"scores": "logits"}, [0, 1], [0, 1], "need a column for each"),
        ("multiclass", {"scores": "labels"}, [0, 1], [[0.1, 0.9]] * 2, "scores='labels', but"),
        ("multiclass", {}, [[0, 1], [1, 1]], [[0, 1], [1, 1]], "more than one label per row"),
        ("multiclass", {}, [[0, 1, 2]] * 3, np.zeros((3, 3, 3)), "axis 1 or the last"),
        ("binary", {}, [0, 1, 2], [0, 1, 2], "a binary task with the labels"),
        ("binary", {}, ["no", "yes"], ["no", "no"], "positive=1 is not among the labels"),
        ("binary", {}, [0, 1], [[0.1, 0.2, 0.7]] * 2, "3 columns, a binary task two"),
        ("binary", {"scores": "probabilities"}, [0, 1], [0.3, 1.7], r"lies in \[0.3, 1.7\]"),
        ("binary", {"scores": "logits"}, ["0", "1"], ["0", "1"], "but y_pred is of dtype"),
        ("multilabel", {}, [[0, 2]], [[0, 1]], "something else than 0 and 1"),
        ("multilabel", {}, [0, 1], [0, 1], "matrices"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_and_not_counted(task, settings, y_true, y_pred, match):
    counts = ClassCounts(task, **settings)
    with pytest.raises(MonitorError, match=match):
        counts.update(y_true, y_pred)
    assert (counts.count, counts.compute()) == (0, {})


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"task": "regression"}, "task='regression'"),
        ({"task": "multiclass", "average": "binary"}, "for binary tasks"),
        ({"task": "binary", "threshold": 1.0}, "threshold=1.0"),
        ({"task": "binary", "zero_division": 0.5}, "zero_division=0.5"),
        ({"task": "binary", "classes": [0, 1, 2]}, "a binary task has two"),
        ({"task": "binary", "classes": ["a", "b"], "positive": "c"}, "one of them positive"),
        ({"task": "multiclass", "classes": [1, 1]}, "twice"),
        ({"task": "multiclass", "average": "mean"}, "average='mean'"),
        ({"task": "multiclass", "scores": "raw"}, "scores='raw'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, match):
    with pytest.raises(UsageError, match=match):
        ClassCounts(**settings)


def test_counts_of_other_settings_or_data_are_not_merged():
    with pytest.raises(UsageError, match="set up differently"):
        ClassCounts("binary").merge(ClassCounts("binary", average="macro"))
    one, two = counted("multilabel", [[0, 1]], [[0, 1]]), counted("multilabel", [[0, 1, 1]], [[0, 1, 1]])
    with pytest.raises(MonitorError, match="there were 2 labels so far, and now there are 3"):
        one.merge(two)
    nan = math.nan
    ClassCounts("binary", zero_division=nan).merge(ClassCounts("binary", zero_division=nan))  # NaN differs from itself


def test_an_empty_batch_and_a_reset_leave_nothing():
    counts = ClassCounts("multiclass")
    counts.update([], [])
    assert (counts.count, counts.compute(), counts.support, counts.reading) == (0, {}, {}, None)
    counts.update([1, 2], [1, 1])
    counts.reset()
    assert (counts.count, counts.compute(), counts.support, counts.reading) == (0, {}, {}, None)


@pytest.mark.parametrize(
    ("y_true", "y_score", "task"),
    [
        ([0, 1, 1], None, "binary"),
        ([True, False], None, "binary"),
        (["a", "b", "a"], None, "binary"),
        (["a", "b", "c"], None, "multiclass"),
        ([0, 1, 2], None, "multiclass"),
        ([0, 1, 1], [0, 1, 2], "multiclass"),
        ([0.0, 1.0, 2.0], [0.0, 2.0, 2.0], "multiclass"),
        ([0, 1, 1], [0.2, 0.7, 0.4], "binary"),
        ([0, 1, 1], [[0.2, 0.8]] * 3, "binary"),
        ([0, 1, 1], [[0.2, 0.7, 0.1]] * 3, "multiclass"),
        ([0, 1], [[3.0], [-2.0]], "binary"),
        ([[0], [1]], [[0.3], [0.2]], "binary"),
        ([3, 5, 8], [2.9, 5.3, 7.7], "regression"),
        ([0.5, 1.25], None, "regression"),
        ([151.0 + i for i in range(30)], None, "regression"),
        ([[0.5, 1.0]], None, "regression"),
        ([[3, 4], [5, 6]], [[3.1, 4.0], [5.0, 6.2]], "regression"),
        ([[0, 1, 1], [0, 0, 0]], None, "multilabel"),
        ([[0, 1], [1, 0]], [[0.2, 0.8], [0.9, 0.1]], "multiclass"),
        ([[0, 1], [1, 0]], [[0.2, 0.9], [0.9, 0.9]], "multilabel"),
        ([[0, 1], [1, 0]], [[-2.0, 3.0], [4.0, 0.1]], "multiclass"),
        ([[0, 1, 2]], np.zeros((1, 4, 3)), "multiclass"),
        ([[0, 1, 1]], np.zeros((1, 2, 3)), "binary"),
    ],
)  # fmt: skip
def test_the_task_is_inferred(y_true, y_score, task):
    assert infer_task(y_true, y_score) == task


def test_an_accumulator_is_made_for_each_task():
    for task, name in [("binary", "ClassCounts"), ("multiclass", "ClassCounts"), ("multilabel", "ClassCounts"),
                       ("regression", "RegressionSums"), ("detection", "DetectionMatches")]:  # fmt: skip
        made = accumulator_for(task)
        assert type(made).__name__ == name
        assert (made.count, made.compute()) == (0, {})
    assert isinstance(accumulator_for("regression", outputs="each"), RegressionSums)
    with pytest.raises(UsageError, match="unexpected keyword argument 'outputs'"):
        accumulator_for("binary", outputs="each")
    with pytest.raises(UsageError, match="task='ranking'"):
        accumulator_for("ranking")


def test_names_of_metrics_are_known_with_their_direction():
    counts = counted("multiclass", ["a/b", "Cat"], ["a/b", "a/b"], average=None)
    for name in counts.compute():
        assert name.partition("[")[0] in METRICS
        assert metric_of(canonical(name)).better == "up"
    assert canonical("val_rec[Cat]") == "val/recall[Cat]"
    assert "recall[a_b]" in counts.compute()


@pytest.mark.parametrize(
    ("zero_division", "precision", "recall"), [(0.0, 0.0, 0.0), (1.0, 0.5, 1.0), (math.nan, 0.0, math.nan)]
)
def test_weighted_by_nothing_the_mean_is_plain(zero_division, precision, recall):
    """No label is real, so all weights are 0; one of two was predicted. As in scikit-learn the weights are then left out."""
    counts = counted("multilabel", [[0, 0]], [[1, 0]], average="weighted", zero_division=zero_division)
    assert counts.compute()["precision"] == precision
    assert counts.compute()["recall"] == pytest.approx(recall, nan_ok=True)
