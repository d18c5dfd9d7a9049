"""The chain method: stages that add up, states of health."""

import math

import numpy as np
import pytest

from perfkit.errors import UsageError
from perfkit.model.monitoring import Event
from perfkit.monitor.detect import stages, states

COSTS = {"load": 0.02, "step": 0.1, "checkpoint": 1.5}


def pipeline(rng, rows, costs, noise=0.02):
    amounts = {
        "load": rng.integers(50, 200, rows).astype(float),
        "step": rng.integers(50, 200, rows).astype(float),
        "checkpoint": rng.integers(0, 4, rows).astype(float),
    }
    whole = sum(costs[name] * amounts[name] for name in costs) * np.exp(rng.normal(0, noise, rows))
    return amounts, whole


def test_a_planted_stage_cost_is_recovered_within_five_per_cent():
    for seed in range(20):
        amounts, whole = pipeline(np.random.default_rng(seed), 120, COSTS)
        found = stages.solve(amounts, whole)
        assert found["step"].cost == pytest.approx(0.1, rel=0.05)
        assert found["load"].cost == pytest.approx(0.02, rel=0.2)
        assert found["step"].low < found["step"].cost < found["step"].high
        assert found.residual_share < 0.05


def test_the_stage_that_became_dearer_is_named_with_an_interval_that_holds_the_truth():
    rng = np.random.default_rng(1)
    before = stages.solve(*pipeline(rng, 120, COSTS))
    after = stages.solve(*pipeline(rng, 120, COSTS | {"load": 0.05}))
    found = stages.degraded(before, after, {"load": 125, "step": 125, "checkpoint": 1.5})
    assert found.stage == "load"
    assert found.low < 2.5 < found.high
    assert found.share > 0.8


def test_nothing_is_named_where_nothing_changed():
    named = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        before, after = (stages.solve(*pipeline(rng, 120, COSTS)) for _ in range(2))
        named += stages.degraded(before, after, {"load": 125, "step": 125, "checkpoint": 1.5}) is not None
    assert named <= 3


def test_stages_that_always_go_together_are_refused():
    x = np.arange(1.0, 30)
    with pytest.raises(UsageError, match="cannot be told apart"):
        stages.solve({"a": x, "b": 2 * x}, 3 * x)
    with pytest.raises(UsageError, match="more rows than stages"):
        stages.solve({"a": [1.0], "b": [2.0]}, [3.0])


def test_measured_stages_tell_which_one_the_whole_owes_its_rise_to():
    before = {"step": [0.10, 0.11, 0.10], "data": [0.02, 0.03, 0.02], "forward": [0.05, 0.05, 0.05]}
    after = {"step": [0.20, 0.21, 0.20], "data": [0.11, 0.12, 0.11], "forward": [0.06, 0.06, 0.06]}
    stage, share = stages.blame(before, after, "step")
    assert (stage, round(share, 2)) == ("data", 0.9)
    assert stages.blame(after, before, "step") is None


def test_the_stationary_distribution_solves_its_equation():
    rng = np.random.default_rng(2)
    for size in (2, 3, 7):
        p = rng.random((size, size)) ** 8
        p /= p.sum(axis=1, keepdims=True)
        pi = states.stationary(p)
        assert np.abs(pi @ p - pi).max() < 1e-12
        assert pi.sum() == pytest.approx(1.0, abs=1e-12)


def test_transient_states_have_no_share_of_the_long_run():
    p = np.array([[0.5, 0.5, 0.0], [0.0, 0.2, 0.8], [0.0, 0.6, 0.4]])
    pi = states.stationary(p)
    assert pi[0] == 0
    assert np.abs(pi @ p - pi).max() < 1e-12
    with pytest.raises(ValueError, match="2 sets of states"):
        states.stationary(np.eye(2))


def test_a_chain_recovers_the_matrix_that_made_it():
    p = np.array([[0.95, 0.045, 0.005], [0.2, 0.77, 0.03], [0.5, 0.0, 0.5]])
    rng, state, record = np.random.default_rng(3), 0, []
    for _ in range(20_000):
        record.append(states.STATES[state])
        state = rng.choice(3, p=p[state])
    found = states.estimate(record)
    assert np.abs(found.transitions - p).max() < 0.05
    assert np.abs(found.stationary @ found.transitions - found.stationary).max() < 1e-9
    truth = np.linalg.solve(np.eye(2) - p[:2, :2], np.ones(2))[0]
    assert found.time_to_failure.low < truth < found.time_to_failure.high
    assert found.time_to_failure.expected == pytest.approx(truth, rel=0.15)
    assert found.mean_stay[0] == pytest.approx(20, rel=0.15)


def test_where_nothing_failed_only_a_lower_bound_is_told():
    found = states.estimate(["healthy"] * 301, interval=2.0).time_to_failure
    assert found.expected is None
    assert found.failures == 0
    assert found.low == pytest.approx(300 / -math.log(0.05) * 2.0)
    assert found.high == math.inf


def test_a_state_that_was_never_left_leaves_the_long_run_unknown():
    found = states.estimate(["healthy", "healthy", "degraded"])
    assert np.isnan(found.stationary).all()


def test_states_follow_the_events_of_a_run():
    def event(kind, step, source="cusum(0.5)"):
        return Event(
            kind=kind, severity="warning", metric="m", source=source, message="", time_ns=0, monotonic_ns=0, step=step
        )

    told = [event("degradation", 3), event("recovered", 6), event("anomaly", 7)]
    assert states.states_of(told, range(10), failed_at=9) == (
        ["healthy"] * 3 + ["degraded"] * 3 + ["healthy"] * 3 + ["failed"]
    )
