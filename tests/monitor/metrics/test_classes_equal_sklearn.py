"""Metrics of classes are those of scikit-learn, to 1e-12, however the samples came in batches."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.monitor.metrics import ClassCounts

sklearn = pytest.importorskip("sklearn.metrics")

EXACT = 1e-12
ZERO_DIVISION = st.sampled_from([0.0, 1.0, math.nan])
LABELS = st.sampled_from([
    ["cat", "dog", "emu", "fox"], [0, 1, 2, 3], [7, -3, 100, 2], [10**17, 10**17 + 1, 2, 3], ["ä", "", "b c", "d/e"],
])  # fmt: skip
PAIRS = ("precision", "recall", "f1")


def split(data, n):
    """Random bounds of batches, empty ones too."""
    return [0, *sorted(data.draw(st.lists(st.integers(0, n), max_size=4))), n]


def fed(counts, y_true, y_pred, bounds):
    for low, high in pairwise(bounds):
        counts.update(y_true[low:high], y_pred[low:high])
    return counts.compute()


def expected(y_true, y_pred, average, zero_division, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # undefined values, which are what we ask for
        values = sklearn.precision_recall_fscore_support(
            y_true, y_pred, average=average, zero_division=zero_division, **settings
        )
        accuracy = sklearn.accuracy_score(y_true, y_pred)
    return {"accuracy": accuracy, **dict(zip(PAIRS, values[:3], strict=True))}


AREAS = ("auc", "average_precision")


def assert_same(found, wanted):
    found = {name: value for name, value in found.items() if name.partition("[")[0] not in AREAS}
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=EXACT, rel=0, nan_ok=True), name


def per_class(wanted, labels):
    named = {
        f"{name}[{str(label).replace('/', '_')}]": v
        for name in PAIRS
        for label, v in zip(labels, wanted[name], strict=True)
    }
    return {"accuracy": wanted["accuracy"], **named}


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    average=st.sampled_from(["macro", "micro", "weighted", None]),
    labels=LABELS,
    zero_division=ZERO_DIVISION,
)
def test_multiclass_labels(data, average, labels, zero_division):
    y_true = data.draw(st.lists(st.sampled_from(labels), min_size=1, max_size=40))
    y_pred = data.draw(st.lists(st.sampled_from(labels), min_size=len(y_true), max_size=len(y_true)))
    counts = ClassCounts("multiclass", average=average, zero_division=zero_division)
    found = fed(counts, y_true, y_pred, split(data, len(y_true)))
    wanted = expected(y_true, y_pred, average, zero_division)
    assert_same(found, per_class(wanted, sorted({*y_true, *y_pred})) if average is None else wanted)
    assert counts.support == {label: y_true.count(label) for label in sorted({*y_true, *y_pred})}


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    average=st.sampled_from(["macro", "micro", "weighted", None]),
    labels=LABELS,
    zero_division=ZERO_DIVISION,
)
def test_multiclass_with_classes_given_averages_over_all_of_them(data, average, labels, zero_division):
    y_true = data.draw(st.lists(st.sampled_from(labels[:2]), min_size=1, max_size=20))
    y_pred = data.draw(st.lists(st.sampled_from(labels), min_size=len(y_true), max_size=len(y_true)))
    counts = ClassCounts("multiclass", classes=labels, average=average, zero_division=zero_division)
    found = fed(counts, y_true, y_pred, split(data, len(y_true)))
    wanted = expected(y_true, y_pred, average, zero_division, labels=labels)
    assert_same(found, per_class(wanted, labels) if average is None else wanted)


@settings(max_examples=80, deadline=None)
@given(
    data=st.data(), seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), k=st.integers(2, 5), scale=st.sampled_from([0.3, 1, 50]),
    kind=st.sampled_from(["probabilities", "logits"]), told=st.booleans(), one_hot=st.booleans(),
    average=st.sampled_from(["macro", "micro", "weighted"]),
)  # fmt: skip
def test_multiclass_scores(data, seed, n, k, scale, kind, told, one_hot, average):
    rng = np.random.default_rng(seed)
    y_true, scores = rng.integers(0, k, n), rng.normal(size=(n, k)) * scale
    if kind == "probabilities":
        scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    counts = ClassCounts("multiclass", average=average, scores=kind if told else None)
    found = fed(counts, np.eye(k)[y_true] if one_hot else y_true, scores, split(data, n))
    assert_same(found, expected(y_true, scores.argmax(axis=1), average, 0.0))


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(), zero_division=ZERO_DIVISION, average=st.sampled_from(["binary", "macro", "micro", "weighted", None]),
    labels=st.sampled_from([[0, 1], [-1, 1], ["no", "yes"], [1, 2], [False, True]]), swapped=st.booleans(),
)  # fmt: skip
def test_binary_labels(data, zero_division, average, labels, swapped):
    positive = labels[0 if swapped else 1]
    y_true = data.draw(st.lists(st.sampled_from(labels), min_size=1, max_size=30))
    y_pred = data.draw(st.lists(st.sampled_from(labels), min_size=len(y_true), max_size=len(y_true)))
    counts = ClassCounts("binary", positive=positive, average=average, zero_division=zero_division)
    found = fed(counts, y_true, y_pred, split(data, len(y_true)))
    wanted = expected(y_true, y_pred, average, zero_division, pos_label=positive)
    assert_same(
        found,
        per_class(wanted, sorted({int(v) if isinstance(v, bool) else v for v in (*y_true, *y_pred)}))
        if average is None
        else wanted,
    )


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(), seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), kind=st.sampled_from(["probabilities", "logits"]),
    told=st.booleans(), columns=st.sampled_from([0, 1, 2]), threshold=st.sampled_from([0.5, 0.2, 0.9]),
    average=st.sampled_from(["binary", "macro", "micro", "weighted"]), positive=st.sampled_from([0, 1]),
)  # fmt: skip
def test_binary_scores(data, seed, n, kind, told, columns, threshold, average, positive):
    rng = np.random.default_rng(seed)
    y_true, probability = rng.integers(0, 2, n), rng.uniform(0.01, 0.99, n)
    probability[0] = 0.001  # of its logit nobody can think that it is a probability
    logit = np.log(probability / (1 - probability))
    score = probability if kind == "probabilities" else logit
    if columns == 1:
        score = score[:, None]
    elif columns == 2:
        of_column = np.arange(2) == positive
        both = (
            np.stack([1 - probability, probability], 1)
            if kind == "probabilities"
            else np.stack([0.3 - 0 * logit, logit + 0.3], 1)
        )
        score = both if of_column[1] else both[:, ::-1]
    counts = ClassCounts(
        "binary", positive=positive, average=average, threshold=threshold, scores=kind if told else None
    )
    found = fed(counts, y_true, score, split(data, n))
    said = np.where(probability > threshold, positive, 1 - positive)
    assert counts.reading == kind
    assert_same(found, expected(y_true, said, average, 0.0, pos_label=positive))


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(), seed=st.integers(0, 2**32 - 1), n=st.integers(1, 30), k=st.integers(2, 5), density=st.sampled_from([0.0, 0.1, 0.5]),
    kind=st.sampled_from(["labels", "probabilities", "logits"]), average=st.sampled_from(["macro", "micro", "weighted", None]),
    zero_division=ZERO_DIVISION,
)  # fmt: skip
def test_multilabel(data, seed, n, k, density, kind, average, zero_division):
    rng = np.random.default_rng(seed)
    y_true = (rng.random((n, k)) < density).astype(int)
    probability = rng.uniform(0.01, 0.99, (n, k)) * rng.choice([0.3, 1.0])
    probability[0, 0] = 0.001
    said = (probability > 0.5).astype(int)
    given_ = {"labels": said, "probabilities": probability, "logits": np.log(probability / (1 - probability))}[kind]
    counts = ClassCounts("multilabel", average=average, zero_division=zero_division)
    found = fed(counts, y_true, given_, split(data, n))
    wanted = expected(y_true, said, average, zero_division)
    assert counts.reading == kind
    assert_same(found, per_class(wanted, range(k)) if average is None else wanted)
    assert counts.label_accuracy == pytest.approx(1 - sklearn.hamming_loss(y_true, said), abs=EXACT)


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
    parts=st.integers(1, 5),
    task=st.sampled_from(["binary", "multiclass", "multilabel"]),
)
def test_parts_merged_in_any_order_are_as_one(data, seed, parts, task):
    rng = np.random.default_rng(seed)
    n, k = 40, {"binary": 2}.get(task, 3)
    y_true = rng.integers(0, 2, (n, k)) if task == "multilabel" else rng.integers(0, k, n)
    # scores that are at times within [0, 1] or whole: what they are is known from all of them only
    scores = np.round(rng.normal(size=(n,) if task == "binary" else (n, k)), data.draw(st.sampled_from([0, 1, 6])))
    one = ClassCounts(task)
    one.update(y_true, scores)
    pieces = []
    for index in np.array_split(rng.permutation(n), parts):
        piece = ClassCounts(task)
        piece.update(y_true[index], scores[index])
        pieces.append(piece)
    total = ClassCounts(task)
    for piece in data.draw(st.permutations(pieces)):
        total.merge(piece)
    assert total.compute() == one.compute()
    assert (total.count, total.reading, total.support) == (one.count, one.reading, one.support)
