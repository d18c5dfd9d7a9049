"""The benchmark of the gate: how it counts, that it keeps what was recorded, and that the gate's own code decides."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import gate  # noqa: E402
from gating import peers, recording, replay, samples, simulated  # noqa: E402

from perfkit.bench.session import Plan  # noqa: E402

CASES = (0.0, 0.0, 0.02, 0.05)
QUIET = simulated.NOISE["quiet"]


@pytest.fixture(scope="module")
def recorded():
    return simulated.in_turns(QUIET, CASES, replay.MOST_PAIRS)


def test_the_gate_decides_on_recorded_pairs_as_on_fresh_ones(recorded):
    found = replay.ours(recorded)
    assert found["effects"]["0%"]["rotated"]["changed"] == 0.0
    assert found["effects"]["5%"]["rotated"]["regressed"] >= 0.95
    assert found["effects"]["5%"]["rotated"]["pairs"] >= 16  # eight, and eight to confirm
    assert found["effects"]["0%"]["disjoint"]["runs"] <= 2 * replay.MOST_PAIRS // 8
    assert found["suite"]["benchmarks"] == 2
    assert found["suite"]["rotated"]["suites"] == replay.MOST_PAIRS


def test_what_was_put_in_is_found_by_all_pairs_together(recorded):
    for told in replay.truth(recorded).values():
        assert told["low"] - 0.001 <= told["work"] <= told["high"] + 0.001  # a 95 % interval of one seed
        assert told["measured"] == pytest.approx(told["work"], abs=0.003)
    assert abs(replay.correlation(recorded)) < 0.5


def test_a_run_begins_where_the_one_before_ended():
    assert replay.chain([8, 1, 1, 1, 1, 1, 1, 1, 3, 1, 1, 16]) == [0, 8, 11]


def test_rates_have_bounds_where_no_pair_was_used_twice():
    rows = [row("same")] * 299 + [row("regressed")]
    assert replay.shares([row("same")] * 300, 0.0, bounds=True)["changed_upper95"] == pytest.approx(0.00994, abs=1e-5)
    found = replay.shares(rows, 0.05)
    assert (found["changed"], found["pairs"], found["interval_holds"]) == (pytest.approx(1 / 300), 8, 0.0)
    assert "changed_upper95" not in found


def row(verdict):
    return {"verdict": verdict, "pairs": 8, "confirming_pairs": 0, "change": {"low": -0.01, "high": 0.01}}


def test_a_target_is_reached_when_the_worse_of_both_ways_of_counting_reaches_it():
    good = {"changed": 0.0, "regressed": 1.0, "same": 0.0, "pairs": 9.0, "runs": 400}
    both = {"disjoint": good, "rotated": good}
    own = {"effects": {"0%": both, "2%": both, "5%": both}, "suite": {how: {"any_changed": 0.0} for how in both}}
    own["suite"]["benchmarks"] = 20
    told = gate.reached({"quiet": own})
    assert told["+5 % found >= 95 %, quiet"] is True
    assert told["+5 % found >= 80 %, loaded"] is None  # was not recorded
    own["effects"]["5%"] = {"disjoint": good | {"regressed": 0.9}, "rotated": good}
    assert gate.reached({"quiet": own})["+5 % found >= 95 %, quiet"] is False
    assert gate.reached({"quiet": own})["suite of 20 <= 5 %, quiet"] is True
    own["suite"]["benchmarks"] = 12
    assert gate.reached({"quiet": own})["suite of 20 <= 5 %, quiet"] is None
    own["effects"]["0%"] = {"disjoint": good, "rotated": good | {"runs": 299}}
    assert gate.reached({"quiet": own})["A/A false alarms <= 1 % (0 of 300), quiet"] is False


def test_a_recording_goes_on_where_it_was_interrupted(tmp_path, recorded):
    path, key = tmp_path / "samples.npz", ("quiet", "turns")
    known = samples.load(path)
    for number in range(2):
        known = samples.added(
            known, key, CASES, recorded.seconds[number], recorded.settled[number], {"at": str(number)}
        )
        samples.save(path, known)
        known = samples.load(path)
    assert np.allclose(known[key].seconds, recorded.seconds[:2], atol=samples.TICK_S)
    assert [told["at"] for told in known[key].told] == ["0", "1"]
    assert gate.behind(known, "quiet", 2) == "alone"
    assert gate.behind(known, "loaded", 2) == "turns"
    with pytest.raises(ValueError, match="other benchmarks"):
        samples.added(known, key, CASES[:3], recorded.seconds[0, :, :3], recorded.settled[0, :, :3], {})
    assert [each.name for each in tmp_path.iterdir()] == ["samples.npz"]


def test_rules_that_are_not_installed_are_left_out_and_that_is_said(monkeypatch, recorded):
    monkeypatch.setattr(peers.Peer, "installed", None)
    rows = list(gate.others({("quiet", "turns"): recorded}, "quiet"))
    assert {row["left out"] for row in rows} >= {"asv is not installed", "benchmatrix is not installed"}


def test_the_rule_of_pytest_benchmark_is_its_own(recorded):
    pytest.importorskip("pytest_benchmark")
    (rule,) = (each for each in peers.PEERS if each.name == "pytest-benchmark min:5%")
    assert rule.judge([np.array([1.0, 2.0])], [np.array([1.06, 1.0501])], 1)[0] == "regressed"
    assert rule.judge([np.array([1.0, 2.0])], [np.array([9.0, 1.04])], 1)[0] == "same"
    found = peers.judged(rule, recorded, "in turns")
    assert found["effects"]["0%"]["runs"] == 2 * replay.MOST_PAIRS
    assert found["effects"]["0%"]["changed"] < 0.05


def test_others_get_samples_as_long_as_their_own():
    calls = np.array([0.003] * 100)
    assert len(peers.spans(calls, 0.0, peers.ASV_SAMPLE_S)) == 25  # four calls of 3 ms each
    assert len(peers.spans(calls, 0.05, peers.ASV_SAMPLE_S)) == 100  # blocks are long enough


def test_a_stored_base_is_of_half_a_recording_before():
    (base, head), *_ = windows = peers.windowed(48, peers.PEERS[0], "stored base")
    assert (list(base), list(head)) == ([0], [24])
    assert len(windows) == 24
    assert peers.windowed(10, next(each for each in peers.PEERS if each.pairs == 20), "in turns") == []


@pytest.mark.slow
@pytest.mark.parametrize("way", samples.WAYS)
def test_a_round_is_recorded_from_real_processes(way, monkeypatch):
    monkeypatch.setattr(recording.selftest, "PLAN", Plan(block_s=0.001, blocks=6))
    monkeypatch.setattr(recording, "CALLS", Plan(block_s=1e-9, blocks=6))
    seconds, settled, told = recording.recorded((0.0, 0.05), 1, way, "quiet")
    assert np.array(seconds).shape == (2, 2, 6)
    assert np.array(settled).shape == (2, 2)
    assert told["order"] == "head base"
    assert 0.0 < np.array(seconds).min() < 1.0


def test_the_neighbour_has_one_core_and_is_gone_afterwards(monkeypatch):
    compile(recording.SPIN.format(parent=1), "neighbour", "exec")
    monkeypatch.setattr(recording, "SPIN", "import time\ntime.sleep({parent})")
    core = min(os.sched_getaffinity(0))
    with recording.busy(core) as process:
        assert os.sched_getaffinity(process.pid) == {core}
    assert process.poll() is not None
