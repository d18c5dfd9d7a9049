"""Logs that real programs printed (tests/data/logs): every figure in them is found, and almost every line understood."""

import pytest


def share(analysis):
    told = sum(analysis.counts.values()) - analysis.counts["blank"]
    return 1 - analysis.counts["unknown"] / told


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("nanogpt.log", 0.97), ("pytorch_mnist.log", 1), ("pytorch_word_language_model.log", 1), ("makemore.log", 0.9),
        ("keras_v1.log", 0.9), ("keras_v2.log", 0.95), ("keras_tty.log", 0.9), ("keras_csvlogger.csv", 1), ("hf.log", 1),
        ("lightning.log", 0.85), ("logging_tqdm.log", 1), ("crash.log", 1),
    ],
)  # fmt: skip
def test_almost_every_line_is_understood(recorded, name, least):
    assert share(recorded(name)) >= least


def test_nanogpt(recorded):
    found = recorded("nanogpt.log")
    series = found.history.series("val/loss")
    assert series.steps.tolist() == [0, 50, 100, 150, 200, 250, 300]
    assert series.values[[0, -1]].tolist() == [4.1745, 2.8061]
    assert len(found.history["perf/step_time_s"]) == 301
    assert found.history["perf/step_time_s"][0] == pytest.approx(0.09727)
    assert found.facts.params["batch_size"] == 4
    assert found.facts.params["number of parameters"] == 30_000
    assert found.facts.levels == {"warning": 2, "error": 0, "critical": 0}


def test_pytorch_mnist(recorded):
    found = recorded("pytorch_mnist.log")
    assert len(found.history["train/loss"]) == 48
    assert found.history["test/accuracy"].tolist() == pytest.approx([294 / 297] * 2)
    assert found.history.series("test/loss").epochs.tolist() == [1, 2]
    assert set(found.series) == {"train/loss", "test/loss", "test/accuracy"}


def test_keras_prints_the_same_run_in_two_ways(recorded):
    lines, bars = recorded("keras_v2.log"), recorded("keras_v1.log")
    assert lines.history["val/loss"][:3].tolist() == [2.1104, 1.7492, 1.3465]
    assert bars.history["val/loss"].tolist() == [2.1104, 1.7492, 1.3465]
    assert bars.history.series("val/loss").epochs.tolist() == [1, 2, 3]
    assert len(lines.history["val/loss"]) == 8
    assert lines.history["test/loss"].tolist() == [0.268]
    assert lines.facts.params["Total params"] == 2410
    assert lines.facts.events["checkpoint"] == 16 or lines.facts.repeats


def test_keras_on_a_terminal_writes_escapes_and_backspaces(recorded):
    found = recorded("keras_tty.log")
    assert found.history["val/accuracy"].tolist() == [0.26, 0.5767]
    assert found.history.series("val/loss").epochs.tolist() == [1, 2]


def test_its_csv_has_the_same_values_to_all_digits(recorded):
    assert recorded("keras_csvlogger.csv").history["val/loss"][:3] == pytest.approx([2.1104, 1.7492, 1.3465], abs=5e-5)


def test_hugging_face(recorded):
    found = recorded("hf.log")
    assert len(found.history["train/loss"]) == 11
    assert found.history["val/loss"].tolist() == [0.06784, 0.04162, 0.03813]
    assert found.history.series("val/loss").epochs.tolist() == [1, 2, 3]


def test_tqdm_between_logging(recorded):
    found = recorded("logging_tqdm.log")
    assert found.history["val/loss"].tolist() == [1.2, 0.6]
    assert found.history["val/accuracy"].tolist() == [0.5, 0.6]
    assert found.history.series("train/accuracy").steps.tolist()[:5] == [0, 10, 20, 30, 40]
    crash = next(iter(found.facts.crashes.values()))
    assert (crash.exception, crash.message, crash.where) == ("ZeroDivisionError", "division by zero", "misc_run.py:16")


def test_a_chain_of_exceptions_is_one_traceback(recorded):
    (crash,) = recorded("crash.log").facts.crashes.values()
    assert (crash.exception, crash.message) == ("ValueError", "bad batch 3")
    assert crash.causes == ["RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x5 and 6x7)"]


def test_several_files_are_one_analysis(recorded):
    found = recorded("keras_csvlogger.csv", "pytorch_mnist.log")
    assert [source.name.rpartition("/")[2] for source in found.sources] == ["keras_csvlogger.csv", "pytorch_mnist.log"]
    assert len(found.history["train/loss"]) == 8 + 48
