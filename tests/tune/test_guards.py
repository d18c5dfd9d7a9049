import numpy as np
import pytest

from perfkit.tune import guards
from perfkit.tune.trial import _thinned

from .conftest import trial


def curve(level=1.0, *, seed=None, noise=0.1, count=100):
    chance = np.random.default_rng(seed)
    wave = chance.normal(0, noise, count) if seed is not None else np.zeros(count)
    return [(32.0 * (i + 1), float(level * np.exp(-i / 50) + wave[i])) for i in range(count)]


def test_the_same_losses_are_the_same():
    assert guards.loss([trial(losses=curve(seed=1))], [trial(losses=curve(seed=1))]).state == "same"


def test_losses_of_another_order_of_data_are_within():
    found = guards.loss([trial(losses=curve(seed=1))], [trial(losses=curve(seed=s)) for s in (2, 3)])
    assert found.state in ("same", "within")
    assert found.ok


def test_a_training_that_goes_another_way_differs():
    found = guards.loss([trial(losses=curve(2.0, seed=1))], [trial(losses=curve(seed=s)) for s in (2, 3)])
    assert found.state == "differs"
    assert not found.ok


def test_losses_are_compared_at_equal_samples():
    half = [(2 * at, loss) for at, loss in curve()[:50]]  # the same losses, after twice the samples
    assert guards.loss([trial(losses=half)], [trial(losses=curve())]).state == "differs"
    longer = curve(count=200)
    assert guards.loss([trial(losses=longer)], [trial(losses=curve())]).state == "same"


def test_a_loss_that_is_no_number_is_the_fixs_fault_unless_the_script_does_that_itself():
    bad = [*curve()[:50], (5000.0, None)]
    assert guards.loss([trial(losses=bad)], [trial(losses=curve())]).state == "not finite"
    assert guards.loss([trial(losses=bad)], [trial(losses=bad)]).state != "not finite"


def test_without_losses_nothing_is_known():
    assert guards.loss([trial()], [trial(losses=curve())]).state == "unknown"


def test_another_training_is_called_that():
    found = guards.loss([trial(losses=curve(2.0))], [trial(losses=curve())], is_other_training=True)
    assert found.state == "other training"
    assert found.ok


def test_memory_is_of_the_device_where_there_is_one():
    ours, theirs = [trial(device_peak_bytes=3_000)], [trial(device_peak_bytes=2_000)]
    assert guards.memory(ours, theirs) == {"kind": "device", "bytes": 3000, "baseline_bytes": 2000, "change": 0.5}
    assert guards.memory([trial()], [trial()])["kind"] == "host"
    assert guards.memory([], [trial()])["change"] is None


def test_runs_of_unequal_length_are_compared_at_the_samples_that_both_have():
    rng = np.random.default_rng(0)
    noisy = [(32.0 * at, 2.0 / at + rng.normal(0, 0.3)) for at in range(1, 500)]
    runs = [trial(losses=_thinned(noisy)), trial("a", losses=_thinned(noisy[:390]))]
    assert guards.loss([runs[1]], [runs[0]]).state == "same"


def test_a_run_of_many_times_as_many_steps_is_compared_at_the_samples_that_both_have():
    rng = np.random.default_rng(0)
    noisy = [(32.0 * at, 2.0 / at + rng.normal(0, 0.3)) for at in range(1, 1600)]
    slow, fast = trial(losses=_thinned(noisy[:190])), trial("a", losses=_thinned(noisy))
    assert guards.loss([fast], [slow]).state == "same"


def test_with_other_batches_all_losses_count():
    large = trial("a", losses=[(256.0 * at, 1.0) for at in range(1, 20)])
    small = trial(losses=[(32.0 * at, 1.0 + (at % 8 == 0)) for at in range(1, 160)])
    found = guards.loss([large], [small], is_other_training=True)
    assert found.baseline == pytest.approx(1.125, abs=0.01)
