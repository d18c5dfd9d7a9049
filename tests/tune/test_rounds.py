import math

import numpy as np
import pytest

from perfkit.tune.rounds import observations
from perfkit.tune.trial import BASELINE

from .conftest import trial

SAVES = 0.05


def in_turns(number, *, sigma=0.2, legs=40, seed=0):
    """A baseline and what saves 5 %, on a machine that is slow now and then: for both alike, leg by leg."""
    chance = np.random.default_rng(seed)
    slow = chance.normal(0, sigma, legs)
    made = []
    for arm, saves in ((BASELINE, 0.0), ("a", SAVES)):
        values = math.log(0.01 * (1 - saves)) + slow + chance.normal(0, 0.01, legs)
        # What it saw of the machine when nobody looked at both: the same, and something of its own.
        seconds = math.exp(float(np.median(values)) + chance.normal(0, sigma))
        made.append(trial(arm, number, seconds, legs=list(values)))
    return made


def difference(found):
    values = {each.arm: each.value for each in found}
    return values["a"] - values[BASELINE]


def test_what_slows_the_machine_down_leg_by_leg_falls_out():
    base, other = in_turns(0)
    assert difference(observations({BASELINE: [base], "a": [other]})) == pytest.approx(math.log1p(-SAVES), abs=0.005)
    assert abs(math.log(other.figures.seconds / base.figures.seconds) - math.log1p(-SAVES)) > 0.02


def test_processes_that_ran_one_after_the_other_are_compared_as_they_are():
    base, other = trial(BASELINE, 0, 0.010), trial("a", 0, 0.008)
    assert difference(observations({BASELINE: [base], "a": [other]})) == pytest.approx(math.log(0.8))


def test_legs_that_one_of_them_has_not_are_left_out_and_too_few_say_nothing():
    base = trial(BASELINE, 0, 1.0, legs=[0.0, None, 0.0, 0.0, 0.0])
    other = trial("a", 0, 0.5, legs=[-0.1, -9.0, -0.1, -0.1])
    assert difference(observations({BASELINE: [base], "a": [other]})) == pytest.approx(-0.1)
    short = trial("a", 0, 0.5, legs=[-0.1, None, -0.1])
    assert difference(observations({BASELINE: [base], "a": [short]})) == pytest.approx(math.log(0.5))


def test_each_round_has_a_baseline_of_its_own_and_what_was_not_measured_is_no_observation():
    (base, other), (base2, other2) = in_turns(0, seed=1), in_turns(1, seed=2)
    failed = trial("b", 0, None, state="failed", reason="out of memory")
    found = observations({BASELINE: [base, base2], "a": [other, other2], "b": [failed]})
    assert [(each.arm, each.round) for each in found] == [(BASELINE, 0), (BASELINE, 1), ("a", 0), ("a", 1)]
    values = {(each.arm, each.round): each.value for each in found}
    for number in (0, 1):
        assert values["a", number] - values[BASELINE, number] == pytest.approx(math.log1p(-SAVES), abs=0.01)
