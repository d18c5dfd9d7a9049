"""The synchronisation rule: waits that let the device run dry."""

import pytest

WAIT = {
    "name": "cudaStreamSynchronize", "operator": "aten::item", "module": None, "line": "train.py:31", "cause": "sync",
    "calls_per_step": 1.0, "seconds_per_step": 0.05, "exposed_idle_seconds_per_step": 0.02,
}  # fmt: skip
FACTS = ({"fp32": 0.06}, {"sync": 0.02, "launch": 0.02})


def test_it_names_who_waits_and_where(ask, gpu_step):
    said = ask("synchronisation", **gpu_step(*FACTS), syncs=[WAIT])
    assert "item" in said.title and said.evidence["at"] == "train.py:31"
    assert said.saves.low == pytest.approx(0.08) and said.saves.high == pytest.approx(0.20)


def test_the_line_may_come_from_the_script_itself(ask, gpu_step):
    seen = [{"fact": "item-in-loop", "file": "train.py", "line": 12}]
    said = ask("synchronisation", **gpu_step(*FACTS), syncs=[{**WAIT, "line": None}], script_facts=seen)
    assert said.evidence["at"] == "train.py:12"


def test_a_wait_that_costs_the_device_nothing_is_left_alone(ask, gpu_step):
    assert ask("synchronisation", **gpu_step(*FACTS), syncs=[{**WAIT, "exposed_idle_seconds_per_step": 0.001}]) is None


def test_waits_for_uploads_are_another_rules_matter(ask, gpu_step):
    assert ask("synchronisation", **gpu_step(*FACTS), syncs=[{**WAIT, "cause": "copy"}]) is None


def test_a_script_that_never_waits_is_the_cure_applied(ask, gpu_step):
    assert ask("synchronisation", **gpu_step(*FACTS), syncs=[]) is None
