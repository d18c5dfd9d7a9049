"""The transfer rule: uploads from pageable memory that stop the host."""

import pytest

UPLOAD = {
    "kind": "HtoD", "pageable": True, "calls_per_step": 2.0, "bytes_per_step": 80e6, "seconds_per_step": 0.010,
    "bytes_per_s": 8e9, "exposed_seconds_per_step": 0.010, "host_blocked_seconds_per_step": 0.012, "operator": "aten::to",
}  # fmt: skip
BUSY, IDLE = {"bf16": 0.03, "copy": 0.01}, {"launch": 0.04}


def test_it_speaks_where_uploads_stop_the_host(ask, gpu_step):
    """Launching is the limit of the 80 ms step: 7.2 to 12 ms of it go."""
    said = ask("transfer", **gpu_step(BUSY, IDLE), copies=[UPLOAD], loader={"pin_memory": False})
    assert said.saves.high == pytest.approx(0.012 / 0.08) and said.saves.low == pytest.approx(0.0072 / 0.08)
    assert "pin_memory=True" in said.how and "non_blocking=True" in said.how


def test_without_a_loader_the_batch_itself_is_pinned(ask, gpu_step):
    said = ask("transfer", **gpu_step(BUSY, IDLE), copies=[UPLOAD])
    assert said.fix is None and "batch.pin_memory()" in said.how


def test_on_a_busy_device_only_the_copy_itself_becomes_faster(ask, gpu_step):
    said = ask("transfer", **gpu_step({"bf16": 0.09, "copy": 0.01}, {}), copies=[UPLOAD])
    assert said.saves.high == pytest.approx(0.1 * (1 - 8 / 50)) and said.saves.low == pytest.approx(0.1 * (1 - 8 / 12))


@pytest.mark.parametrize("change", [{"pageable": False}, {"kind": "DtoH"}, {"host_blocked_seconds_per_step": 0.001}])
def test_silent_about_copies_that_cost_nothing(ask, gpu_step, change):
    assert ask("transfer", **gpu_step(BUSY, IDLE), copies=[{**UPLOAD, **change}]) is None


def test_a_loader_that_pins_is_the_cure_applied(ask, gpu_step):
    assert ask("transfer", **gpu_step(BUSY, IDLE), copies=[UPLOAD], loader={"pin_memory": True}) is None
