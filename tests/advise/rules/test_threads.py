"""The threads rule, judged by literal evidence."""

import pytest

CPU = {"devices": {"cpu": 1000}}
BIG = [{"name": "aten::mm", "kind": "operator", "seconds_per_step": 0.08, "calls_per_step": 40.0}]
SMALL = [{"name": "aten::mm", "kind": "operator", "seconds_per_step": 0.08, "calls_per_step": 4000.0}]


@pytest.fixture
def base(phases):
    return {
        "torch": {"num_threads": 1}, "cores": 8, "model": CPU, "others_cores": 0.1, "cores_used": 1.0,
        "breakdown": phases(data=0.005, forward=0.04, backward=0.05, optimizer=0.005), "host_operators": BIG,
    }  # fmt: skip


def test_it_speaks_when_one_thread_computes_beside_free_cores(ask, base):
    said = ask("threads", **base)
    assert said.fix.parameters == {"num_threads": 8}
    # Amdahl over the 80 % in large operators, of which 50 to 95 % runs in parallel.
    assert (said.saves.low, said.saves.high) == pytest.approx((0.8 * 0.5 * 7 / 8, 0.8 * 0.95 * 7 / 8))


def test_it_is_silent_when_threads_and_cores_agree(ask, base):
    assert ask("threads", **{**base, "torch": {"num_threads": 8}}) is None


def test_it_is_silent_for_operators_too_small_to_share(ask, base):
    assert ask("threads", **{**base, "host_operators": SMALL}) is None


def test_it_is_silent_on_a_machine_that_others_keep_busy(ask, base):
    assert ask("threads", **{**base, "others_cores": 4.0}) is None


def test_it_is_silent_when_the_model_computes_on_a_gpu(ask, base):
    assert ask("threads", **{**base, "model": {"devices": {"cuda:0": 1000}}}) is None


def test_it_is_silent_when_the_step_only_waits_for_data(ask, base, phases):
    assert ask("threads", **{**base, "breakdown": phases(data=0.09, forward=0.01)}) is None


def test_it_never_takes_the_cores_that_loader_workers_use(ask, base):
    said = ask("threads", **{**base, "loader": {"num_workers": 3}, "cores_used": 3.6})
    assert said.fix.parameters == {"num_threads": 5}


def test_it_does_not_promise_the_cores_that_new_loader_workers_would_take(ask, base, phases):
    loader = {"num_workers": 0, "persistent_workers": False, "length": 100, "iterable": False}
    waits = phases(data=0.06, forward=0.02, backward=0.02)
    given = {**base, "breakdown": waits, "loader": loader, "cores_used": 1.0}
    input_said = ask("input", **{key: given[key] for key in ("breakdown", "loader", "cores", "cores_used")})
    workers = input_said.fix.parameters["num_workers"]
    assert ask("threads", **given).fix.parameters == {"num_threads": 8 - workers}
    assert (
        ask("threads", **{**given, "loader": {**loader, "iterable": True}}).fix.parameters["num_threads"] == 8 - workers
    )
    assert ask("threads", **{**given, "cores": workers}) is None


def test_without_operators_it_cannot_promise_anything(ask, base):
    given = {key: value for key, value in base.items() if key != "host_operators"}
    assert ask("threads", **given) is None


@pytest.mark.parametrize(("threads", "cores"), [(64, 4), (8, 2), (3, 2)])
def test_it_speaks_when_threads_exceed_the_cores(ask, base, threads, cores):
    said = ask("threads", **{**base, "torch": {"num_threads": threads}, "cores": cores})
    assert said.fix.parameters == {"num_threads": cores}
    assert 0 < said.saves.low < said.saves.high <= 1 - cores / threads


def test_ranks_that_each_take_all_cores_are_too_many(ask, base):
    said = ask("threads", **{**base, "torch": {"num_threads": 8}, "cores": 2, "rank_count": 4})
    assert said.fix.parameters == {"num_threads": 2} and said.evidence["ranks"] == 4
