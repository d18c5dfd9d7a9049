"""In what order a gate decides: with pairs whose differences are known, no process is needed."""

import numpy as np
import pytest

from perfkit.bench.gate.benchmark import Benchmark
from perfkit.bench.gate.procedure import decide
from perfkit.stats.gate import Rule


class Ran:
    """One side of a pair, as `Benchmark.take` reads it."""

    said = ""

    def __init__(self, seconds, problems=None):
        self.benchmarks = {
            name: {"blocks_s": [value], "settled": True, "outputs": None} for name, value in seconds.items()
        }
        self.problems = problems or {}


class Pairs:
    """Pairs of benchmarks that take longer by *shifts* (log, by name), with some noise."""

    def __init__(self, shifts, sigma=0.005, most=1000, seed=0):
        self.shifts, self.sigma, self.most = shifts, sigma, most
        self.chance = np.random.default_rng(seed)
        self.took_part = []
        self.said = []
        self.found = {name: Benchmark(id=name) for name in shifts}

    def pair(self, still):
        self.took_part.append({each.id for each in still})
        head = {each.id: float(np.exp(self.shifts[each.id] + self.chance.normal(0, self.sigma))) for each in still}
        ran = {"base": Ran(dict.fromkeys(head, 1.0)), "head": Ran(head)}
        for each in still:
            each.take(ran)

    def decide(self, rule=None):
        has_time = lambda: len(self.took_part) < self.most  # noqa: E731
        decide(self.found, rule or Rule(), pair=self.pair, has_time=has_time, say=self.said.append)
        return {name: each.verdict for name, each in self.found.items()}


def test_each_gets_its_verdict_and_no_pair_more_than_it_takes():
    run = Pairs({"slow": 0.05, "fast": -0.05, "same": 0.0})
    assert run.decide() == {"slow": "regressed", "fast": "improved", "same": "same"}
    slow = run.found["slow"]
    assert slow.is_confirmed
    assert (len(slow.differences), len(slow.confirming)) == (8, 8)
    assert len(run.found["same"].differences) == 8
    assert len(run.took_part) == 16
    assert run.took_part[8:] == [{"slow"}] * 8


def test_what_was_flagged_is_confirmed_while_another_is_still_open():
    run = Pairs({"slow": 0.05, "between": 0.0}, most=17)
    usual = run.pair

    def pair(still):
        run.shifts["between"] = 0.2 if len(run.took_part) % 2 else -0.2
        usual(still)

    run.pair = pair
    assert run.decide()["slow"] == "regressed"
    assert run.found["slow"].is_confirmed  # although the time went for the other
    assert run.found["between"].verdict is None


def test_a_pair_that_was_disturbed_costs_a_second_look_and_not_the_regression():
    run = Pairs({"slow": 0.05})
    disturbed = iter([0.0] * 10 + [-0.3])
    usual = run.pair

    def pair(still):
        run.shifts["slow"] = 0.05 + next(disturbed, 0.0)
        usual(still)

    run.pair = pair
    assert run.decide() == {"slow": "regressed"}
    assert len(run.found["slow"].confirming) == 16


def test_what_fresh_pairs_do_not_show_is_left_open():
    run = Pairs({"chance": 0.05})
    usual = run.pair

    def pair(still):
        run.shifts["chance"] = 0.05 if len(run.took_part) < 8 else 0.0
        usual(still)

    run.pair = pair
    assert run.decide() == {"chance": "inconclusive"}
    assert run.found["chance"].why == "slower at first, which fresh pairs did not confirm"
    assert len(run.found["chance"].confirming) == 16


def test_when_no_time_is_left_to_confirm_that_is_said():
    run = Pairs({"slow": 0.05}, most=8)
    assert run.decide() == {"slow": "inconclusive"}
    assert run.found["slow"].why == "slower, and no time was left to confirm it"


def test_many_that_were_flagged_get_the_pairs_that_it_takes_to_confirm_the_first_of_them():
    run = Pairs({f"slow-{number}": 0.05 for number in range(20)})
    assert set(run.decide().values()) == {"regressed"}
    assert {len(each.confirming) for each in run.found.values()} == {10}  # 2⁻¹⁰ < 2.5 % / 20


@pytest.mark.parametrize("sigma", [0.01, 0.03])
def test_of_many_without_a_change_none_is_called_slower(sigma):
    run = Pairs({f"same-{number}": 0.0 for number in range(60)}, sigma=sigma)
    assert "regressed" not in run.decide().values()


def test_what_never_settles_is_not_judged_and_the_reason_goes_when_it_does():
    each = Benchmark(id="x", differences=[0.0] * 8, unsettled=16)
    each.judge(Rule(), 0.004)
    assert each.verdict is None
    assert "never settled" in each.why
    each.differences += [0.0] * 24
    each.judge(Rule(), 0.003)
    assert (each.verdict, each.why) == ("same", "")
