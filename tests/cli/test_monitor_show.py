"""`perfkit monitor show`, as a person calls it."""

import json

import pytest

from perfkit.model.monitoring import Event, Status
from perfkit.model.records import RunInfo
from perfkit.monitor.pipeline import Pipeline
from perfkit.runs import layout
from perfkit.runs.reader import write_info

RUN = "20260101T000000Z-train-a1b2c3"
NS = 1_767_225_600_000_000_000


def describe(path, run_id):
    path.mkdir(parents=True)
    write_info(
        path,
        RunInfo(
            schema_version=1, id=run_id, command=["train.py", "--epochs", "2"], script="train.py", status="finished",
            created_utc="2026-01-01T00:00:00+00:00", exit_code=0,
        ),
    )  # fmt: skip


@pytest.fixture
def monitored(tmp_path):
    """A run of forty steps in .perfkit of the folder that the command is called in."""
    path = tmp_path / ".perfkit" / layout.RUNS / RUN
    describe(path, RUN)
    pipeline = Pipeline(path)
    for step in range(40):
        pipeline.values({"loss": 2 / (step + 1), "step_time": 0.01}, step=step, time_ns=NS + step * 10_000_000)
    pipeline.event(
        Event(
            kind="anomaly", severity="warning", metric="train/loss", source="robust_z", message="a spike", time_ns=NS + 200_000_000,
            monotonic_ns=0, step=20, advice="clip the gradient",
        )
    )  # fmt: skip
    pipeline.status(Status(state="finished", time_ns=NS + 400_000_000, monotonic_ns=0, step=39))
    pipeline.close()
    (tmp_path / ".perfkit" / layout.LATEST).write_text(RUN)
    return path


def test_the_latest_run_is_shown(perfkit, monitored):
    done = perfkit("monitor", "show")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("── perfkit monitor · train.py · 20260101T000000Z-train-a1b2c3 ─")
    assert lines[1] == "finished · to step 39 · 390.0 ms"
    assert any(line.startswith("Loss") and "train 0.05" in line for line in lines)
    assert any("step time│" in line for line in lines)
    assert any("1 warning  step 20     train/loss: a spike" in line for line in lines)
    assert any("→ clip the gradient" in line for line in lines)
    assert len(lines) <= 40
    assert done.stderr == "next: perfkit monitor show --html run.html\n"
    assert "\x1b" not in done.stdout


def test_json_and_a_page_are_written_where_they_are_asked_for(perfkit, monitored, tmp_path):
    done = perfkit("monitor", "show", "a1b2c3", "--json", "-", "--html", "run.html")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1
    assert document["run"]["command"] == ["train.py", "--epochs", "2"]
    assert document["state"]["state"] == "finished"
    assert {row["name"]: row["count"] for row in document["series"]} == {"train/loss": 40, "perf/step_time_s": 40}
    assert "<title>train.py · perfkit monitor</title>" in (tmp_path / "run.html").read_text()


def test_a_folder_with_nothing_but_a_record_will_do(perfkit, monitored, tmp_path):
    (tmp_path / "copied").mkdir()
    (tmp_path / "copied" / layout.MONITOR).write_bytes((monitored / layout.MONITOR).read_bytes())
    done = perfkit("monitor", "show", "copied", "-q", "--html", "-")
    assert done.returncode == 0
    assert done.stdout.startswith("<!DOCTYPE html>")


def test_metrics_are_named_as_people_name_them(perfkit, monitored):
    done = perfkit("monitor", "show", "--metric", "loss")
    assert "Loss" in done.stdout
    assert "step time│" not in done.stdout
    done = perfkit("monitor", "show", "--metric", "train/los")
    assert done.returncode == 2
    assert "no metric 'train/los'; did you mean 'train/loss'?" in done.stderr


def test_a_run_that_nobody_monitored_names_one_that_was(perfkit, monitored, tmp_path):
    other = "20260102T000000Z-plain-0d0e0f"
    describe(tmp_path / ".perfkit" / layout.RUNS / other, other)
    done = perfkit("monitor", "show", "0d0e0f")
    assert done.returncode == 1
    assert done.stderr == f"perfkit: {other} was not monitored; the newest that was: perfkit monitor show a1b2c3\n"


def test_two_documents_cannot_share_stdout(perfkit, monitored):
    done = perfkit("monitor", "show", "--json", "-", "--html", "-")
    assert done.returncode == 2
    assert "both want stdout" in done.stderr


def test_a_file_that_cannot_be_written_is_named(perfkit, monitored):
    done = perfkit("monitor", "show", "--html", "no/such/folder/run.html")
    assert done.returncode == 1
    assert done.stderr == "perfkit: no/such/folder/run.html: cannot be written: No such file or directory\n"
