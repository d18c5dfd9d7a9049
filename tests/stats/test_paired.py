import math

import numpy as np
import pytest

from perfkit.stats import paired
from perfkit.stats.paired import Observation


def observe(chance, arms, rounds, *, sigma, drift=0.0, first=0):
    """Rounds in which every arm is run once: a drift common to each round, and each process's own noise."""
    found = []
    for number in range(first, first + rounds):
        common = chance.normal(0, drift)
        found += [
            Observation(arm=arm, round=number, value=level + common + chance.normal(0, sigma))
            for arm, level in arms.items()
        ]
    return found


@pytest.mark.parametrize("count", [5, 8, 13, 20])
@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.004])
def test_a_bound_excludes_what_wilcoxons_test_rejects(count, alpha):
    from scipy.stats import wilcoxon

    chance = np.random.default_rng(count)
    for _ in range(25):
        d = chance.normal(0.02, 0.03, count)
        bounds = paired.signed_rank(d, alpha)
        for shift in (-0.02, 0.0, 0.011, 0.03):
            rejected = wilcoxon(d - shift, alternative="greater", method="exact").pvalue <= alpha
            assert (bounds.low > shift) == rejected
            rejected = wilcoxon(d - shift, alternative="less", method="exact").pvalue <= alpha
            assert (bounds.high < shift) == rejected


def test_the_estimate_is_the_median_of_the_walsh_averages():
    assert paired.hodges_lehmann([1.0, 2.0, 6.0]) == pytest.approx(np.median([1, 1.5, 3.5, 2, 4, 6]))
    assert math.isnan(paired.hodges_lehmann([]))


def test_one_wild_pair_hardly_moves_it():
    calm = [0.10, 0.11, 0.09, 0.10, 0.12, 0.08, 0.10, 0.11]
    assert paired.hodges_lehmann([*calm, 5.0]) == pytest.approx(paired.hodges_lehmann(calm), abs=0.01)


def test_too_few_pairs_bound_nothing():
    bounds = paired.signed_rank([0.1, 0.1, 0.1], 0.025)
    assert (bounds.low, bounds.high) == (-math.inf, math.inf)
    assert paired.least_pairs(0.025) == 6
    assert paired.signed_rank([0.1 + i / 100 for i in range(6)], 0.025).low == pytest.approx(0.10)


def test_the_exact_interval_covers_as_often_as_it_says():
    chance = np.random.default_rng(1)
    for count in (8, 16):
        heavy = chance.standard_t(3, (2000, count)) * 0.01 + 0.03
        inside = [b.low <= 0.03 <= b.high for b in (paired.signed_rank(d, 0.025) for d in heavy)]
        # Exact for symmetric noise of any shape; four standard errors of 2000 trials are 2 points.
        assert 0.93 <= np.mean(inside) <= 0.985


def test_the_pooled_interval_covers_as_often_as_it_says_from_two_rounds_on():
    chance = np.random.default_rng(2)
    arms = {"A": 0.0, "B": -0.2, "C": 0.05}
    inside = []
    for _ in range(1500):
        seen = observe(chance, arms, 2, sigma=0.02, drift=0.3)
        bounds = paired.pooled(seen, "B", "A", 0.025)
        inside.append(bounds.low <= -0.2 <= bounds.high)
    assert 0.93 <= np.mean(inside) <= 0.97


def test_arms_that_left_early_are_compared_through_what_stayed():
    chance = np.random.default_rng(3)
    inside = []
    for _ in range(1000):
        seen = observe(chance, {"A": 0.0, "B": 0.4, "C": -0.1}, 1, sigma=0.01, drift=0.2)
        seen += observe(chance, {"A": 0.0, "C": -0.1}, 4, sigma=0.01, drift=0.2, first=1)
        bounds = paired.pooled(seen, "B", "A", 0.025)
        assert bounds.count == 1
        inside.append(bounds.low <= 0.4 <= bounds.high)
    assert 0.92 <= np.mean(inside) <= 0.975


def test_without_a_repetition_there_is_an_estimate_and_no_interval():
    seen = observe(np.random.default_rng(4), {"A": 0.0, "B": -0.5}, 1, sigma=0.001)
    bounds = paired.pooled(seen, "B", "A", 0.025)
    assert bounds.value == pytest.approx(-0.5, abs=0.01)
    assert bounds.low == -math.inf
    assert math.isnan(paired.pooled(seen, "nobody", "A", 0.025).value)


def test_arms_that_nothing_joins_are_not_compared():
    seen = [Observation(arm="A", round=0, value=1.0), Observation(arm="B", round=1, value=2.0)]
    assert math.isnan(paired.pooled(seen, "B", "A", 0.025).value)


def test_the_pooled_interval_agrees_with_a_paired_t_test_of_two_arms():
    from scipy.stats import ttest_rel

    seen = observe(np.random.default_rng(5), {"A": 0.0, "B": -0.1}, 7, sigma=0.02, drift=0.1)
    values = {arm: [o.value for o in seen if o.arm == arm] for arm in "AB"}
    expected = ttest_rel(values["B"], values["A"]).confidence_interval(0.95)
    bounds = paired.pooled(seen, "B", "A", 0.025)
    assert (bounds.low, bounds.high) == pytest.approx((expected.low, expected.high))


def test_looks_spend_the_whole_allowance_and_no_more():
    for rounds in (1, 2, 3, 4, 5, 8, 11, 16, 40):
        planned = paired.looks(rounds)
        assert sum(planned.values()) == pytest.approx(paired.FALSE_CLAIMS)
        assert max(planned) <= rounds
    assert paired.looks(0) == {}
    assert paired.looks(3) == {3: paired.FALSE_CLAIMS}
    # The exact test can speak at the looks that are meant for it.
    assert paired.least_pairs(paired.looks(16)[8]) <= 8


def claims(chance, level, draws, *, rounds=16, bound=0.01, spiky=0.0):
    """How often B is claimed to be better than A by more than *bound* at any look."""
    plan = paired.looks(rounds)
    kept = 0
    for _ in range(draws):
        seen = observe(chance, {"A": 0.0, "B": level, "C": 0.0}, rounds, sigma=0.01, drift=0.03)
        if spiky:  # a slow process now and then
            seen = [
                Observation(
                    arm=o.arm, round=o.round, value=o.value + chance.exponential(0.15) * (chance.random() < spiky)
                )
                for o in seen
            ]
        kept += any(
            paired.compare([o for o in seen if o.round < number], "B", "A", alpha).high < -bound
            for number, alpha in plan.items()
        )
    return kept / draws


def test_nothing_is_claimed_of_the_same_program():
    assert claims(np.random.default_rng(6), 0.0, 1500) <= 0.002
    assert claims(np.random.default_rng(7), 0.0, 800, spiky=0.05) <= 0.004


def test_five_percent_are_found_on_a_quiet_machine():
    assert claims(np.random.default_rng(8), -0.05, 150) >= 0.95


def test_differences_are_of_rounds_that_hold_both():
    seen = [
        Observation(arm="A", round=0, value=1.0), Observation(arm="B", round=0, value=1.5),
        Observation(arm="A", round=1, value=1.0), Observation(arm="B", round=2, value=9.0),
    ]  # fmt: skip
    assert paired.differences(seen, "B", "A") == [0.5]
