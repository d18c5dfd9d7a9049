"""The garbage rule, judged by literal evidence."""

import pytest

CALL = {"fact": "gc-collect-in-loop", "file": "train.py", "line": 36, "code": "gc.collect()", "in_loop": True}


def test_it_speaks_when_the_script_collects_in_every_step(ask):
    said = ask("garbage", step_s=0.1, pauses={"seconds_per_step": 0.06, "explicit": True}, script_facts=[CALL])
    assert said.cause == "python" and said.evidence["called at"] == "train.py:36"
    assert (said.saves.low, said.saves.high) == pytest.approx((0.51, 0.66)) and "remove" in said.how


def test_long_collections_of_pythons_own_get_another_cure(ask):
    said = ask("garbage", step_s=0.1, pauses={"seconds_per_step": 0.02, "explicit": False, "longest_s": 0.4})
    assert "gc.freeze" in said.how and said.saves.low == pytest.approx(0.10)


@pytest.mark.parametrize("pauses", [{"seconds_per_step": 0.001}, {"seconds_per_step": 0.0, "explicit": False}])
def test_it_is_silent_when_collections_are_short(ask, pauses):
    assert ask("garbage", step_s=0.1, pauses=pauses, script_facts=[CALL]) is None


def test_without_the_recording_it_cannot_judge(ask):
    assert ask("garbage", step_s=0.1) == "pauses: not among the evidence given"
