"""Planting causes into public scripts: the plan is reproducible, the call lands where a step ends, the judgement is fair."""

import ast
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from zoo import inject, public

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
    plan, truth = {"plant": "collect", "severity": 0.4}, {"median": 0.25}
    heard = inject.judged("adder", plan, truth, [own, garbage], {}, [own], [0.0, 0.5])
    assert (heard["first"], heard["first_cause"], heard["inside"]) == ("garbage", "python", True)
    assert heard["score"] == pytest.approx(0.1)
    assert heard["naive_score"] == pytest.approx(0.5)
    silent = inject.judged("adder", plan, truth, [own], {}, [own], [0.0, 0.5])
    assert (silent["first_cause"], silent["forecast"], silent["inside"]) == ("none", [0.0, 0.05], False)
    assert silent["score"] == pytest.approx(0.05 + 10 * 0.2)
    fewer = own | {"title": "Compute with 2 threads instead of 16"}
    assert inject.judged("adder", plan, truth, [fewer], {}, [own], [0.0, 0.5])["first"] == "threads"


def test_the_summary_counts_failures_apart_and_leaves_none_out_of_the_scores():
    plan = {"plant": "none", "severity": 0.0}
    nothing = inject.judged("adder", plan, {"median": 0.0}, [], {}, [], [0.0, 0])
    told = inject.summary([nothing, {"target": "adder", "plan": plan, "failed": "x"}], 1, {})
    assert (told["count"], told["failed"], told["agreement"]) == (2, 1, 1.0)
    assert told["confusion"] == {"none": {"none": 1}}
    assert told["coverage"] is None


def test_every_plant_is_of_a_known_cause():
    assert {cause for cause, _, _ in inject.PLANTS.values()} <= {*CAUSES, "none"}
