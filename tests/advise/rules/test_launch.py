"""The launch rule: a larger batch where the device waits for its launches."""

import pytest

from perfkit.analyze.trace_view import TraceAnalysis
from perfkit.model.records import Device

WAITS = {"launch": 0.06}


def test_it_asks_for_as_many_samples_as_make_the_device_the_limit(ask, gpu_step):
    """26 ms of work in an 84 ms step: four times the batch is 88 to 109 ms of work."""
    said = ask("launch", **gpu_step({"bf16": 0.026}, {"launch": 0.058}), loader={"batch_size": 64})
    assert said.fix.parameters == {"batch_size": 256} and said.cause == "launch"
    assert said.saves.low == pytest.approx(1 - 0.1092 / 4 / 0.084)
    assert said.saves.high == pytest.approx(1 - (0.022 * 4 * 0.95 + 0.004) / 4 / 0.084)


def test_it_asks_for_no_more_than_sixteen_times_the_batch(ask, gpu_step):
    assert "16 times" in ask("launch", **gpu_step({"bf16": 0.001}, {"launch": 0.05})).title


def test_it_asks_for_no_more_than_fits(ask, gpu_step):
    fits = {"batch": 64, "low": 150, "high": 400}
    assert ask("launch", **gpu_step({"bf16": 0.02}, WAITS), largest_batch=fits).fix.parameters == {"batch_size": 128}
    assert ask("launch", **gpu_step({"bf16": 0.02}, WAITS), largest_batch={**fits, "low": 100}) is None


def test_of_keras_it_is_fits_own_batch(ask, gpu_step):
    facts = gpu_step({"bf16": 0.026}, {"launch": 0.058}) | {"framework": "tensorflow"}
    said = ask("launch", **facts, batches={"batch_size": 64})
    assert (said.fix.name, said.fix.parameters) == ("fit-batch-size", {"batch_size": 256})
    assert said.how.startswith("model.fit(..., batch_size=256)")
    unknown = ask("launch", **facts, batches={"batch_size": -1})
    assert unknown.fix is None and unknown.how.startswith("model.fit(..., batch_size=4 * batch_size)")


def test_not_for_a_busy_device(ask, gpu_step):
    """Measured: two to four times the batch gave 5 to 15 % there."""
    assert ask("launch", **gpu_step({"bf16": 0.09}, {"launch": 0.01})) is None


def test_not_while_the_step_waits_for_its_data(ask, gpu_step):
    assert ask("launch", **gpu_step({"bf16": 0.02}, {"input": 0.2, "launch": 0.03})) is None


def test_once_the_batch_is_large_enough_it_is_silent(ask, gpu_step):
    assert ask("launch", **gpu_step({"bf16": 0.08}, {"launch": 0.004})) is None


def test_an_unknown_accelerator_is_not_judged(ask, gpu_step):
    facts = {**gpu_step({"bf16": 0.02}, WAITS), "gpu": Device(name="Accelerator", kind="other")}
    assert ask("launch", **facts) is None


def test_a_host_that_does_something_else_than_launching_is_not_helped_by_a_larger_batch(ask, gpu_step):
    """One kernel in 80 ms: the host is not busy launching."""
    assert ask("launch", **gpu_step({"bf16": 0.02}, WAITS, calls=1.0)) is None


def test_idle_time_that_may_be_the_profilers_is_not_held_against_the_step(ask, gpu_step):
    """Measured: a compiled GPT-2 is busy for 92 % of its step and, under the profiler, for 47 %."""
    facts = gpu_step({"bf16": 0.03}, {"launch": 0.03})
    assert ask("launch", **facts, trace=TraceAnalysis(dilation_estimate=(1.1, 2.0))) is None
    assert ask("launch", **facts, trace=TraceAnalysis(dilation_estimate=(1.0, 1.1)))
