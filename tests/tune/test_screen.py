import json
import math

import numpy as np
import polars as pl
import pytest

from perfkit.model.records import Fix
from perfkit.runs.reader import Run
from perfkit.tune import plan, screen
from perfkit.tune.candidates import Candidate
from perfkit.tune.screen import Screening, _judged
from perfkit.tune.stretches import log_seconds

from .conftest import candidate

SMALL = 0.02


def steps(durations_ms, samples=4.0):
    ends = np.cumsum(durations_ms) * 1_000_000
    starts = ends - np.asarray(durations_ms) * 1_000_000
    return pl.DataFrame(
        {"start_ns": starts, "end_ns": ends, "duration_ns": ends - starts, "samples": np.full(len(ends), samples)}
    )


def stretch(fix, first_ms, last_ms, number=1, acted=4):
    return {"fix": fix, "round": number, "from_ns": first_ms * 1_000_000, "to_ns": last_ms * 1_000_000, "acted": acted}


def test_a_stretch_is_worth_its_time_per_sample_and_steps_outside_count_for_nothing():
    table = steps([10, 10, 90, 5, 5])
    found = log_seconds(table, [stretch(None, 0, 20), stretch("a", 110, 120)])
    assert found == pytest.approx([math.log(0.01 / 4), math.log(0.005 / 4)])


def test_without_samples_it_is_the_time_per_step_and_without_steps_nothing():
    table = steps([10, 10], samples=math.nan)
    found = log_seconds(table, [stretch(None, 0, 20), stretch("a", 500, 900)])
    assert found[0] == pytest.approx(math.log(0.01))
    assert math.isnan(found[1])


def test_a_stretch_is_compared_with_the_plain_ones_beside_it_and_a_drift_falls_out(monkeypatch):
    # A machine that slows down by a tenth from stretch to stretch; the fix saves 20 %. The first round is the warm-up.
    facts, durations = [], []
    for at in range(9):
        fix = "a" if at % 2 else None
        duration = 10 * 1.1**at * (0.8 if fix else 1)
        begin = sum(durations)
        durations.append(duration)
        facts.append(stretch(fix, begin, begin + duration, number=at // 2 if fix else 9))
    monkeypatch.setattr(screen, "facts_of", lambda run, kind: facts)
    monkeypatch.setattr(screen, "Evidence", lambda run: type("Known", (), {"steps": steps(durations)}))
    assert screen.compared(None) == {"a": pytest.approx([math.log(0.8)] * 3)}


@pytest.mark.parametrize(
    ("differences", "state"),
    [
        ([0.001, -0.001, 0.002, -0.002, 0.0, 0.001], "drop"),
        ([0.05, 0.06, 0.05, 0.04, 0.05, 0.06], "drop"),
        ([-0.05, -0.06, -0.05, -0.04, -0.05, -0.06], "survives"),
        ([0.1, -0.1, 0.05, -0.06, 0.08, -0.09], "survives"),  # it may save more than a little
        ([0.001, -0.001], "survives"),  # too little to say
    ],
)
def test_only_what_surely_saves_little_is_dropped(differences, state):
    found = _judged("a", {"state": "applied"}, differences, None, SMALL)
    assert found.state == state
    assert found.reason.startswith("screened within one process")
    if len(differences) > 2:
        assert found.low < found.estimate < found.high
        assert found.estimate == pytest.approx(-np.mean(differences), abs=0.02)


def test_what_did_not_act_broke_or_took_much_longer_says_so():
    absent = _judged("a", {"state": "not-applicable", "reason": "no model"}, [], None, SMALL)
    assert (absent.state, absent.reason) == ("not-applicable", "no model")
    broken = _judged("a", {"state": "failed", "reason": "it raised ValueError"}, [], None, SMALL)
    assert (broken.state, "ValueError" in broken.reason) == ("drop", True)
    slow = _judged("a", {"state": "applied"}, [1.0], 4.5, SMALL)
    assert (slow.state, slow.estimate) == ("drop", -3.5)
    assert "4.5 times as long" in slow.reason


def test_what_did_not_fit_beside_the_others_may_fit_alone():
    full = _judged(
        "a", {"state": "failed", "reason": "it raised OutOfMemoryError: CUDA out of memory"}, [], None, SMALL
    )
    assert full.state == "survives"


def test_only_single_fixes_that_can_be_switched_are_chosen_and_of_a_name_the_first():
    one, two = candidate("threads"), candidate("autocast")
    more = Candidate(label="threads again", fixes=(Fix(name="threads"),))
    both = Candidate(label="both", fixes=(Fix(name="compile"), Fix(name="nothing")))
    swept = Candidate(label="--batch=8", fixes=(), sets=(("--batch", "8"),))
    assert screen.chosen([one, candidate("loader-workers"), two, more, both, swept]) == [one, two]
    assert screen.chosen([one, more, candidate("cudnn-benchmark")]) == []


def test_a_screening_comes_back_from_its_row_as_it_was():
    fixes = [_judged("a", {"state": "applied"}, [0.01] * 6, None, SMALL)]
    before = Screening(run="r", steps=25, wall_s=3.0, fixes=fixes)
    assert Screening.from_row(json.loads(json.dumps(before.row()))) == before


def test_whose_turn_it_was_when_it_broke_is_known(tmp_path):
    (tmp_path / "rank-00000").mkdir()
    turns = [{"fact": "screen-turn", "fix": fix, "round": 0} for fix in (None, "autocast")]
    (tmp_path / "rank-00000" / "facts.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in turns))
    assert screen.on_when_it_broke(Run(tmp_path)) == "autocast"


class TestPlan:
    def test_a_turn_is_long_enough_in_steps_and_in_time_and_of_whole_epochs(self):
        assert plan.turns(3, 60.0, 0.01, 80.0, 900.0).steps == 25
        assert plan.turns(3, 60.0, 0.1, 80.0, 900.0).steps == 8
        assert plan.turns(3, 60.0, 0.01, 80.0, 900.0, epoch_steps=20).steps == 40

    def test_where_it_would_cost_more_than_it_spares_there_is_none(self):
        assert plan.turns(2, 2.0, 5.0, 2.0 + 30 * 5.0, 900.0) is None

    def test_five_fixes_with_a_slow_start_are_worth_it(self):
        found = plan.turns(5, 60.0, 0.02, 80.0, 900.0)
        assert found.process_s < 150
        low, high = plan.expected(5, 80.0, 900.0, screened=5, screening_s=found.process_s)
        assert low < plan.expected(5, 80.0, 900.0)[0]
        assert high == 900.0
