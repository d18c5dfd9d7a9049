"""The threads rule, judged by literal evidence."""

import pytest

CPU = {"devices": {"cpu": 1000}}
BIG = [{"name": "aten::mm", "kind": "operator", "seconds_per_step": 0.08, "calls_per_step": 40.0}]
MIDDLE = [{"name": "aten::mm", "kind": "operator", "seconds_per_step": 0.08, "calls_per_step": 1600.0}]
SMALL = [{"name": "aten::mm", "kind": "operator", "seconds_per_step": 0.08, "calls_per_step": 8000.0}]


@pytest.fixture
def base(phases):
    return {
        "torch": {"num_threads": 1}, "cores": 8, "model": CPU, "others_cores": 0.1, "cores_used": 1.0,
        "breakdown": phases(data=0.005, forward=0.04, backward=0.05, optimizer=0.005), "host_operators": BIG,
    }  # fmt: skip


def test_it_speaks_when_one_thread_computes_beside_free_cores(ask, base):
    said = ask("threads", **base)
    assert said.fix.parameters == {"num_threads": 8}
    # Amdahl over the 80 % in large operators, of which 75 to 100 % runs in parallel.
    assert (said.saves.low, said.saves.high) == pytest.approx((0.8 * 0.75 * 7 / 8, 0.8 * 7 / 8))


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


def test_operators_of_middle_size_gain_less(ask, base):
    said = ask("threads", **{**base, "host_operators": MIDDLE, "cores": 2})
    assert (said.saves.low, said.saves.high) == pytest.approx((0.8 * 0.4 / 2, 0.8 * 0.9 / 2))


def test_the_measured_gain_of_a_public_script_lies_in_the_interval(ask, base):
    """A word language model (Transformer) on two cores: 27 to 30 ms a step on one thread, 17.8 on two."""
    operators = [
        {"name": "aten::mm", "kind": "operator", "seconds_per_step": 0.56 * 0.028, "calls_per_step": 40.0},
        {"name": "aten::mul", "kind": "operator", "seconds_per_step": 0.30 * 0.028, "calls_per_step": 200.0},
    ]
    step = [{"name": "forward", "seconds_per_step": 0.028, "share": 1.0}]
    said = ask("threads", **{**base, "host_operators": operators, "breakdown": step, "cores": 2})
    assert said.saves.low <= 1 - 17.8 / 28 <= said.saves.high and said.saves.high - said.saves.low < 0.25


@pytest.mark.parametrize(("threads", "cores"), [(64, 4), (8, 2), (3, 2)])
def test_it_speaks_when_threads_exceed_the_cores(ask, base, threads, cores):
    said = ask("threads", **{**base, "torch": {"num_threads": threads}, "cores": cores, "host_operators": BIG})
    assert said.fix.parameters == {"num_threads": cores}
    assert 0 < said.saves.low < said.saves.high < 0.9


def test_waking_threads_for_many_small_operators_costs_most(ask, base):
    many = {**base, "torch": {"num_threads": 16}, "cores": 2}
    small = ask("threads", **{**many, "host_operators": MIDDLE})
    large = ask("threads", **{**many, "host_operators": BIG})
    assert small.saves.low > 0.5 > large.saves.high


def test_ranks_that_each_take_all_cores_are_too_many(ask, base):
    said = ask("threads", **{**base, "torch": {"num_threads": 8}, "cores": 2, "rank_count": 4})
    assert said.fix.parameters == {"num_threads": 2} and said.evidence["ranks"] == 4


def convolutions(forward_s, backward_s):
    row = {"kind": "operator", "work": "convolution", "calls_per_step": 3.0}
    return [
        {**row, "name": "aten::mkldnn_convolution", "seconds_per_step": forward_s},
        {**row, "name": "aten::convolution_backward", "seconds_per_step": backward_s},
    ]


def test_a_backward_pass_that_spins_gains_most(ask, base, phases):
    """A small convolution network, 16 threads on two cores: 211 ms of CPU time a step, 26 on one thread."""
    many = {**base, "torch": {"num_threads": 16}, "cores": 2, "breakdown": phases(forward=0.012, backward=0.199)}
    said = ask("threads", **{**many, "host_operators": convolutions(0.009, 0.195)})
    assert said.saves.low <= 1 - 26.4 / 211.5 <= said.saves.high and said.saves.high - said.saves.low < 0.25
    shared = {"breakdown": phases(forward=0.071, backward=0.140), "host_operators": convolutions(0.070, 0.140)}
    usual = ask("threads", **{**many, **shared})
    assert usual.saves.high < 0.5


@pytest.mark.parametrize(
    ("threads", "forward", "backward", "layer", "measured"),
    [(8, 0.0079, 0.0448, (0.00626, 0.0448), 0.868), (16, 0.0138, 0.1250, (0.0116, 0.1226), 0.948)],
)
def test_a_recurrent_layer_splits_up_anew_at_each_time_step(
    ask, base, phases, threads, forward, backward, layer, measured
):
    """Measured on one core: a public script with an LSTM over 28 steps, 10.0 ms a step with one thread."""
    names = ("aten::mkldnn_rnn_layer", "aten::mkldnn_rnn_layer_backward")
    rows = [{"name": name, "kind": "operator", "seconds_per_step": seconds, "calls_per_step": 1.0}
            for name, seconds in zip(names, layer, strict=True)]  # fmt: skip
    shown = phases(data=0.0011, forward=forward, backward=backward, optimizer=0.002, evaluation=0.0008)
    given = {**base, "cores": 1, "torch": {"num_threads": threads}, "breakdown": shown, "host_operators": rows}
    said = ask("threads", **given)
    assert said.saves.low < measured < said.saves.high < 1
    assert said.saves.high - said.saves.low < 0.25
