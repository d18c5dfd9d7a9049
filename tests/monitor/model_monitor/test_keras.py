"""ModelMonitor on Keras: one process trains everything with and without it (`keras_checks.py`), and what it found is judged here."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CHECKS = Path(__file__).with_name("keras_checks.py")
TRAININGS = (
    "arrays", "split", "unbuilt", "subclassed", "dataset", "generator", "validation_generator", "several_steps",
    "unknown_end", "compiled", "weighted", "rarely_validated",
)  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory, worker_id):
    """What the checks printed. They train for a minute: of several workers the first runs them, the others wait for it."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder if worker_id == "master" else folder.parent
    said = folder / "keras-checks.json"
    with (folder / "keras-checks.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            said.write_text(_checked(str(tmp_path_factory.mktemp("keras"))))
    return json.loads(said.read_text())


def _checked(folder):
    done = subprocess.run(
        [sys.executable, str(CHECKS), folder], capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("training", TRAININGS)
def test_weights_and_history_are_the_same_as_without(found, training):
    assert found[training]["weights"]
    assert found[training]["history"]


@pytest.mark.parametrize("training", ["arrays", "split", "unbuilt", "subclassed", "dataset", "generator"])
def test_validation_metrics_are_those_of_scikit_learn(found, training):
    assert found[training]["exact"] < 1e-12


def test_steps_and_samples_are_counted_as_they_are(found):
    arrays = found["arrays"]
    assert arrays["step_numbers"]
    assert arrays["step_epochs"]
    assert arrays["epoch_time"]
    assert arrays["samples"] == [16.0] * 9 + [6.0]
    assert {"probe/loss_before", "probe/loss_after", "train/learning_rate", "val/loss"} <= set(arrays["names"])
    steps = {
        "split": 20,
        "dataset": 18,
        "generator": 18,
        "several_steps": 30,
        "unknown_end": 10,
        "weighted": 30,
    }
    assert {name: found[name]["steps"] for name in steps} == steps  # validation and the probe are no steps
    assert "perf/samples_per_s" in found["dataset"]["names"]
    assert found["several_steps"]["shared"]


def test_losses_are_keras_own(found):
    for training in ("arrays", "weighted"):
        assert found[training]["last"]["val/loss"] == found[training]["keras"]["val_loss"]
        assert found[training]["last"]["train/loss"] == found[training]["keras"]["loss"]
    assert found["rarely_validated"]["validations"] == 1


def test_what_has_no_metrics_is_noted_and_training_goes_on(found):
    assert "is a generator" in found["validation_generator"]["notes"][0]
    assert len(found["two_headed"]) == 1
    assert "several outputs" in found["two_headed"][0]


def test_the_users_callbacks_work_beside_ours(found):
    assert found["their_callbacks"] == {"epochs": 2, "csv": 2, "checkpoint": True, "list_untouched": True}
    assert found["callback_list"] == {"theirs": [0, 1, 0, 1], "steps": 28, "left": 2, "epochs": [0, 1, 2, 3]}


def test_asynchronous_dispatch_is_as_without(found):
    assert found["async"] == [True] * 4  # one epoch without, three with the monitor
    assert found["async_steps"] == [0] * 7 + [1] * 7 + [2] * 7


def test_stop_failure_and_lost_loss(found):
    assert found["stopped_after"] == 3
    assert found["failing"] == ["mine", "failed", "ZeroDivisionError"]
    assert found["lost"] == {"events": [["train/loss", 0]], "firing": 1}


def test_the_record_is_the_history(found):
    assert found["record"] == {
        "same": True,
        "state": "finished",
        "optimizer": found["record"]["optimizer"],
        "batch_size": 16,
    }
    assert "Adam" in found["record"]["optimizer"]
