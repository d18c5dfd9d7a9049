"""The replay made of a trace, and whether the device waits for launches."""

import pytest

from perfkit.advise.traced_step import of_step, waiting

NAMES = ("step_s", "kernels", "host_operators", "device_breakdown")


def test_what_lies_outside_the_traced_step_is_not_saved(gpu_step):
    """Half of the mean step is evaluation: halving the other half saves a quarter."""
    facts = gpu_step({"fp32": 0.1}, {})
    inputs = (facts["kernels"], facts["host_operators"], facts["device_breakdown"])
    assert of_step(0.2, *inputs).faster(["matmul fp32"], (2.0, 2.0)).saves().high == pytest.approx(0.25)


def test_launching_is_known_where_it_is_the_limit_and_else_within_bounds(gpu_step):
    bound = gpu_step({"bf16": 0.02}, {"launch": 0.08}, launching=0.3)
    free = gpu_step({"bf16": 0.10}, {}, launching=0.05)
    known, bounded = (of_step(*(facts[name] for name in NAMES)) for facts in (bound, free))
    assert known.best.launch == known.worst.launch == pytest.approx(0.10)
    assert bounded.best.launch < bounded.worst.launch == pytest.approx(0.05)


def asked(facts, **changes):
    given = {"breakdown": None, "dilation": None, **{name: facts[name] for name in NAMES}, **changes}
    return waiting(**given)


def test_a_device_that_waits_for_launches_says_for_how_long(gpu_step):
    seen = asked(gpu_step({"fp32": 0.02}, {"launch": 0.07, "other": 0.01}))
    assert seen.idle == pytest.approx(0.7) and seen.busy == pytest.approx(0.2) and len(seen.replays) == 1


def test_what_tracing_may_have_added_is_taken_off_the_wait(gpu_step):
    """100 ms under the profiler, 50 to 100 without: then 20 of 50 ms are waiting for launches."""
    seen = asked(gpu_step({"fp32": 0.03}, {"launch": 0.07}), dilation=(1.0, 2.0))
    assert seen.idle == pytest.approx(0.4) and seen.busy == pytest.approx(0.6)
    assert [replay.before_s for replay in seen.replays] == pytest.approx([0.10, 0.05])


def test_of_a_compiled_step_under_the_profiler_nothing_is_known(gpu_step):
    facts = gpu_step({"triton": 0.03}, {"launch": 0.07})
    assert asked(facts, dilation=(1.0, 1.2)) is None and asked(facts).idle == pytest.approx(0.7)


def test_a_host_that_hardly_launches_is_not_waited_for_because_of_launches(gpu_step):
    assert asked(gpu_step({"fp32": 0.03}, {"launch": 0.07}, calls=10.0)) is None


def test_a_change_saves_what_it_saves_whichever_length_the_step_has(gpu_step):
    seen = asked(gpu_step({"fp32": 0.03}, {"launch": 0.07}), dilation=(1.0, 2.0))
    saves = seen.saves(lambda before: before.launches((0.1, 0.1)))
    assert saves.high == pytest.approx(0.7) and saves.low == pytest.approx(0.4)
