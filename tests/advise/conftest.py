"""Faults in an analysis are raised here, not reported."""

import pytest

from perfkit.advise.evidence import Evidence
from perfkit.advise.registry import all_rules, judge


@pytest.fixture(autouse=True)
def raise_faults(monkeypatch):
    monkeypatch.setenv("PERFKIT_DEBUG", "1")


@pytest.fixture
def ask():
    """``ask("input", loader={...}, cores=8)``: what a rule says of literal evidence."""

    def ask(rule, **given):
        return judge(all_rules()[rule], Evidence.literal(**given))

    return ask


@pytest.fixture
def phases():
    """``phases(data=0.06, forward=0.04)``: a breakdown of these seconds per step."""

    def phases(**seconds):
        total = sum(seconds.values())
        return [{"name": n, "seconds_per_step": s, "share": s / total} for n, s in seconds.items()]

    return phases
