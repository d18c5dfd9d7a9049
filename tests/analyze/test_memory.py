import json
from pathlib import Path

import numpy as np
import pytest

from perfkit.analyze.memory import account, growth, held, largest_batch

H100 = Path(__file__).parents[3] / "shared" / "traces" / "h100"
MB = 1 << 20


def device(peak, reserved=None, limit=80_000 * MB, model=100 * MB, kept=2):
    parts = (model, model, kept * model)
    return account(kind="device", peak_bytes=peak, reserved_bytes=reserved, limit=(limit, "memory"), parts=parts)


# --- what held it


def test_parameters_gradients_and_state_follow_from_model_and_optimizer():
    model = {"parameters": 1000, "parameter_bytes": 4000, "buffers_bytes": 40}
    assert held(model, {"class": "torch.optim.adamw.AdamW", "elements": 1000}) == (4040, 4000, 8000)
    assert held(model, {"class": "torch.optim.adamw.AdamW", "elements": 100}) == (4040, 400, 800)  # the rest is frozen
    assert held(model, {"class": "SGD", "elements": 1000, "state_bytes": 4000}) == (4040, 4000, 4000)
    assert held(model, {"class": "mine.Special", "elements": 1000}) == (4040, 4000, None)
    assert held(model, None) == (4040, 0, 0)  # inference
    assert held(None, None) == (None, None, None)


def test_what_is_left_of_the_peak_are_activations():
    found = device(1000 * MB, reserved=1250 * MB, limit=2000 * MB)
    assert found.activations_bytes == 600 * MB
    assert found.cache_bytes == 250 * MB
    assert found.used_share == pytest.approx(0.625)


def test_on_the_host_what_was_there_before_the_steps_is_the_baseline():
    parts = (100, 100, 200)
    found = account(kind="host", peak_bytes=2000, limit=(8000, "machine"), parts=parts, before_steps_bytes=600)
    assert (found.baseline_bytes, found.activations_bytes) == (500, 1100)


def test_activations_are_unknown_where_a_part_is():
    found = account(kind="device", peak_bytes=2000, limit=(None, "?"), parts=(100, 100, None))
    assert found.activations_bytes is None
    assert found.used_share is None
    assert largest_batch(found, 8) is None


# --- how large a batch could be


def test_a_larger_batch_fits_into_what_is_free():
    found = largest_batch(device(1000 * MB, limit=4000 * MB), 10)
    assert found.low <= 50 <= found.high  # 400 fixed or 300, 60 or 70 each, 3600 to 3880 usable
    assert found.batch == 10


def test_a_full_device_takes_no_larger_batch():
    found = largest_batch(device(3900 * MB, limit=4000 * MB), 10)
    assert (found.low, found.high) == (10, 10)


def test_waste_of_the_allocator_lowers_the_low_end_alone():
    tidy, wasteful = device(1000 * MB, limit=4000 * MB), device(1000 * MB, reserved=1300 * MB, limit=4000 * MB)
    assert largest_batch(wasteful, 10).low < largest_batch(tidy, 10).low
    assert largest_batch(wasteful, 10).high == largest_batch(tidy, 10).high


def test_on_the_host_a_small_batch_tells_nothing():
    parts = (100, 100, 200)
    found = account(kind="host", peak_bytes=300 * MB, limit=(8000 * MB, "machine"), parts=parts, before_steps_bytes=0)
    assert largest_batch(found, 8) is None


@pytest.mark.skipif(not H100.is_dir(), reason="the reference measurements are not here")
@pytest.mark.parametrize(("small", "large"), [(16, 64), (64, 128), (64, 256), (128, 256)])
def test_the_batch_that_really_fitted_is_inside(small, large):
    """ResNet-50 in float32 on an H100: the memory of one batch size foretells that of another."""
    cases = json.loads((H100 / "measured.json").read_text())["cases"]
    now, then = cases[f"resnet50_fp32_b{small}"], cases[f"resnet50_fp32_b{large}"]
    found = device(now["peak_allocated_bytes"], now["peak_reserved_bytes"], model=25_557_032 * 4, kept=1)
    # As if the device held what the larger batch reserved, and a little that others use.
    limit = then["peak_reserved_bytes"] / 0.95
    found = largest_batch(
        account(
            kind="device",
            peak_bytes=found.peak_bytes,
            reserved_bytes=found.reserved_bytes,
            limit=(int(limit), "memory"),
            parts=(found.parameters_bytes, found.gradients_bytes, found.optimizer_bytes),
        ),
        small,
    )
    assert found.low <= large <= found.high
    assert found.high - found.low < 0.5 * large


# --- growth


def series(*, per_step=0.0, noise=0.1, steps=400, samples=300, start=500.0, seed=0):
    at = np.linspace(0, steps, samples)
    values = start + per_step * at + np.random.default_rng(seed).normal(0, noise, samples)
    return at, values * MB


def judged(at, values):
    return growth("host", at, values, step_s=0.1)


def test_a_leak_is_told_with_its_rate():
    found = judged(*series(per_step=0.5))
    assert found.grows
    assert found.low <= 0.5 * MB * 1.01
    assert found.high >= 0.5 * MB * 0.99
    assert found.bytes_per_step == pytest.approx(0.5 * MB, rel=0.02)
    assert found.bytes_per_hour == pytest.approx(0.5 * MB * 36000, rel=0.02)
    assert found.grown_bytes == pytest.approx(200 * MB, rel=0.05)


def test_memory_that_stays_does_not_grow():
    assert not any(judged(*series(noise=2, seed=seed)).grows for seed in range(20))


def test_a_saw_tooth_does_not_grow():
    at, values = series()
    assert not judged(at, values + (at % 90) * 3 * MB).grows


def test_a_leak_under_a_saw_tooth_is_found():
    at, values = series(per_step=1.0)
    assert judged(at, values + (at % 7) * 10 * MB).grows


def test_warm_up_that_levels_off_does_not_grow():
    at, values = series()
    assert not judged(at, values + 300 * MB * (1 - np.exp(-at / 60))).grows


def test_one_jump_does_not_grow():
    at, values = series()
    assert not judged(at, values + 200 * MB * (at > 150)).grows


def test_a_creep_of_some_megabytes_is_not_worth_a_word():
    assert not judged(*series(per_step=0.02, noise=0.01)).grows


def test_steps_of_a_staircase_are_a_leak():
    at, values = series(noise=0)
    assert judged(at, values + 40 * MB * np.floor(at / 40)).grows


def test_a_few_samples_tell_nothing():
    assert judged(*series(per_step=1, samples=7)) is None
