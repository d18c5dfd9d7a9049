"""The document of any run: all its keys, figures that are right, and a reason for each that is missing."""

import json
import os
import shutil
from pathlib import Path

import pytest

from perfkit import api
from perfkit.advise.registry import Advice
from perfkit.errors import NewerSchema
from perfkit.model.records import Collector, Finding, Interval
from perfkit.report.document import compose, encode
from perfkit.runs.reader import Run
from perfkit.trace.importer import import_trace

DATA = Path(__file__).parents[1] / "data" / "traces"

# What DESIGN promises; other keys may be added.
KEYS = {
    "schema_version": (), "run": ("id", "path", "command", "status", "exit_code"), "host": (), "devices": (),
    "framework": ("name", "version", "backend"), "mode": (), "run_breakdown": (),
    "steps": ("count", "steady_count", "median_s", "p95_s", "samples_per_s", "tokens_per_s"), "breakdown": (),
    "device_breakdown": (), "hotspots": (), "memory": ("host_peak_bytes", "device_peak_bytes"), "utilization": (),
    "energy": ("joules_per_step",), "findings": (), "ranks": (), "unavailable": (), "collectors": (),
    "overhead": ("startup_s", "per_step_s", "window_s", "share"),
}  # fmt: skip


def nulls(node, path=""):
    """Paths of all nulls, as ``unavailable`` writes them."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        below = f"{path}[]" if isinstance(node, list) else f"{path}.{key}" if path else key
        if value is None:
            yield below
        elif isinstance(value, dict | list):
            yield from nulls(value, below)


def check_whole(document):
    """All promised keys are there, every null has a reason, and it survives JSON."""
    for key, inner in KEYS.items():
        assert key in document and all(name in document[key] for name in inner)
    missing = set(nulls(document)) - set(document["unavailable"])
    assert not missing
    assert all(isinstance(reason, str) and reason for reason in document["unavailable"].values())
    assert json.loads(encode(document)) == json.loads(encode(document, indent=0))


def test_every_key_is_on_the_page_that_documents_them(make_run):
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    document = api.document(make_run())
    for key in document:
        assert f"| `{key}" in page, key
    for key in ("run", "steps", "overhead", "memory"):
        for inner in set(document[key]) - {"how"}:
            assert f"`{inner}" in page, f"{key}.{inner}"


def test_figures_of_a_plain_training_run(make_run):
    document = api.document(make_run(steps=60))
    check_whole(document)
    assert document["mode"] == "training"
    assert document["steps"]["count"] == 60
    assert document["steps"]["median_s"] == pytest.approx(0.010, rel=1e-6)
    assert document["steps"]["samples_per_s"] == pytest.approx(3200, rel=1e-6)
    shares = {row["name"]: row["share"] for row in document["breakdown"]}
    assert shares["data"] == pytest.approx(0.6, abs=1e-6) and sum(shares.values()) == pytest.approx(1)
    assert document["framework"] == {"name": "torch", "version": "2.13.0+cpu", "backend": None}
    assert document["findings"][0]["rule"] == "input"
    assert set(document["findings"][0]["saves"]) == {"low", "high"}


def test_one_finding_has_nothing_to_be_added_to(make_run):
    advice = Advice(findings=[cure("input", 0.4, 0.5)], count=1)
    document = compose(api.evidence(make_run(steps=60)), advice)
    assert document["together"] is None
    assert document["unavailable"]["together"] == "there are no two findings to add up"


def test_two_findings_are_added_up_by_the_parts_of_the_step_they_take_from(make_run):
    run = make_run(steps=60)
    advice = Advice(findings=[cure("input", 0.4, 0.5), cure("optimizer", 0.02, 0.04)], count=2)
    document = compose(api.evidence(run), advice)
    assert document["together"]["low"] == pytest.approx(0.42) and document["together"]["high"] == pytest.approx(0.54)
    assert document["together"]["basis"] == "steady" and document["together"]["findings"] == 2
    check_whole(document)


def test_a_warning_that_saves_no_time_is_not_added_up(make_run):
    advice = Advice(findings=[cure("input", 0.4, 0.5), cure("memory", 0.0, 0.0)], count=2)
    assert compose(api.evidence(make_run(steps=60)), advice)["together"] is None


def cure(cause, low, high):
    saves = Interval(low=low, high=high)
    given = {"rule": cause, "cause": cause, "title": cause, "evidence": {}, "confidence": "low", "fix": None, "how": ""}
    return Finding(saves=saves, **given)


def test_each_rank_has_its_own_step_times(make_run):
    run = make_run(ranks=2)
    document = api.document(run)
    check_whole(document)
    assert [(row["rank"], row["steps"]) for row in document["ranks"]] == [(0, 60), (1, 60)]
    assert all(row["median_s"] == pytest.approx(0.010, rel=1e-6) for row in document["ranks"])
    assert document["ranks"][0]["pid"] == os.getpid()


def test_a_run_that_never_stepped(make_run):
    guest = Collector(name="guest", state="off", reason="torch was not imported")
    document = api.document(make_run(steps=0, status="failed", exit_code=1, collectors=[guest]))
    check_whole(document)
    assert document["run"]["status"] == "failed" and document["steps"]["median_s"] is None
    assert document["unavailable"]["steps.median_s"] == "torch was not imported"
    assert document["run_breakdown"]


def test_a_killed_run_with_a_torn_tail(make_run):
    run = make_run(steps=40, status="killed", exit_code=137, end=False)
    file = run.path / "rank-00000" / "marks.bin"
    file.write_bytes(file.read_bytes()[:-13])
    document = api.document(run)
    check_whole(document)
    assert document["run"]["status"] == "killed" and document["steps"]["count"] == 39


def test_a_run_still_going(make_run):
    run = make_run(status="running", exit_code=None, end=False, info={"pid": os.getpid(), "ended_monotonic_ns": None})
    document = api.document(run)
    check_whole(document)
    assert document["unavailable"]["run.exit_code"] == "the run is still going"


def test_three_steps_are_too_few_to_be_steady_and_that_is_no_error(make_run):
    document = api.document(make_run(steps=3))
    check_whole(document)
    assert document["steps"]["count"] == 3


@pytest.mark.parametrize("file", sorted(DATA.glob("*.json.gz")), ids=lambda file: file.name)
def test_an_imported_trace(file, tmp_path):
    from perfkit.trace.importer import import_trace

    imported = import_trace(file, tmp_path)
    document = api.document(Run(getattr(imported, "path", imported)))
    check_whole(document)
    assert document["hotspots"] and document["device_breakdown"]
    assert sum(row["share"] for row in document["device_breakdown"]) == pytest.approx(1, abs=0.01)
    assert "imported" in document["unavailable"]["steps.median_s"]


def test_facts_and_files_that_are_damaged_cost_themselves_only(make_run):
    run = make_run()
    (run.path / "rank-00000" / "facts.jsonl").write_text("{torn\n\x00\xff\n[1]\n")
    (run.path / "host.jsonl").write_text('{"t": 1}\n{"oops"')
    (run.path / "stacks.json").write_text("[")
    (run.path / "rank-00000" / "trace-000.json").write_text("{}")
    document = api.document(Run(run.path))
    check_whole(document)
    assert document["steps"]["median_s"] == pytest.approx(0.010, rel=1e-6)
    assert document["hotspots"] == [] and "trace-000.json" in document["unavailable"]["hotspots"]


def test_a_newer_run_is_refused(make_run):
    run = make_run()
    file = run.path / "run.json"
    file.write_text(file.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(NewerSchema, match="upgrade"):
        api.document(Run(run.path))


def test_it_reads_a_run_moved_to_another_place(make_run, tmp_path):
    run = make_run()
    moved = tmp_path / "elsewhere"
    shutil.move(run.path, moved)
    assert api.document(Run(moved))["steps"]["count"] == 60


def test_a_trace_on_a_known_device_says_what_limits_it(tmp_path):
    trace = Path(__file__).parents[1] / "data" / "traces" / "bert_inf_fp32_b1.json.gz"
    document = api.document(Run(import_trace(trace, tmp_path, step_time_s=0.009138).path))
    check_whole(document)
    assert document["hotspots"][0]["bound"] == "compute"
    assert document["mfu"]["peak"] == "fp32, dense, H100 SXM5"
    assert document["launches"]["kernels_per_step"] == 273
    assert document["unavailable"]["copies"] == "the traced steps have no copies"
    assert document["memory"]["held"] is None


def test_without_a_trace_the_devices_figures_say_why_they_are_missing(make_run):
    document = api.document(make_run())
    check_whole(document)
    for key in ("mfu", "launches", "copies", "syncs"):
        assert document["unavailable"][key] == "no trace window was recorded", key
    assert document["memory"]["out_of_memory"] is None
    assert document["unavailable"]["memory.out_of_memory"] == "it did not die for want of memory"
