"""The small_batch rule, judged by literal evidence."""

import pytest

CPU = {"devices": {"cpu": 1000}}
PEAKS = {"fp32_flops": 1e11}


def row(name, flops, shape, work=None):
    return {
        "name": name, "kind": "operator", "work": work, "module": "0", "calls_per_step": 2.0,
        "seconds_per_step": 2e-5, "flops": flops, "shapes": str([shape]),
    }  # fmt: skip


def rows(batch, flops=40_000):
    return [row("aten::addmm", flops, [128], "matmul"), row("aten::relu", None, [batch, 128])]


@pytest.fixture
def base(phases):
    return {
        "breakdown": phases(forward=0.00005, backward=0.0001, optimizer=0.0001), "model": CPU, "cpu_peaks": PEAKS,
        "headline": {"mode": "training", "samples_per_step": 4.0}, "host_operators": rows(4),
    }  # fmt: skip


def test_it_speaks_of_four_samples_at_a_time(ask, base):
    said = ask("small_batch", **base)
    assert said.fix.parameters == {"batch_size": 64}
    assert said.saves.low < 15 / 16 * 0.90 < said.saves.high
    assert "learning rate" in said.how


def test_inference_has_no_learning_rate(ask, base):
    single = {**base, "headline": {"mode": "inference", "samples_per_step": 1.0}, "host_operators": rows(1)}
    assert ask("small_batch", **single).how == "batch_size=64"


def test_it_tells_no_batch_that_outgrows_the_caches(ask, base):
    """Measured: pictures of 224 by 224 took 43 % more per sample in batches of 8."""
    pictures = {**base, "host_operators": [row("aten::relu", None, [4, 16, 112, 112])]}
    assert ask("small_batch", **pictures) is None
    smaller = {**base, "host_operators": [row("aten::relu", None, [4, 16, 24, 24])]}
    assert ask("small_batch", **smaller).fix.parameters == {"batch_size": 16}


def test_the_time_that_batches_take_to_make_gains_less(ask, base, phases):
    loading = phases(data=0.00005, forward=0.00005, backward=0.0001, optimizer=0.0001)
    assert ask("small_batch", **{**base, "breakdown": loading}).saves.high < ask("small_batch", **base).saves.high
    waiting = phases(data=0.00025, forward=0.00005, backward=0.0001, optimizer=0.0001)
    assert ask("small_batch", **{**base, "breakdown": waiting}) is None


def test_it_is_silent_where_the_batch_is_not_small(ask, base):
    large = {**base, "headline": {"mode": "training", "samples_per_step": 64.0}, "host_operators": rows(64)}
    assert ask("small_batch", **large) is None
    assert ask("small_batch", **{**base, "loader": {"batch_size": 32}}) is None


def test_it_is_silent_where_the_arithmetic_counts(ask, base):
    assert ask("small_batch", **{**base, "host_operators": rows(4, flops=20_000_000)}) is None


def test_it_is_silent_on_a_gpu(ask, base):
    assert ask("small_batch", **{**base, "model": {"devices": {"cuda:0": 9}}}) is None


@pytest.mark.parametrize("hidden", [{"compiled": True}, {"wrapper": "DistributedDataParallel"}])
def test_it_is_silent_where_a_graph_or_other_ranks_hide_the_arithmetic(ask, base, hidden):
    assert ask("small_batch", **{**base, "model": {**CPU, **hidden}}) is None
