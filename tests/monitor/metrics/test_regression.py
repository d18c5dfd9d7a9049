"""Regression metrics: those of scikit-learn, also far from 0 and whatever the batches."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.errors import MonitorError, UsageError
from perfkit.monitor.metrics import RegressionSums

sklearn = pytest.importorskip("sklearn.metrics")

EXACT = 1e-12
FUNCTIONS = {
    "mae": sklearn.mean_absolute_error, "mse": sklearn.mean_squared_error, "rmse": sklearn.root_mean_squared_error,
    "r2": sklearn.r2_score,
}  # fmt: skip
SEEDS = st.integers(0, 2**32 - 1)


def batches(data, n):
    bounds = [0, *sorted(data.draw(st.lists(st.integers(0, n), max_size=5))), n]
    return list(pairwise(bounds))


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(), seed=SEEDS, n=st.integers(2, 80), outputs=st.sampled_from([0, 1, 3]), offset=st.sampled_from([0, 1.0, -1e4, 1e8]),
    noise=st.sampled_from([1e-3, 1.0, 10.0]), each=st.booleans(),
)  # fmt: skip
def test_metrics_equal_sklearn(data, seed, n, outputs, offset, noise, each):
    rng = np.random.default_rng(seed)
    shape = (n, outputs) if outputs else (n,)
    y_true = rng.normal(size=shape) + offset
    y_pred = y_true + noise * rng.normal(size=shape)
    sums = RegressionSums(outputs="each" if each else "mean")
    for low, high in batches(data, n):
        sums.update(y_true[low:high], y_pred[low:high])
    found = sums.compute()
    for name, function in FUNCTIONS.items():
        wanted = np.atleast_1d(function(y_true, y_pred, multioutput="raw_values" if each else "uniform_average"))
        got = [found[f"{name}[{i}]"] for i in range(len(wanted))] if each else [found[name]]
        assert got == pytest.approx(wanted.tolist(), rel=EXACT, abs=EXACT), name
    assert sums.count == n


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=SEEDS, parts=st.integers(1, 6), offset=st.sampled_from([0, 1e8]))
def test_parts_merged_in_any_order_are_as_one(data, seed, parts, offset):
    rng = np.random.default_rng(seed)
    y_true, y_pred = rng.normal(size=(2, 50, 2)) + offset
    pieces = []
    for index in np.array_split(rng.permutation(50), parts):
        piece = RegressionSums()
        piece.update(y_true[index], y_pred[index])
        pieces.append(piece)
    total = RegressionSums()
    for piece in data.draw(st.permutations(pieces)):
        total.merge(piece)
    one = RegressionSums()
    one.update(y_true, y_pred)
    assert total.compute() == pytest.approx(one.compute(), rel=EXACT, abs=EXACT)


def test_far_from_zero_they_equal_exact_arithmetic():
    """At 1e12 a mean in one float is off by so much that scikit-learn's own R² has seven digits only."""
    rng = np.random.default_rng(5)
    y_true = rng.normal(size=40) + 1e12
    y_pred = y_true + rng.normal(size=40)
    sums = RegressionSums()
    for i in range(0, 40, 3):
        sums.update(y_true[i : i + 3], y_pred[i : i + 3])
    true, pred = [Fraction(v) for v in y_true.tolist()], [Fraction(v) for v in y_pred.tolist()]
    mean = sum(true) / 40
    residual = sum((t - p) ** 2 for t, p in zip(true, pred, strict=True))
    exact = 1 - residual / sum((t - mean) ** 2 for t in true)
    assert sums.compute()["r2"] == pytest.approx(float(exact), rel=EXACT)


def test_an_outlier_at_first_costs_no_digits():
    """The variance is not held against the first value, which may lie anywhere."""
    rng = np.random.default_rng(3)
    y_true = np.concatenate([[0.0], rng.normal(size=500) + 1e8])
    y_pred = y_true + rng.normal(size=501)
    sums = RegressionSums()
    for i in range(0, 501, 10):
        sums.update(y_true[i : i + 10], y_pred[i : i + 10])
    assert sums.compute()["r2"] == pytest.approx(sklearn.r2_score(y_true, y_pred), rel=EXACT, abs=EXACT)


def test_many_batches_of_one_sample_lose_nothing():
    """Plain running sums of 2,000 values lose digits; these keep them."""
    values = np.full(2_000, 0.1)
    sums = RegressionSums()
    for value in values:
        sums.update([value], [0.0])
    assert sums.compute()["mae"] == 0.1
    assert sum(values.tolist()) / 2_000 != 0.1


@pytest.mark.parametrize(("pred", "r2"), [([5.0, 5.0, 5.0], 1.0), ([5.0, 5.0, 6.0], 0.0)])
def test_a_constant_truth_is_explained_wholly_or_not_at_all(pred, r2):
    sums = RegressionSums()
    for value in pred:
        sums.update([5.0], [value])
    assert sums.compute()["r2"] == r2 == sklearn.r2_score([5.0] * 3, pred)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e8 + 0.1])
def test_a_constant_that_no_float_holds_exactly_is_constant_too(value):
    sums = RegressionSums()
    for n in (3, 7, 1):
        sums.update([value] * n, [value] * n)
    assert sums.compute() == {"mae": 0.0, "mse": 0.0, "rmse": 0.0, "r2": 1.0}


def test_one_sample_has_no_r2_and_none_has_nothing():
    sums = RegressionSums()
    assert sums.compute() == {}
    sums.update([1.0], [3.0])
    assert sums.compute() == {"mae": 2.0, "mse": 4.0, "rmse": 2.0}
    sums.reset()
    assert sums.compute() == {}


@pytest.mark.parametrize(("pred", "mae"), [([1.0, math.nan], math.nan), ([1.0, math.inf], math.inf)])
def test_a_diverged_model_is_told_by_its_metrics(pred, mae):
    sums = RegressionSums()
    sums.update([1.0, 1.0], pred)
    sums.update([1.0], [1.0])
    assert sums.compute()["mae"] == pytest.approx(mae, nan_ok=True)


def test_a_column_beside_a_vector_is_not_broadcast():
    sums = RegressionSums()
    sums.update([1.0, 2.0, 4.0], [[1.0], [2.0], [4.0]])
    assert sums.compute()["mae"] == 0.0


@pytest.mark.parametrize(
    ("true", "pred", "match"),
    [
        ([1.0, 2.0], [1.0], "2 samples of 1 outputs, y_pred 1 samples of 1 outputs"),
        ([[1.0, 2.0]], [[1.0]], "1 samples of 2 outputs"),
        (["a"], [1.0], "regression needs numbers"),
    ],
)
def test_what_cannot_be_compared_is_refused(true, pred, match):
    with pytest.raises(MonitorError, match=match):
        RegressionSums().update(true, pred)


def test_sums_of_other_outputs_or_settings_are_not_merged():
    one, two = RegressionSums(), RegressionSums()
    one.update([1.0], [1.0])
    two.update([[1.0, 2.0]], [[1.0, 2.0]])
    with pytest.raises(MonitorError, match="there were 1 outputs so far, and now there are 2"):
        one.merge(two)
    with pytest.raises(UsageError, match="set up differently"):
        one.merge(RegressionSums(outputs="each"))
    with pytest.raises(UsageError, match="outputs='raw'"):
        RegressionSums(outputs="raw")
