"""What findings could give together, on literal findings and steps."""

import pytest

from perfkit.advise.evidence import Evidence
from perfkit.advise.together import _OF_CAUSE, POOLS, spread, step_pools, together
from perfkit.model.records import CAUSES, Finding, Interval


def finding(cause, low, high, **changes):
    given = {
        "rule": cause, "cause": cause, "title": cause, "evidence": {}, "saves": Interval(low=low, high=high),
        "confidence": "high", "fix": None, "how": "", **changes,
    }  # fmt: skip
    return Finding(**given)


@pytest.fixture
def step(phases):
    """A step of which 40 % wait for data, 20 % compute forward, 30 % backward and 10 % optimize."""
    return Evidence.literal(breakdown=phases(data=0.04, forward=0.02, backward=0.03, optimizer=0.01))


@pytest.fixture
def on_a_device():
    rows = [("matmul", "busy", 0.5), ("elementwise", "busy", 0.2), ("launch", "idle", 0.2), ("input", "idle", 0.1)]
    made = [{"name": n, "kind": k, "share": s, "seconds_per_step": s / 10} for n, k, s in rows]
    return Evidence.literal(device_breakdown=made)


def test_without_findings_there_is_nothing_to_say(step):
    assert together([], step) is None


def test_one_finding_gives_what_it_gives_alone(step):
    said = together([finding("input", 0.3, 0.4)], step)
    assert said.low == pytest.approx(0.3) and said.high == pytest.approx(0.4)


def test_gains_from_different_parts_of_the_step_add_up(step):
    said = together([finding("input", 0.3, 0.4), finding("optimizer", 0.05, 0.08)], step)
    assert said.low == pytest.approx(0.35) and said.high == pytest.approx(0.48)


def test_gains_from_the_same_part_are_not_added_up(step):
    """Half of the compute, twice: a quarter is left at best; at worst both mean the same half."""
    pair = [finding("precision", 0.25, 0.25), finding("kernel", 0.25, 0.25)]
    said = together(pair, step)
    assert said.low == pytest.approx(0.25) and said.high == pytest.approx(0.375)


def test_of_alternatives_only_the_best_counts(step):
    pair = [
        finding("precision", 0.2, 0.3, alternatives="format"),
        finding("precision", 0.25, 0.3, alternatives="format"),
    ]
    said = together(pair, step)
    assert said.low == pytest.approx(0.25) and said.high == pytest.approx(0.3)


def test_a_finding_may_say_itself_what_it_takes_from(step):
    pair = [finding("input", 0.3, 0.3), finding("python", 0.1, 0.1, takes={"data": 1.0})]
    assert together(pair, step).high < 0.4


def test_it_is_never_more_than_the_whole_step(step):
    every = [finding(cause, 0.9, 1.0) for cause in CAUSES]
    said = together(every, step)
    assert 0.9 <= said.low <= said.high <= 1.0


def test_it_is_never_less_than_the_best_of_them_alone(step):
    """A gain larger than its part of the step, as by a larger batch, flows over into the others."""
    said = together([finding("optimizer", 0.6, 0.7), finding("logging", 0.05, 0.1)], step)
    assert said.low >= 0.6 and said.high >= 0.7


def test_findings_about_the_whole_run_are_not_mixed_into_the_step(step):
    run = finding("startup", 0.8, 0.9, basis="run")
    assert together([run, finding("input", 0.3, 0.4)], step).high == pytest.approx(0.4)
    assert together([run], step).high == pytest.approx(0.9)


def test_pools_of_a_device_replace_the_compute_phases(on_a_device, phases):
    both = Evidence.literal(
        breakdown=phases(data=0.5, forward=0.3, backward=0.2), device_breakdown=on_a_device.device_breakdown
    )
    pools = step_pools(both)
    assert pools["data"] == pytest.approx(0.5) and "forward" not in pools
    assert pools["matrix"] == pytest.approx(0.5 * 0.5 / 0.9) and sum(pools.values()) == pytest.approx(1)


def test_an_imported_trace_has_its_pools_from_the_device_alone(on_a_device):
    assert step_pools(on_a_device) == pytest.approx({"matrix": 0.5, "device": 0.2, "launch": 0.2, "data": 0.1})


def test_faster_products_and_fewer_launches_add_up_on_a_device(on_a_device):
    said = together([finding("precision", 0.3, 0.4), finding("launch", 0.1, 0.2)], on_a_device)
    assert said.low == pytest.approx(0.4) and said.high == pytest.approx(0.6)


def test_every_cause_takes_from_pools_that_there_are():
    assert {name for names in _OF_CAUSE.values() for name in names} <= set(POOLS)


def test_what_a_pool_cannot_hold_flows_over():
    takes = spread(0.5, {"launch": 1.0}, {"launch": 0.2, "matrix": 0.6, "device": 0.2})
    assert takes == pytest.approx({"launch": 0.2, "matrix": 0.225, "device": 0.075})
