"""Areas under curves: those of scikit-learn while scores are kept, within the stated bounds once they are binned."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.monitor.metrics import ClassCounts, ranking

sklearn = pytest.importorskip("sklearn.metrics")

EXACT = 1e-12
SEEDS = st.integers(0, 2**32 - 1)
FUNCTIONS = {"auc": sklearn.roc_auc_score, "average_precision": sklearn.average_precision_score}


def areas(counts):
    return {name: value for name, value in counts.compute().items() if name.partition("[")[0] in FUNCTIONS}


def fed(counts, y_true, scores, data):
    bounds = [0, *sorted(data.draw(st.lists(st.integers(0, len(y_true)), max_size=4))), len(y_true)]
    for low, high in pairwise(bounds):
        counts.update(y_true[low:high], scores[low:high])
    return areas(counts)


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    seed=SEEDS,
    n=st.integers(2, 80),
    digits=st.sampled_from([1, 2, 9]),
    kind=st.sampled_from(["probabilities", "logits"]),
)
def test_binary_areas_equal_sklearn_also_with_equal_scores(data, seed, n, digits, kind):
    rng = np.random.default_rng(seed)
    y_true = rng.permutation([0, 1, *rng.integers(0, 2, n - 2)])
    scores = np.round(rng.uniform(size=n) if kind == "probabilities" else rng.normal(size=n) * 3, digits)
    found = fed(ClassCounts("binary", scores=kind), y_true, scores, data)
    assert found == pytest.approx({name: f(y_true, scores) for name, f in FUNCTIONS.items()}, abs=EXACT)


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(), seed=SEEDS, n=st.integers(6, 40), k=st.integers(3, 5), task=st.sampled_from(["multiclass", "multilabel"]),
    average=st.sampled_from(["macro", "micro", "weighted", None]), digits=st.sampled_from([1, 9]),
)  # fmt: skip
def test_areas_of_several_classes_equal_sklearn(data, seed, n, k, task, average, digits):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.dirichlet(np.ones(k), n) if task == "multiclass" else rng.uniform(size=(n, k)), digits)
    y_true = rng.permutation([*range(k), *rng.integers(0, k, n - k)])
    rows = np.eye(k, dtype=int)[y_true]
    if task == "multilabel":
        rows = rows | (rng.random((n, k)) < 0.2)
        rows[0], rows[1] = 0, 1
        y_true = rows
    found = fed(ClassCounts(task, average=average, scores="probabilities"), y_true, scores, data)
    wanted = {name: f(rows, scores, average=average) for name, f in FUNCTIONS.items()}
    if average is None:
        wanted = {f"{name}[{i}]": v for name, values in wanted.items() for i, v in enumerate(values)}
    assert found == pytest.approx(wanted, abs=EXACT)


def test_multiclass_auc_is_sklearns_one_against_the_rest():
    rng = np.random.default_rng(0)
    y_true, scores = rng.integers(0, 3, 50), rng.dirichlet(np.ones(3), 50)
    counts = ClassCounts("multiclass")
    counts.update(y_true, scores)
    assert areas(counts)["auc"] == pytest.approx(sklearn.roc_auc_score(y_true, scores, multi_class="ovr"), abs=EXACT)
    logits = ClassCounts("multiclass")
    logits.update(y_true, np.log(scores) + 7)  # softmax takes the 7 away
    assert areas(logits) == pytest.approx(areas(counts), abs=EXACT)


def test_a_class_without_true_or_without_false_samples_has_no_area():
    counts = ClassCounts("binary", scores="probabilities")
    counts.update([1, 1], [0.2, 0.7])
    assert areas(counts) == {}
    several = ClassCounts("multilabel", average=None, scores="probabilities")
    several.update([[1, 1], [1, 0]], [[0.2, 0.7], [0.3, 0.1]])
    assert areas(several) == {"auc[1]": 1.0, "average_precision[1]": 1.0}


def test_labels_have_no_areas_and_they_can_be_left_out():
    labels = ClassCounts("binary")
    labels.update([0, 1], [0, 1])
    assert areas(labels) == labels.bounds() == {}
    without = ClassCounts("binary", curves=False)
    without.update([0, 1], [0.2, 0.7])
    assert areas(without) == {}
    many = ClassCounts("multiclass")
    many.update(np.arange(65), np.eye(65))
    assert areas(many) == {}
    asked = ClassCounts("multiclass", curves=True)
    asked.update(np.arange(65), np.eye(65))
    assert areas(asked) == {"auc": 1.0, "average_precision": 1.0}


@pytest.mark.parametrize("imbalance", [0.5, 0.01])
@pytest.mark.parametrize("kind", ["probabilities", "logits"])
def test_binned_areas_are_within_their_stated_bounds(kind, imbalance):
    rng = np.random.default_rng(1)
    n = 200_000
    y_true = (rng.random(n) < imbalance).astype(int)
    logits = rng.normal(size=n) + 1.5 * y_true
    scores = logits if kind == "logits" else 1 / (1 + np.exp(-logits))
    counts = ClassCounts("binary", scores=kind)
    for part in np.array_split(np.arange(n), 7):
        counts.update(y_true[part], scores[part])
    found, bounds = areas(counts), counts.bounds()
    for name, function in FUNCTIONS.items():
        assert abs(found[name] - function(y_true, scores)) <= bounds[name]
    assert bounds["auc"] < 2e-3
    assert bounds["average_precision"] < 1e-2


def test_bounds_hold_where_the_bins_are_coarse(monkeypatch):
    monkeypatch.setattr(ranking, "MAX_EXACT_SCORES", 10)
    monkeypatch.setattr(ranking, "MAX_BINS", ranking.MIN_BINS)
    for seed in range(50):
        rng = np.random.default_rng(seed)
        y_true = rng.permutation([0, 1, *rng.integers(0, 2, 60)])
        scores = rng.uniform(0.4, 0.6, 62)
        counts = ClassCounts("binary", scores="probabilities")
        counts.update(y_true, scores)
        for name, function in FUNCTIONS.items():
            assert 0 < abs(areas(counts)[name] - function(y_true, scores)) <= counts.bounds()[name]


@settings(max_examples=30, deadline=None)
@given(data=st.data(), seed=SEEDS, limit=st.sampled_from([5, 30, 1000]))
def test_parts_merged_in_any_order_are_as_one_whether_binned_or_not(data, seed, limit):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "MAX_EXACT_SCORES", limit)
        rng = np.random.default_rng(seed)
        y_true, scores = rng.integers(0, 2, 40), np.round(rng.uniform(size=40), data.draw(st.sampled_from([1, 6])))
        one = ClassCounts("binary", scores="probabilities")
        one.update(y_true, scores)
        total = ClassCounts("binary", scores="probabilities")
        for index in data.draw(st.permutations(np.array_split(rng.permutation(40), 4))):
            piece = ClassCounts("binary", scores="probabilities")
            piece.update(y_true[index], scores[index])
            total.merge(piece)
        assert total.compute() == one.compute()
        assert total.bounds() == one.bounds()


def test_scores_of_nan_are_left_out_of_the_ranking():
    counts = ClassCounts("binary", scores="logits")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts.update([0, 1, 1], [-1.0, np.nan, 2.0])
    assert areas(counts) == {"auc": 1.0, "average_precision": 1.0}
    assert counts.unreadable == 1
