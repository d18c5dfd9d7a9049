"""Peaks from literal samples; the agreement with smaps is shown in tests/launch/test_host.py by real processes."""

import json

import pytest

from perfkit.analyze.host_memory import host_memory
from perfkit.model.records import Collector, RunInfo
from perfkit.runs.reader import Run, write_info


@pytest.fixture
def run(tmp_path):
    def make(*lines, collectors=()):
        text = "".join(json.dumps({"t": i, **line}) + "\n" for i, line in enumerate(lines))
        (tmp_path / "host.jsonl").write_text(text)
        info = RunInfo(
            schema_version=1,
            id="x",
            command=[],
            script="",
            status="finished",
            created_utc="",
            collectors=list(collectors),
        )
        write_info(tmp_path, info)
        return Run(tmp_path)

    return make


def main(rss, high=None):
    return [[1, "main", 0, rss, high or rss]]


def test_of_one_process_it_is_the_high_water_mark(run):
    found = host_memory(run({"n": 1, "rss": 100, "p": main(100, 140)}, {"n": 1, "rss": 120}))
    assert (found["host_peak_bytes"], found["host_rss_peak_bytes"]) == (140, 120)


def test_the_kernels_account_at_the_end_counts(run):
    assert (
        host_memory(run({"n": 1, "rss": 100, "p": main(100)}, {"end": True, "max_rss": 500}))["host_peak_bytes"] == 500
    )


def test_of_several_shared_pages_count_once(run):
    found = host_memory(run({"n": 3, "rss": 300, "pss": 160, "p": main(120)}))
    assert (found["host_peak_bytes"], found["processes"]) == (160, 3)


def test_between_exact_readings_the_shared_part_is_taken_off(run):
    lines = {"n": 3, "rss": 300, "pss": 160, "p": main(120)}, {"n": 3, "rss": 310}
    assert host_memory(run(*lines))["host_peak_bytes"] == 170


def test_a_spike_of_the_largest_process_that_no_sample_saw_is_added(run):
    lines = {"n": 3, "rss": 300, "pss": 160, "p": main(120)}, {"n": 3, "rss": 300, "pss": 160, "p": main(120, 150)}
    assert host_memory(run(*lines))["host_peak_bytes"] == 160 + 30


def test_a_workers_account_is_no_spike_of_the_main_process(run):
    """What wait4 reports at the end is the largest of the process and the children that it waited for."""
    lines = {"n": 3, "rss": 300, "pss": 160, "p": main(80)}, {"end": True, "max_rss": 110}
    assert host_memory(run(*lines))["host_peak_bytes"] == 160


def test_without_samples_the_reason_is_given(run):
    off = Collector(name="host", state="failed", reason="cannot write host.jsonl: No space left on device")
    found = host_memory(run(collectors=[off]))
    assert found["host_peak_bytes"] is None
    assert "No space" in found["reason"]
    assert "reason" in host_memory(run())


def test_a_reading_from_while_the_workers_started_is_not_held_against_their_plateau(run):
    """It saw little that was shared; the one on the plateau saw all of it, and is nearer the peak."""
    starting = {"n": 3, "rss": 300, "pss": 290, "p": main(120)}
    found = host_memory(run(starting, {"n": 3, "rss": 900}, {"n": 3, "rss": 880, "pss": 620}))
    assert found["host_peak_bytes"] == 900 - 260


def test_what_is_shared_is_told_for_as_many_processes_as_there_are(run):
    """A page that three hold is counted twice too often, one that five hold four times."""
    found = host_memory(run({"n": 3, "rss": 300, "pss": 200, "p": main(120)}, {"n": 5, "rss": 700}))
    assert found["host_peak_bytes"] == 700 - 2 * 100
