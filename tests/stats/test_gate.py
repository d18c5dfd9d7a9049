import math

import numpy as np
import pytest
from scipy.stats import wilcoxon

from perfkit.stats import gate
from perfkit.stats.gate import Rule


def sequential(chance, shift, sigma, rule=None):
    """The verdict on a benchmark whose pairs differ by *shift* (log), looked at as a gate does."""
    rule = rule or Rule()
    differences = []
    for number in range(1, max(rule.looks) + 1):
        differences.append(chance.normal(shift, sigma))
        if number in rule.looks:
            found = gate.judged(differences, rule, rule.allowance * rule.looks[number])
            if found.verdict != "inconclusive":
                return found.verdict, number
    return "inconclusive", number


def rates(shift, sigma, runs=400):
    chance = np.random.default_rng(0)
    found = [sequential(chance, shift, sigma) for _ in range(runs)]
    verdicts = [verdict for verdict, _ in found]
    return {name: verdicts.count(name) / runs for name in set(verdicts)}, float(np.mean([pairs for _, pairs in found]))


def test_nothing_is_called_the_same_and_hardly_ever_slower_at_little_cost():
    found, pairs = rates(0.0, 0.01)
    assert found.get("regressed", 0) == 0
    assert found["same"] > 0.95
    assert pairs < 11


def test_five_percent_are_found_and_never_called_the_same():
    found, _ = rates(math.log1p(0.05), 0.01)
    assert found["regressed"] > 0.99
    found, _ = rates(math.log1p(0.05), 0.03)
    assert found["regressed"] > 0.8
    assert found.get("same", 0) == 0


def test_a_gain_is_told_too_and_noise_leaves_it_open():
    found, _ = rates(math.log1p(-0.05), 0.01)
    assert found["improved"] > 0.95
    found, _ = rates(math.log1p(0.03), 0.2, runs=100)
    assert found.get("regressed", 0) < 0.05
    assert found["inconclusive"] > 0.8


def test_no_verdict_before_its_look():
    assert gate.judged([0.1] * 7, Rule(), 0.0).verdict == "inconclusive"
    assert gate.judged([0.1] * 8, Rule(), 0.004).verdict == "regressed"
    assert gate.judged([0.0] * 8, Rule(), 0.0).verdict == "same"
    few = gate.judged([0.1] * 3, Rule(), 0.0)
    assert (few.low, few.high) == (None, None)
    assert few.change == pytest.approx(math.expm1(0.1))


@pytest.mark.parametrize("seed", range(5))
def test_the_p_value_is_that_of_the_signed_rank_test(seed):
    values = np.random.default_rng(seed).normal(0.02, 0.03, 12)
    assert gate.p_value(values, 0.01) == pytest.approx(
        wilcoxon(values - 0.01, alternative="greater", method="exact").pvalue
    )


def test_without_pairs_nothing_is_confirmed():
    assert gate.p_value([], 0.0) == 1.0


def test_holm_stops_at_the_first_that_fails():
    # 0.01 ≤ 0.05 / 4, 0.013 ≤ 0.05 / 3, 0.03 > 0.05 / 2: the last two stand or fall together.
    assert gate.confirmed({"a": 0.01, "b": 0.013, "c": 0.03, "d": 0.04}, 0.05) == {"a", "b"}
    assert gate.confirmed({"a": 0.02}, 0.05) == {"a"}
    assert gate.confirmed({}, 0.05) == set()


def test_enough_pairs_are_taken_for_the_first_comparison():
    for flagged in (1, 3, 20):
        assert 2.0 ** -gate.confirming_pairs(flagged, 0.05) <= 0.05 / flagged
