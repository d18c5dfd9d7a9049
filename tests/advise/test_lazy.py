"""Facts are computed once, and one that cannot be had has its reason."""

import pytest

from perfkit.advise.evidence import Evidence
from perfkit.advise.lazy import Absent, Facts, Unavailable, lazy


class Sample(Facts):
    computed = 0

    @lazy
    def answer(self):
        """The answer."""
        self.computed += 1
        return 42

    @lazy
    def missing(self):
        raise Unavailable("it is night")

    @lazy
    def nothing(self):
        raise Absent("there is none")

    @lazy
    def of_nothing(self):
        return self.need("nothing") + 1

    @lazy
    def follows(self):
        return self.need("missing") + 1

    @lazy
    def broken(self):
        return {}["no such key"]


def test_a_fact_is_computed_once():
    sample = Sample()
    assert (sample.answer, sample.answer, sample.computed) == (42, 42, 1)


def test_a_missing_fact_says_why_and_so_does_what_rests_on_it():
    sample = Sample()
    assert sample.follows is None
    assert sample.why("missing") == sample.why("follows") == "it is night"


def test_what_is_known_to_be_absent_is_told_from_what_is_unknown():
    sample = Sample()
    assert sample.is_absent("nothing") and sample.is_absent("of_nothing") and not sample.is_absent("missing")


def test_a_given_value_is_not_computed():
    sample = Sample({"missing": 1})
    assert sample.follows == 2


def test_a_literal_object_computes_nothing():
    sample = Sample({"missing": 1}, literal=True)
    assert sample.answer is None and sample.why("answer") == "not among the evidence given"


def test_a_misspelt_fact_is_refused():
    with pytest.raises(TypeError, match="no such evidence: laoder"):
        Evidence.literal(laoder={})


def test_a_fault_costs_its_fact_only_and_is_never_hidden(monkeypatch):
    monkeypatch.delenv("PERFKIT_DEBUG")
    sample = Sample()
    assert sample.broken is None and sample.answer == 42
    assert "KeyError" in sample.faults["broken"] and "KeyError" in sample.why("broken")


def test_a_fault_is_raised_for_those_who_look_for_it():
    with pytest.raises(KeyError):
        _ = Sample().broken
