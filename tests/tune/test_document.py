"""Rows of a tune's document."""

from perfkit.model.records import Finding, Fix, Interval
from perfkit.tune import document
from perfkit.tune.candidates import Candidate


def finding(rule):
    return Finding(
        rule=rule, cause="input", title="Do it", evidence={}, saves=Interval(low=0.1, high=0.2), confidence="low", fix=None, how="do()",
    )  # fmt: skip


def test_samples_that_are_kept_need_no_cheaper_preparing():
    kept = Candidate(label="samples kept in memory", fixes=(Fix(name="sample-cache"),))
    left = [finding("input"), finding("collate")]
    assert [row["rule"] for row in document.by_hand(left, [kept])] == ["collate"]
    assert [row["rule"] for row in document.by_hand(left, [])] == ["input", "collate"]


def test_the_baseline_is_the_geometric_mean_of_its_processes(machine):
    search = machine({"a": 0.1}).search()
    search.run()
    measured = search.trials["baseline"]
    row = document.baseline("run-1", measured, measured[0].figures)
    assert row["processes"] == len(measured) > 1
    assert min(t.figures.seconds for t in measured) < row["seconds"] < max(t.figures.seconds for t in measured)
    untried = document.baseline("run-1", [], measured[0].figures)
    assert (untried["processes"], untried["seconds"]) == (0, measured[0].figures.seconds)
