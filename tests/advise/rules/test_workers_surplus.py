"""The workers_surplus rule, judged by literal evidence and by one measured case."""

import pytest

LOADER = {"num_workers": 8, "persistent_workers": False, "length": 75}
WAITS = {
    "seconds": 3.80, "batches": 750, "starts": 10, "first_seconds": 0.62, "start_seconds": 1.20, "end_seconds": 0.40,
}  # fmt: skip


@pytest.fixture
def base(phases):
    return {
        "breakdown": phases(data=0.0060, forward=0.0010, backward=0.0014), "loader": LOADER, "loader_waits": WAITS,
        "cores": 2, "cores_used": 1.9,
    }  # fmt: skip


def test_the_measured_gain_of_two_cores_lies_in_the_interval(ask, base):
    """8 workers, started in every epoch: 1870 samples/s; 2 that stay: 3640."""
    said = ask("workers_surplus", **base)
    assert said.fix.parameters == {"num_workers": 2, "persistent_workers": True}
    assert said.saves.low < 1 - 1870 / 3640 < said.saves.high and said.saves.high - said.saves.low < 0.25
    assert ask("input", **base) is None


def test_kept_workers_only_stop_competing(ask, base):
    """8 workers that stay: 2987 samples/s; 2 of them: 3640."""
    said = ask("workers_surplus", **{**base, "loader": {**LOADER, "persistent_workers": True}})
    assert said.saves.low < 1 - 2987 / 3640 < said.saves.high and said.saves.high == pytest.approx(0.30)


def test_workers_that_wait_for_storage_may_outnumber_the_cores(ask, base):
    assert ask("workers_surplus", **{**base, "cores_used": 0.5}) is None


def test_workers_that_hardly_compute_do_not_compete(ask, base):
    """Two public scripts with 4 workers on 2 cores: the wait was the receiving itself."""
    assert ask("workers_surplus", worker_cores=0.1, others_cores=1.0, **{**base, "cores_used": 1.0}) is None
    assert ask("workers_surplus", worker_cores=0.5, others_cores=1.0, **{**base, "cores_used": 1.0}) is not None


def test_as_many_workers_as_cores_are_the_cure_applied(ask, base):
    assert ask("workers_surplus", **{**base, "loader": {**LOADER, "num_workers": 2}}) is None


def test_it_is_silent_when_the_step_does_not_wait(ask, base, phases):
    assert ask("workers_surplus", **{**base, "breakdown": phases(data=0.0001, forward=0.01)}) is None
