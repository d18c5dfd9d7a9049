"""`perfkit monitor logs`, as a person runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RECORDED = Path(__file__).resolve().parents[1] / "data" / "logs"


@pytest.fixture
def logs(perfkit):
    return lambda *args, **settings: perfkit("monitor", "logs", *map(str, args), **settings)


def test_the_card_says_what_was_found(logs):
    shown = logs(RECORDED / "nanogpt.log")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 100
    assert "98.1 % of 368 lines" in shown.stdout
    (loss,) = [line for line in lines if "val/loss" in line]
    assert loss.split()[1:6] == ["7", "4.175", "→", "2.806", "2.806"]
    assert "2 warnings" in shown.stdout
    assert "next: perfkit monitor logs" in shown.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDED.iterdir()))
def test_every_recorded_log_fits_on_a_card(name):
    from perfkit.monitor.logs import document, sources
    from perfkit.monitor.logs.analysis import LogAnalysis
    from perfkit.report import monitor_logs

    analysis = LogAnalysis()
    sources.read(analysis, [str(RECORDED / name)])
    lines = monitor_logs.render(document.compose(analysis), width=100)
    assert 5 < len(lines) <= 30
    assert max(len(line.plain) for line in lines) <= 100


def test_the_document_holds_every_value(logs):
    shown = logs(RECORDED / "keras_csvlogger.csv", "--json", "-", "-q")
    made = json.loads(shown.stdout)
    assert made["schema_version"] == 1
    (series,) = [s for s in made["series"] if s["name"] == "val/loss"]
    assert (series["count"], series["epochs"], len(series["values"])) == (8, list(range(8)), 8)
    assert made["files"][0]["kind"] == "csv"


def test_one_metric_is_shown_with_its_values(logs):
    shown = logs(RECORDED / "pytorch_mnist.log", "--metric", "test_loss")
    assert shown.stdout.splitlines()[-3:] == ["test/loss: step, epoch, value", "644\t1\t0.7804", "2144\t2\t0.0466"]


def test_a_metric_that_is_not_there_is_answered_with_those_that_are(logs):
    shown = logs(RECORDED / "pytorch_mnist.log", "--metric", "test/los")
    assert shown.returncode == 2
    assert "did you mean test/loss" in shown.stderr


def test_standard_input_is_a_file_too(logs):
    shown = logs("-", input="step 1: loss 0.5\n")
    assert shown.returncode == 0
    assert "train/loss" in shown.stdout


@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        (lambda path: None, 2, "no such file"),
        (lambda path: path.mkdir(), 2, "is a folder"),
        (lambda path: path.write_bytes(b""), 4, "nothing in it was understood"),
        (lambda path: path.write_bytes(bytes(range(256)) * 50), 4, "nothing in it was understood"),
    ],
)
def test_exit_codes(logs, tmp_path, make, code, said):
    make(tmp_path / "some.log")
    shown = logs(tmp_path / "some.log")
    assert shown.returncode == code
    assert said in shown.stderr
    assert "Traceback" not in shown.stderr


def test_follow_prints_what_is_new_and_ends_with_the_card(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("step 1: loss 0.5\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "perfkit.cli.main", "monitor", "logs", str(log), "--follow"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "step 1  train/loss 0.5\n"
        with log.open("a") as file:
            file.write("step 2: loss 0.25\n")
        written = time.monotonic()
        assert process.stdout.readline() == "step 2  train/loss 0.25\n"
        assert time.monotonic() - written < 5
        log.rename(tmp_path / "train.log.1")
        log.write_text("WARNING gradient overflow\n")
        assert process.stdout.readline() == "warning: WARNING gradient overflow\n"
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, error
    assert "0.5 → 0.25" in out
