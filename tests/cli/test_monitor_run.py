"""`perfkit monitor run` and `status`, as a person uses them."""

import json
import os
import subprocess
import sys

import pytest

from perfkit.monitor import record

LOOP = """
import sys, time
import perfkit
for epoch in range(1, 4):
    for _ in range(10):
        time.sleep(0.005)
        perfkit.step()
    print(f"Epoch {epoch}/3 val_loss={1 / epoch:.4f} val_acc={0.5 + epoch / 10:.2f}", flush=True)
sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
"""


@pytest.fixture
def loop(script):
    return script(LOOP, "loop.py")


def test_the_exit_code_is_the_scripts_and_the_summary_is_short(perfkit, loop):
    done = perfkit("monitor", "run", loop, "5")
    assert done.returncode == 5
    lines = done.stdout.splitlines()
    assert lines[2] == "Epoch 3/3 val_loss=0.3333 val_acc=0.80"
    summary = lines[3:]
    assert len(summary) <= 20
    assert summary[0].endswith("failed (exit code 5), step 30")
    assert "  alerts firing: run-failed" in summary
    assert summary[-1].startswith("next: perfkit monitor show ")
    status = perfkit("monitor", "status")
    assert status.returncode == 3
    assert "alert firing: run-failed" in status.stdout


def test_with_logs_what_is_printed_becomes_series_and_comes_through_untouched(perfkit, loop):
    done = perfkit("monitor", "run", "--logs", "-q", loop)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"Epoch {n}/3 val_loss={1 / n:.4f} val_acc={0.5 + n / 10:.2f}" for n in (1, 2, 3)
    ]
    status = perfkit("monitor", "status", "--json", "-")
    assert status.returncode == 0
    found = json.loads(status.stdout)
    assert (found["state"], found["step"], found["firing"], found["over"]) == ("finished", 30, [], True)


def test_output_that_goes_to_a_file_is_read_there_without_being_asked(perfkit, loop, tmp_path):
    with (tmp_path / "train.log").open("w") as log:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PERFKIT_")}
        words = [sys.executable, "-m", "perfkit.cli.main", "monitor", "run", loop]
        subprocess.run(words, cwd=tmp_path, stdout=log, stderr=log, env=environ, timeout=120, check=True)
    (run,) = (tmp_path / ".perfkit" / "runs").iterdir()
    history = record.read(run).history
    assert history["val/loss"].tolist() == [1.0, 0.5, 0.3333]
    assert history["val/accuracy"].tolist() == [0.6, 0.7, 0.8]
    assert history.series("val/loss").steps[-1] == 30


def test_a_rule_and_a_sink_from_the_command_line_and_from_the_project(perfkit, loop, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.perfkit.monitor]\nalerts = ["slow: perf/step_time_s > 1ms"]\nsinks = ["file:alerts.jsonl"]\n'.replace(
            "1ms", "0.001"
        )
    )
    done = perfkit("monitor", "run", "--alert", "low: val/accuracy < 0.7", "--logs", loop)
    assert done.returncode == 0
    told = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert [(alert["rule"], alert["state"]) for alert in told if alert["rule"] == "low"] == [
        ("low", "firing"), ("low", "resolved"),
    ]  # fmt: skip
    assert "slow" in {alert["rule"] for alert in told}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--alert", "val/loss >"), "--alert"),
        (("--sink", "pigeon:coop"), "is no kind of sink"),
        (("--hang-after", "0"), "--hang-after"),
        ((), "nothing to run"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_runs(perfkit, script, tmp_path, words, said):
    target = [script("open('ran', 'w')")] if words else []
    done = perfkit("monitor", "run", *words, *target)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "ran").exists()


def test_a_key_that_the_projects_table_does_not_have_is_named(perfkit, script, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.perfkit.monitor]\nhang_afer = '5m'\n")
    done = perfkit("monitor", "run", script("pass"))
    assert done.returncode == 2
    assert "hang_afer" in done.stderr


def test_the_status_of_no_run_is_an_error(perfkit):
    done = perfkit("monitor", "status")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_an_unmodified_training_script_has_its_losses_steps_and_epochs(perfkit, train):
    done = perfkit("monitor", "run", "--epochs", "8", train)
    assert done.returncode == 0
    assert done.stdout.startswith("trained 80 steps\n")
    status = json.loads(perfkit("monitor", "status", "--json", "-").stdout)
    assert (status["state"], status["step"], status["epoch"]) == ("finished", 80, 8)
    assert "train/loss" in done.stdout
    assert "train/learning_rate: 0.1" in done.stdout
