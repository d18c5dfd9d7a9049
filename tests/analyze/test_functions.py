"""Loops whose step is one function, from literal marks."""

import pytest

from perfkit.analyze.breakdown import breakdown, run_breakdown
from perfkit.analyze.steps import derive, samples_from
from perfkit.model import marks
from perfkit.model.records import RunInfo

from .test_steps import MS, Tape


def fit(tape, calls, *, steps=1, samples=32, call=10.0, callbacks=1.0, obj=0):
    for _ in range(calls):
        tape.span(marks.CALLBACK_ENTER, callbacks / 2)
        tape.wait(0.5)
        tape.span(marks.FUNCTION_ENTER, call, obj, enter_a=marks.ROLE_TRAIN, a=samples * steps, b=steps)
        tape.span(marks.CALLBACK_ENTER, callbacks / 2)


def evaluate(tape, calls=3):
    tape.mark(marks.FUNCTION_ENTER, 0, marks.ROLE_EVALUATE)
    for _ in range(calls):
        tape.wait(1)
        tape.span(marks.FUNCTION_ENTER, 2, 0, enter_a=marks.ROLE_EVALUATE, a=32, b=1)
    tape.mark(marks.FUNCTION_EXIT, 0, -1, 0)


def test_a_step_ends_with_its_function_and_each_instant_has_one_phase():
    tape = Tape()
    fit(tape, 5)
    steps = derive(tape)
    assert steps["wall_ns"].to_list() == [10 * MS] + [int(11.5 * MS)] * 4  # what comes before the first cannot be told
    assert steps["function_ns"].to_list() == [10 * MS] * 5
    assert steps["callbacks_ns"].to_list() == [0] + [MS] * 4
    assert steps["other_ns"].to_list() == [0] + [MS // 2] * 4
    assert steps["samples"].to_list() == [32] * 5
    assert steps["forward_ns"].is_null().all()
    assert samples_from(tape).startswith("the batches of Keras")


def test_an_evaluation_counts_whole_and_is_no_part_of_the_step():
    tape = Tape()
    fit(tape, 3)
    evaluate(tape)
    fit(tape, 3)
    steps = derive(tape)
    assert steps["evaluation_ns"].to_list() == [0, 0, 0, 9 * MS, 0, 0]
    assert steps["duration_ns"][3] == steps["duration_ns"][2]


def test_the_time_of_a_call_that_makes_several_steps_is_divided_evenly():
    tape = Tape()
    fit(tape, 4, steps=4)
    steps = derive(tape)
    assert len(steps) == 16
    assert steps["duration_ns"][4:].unique().to_list() == [int(11.5 * MS / 4)]
    assert steps["function_ns"][4:].unique().to_list() == [int(2.5 * MS)]
    assert steps["samples"].unique().to_list() == [32]


def test_a_call_that_finds_no_more_data_is_no_step():
    tape = Tape()
    fit(tape, 3)
    tape.span(marks.FUNCTION_ENTER, 2, 0, enter_a=marks.ROLE_TRAIN, a=-2, b=0)
    fit(tape, 3)
    steps = derive(tape)
    assert len(steps) == 6
    assert steps["samples"].sum() == 6 * 32


def test_the_functions_of_a_gan_make_one_step_together():
    tape = Tape()
    for _ in range(6):
        tape.span(marks.FUNCTION_ENTER, 3, 1, enter_a=marks.ROLE_TRAIN, a=16, b=1)
        tape.span(marks.FUNCTION_ENTER, 5, 2, enter_a=marks.ROLE_TRAIN, a=16, b=1)
    steps = derive(tape)
    assert len(steps) == 6
    assert steps["function_ns"].to_list() == [8 * MS] * 6
    assert steps["samples"].to_list() == [16] * 6


def test_predictions_are_steps_of_an_inference():
    tape = Tape()
    for _ in range(4):
        tape.wait(1)
        tape.span(marks.FUNCTION_ENTER, 3, enter_a=marks.ROLE_PREDICT, a=8, b=1)
    steps = derive(tape)
    assert steps["mode"].unique().to_list() == ["inference"]
    assert steps["function_ns"].to_list() == [3 * MS] * 4


def test_the_breakdown_names_the_function_and_leaves_out_what_cannot_be_known():
    tape = Tape()
    fit(tape, 40)
    evaluate(tape)
    found = {row["name"]: row["share"] for row in breakdown(derive(tape))}
    assert set(found) == {"function", "callbacks", "other"}
    assert found["function"] == pytest.approx(10 / 11.5, abs=0.01)
    assert sum(found.values()) == pytest.approx(1)
    info = RunInfo(
        schema_version=1, id="x", command=[], script="s", status="finished", created_utc="",
        started_monotonic_ns=0, ended_monotonic_ns=tape.now,
    )  # fmt: skip
    whole = {row["name"]: row["seconds"] for row in run_breakdown(info, [tape], derive(tape))}
    assert whole["evaluation"] == pytest.approx(0.009)
