"""Planting causes into public scripts: the plan is reproducible, the call lands where a step ends, the judgement is fair."""

import ast
import json
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from zoo import inject, public

from perfkit.advise import calibration
from perfkit.model.records import CAUSES

ADDER = next(target for target in public.TARGETS if target.name == "adder")
SCRIPT = """import time

def run(self):
    for batch in data:
            self.optimizer.step()
            report()
"""


def test_a_seed_gives_the_same_plan_again_and_every_plant_as_often_as_the_others():
    plans = [list(inject.planned(random.Random(3), 24, None)) for _ in range(2)]
    assert plans[0] == plans[1]
    counted = [plant for _, plant in plans[0]]
    assert {counted.count(plant) for plant in inject.PLANTS} == {2}


def test_loader_plants_go_to_scripts_with_a_loader_and_names_choose():
    assert all(t.loader or plant not in inject.NEEDS_LOADER for t, plant in inject.planned(random.Random(0), 60, None))
    chosen = list(inject.planned(random.Random(0), 5, ["adder", "save"]))
    assert {(t.name, plant) for t, plant in chosen} == {("adder", "save")}


def test_severity_stays_in_its_range_and_none_has_none():
    chance = random.Random(1)
    drawn = [inject.draw(chance, ADDER, "slow_read")["severity"] for _ in range(200)]
    assert 0.03 <= min(drawn) < 0.06
    assert 0.6 < max(drawn) <= 0.9
    assert inject.draw(chance, ADDER, "none")["severity"] == 0.0


def test_the_call_comes_right_after_the_step_and_the_import_first():
    text = public.with_call(SCRIPT, ADDER)
    ast.parse(text)
    lines = text.splitlines()
    assert lines[0] == "import planted"
    assert (
        lines[lines.index("            self.optimizer.step()") + 1].strip()
        == "planted.after_step(model, self.optimizer, x)"
    )


def test_a_script_that_has_changed_is_refused():
    with pytest.raises(public.DoesNotFitError, match="adder"):
        public.with_call("import time\n", ADDER)


def test_what_the_script_itself_is_told_does_not_count_and_silence_is_a_forecast():
    own = {
        "rule": "threads",
        "title": "Compute with 2 threads instead of 1",
        "cause": "threads",
        "low": 0.3,
        "high": 0.4,
    }
    garbage = {"rule": "garbage", "title": "Leave the collector alone", "cause": "python", "low": 0.2, "high": 0.3}
    plan, truth = {"plant": "collect", "severity": 0.4}, {"cured": {"median": 0.25, "low": 0.24, "high": 0.26}}
    heard = inject.judged("adder", plan, truth, [own, garbage], {}, [own], [0.0, 0.5])
    assert (heard["first"], heard["first_cause"], heard["inside"]) == ("garbage", "python", True)
    assert heard["score"] == pytest.approx(0.1)
    assert heard["naive_score"] == pytest.approx(0.5)
    silent = inject.judged("adder", plan, truth, [own], {}, [own], [0.0, 0.5])
    assert (silent["first_cause"], silent["forecast"], silent["inside"]) == ("none", [0.0, 0.05], False)
    assert silent["score"] == pytest.approx(0.05 + 10 * 0.2)
    fewer = own | {"title": "Compute with 2 threads instead of 16"}
    assert inject.judged("adder", plan, truth, [fewer], {}, [own], [0.0, 0.5])["first"] == "threads"


def test_the_truth_is_that_of_the_advised_cure():
    truths = {name: {"median": n / 10} for n, name in enumerate(("workers", "cheaper"))}
    workers = {"fix": {"name": "loader-workers", "parameters": {"num_workers": 2, "persistent_workers": True}}}
    plan = {"plant": "slow_decode", "severity": 0.5, "step_s": 0.01}
    assert inject.arms(plan, [{"cause": "input", "rule": "input", **workers}])["workers"]["workers"]["num_workers"] == 2
    assert inject.truth_of(truths, {"rule": "input", **workers}) is truths["workers"]
    assert inject.truth_of(truths, {"rule": "input", "fix": None}) is truths["cheaper"]
    cheaper = inject.arms(plan, [{"cause": "input", "rule": "input", "fix": None}])["cheaper"]
    assert cheaper["severity"] == pytest.approx(0.5 * inject.CHEAPER)
    assert inject.arms(plan, [{"cause": "input", "rule": "collate", "fix": None}])["cheaper"]["plant"] == "none"
    assert inject.truth_of(truths, None) is truths["workers"]
    assert inject.arms({"plant": "none"}, []) == {} and inject.truth_of({}, None)["median"] == 0.0
    assert inject.arms({"plant": "save"}, [])["cured"] == {"plant": "save", "rarely": inject.RARER}


def test_margins_are_taken_from_the_rules_own_intervals():
    found = inject.margins([{"uncalibrated": [0.2, 0.4], "truth": {"low": 0.5, "high": 0.6}}] * 20)
    unit = calibration.NOISE + 0.3 * 0.7
    assert found["below"] == 0.0 and found["above"] == pytest.approx(0.1 / unit)


def test_the_summary_counts_failures_apart_and_leaves_none_out_of_the_scores():
    plan = {"plant": "none", "severity": 0.0}
    nothing = inject.judged("adder", plan, {}, [], {}, [], [0.0, 0])
    told = inject.summary([nothing, {"target": "adder", "plan": plan, "failed": "x"}], 1, {})
    assert (told["count"], told["failed"], told["agreement"]) == (2, 1, 1.0)
    assert told["confusion"] == {"none": {"none": 1}}
    assert told["coverage"] is None


def test_every_plant_is_of_a_known_cause():
    assert {cause for cause, _, _ in inject.PLANTS.values()} <= {*CAUSES, "none"}


def test_intervals_are_widened_by_what_the_published_trials_say():
    """Fails when one of the two was made anew without the other."""
    published = json.loads((inject.EARLIER.parent / "zoo_inject_calibration.json").read_text())["margins"]
    assert published["count"] >= 20
    assert pytest.approx((published["below"], published["above"]), abs=0.005) == (calibration.BELOW, calibration.ABOVE)
