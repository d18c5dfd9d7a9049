"""The memory_growth rule, judged by literal evidence."""

import pytest

LEAK = {
    "kind": "host", "bytes_per_step": 2.5e6, "low": 2.4e6, "high": 2.6e6, "bytes_per_hour": 1.26e12, "grows": True,
    "steps": 281, "explained": 0.99,
}  # fmt: skip
ROOMY = {"kind": "host", "peak_bytes": 1_000_000_000, "limit_bytes": 25_000_000_000}


def test_it_warns_of_memory_that_will_be_gone_soon(ask):
    said = ask("memory_growth", step_s=0.007, memory_growth=LEAK, memory=ROOMY)
    assert said.warning
    assert said.evidence["memory is full in"] == "1 min"
    assert (said.saves.low, said.saves.high) == pytest.approx((0.0, 0.25), abs=0.001)


@pytest.mark.parametrize(("step_s", "measured"), [(0.0069, 0.95 / 6.9), (0.0129, 0.138)])
def test_the_measured_gain_lies_below_what_is_told_at_most(ask, step_s, measured):
    """Graphs of 2.5 MB kept in each step, on two processors."""
    said = ask("memory_growth", step_s=step_s, memory_growth=LEAK, memory=ROOMY)
    assert measured < said.saves.high <= 0.25


def test_slow_growth_is_told_but_not_first(ask):
    slow = {**LEAK, "bytes_per_step": 1e4, "bytes_per_hour": 1e8}
    said = ask("memory_growth", step_s=0.007, memory_growth=slow, memory=ROOMY)
    assert not said.warning
    assert said.evidence["memory is full in"] == "10 days"


def test_it_quotes_the_habit_that_the_script_shows(ask):
    fact = {"fact": "list-append-loss", "file": "train.py", "line": 9, "code": "losses.append(loss)"}
    said = ask("memory_growth", step_s=0.007, memory_growth=LEAK, script_facts=[fact])
    assert said.evidence["perhaps kept by"] == "train.py:9: losses.append(loss)"


def test_on_a_gpu_it_promises_no_time(ask):
    assert ask("memory_growth", step_s=0.007, memory_growth={**LEAK, "kind": "device"}).saves.high == 0.0


def test_it_is_silent_where_memory_stays(ask):
    assert ask("memory_growth", step_s=0.007, memory_growth={**LEAK, "grows": False}, memory=ROOMY) is None


def test_results_of_an_inference_are_kept_on_purpose(ask):
    given = {"step_s": 0.007, "memory_growth": LEAK, "headline": {"mode": "inference"}}
    assert ask("memory_growth", **given, model={"grad_enabled": 0.0}) is None
    assert ask("memory_growth", **given, model={"grad_enabled": 1.0}) is not None


def test_memory_that_the_compiler_takes_is_none_of_its_business(ask):
    given = {"step_s": 0.007, "memory_growth": LEAK, "compilations": {"in_steady_count": 3}}
    assert ask("memory_growth", **given) is None
