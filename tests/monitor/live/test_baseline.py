"""A run held against one that went well."""

import pytest

from perfkit.monitor import record
from perfkit.monitor.detect.against_run import expectations, levels
from perfkit.monitor.history import History


def newest(monitored):
    return record.read(max((monitored.root / "runs").iterdir(), key=lambda path: path.stat().st_mtime))


def test_steps_that_are_slower_than_the_baselines_are_told_from_the_first_ones(monitored):
    assert monitored.run("steps(120)").returncode == 0
    rule = "slow: perf/step_time_s > 2 * baseline for 0.1s"
    # Far outside what a loaded machine does to the steps of the baseline, which would rightly be expected of these too.
    done = monitored.run("steps(15, 0.3)", "--baseline", "latest", "--alert", rule)
    assert done.returncode == 0, done.stderr
    recorded = newest(monitored)
    told = [event for event in recorded.events if event.source.startswith("step-against-baseline-run")]
    assert {event.metric for event in told} == {"perf/step_time_s"}
    (told,) = [event for event in told if event.kind == "degradation"]  # its first step may be an anomaly of its own
    assert told.step <= 5
    assert "was expected" in told.message
    assert [alert.rule for alert in recorded.alerts if alert.state == "firing" and alert.rule == "slow"]


def test_steps_like_the_baselines_are_not_told(monitored):
    assert monitored.run("steps(150, 0.02)").returncode == 0
    assert monitored.run("steps(150, 0.02)", "--baseline", "latest").returncode == 0
    assert not [event for event in newest(monitored).events if event.source.startswith("step-against")]


def test_a_baseline_that_lets_nothing_be_expected_is_refused_before_anything_runs(monitored):
    assert monitored.run("steps(5)").returncode == 0
    for reference, said in (("latest", "no loss or step time of 40 steps"), ("nowhere", "nowhere")):
        done = monitored.run("print('ran')", "--baseline", reference)
        assert done.returncode == 2 or reference == "nowhere"
        assert done.returncode != 0
        assert said in done.stderr
        assert "ran" not in done.stdout


@pytest.fixture
def history():
    history = History()
    for step in range(60):
        values = {
            "loss": 2.0 / (1 + step),
            "step_time": 0.01 + step % 3 * 1e-4,
            "samples_per_s": 100.0,
            "lr": 0.1,
            "data_time": 1e-4,
        }
        history.add(values, step=step)
    history.add({"val_loss": 1.0}, epoch=1)
    return history


def test_what_is_expected_is_the_speed_and_the_training_figures_and_which_way_is_worse(history):
    found = expectations(history)
    assert {name: expected.side for name, expected in found.items()} == {"train/loss": "up", "perf/step_time_s": "up"}
    assert levels(history)["perf/step_time_s"] == pytest.approx(0.0101)


def test_without_step_times_rates_are_held_against_those_of_the_baseline():
    history = History()
    for step in range(60):
        history.add({"samples_per_s": 100.0 + step % 5}, step=step)
    assert {name: expected.side for name, expected in expectations(history).items()} == {"perf/samples_per_s": "down"}
