"""The zoo: its scripts compile, its cures fit them, its rates are read as printed."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from zoo import running  # noqa: E402
from zoo.cases import CASES, SCRIPTS, Case, CureDoesNotFitError, cured  # noqa: E402
from zoo.keras_cases import KERAS_CASES  # noqa: E402

from perfkit.model.records import CAUSES  # noqa: E402


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_script_compiles_and_so_does_its_cured_twin(case):
    compile(case.source(), case.script, "exec")
    compile(cured(case), case.script, "exec")
    assert (cured(case) == case.source()) == case.healthy


def test_there_are_enough_cases_and_no_script_without_one():
    assert len([case for case in CASES if not case.healthy]) >= 20
    assert len([case for case in CASES if case.healthy]) >= 5
    assert {case.script for case in (*CASES, *KERAS_CASES)} == {path.name for path in SCRIPTS.glob("*.py")}
    assert {case.cause for case in (*CASES, *KERAS_CASES)} <= {*CAUSES, "none"}


def test_of_keras_there_are_enough_too_and_every_cure_fits():
    assert len([case for case in KERAS_CASES if not case.healthy]) >= 6
    for case in KERAS_CASES:
        assert (cured(case) == case.source()) is case.healthy
        ast.parse(cured(case))


def test_no_script_knows_of_perfkit():
    assert not [case.name for case in (*CASES, *KERAS_CASES) if "perfkit" in case.source()]


def test_a_cure_whose_text_is_not_there_once_is_refused():
    twice = Case(script=CASES[0].script, cause="input", cure=(("import", "import"),))
    with pytest.raises(CureDoesNotFitError, match="times"):
        cured(twice)


def test_rates_are_read_without_the_first_epoch_and_averaged_as_times():
    output = "epoch 0: 10.0 samples/s\nepoch 1: loss 0.3, 100.0 samples/s\nepoch 2: loss 0.2, 50.0 samples/s\n"
    timing = running.read(output, wall_s=4.0)
    assert timing.seconds_per_sample == pytest.approx(0.015)
    assert timing.epochs == 2
    assert timing.on("run") == 4.0
    assert timing.on("steady") == timing.seconds_per_sample


def test_a_script_that_prints_too_little_is_an_error():
    with pytest.raises(running.ScriptFailedError, match="printed 2 rates"):
        running.read("1 samples/s 2 samples/s", wall_s=1.0)
