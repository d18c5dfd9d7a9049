"""Rules are found, asked for what they ask for, and ranked."""

import pytest

from perfkit.advise import registry
from perfkit.advise.evidence import Evidence
from perfkit.advise.registry import Rule, advise, all_rules, explain
from perfkit.errors import UsageError
from perfkit.model.records import CAUSES, Finding, Interval


def finding(rule, low, high=0.9):
    return Finding(
        rule=rule, cause="input", title=rule, evidence={}, saves=Interval(low=low, high=high), confidence="low",
        fix=None, how="",
    )  # fmt: skip


@pytest.fixture
def with_rules(monkeypatch):
    """Replace the rules by functions."""

    def replace(**functions):
        made = {
            name: Rule(name=name, manual=name, check=function, asks=asks)
            for name, (function, asks) in functions.items()
        }
        monkeypatch.setattr(registry, "all_rules", lambda: made)

    return replace


def test_every_rule_has_a_manual_that_says_when_it_is_silent():
    assert set(all_rules()) >= {"input", "threads", "precision"}
    for rule in all_rules().values():
        assert "silent" in rule.manual and len(rule.manual) > 300
        assert rule.title and not rule.title.endswith(".")


def test_the_surest_gain_comes_first(with_rules):
    with_rules(
        small=(lambda: finding("small", 0.1), {}),
        large=(lambda: finding("large", 0.4), {}),
        wide=(lambda: finding("wide", 0.1, 0.95), {}),
    )
    assert [f.rule for f in advise(Evidence.literal()).findings] == ["large", "wide", "small"]


def test_a_rule_without_its_evidence_is_skipped_with_the_reason(with_rules):
    with_rules(needy=(lambda cores: finding("needy", 0.5), {"cores": True}))
    advice = advise(Evidence.literal())
    assert advice.findings == [] and advice.skipped == {"needy": "cores: not among the evidence given"}


def test_what_a_rule_can_do_without_is_none_to_it(with_rules):
    with_rules(easy=(lambda cores: finding("easy", 0.5) if cores is None else None, {"cores": False}))
    assert len(advise(Evidence.literal()).findings) == 1


def test_a_broken_rule_does_not_silence_the_others(with_rules, monkeypatch):
    monkeypatch.delenv("PERFKIT_DEBUG")
    with_rules(broken=(lambda: 1 / 0, {}), whole=(lambda: finding("whole", 0.2), {}))
    advice = advise(Evidence.literal())
    assert [f.rule for f in advice.findings] == ["whole"]
    assert advice.failed == {"broken": "ZeroDivisionError: division by zero"}


def test_causes_are_of_the_vocabulary(ask, phases):
    said = ask("input", loader={"num_workers": 0}, cores=8, breakdown=phases(data=0.06, forward=0.04))
    assert said.cause in CAUSES


def test_explaining_an_unknown_rule_names_those_there_are():
    with pytest.raises(UsageError, match=r"no rule 'speed'; there are: .*input.*precision.*threads"):
        explain("speed")
