"""The collector's pauses, the compiler's work, and slow steps with their causes."""

import pytest

from perfkit.analyze.outliers import outliers
from perfkit.analyze.pauses import compilations, pauses
from perfkit.analyze.steps import derive
from perfkit.model import marks

MS = 1_000_000


def collect(tape, ms, generation=2, explicit=True, obj=0, thread=0):
    tape.wait(ms)
    tape.mark(marks.GC, obj, round(ms * MS), generation | (marks.GC_EXPLICIT if explicit else 0), thread)


def compile_for(tape, ms, thread=0):
    tape.mark(marks.COMPILE_ENTER, thread=thread)
    tape.wait(ms)
    tape.mark(marks.COMPILE_EXIT, thread=thread)


def test_an_explicit_collection_every_fifth_step(tape):
    tape.notes = [{"fact": "name", "id": 3, "name": "src/train.py:31"}]
    for n in range(61):
        tape.train_step()
        if n % 5 == 4:
            collect(tape, 20, obj=3)
    steps = derive(tape)
    found = pauses(tape, steps)
    steady = int(steps["steady"].sum())
    assert found["seconds_per_step"] == pytest.approx(found["collections"] * 0.020 / steady)
    assert (found["explicit"], found["called_from"], found["steps_between"]) == (True, ["src/train.py:31"], 5)
    assert (found["generation2"], found["longest_s"]) == (found["collections"], 0.020)
    assert found["explicit_seconds_per_step"] == found["seconds_per_step"]


def test_the_collectors_own_pauses_are_nobodys_wish_whatever_thread_they_are_in(tape):
    for n in range(40):
        tape.train_step()
        collect(tape, 1, generation=n % 2, explicit=False, thread=n % 3)
    found = pauses(tape, derive(tape))
    assert (found["explicit"], found["called_from"], found["explicit_seconds_per_step"]) == (False, [], 0)
    assert (found["generation2"], found["longest_s"]) == (0, 0.001)
    assert found["seconds_per_step"] == pytest.approx(0.001, rel=0.1)


def test_a_librarys_collections_are_not_the_scripts(tape):
    tape.notes = [{"fact": "name", "id": 0, "name": "_dynamo/convert_frame.py:7"}]
    for _ in range(40):
        tape.train_step()
        tape.wait(5)
        tape.mark(marks.GC, 0, 5 * MS, 2 | marks.GC_EXPLICIT | marks.GC_BY_LIBRARY)
    found = pauses(tape, derive(tape))
    assert (found["explicit"], found["explicit_seconds_per_step"]) == (False, 0)
    assert found["called_from"] == ["_dynamo/convert_frame.py:7"]
    assert found["seconds_per_step"] > 0.004


def test_a_slow_step_in_which_something_was_compiled_is_explained(tape):
    for n in range(80):
        if n == 50:
            compile_for(tape, 400)
        tape.train_step()
    assert outliers(tape, derive(tape))["coincide"]["compile"] == 1


def test_without_pauses_all_is_zero(tape):
    for _ in range(20):
        tape.train_step()
    found = pauses(tape, derive(tape))
    assert (found["seconds_per_step"], found["collections"], found["longest_s"], found["steps_between"]) == (
        0,
        0,
        0,
        None,
    )


def test_compilations_in_warm_up_and_among_steady_steps_are_told_apart(tape):
    for n in range(60):
        if n == 0 or n in (30, 45):
            compile_for(tape, 400, thread=1 if n == 45 else 0)
        tape.train_step()
    steps = derive(tape)
    found = compilations(tape, steps, {"recompiles": 2, "graph_breaks": 1, "recompile_reasons": ["size mismatch"]})
    assert (found["count"], found["in_steady_count"], found["last_step"]) == (3, 2, 45)
    assert found["seconds"] == pytest.approx(1.2)
    assert found["in_steady_seconds_per_step"] == pytest.approx(0.8 / steps["steady"].sum())
    assert (found["recompiles"], found["graph_breaks"], found["reasons"]) == (2, 1, ["size mismatch"])


def test_what_the_steps_with_a_compilation_take_longer_counts_beside_the_compilations(tape):
    for n in range(60):
        if n in (30, 45):
            compile_for(tape, 400)
            tape.wait(100)  # what was compiled is made ready
        tape.train_step()
    steps = derive(tape)
    found = compilations(tape, steps, None)
    count = steps["steady"].sum()
    assert found["around_steady_seconds_per_step"] == pytest.approx(1.0 / count, rel=0.01)
    assert found["in_steady_seconds_per_step"] == pytest.approx(0.8 / count)


def test_the_first_step_after_a_compilation_finds_nothing_warm(tape):
    for n in range(60):
        if n in (30, 45):
            compile_for(tape, 400)
        if n in (31, 46):
            tape.wait(50)
        tape.train_step()
    steps = derive(tape)
    found = compilations(tape, steps, None)
    assert found["around_steady_seconds_per_step"] == pytest.approx(0.9 / steps["steady"].sum(), rel=0.01)


def test_where_all_steps_are_compiled_nobody_knows_what_they_would_take_without(tape):
    for _ in range(20):
        compile_for(tape, 10)
        tape.train_step()
    assert compilations(tape, derive(tape), None)["around_steady_seconds_per_step"] is None


def test_of_a_killed_run_the_reasons_are_not_known(tape):
    compile_for(tape, 100)
    for _ in range(20):
        tape.train_step()
    tape.mark(marks.COMPILE_ENTER)
    found = compilations(tape, derive(tape), None)
    assert (found["count"], found["recompiles"], found["reasons"]) == (1, None, None)


def test_without_a_compiler_there_is_none(tape):
    tape.train_step()
    assert compilations(tape, derive(tape), None) is None


def test_slow_steps_name_what_explains_at_least_half_of_them(tape):
    for n in range(121):
        tape.train_step(data=60 if n % 40 == 13 else 3, other=80 if n % 40 == 27 else 0.5)
        if n % 20 == 4:
            collect(tape, 30)
        if n % 40 == 9:
            tape.span(marks.SAVE_ENTER, 50)
    found = outliers(tape, derive(tape))
    assert found["coincide"] == {
        "gc": 4,
        "compile": 0,
        "evaluation": 0,
        "checkpoint": 2,
        "logging": 0,
        "input": 2,
        "none": 2,
    }
    assert found["count"] == 10  # those of warm-up are not among them
    assert found["period"] is None


def test_regular_slow_steps_have_a_period(tape):
    for n in range(101):
        tape.train_step(other=60 if n % 10 == 7 else 0.5)
    found = outliers(tape, derive(tape))
    assert found["period"] == 10
    assert found["share_of_time"] == pytest.approx(0.0595 / (0.15 + 0.0595), rel=0.1)
    assert found["coincide"]["none"] == found["count"]


def test_even_steps_have_no_slow_one(tape):
    for n in range(60):
        tape.train_step(data=3 + n % 2)
    found = outliers(tape, derive(tape))
    assert (found["count"], found["share_of_time"], found["period"]) == (0, 0, None)


def test_without_steps_nothing_can_be_said(tape):
    assert outliers(tape, derive(tape)) is None
