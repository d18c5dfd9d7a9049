"""`perfkit monitor compare-detectors` on a run's own series."""

import json
import math
import random

import pytest
from click.testing import CliRunner

from perfkit.cli.monitor.compare_detectors import command
from perfkit.monitor.history import History
from perfkit.monitor.record import Writer

RUN = "20260101T000000Z-train-abc123"


@pytest.fixture
def results(tmp_path):
    """A results folder with one monitored run of 400 steps."""
    run = tmp_path / "runs" / RUN
    run.mkdir(parents=True)
    (tmp_path / "latest").write_text(RUN)
    gauss, history, writer = random.Random(1).gauss, History(), Writer(run)
    for step in range(400):
        writer.point(history.add({"step_time": 0.01 * math.exp(gauss(0, 0.05)), "lr": 0.1}, step=step))
    writer.close()
    return tmp_path


def invoke(results, *words):
    return CliRunner().invoke(command, [*words, "--results-dir", str(results)])


@pytest.mark.slow
def test_every_detector_is_measured_beside_river_three_sigma_and_never(results):
    pytest.importorskip("river")
    result = invoke(results, "--runs", "20", "--rate", "0.1", "--json", str(results / "out.json"))
    assert result.exit_code == 0, result.output
    document = json.loads((results / "out.json").read_text())
    assert document["metric"] == "perf/step_time_s"
    rows = {row["detector"]: row for row in document["detectors"]}
    assert {"auto", "cusum", "adwin", "river ADWIN", "river PageHinkley", "fixed 3 sigma", "never"} <= rows.keys()
    doubled = {name: row["faults"][-1] for name, row in rows.items()}
    assert doubled["never"]["found"] == 0
    assert doubled["auto"]["found"] >= 0.9
    assert doubled["auto"]["median_delay"] <= 1
    assert rows["auto"]["false_alarms"]["low95"] <= 0.1
    assert rows["fixed 3 sigma"]["false_alarms"]["rate"] > 0.3
    assert "false alarms" in result.output


def test_what_cannot_be_compared_is_refused_with_the_reason(results):
    for words, said in (
        (("--metric", "lr"), "is not watched by charts"),
        (("--metric", "los"), "no metric 'los'"),
    ):
        result = invoke(results, *words)
        assert said in str(result.exception)


def test_a_run_without_metrics_names_the_verb_that_records_some(tmp_path):
    (tmp_path / "runs" / RUN).mkdir(parents=True)
    assert "perfkit monitor run" in str(invoke(tmp_path, RUN).exception)
