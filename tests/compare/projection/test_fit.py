"""Whether a workload fits another memory."""

from dataclasses import replace

from perfkit.analyze.memory import Memory
from perfkit.compare.projection.fit import fit

GB = 1_000_000_000
HELD = Memory(
    kind="device", peak_bytes=20 * GB, limit_bytes=80 * GB, limit="memory of the device", used_share=0.25, parameters_bytes=2 * GB, gradients_bytes=2 * GB,
    optimizer_bytes=4 * GB, baseline_bytes=None, activations_bytes=12 * GB, cache_bytes=1 * GB, reserved_bytes=21 * GB,
)  # fmt: skip


def test_what_fits_is_told_with_the_largest_batch():
    found = fit(HELD, 32, 80 * GB, 1.0)
    assert (found["fits"], found["peak_bytes"]) == ("yes", 21 * GB)
    assert 140 < found["largest_batch"]["low"] < found["largest_batch"]["high"] < 220


def test_what_does_not_fit_has_no_largest_batch():
    found = fit(HELD, 32, 16 * GB, 1.0)
    assert (found["fits"], found["largest_batch"]) == ("no", None)


def test_between_what_is_surely_and_what_is_at_most_usable_it_hardly_fits():
    assert fit(HELD, 32, int(21 * GB / 0.94), 1.0)["fits"] == "hardly"


def test_only_activations_grow_with_the_batch():
    assert fit(HELD, 32, 80 * GB, 4.0)["peak_bytes"] == (21 + 3 * 12) * GB
    assert fit(replace(HELD, activations_bytes=None), 32, 80 * GB, 4.0)["peak_bytes"] == (21 + 3 * 20) * GB
    assert fit(HELD, 32, 24 * GB, 4.0)["fits"] == "no"
