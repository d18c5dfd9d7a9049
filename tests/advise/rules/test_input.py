"""The input rule, judged by literal evidence and by what was measured on an H100."""

import pytest

from perfkit.model.records import Device

SLEEPER = {"num_workers": 0, "persistent_workers": False, "length": 100, "iterable": False}


def test_it_speaks_when_the_step_waits_for_a_loader_without_workers(ask, phases):
    said = ask("input", loader=SLEEPER, cores=8, cores_used=1.0, breakdown=phases(data=0.06, forward=0.04))
    assert said.fix.parameters == {"num_workers": 2, "persistent_workers": True}
    # Behind two workers the wait is gone: at best the 60 % of it.
    assert 0.35 < said.saves.low < 0.55 and said.saves.high == pytest.approx(0.6, abs=0.01)


def test_beside_a_gpu_the_workers_batches_are_pinned_as_well(ask, phases):
    gpu = Device(name="NVIDIA H100 80GB HBM3", kind="cuda")
    given = {"cores": 8, "cores_used": 1.0, "breakdown": phases(data=0.06, forward=0.04), "gpu": gpu}
    said = ask("input", loader=SLEEPER, **given)
    assert "pin_memory=True" in said.how and "non_blocking=True" in said.how and said.fix.parameters["pin_memory"]
    assert "pin_memory" not in ask("input", loader={**SLEEPER, "pin_memory": True}, **given).how


def test_it_is_silent_when_the_step_hardly_waits(ask, phases):
    assert ask("input", loader=SLEEPER, cores=8, breakdown=phases(data=0.004, forward=0.096)) is None


def test_it_is_silent_when_workers_already_hide_the_loading(ask, phases):
    loader = {**SLEEPER, "num_workers": 4}
    assert ask("input", loader=loader, cores=8, breakdown=phases(data=0.001, forward=0.1)) is None


def test_it_is_silent_where_handing_over_costs_as_much_as_the_wait(ask, phases):
    tiny = phases(data=0.0001, forward=0.0002)
    assert ask("input", loader=SLEEPER, cores=8, cores_used=1.0, breakdown=tiny) is None
    # Below 1 ms, and yet a gain even in the bad case: 10 workers' worth of waiting behind a long step.
    said = ask("input", loader={**SLEEPER, "num_workers": 8}, cores=8, breakdown=phases(data=0.0009, forward=0.0041))
    assert said is not None and said.saves.low > 0.01


def test_it_says_nothing_of_a_script_without_a_loader(ask, phases):
    assert ask("input", cores=8, breakdown=phases(forward=0.1)) == "loader: not among the evidence given"


@pytest.mark.parametrize(("cores", "wait"), [(2, 0.5), (4, 5.0), (1, 0.02)])
def test_it_never_suggests_more_workers_than_cores(ask, phases, cores, wait):
    said = ask("input", loader=SLEEPER, cores=cores, cores_used=0.1, breakdown=phases(data=wait, forward=0.01))
    assert said.fix.parameters["num_workers"] <= cores


def test_the_gain_is_bounded_by_the_workers_not_by_the_share_of_the_phase(ask, phases):
    said = ask("input", loader=SLEEPER, cores=2, cores_used=0.2, breakdown=phases(data=0.100, forward=0.010))
    assert said.saves.high <= 1 - 0.05 / 0.11 + 0.001  # the share of the phase is 0.91
    assert "even then" in said.evidence


def test_a_busy_core_cannot_be_hidden_behind_itself(ask, phases):
    """One core, fully used: a worker would only take it from the model."""
    assert ask("input", loader=SLEEPER, cores=1, cores_used=1.0, breakdown=phases(data=0.06, forward=0.04)) is None


def test_on_one_core_a_loader_that_only_waits_can_still_be_hidden(ask, phases):
    said = ask("input", loader=SLEEPER, cores=1, cores_used=0.4, breakdown=phases(data=0.06, forward=0.04))
    assert said.fix.parameters["num_workers"] == 1 and said.saves.high == pytest.approx(0.4, abs=0.01)


def test_more_workers_where_some_are_not_enough(ask, phases):
    loader = {**SLEEPER, "num_workers": 2}
    said = ask("input", loader=loader, cores=16, cores_used=3.0, breakdown=phases(data=0.05, forward=0.05))
    assert "instead of 2" in said.title and said.fix.parameters["num_workers"] == 4


def test_workers_as_many_as_cores_get_another_cure(ask, phases):
    loader = {**SLEEPER, "num_workers": 4}
    said = ask("input", loader=loader, cores=4, cores_used=3.9, breakdown=phases(data=0.05, forward=0.05))
    assert said.fix is None and "cheaper" in said.title
    assert 0 < said.saves.low < said.saves.high <= 0.5


@pytest.mark.parametrize(("busy", "said"), [(3.8, "transforms"), (0.4, "storage")])
def test_the_other_cure_depends_on_whether_the_workers_compute_or_wait(ask, phases, busy, said):
    loader = {**SLEEPER, "num_workers": 4}
    finding = ask("input", loader=loader, cores=4, worker_cores=busy, breakdown=phases(data=0.05, forward=0.05))
    assert said in finding.how and "of their time" in finding.evidence["workers compute"]


def test_waits_at_the_start_of_epochs_ask_for_workers_that_stay(ask, phases):
    loader = {**SLEEPER, "num_workers": 4}
    waits = {"seconds": 10.0, "batches": 1000, "starts": 10, "first_seconds": 9.9}
    said = ask("input", loader=loader, loader_waits=waits, cores=8, breakdown=phases(data=0.01, forward=0.05))
    assert said.fix.parameters == {"persistent_workers": True}
    kept = {**loader, "persistent_workers": True}
    said = ask("input", loader=kept, loader_waits=waits, cores=4, breakdown=phases(data=0.01, forward=0.05))
    assert said.fix is None


def test_an_iterable_dataset_is_described_but_never_changed(ask, phases):
    loader = {**SLEEPER, "iterable": True}
    said = ask("input", loader=loader, cores=8, breakdown=phases(data=0.06, forward=0.04))
    assert said.fix is None and "get_worker_info" in said.how


def test_the_measured_gain_of_an_h100_lies_in_the_interval(ask, phases):
    """ResNet-50 fed by a loader without workers on 16 cores: 417 ms; with 8 workers 68.1, with 14 66.9 ms."""
    loader = {**SLEEPER, "length": 0}
    said = ask("input", loader=loader, cores=16, cores_used=1.0, breakdown=phases(data=0.372, forward=0.045))
    assert said.saves.low < 1 - 68.1 / 417 < said.saves.high
    assert said.saves.low < 1 - 66.9 / 417 < said.saves.high
    assert said.saves.high - said.saves.low < 0.25


def test_it_is_silent_where_idle_workers_only_hand_batches_over(ask, phases):
    loader = {**SLEEPER, "num_workers": 4}
    shown = {"loader": loader, "cores": 2, "cores_used": 1.2, "breakdown": phases(data=0.0022, forward=0.011)}
    assert ask("input", worker_cores=0.1, **shown) is None
    assert ask("input", worker_cores=3.5, **shown) is not None
    assert ask("input", **{**shown, "loader": SLEEPER}) is None


def test_receiving_takes_longer_beside_neighbours(ask, phases):
    """A public script on two cores, others at work: 4 workers that compute 2 % of their time, 3.1 ms a batch."""
    loader = {**SLEEPER, "num_workers": 4}
    shown = {"loader": loader, "cores": 2, "cores_used": 0.82, "breakdown": phases(data=0.0031, forward=0.0245)}
    assert ask("input", worker_cores=0.07, others_cores=1.2, **shown) is None
    assert ask("input", worker_cores=0.07, others_cores=0.0, **shown) is not None


def test_neighbours_that_take_the_cores_leave_nothing_for_workers(ask, phases):
    """Measured on two cores, one of them taken by others: two workers made a decoding loader slower."""
    shown = {"loader": SLEEPER, "cores": 2, "cores_used": 1.0, "breakdown": phases(data=0.0175, forward=0.0025)}
    assert ask("input", others_cores=0.1, **shown) is not None
    assert ask("input", others_cores=1.0, **shown) is None
    # A loader that sleeps needs no core.
    assert ask("input", others_cores=1.0, **{**shown, "cores_used": 0.15}) is not None


def test_keeping_the_workers_saves_what_starting_them_takes(ask, phases):
    """Measured: 2 workers on 2 cores, started in each epoch 2870 samples/s, kept 3640."""
    waits = {
        "seconds": 1.4,
        "batches": 750,
        "starts": 10,
        "first_seconds": 0.6,
        "start_seconds": 0.30,
        "end_seconds": 0.30,
    }
    given = {"loader": {**SLEEPER, "num_workers": 2}, "cores": 2, "breakdown": phases(data=0.0020, forward=0.0036)}
    said = ask("input", loader_waits=waits, **given)
    assert said.title.startswith("Keep") and said.saves.low < 1 - 2870 / 3640 < said.saves.high


OWN = {
    "file": "/a/train.py",
    "line": 32,
    "role": "main",
    "window": "steady",
    "share": 0.6,
    "self_share": 0.6,
    "samples": 30,
}


def test_without_a_free_core_decoding_has_to_become_cheaper(ask, phases):
    shown = {"loader": SLEEPER, "cores": 1, "cores_used": 1.0, "breakdown": phases(data=0.06, forward=0.04)}
    assert ask("input", hot_lines=[{**OWN, "function": "train"}], **shown) is None
    said = ask("input", hot_lines=[{**OWN, "function": "Pictures.__getitem__"}], **shown)
    assert "cheaper" in said.title and "train.py:32" in said.evidence["loading at"]
    assert said.saves.high - said.saves.low < 0.25


def test_what_runs_below_the_loader_is_loading_whatever_it_is_called(ask, phases):
    shown = {"loader": SLEEPER, "cores": 1, "cores_used": 1.0, "breakdown": phases(data=0.06, forward=0.04)}
    line = {**OWN, "function": "stripes", "loading_share": OWN["self_share"]}
    assert "cheaper" in ask("input", hot_lines=[line], **shown).title
    assert ask("input", hot_lines=[{**line, "loading_share": 0.0}], **shown) is None


def test_a_slow_collate_is_left_to_its_own_rule(ask, phases):
    shown = {"loader": SLEEPER, "cores": 1, "cores_used": 1.0, "breakdown": phases(data=0.06, forward=0.04)}
    lines = [{**OWN, "function": "collate"}]
    assert ask("input", hot_lines=lines, **shown) is None and ask("collate", hot_lines=lines, **shown) is not None


def test_a_worker_on_the_other_half_of_a_core_slows_the_model_down(ask, phases):
    """Two cores that are threads of one: behind a worker both take as many times as long as was measured, while both compute."""
    given = {"loader": SLEEPER, "cores": 2, "cores_used": 1.0, "breakdown": phases(data=0.05, forward=0.05)}
    shared = {"crowded": {"interpreter": 1.6, "matrix": 1.3}}
    alone = ask("input", cpu_peaks={"crowded": {"interpreter": 1.0, "matrix": 1.0}}, **given).saves
    beside = ask("input", cpu_peaks=shared, **given).saves
    assert alone.high == pytest.approx(0.5, abs=0.01)
    assert beside.high == pytest.approx(1 - 0.5 * 1.3, abs=0.01)
    assert beside.low < 1 - 0.5 * 1.6 < beside.high
    # A loader that waits for storage leaves the core to the model, and half of 8 cores are real ones for sure.
    assert ask("input", cpu_peaks=shared, **{**given, "cores_used": 0.5}).saves.high == pytest.approx(0.5, abs=0.01)
    assert ask("input", cpu_peaks=shared, **{**given, "cores": 8}).saves.high == pytest.approx(0.5, abs=0.01)


def test_where_loading_is_nearly_as_slow_as_the_model_either_may_turn_out_the_slower(ask, phases):
    """The low end is the larger of both, each with its own slack: batches that are not all alike hold the model up."""
    said = ask("input", loader=SLEEPER, cores=8, cores_used=1.0, breakdown=phases(data=0.0999, forward=0.1))
    assert said.saves.low < 1 - 1.15 * 0.0999 / 0.1999
    # A loader that takes half as long is no limit, whatever its batches are like.
    roomy = ask("input", loader=SLEEPER, cores=8, cores_used=1.0, breakdown=phases(data=0.05, forward=0.1))
    assert roomy.saves.low > 1 - 1.15 * 0.1 / 0.15
