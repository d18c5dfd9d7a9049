"""Evaluations, saves and logging between steady steps: how often, how long, and which calls were an evaluation's."""

import pytest

from perfkit.analyze.breakdown import breakdown
from perfkit.analyze.occasions import checkpoints, evaluations, logging_calls
from perfkit.analyze.steps import derive
from perfkit.model import marks

GRAD, TRAIN = marks.FLAG_GRAD, marks.FLAG_TRAINING


def evaluate(tape, calls=5, each=2.0, flags=0):
    for _ in range(calls):
        tape.span(marks.LOADER_ENTER, each / 2, obj=1, a=64, b=-1)
        tape.span(marks.FORWARD_ENTER, each / 2, enter_a=flags, a=64, b=-1)
    tape.span(marks.LOADER_ENTER, 0.1, obj=1, a=-2, b=-2)


def train(tape, steps=60, every=10, flags=0):
    for n in range(steps):
        tape.train_step()
        if n % every == every - 1:
            evaluate(tape, flags=flags)


def shares(steps):
    return {row["name"]: row["seconds_per_step"] for row in breakdown(steps)}


def test_an_evaluation_every_ten_steps(tape):
    train(tape)
    steps = derive(tape)
    found = evaluations(tape, steps)
    assert found["steps_between"] == 10
    assert (found["batches_per_burst"], found["with_grad"]) == (5, 0)
    assert found["calls"] == 5 * found["count"]
    assert found["seconds_each"] == pytest.approx(0.0101)
    assert found["seconds_per_step"] == pytest.approx(shares(steps)["evaluation"])


def test_in_eval_mode_with_gradients_on_it_is_an_evaluation_too(tape):
    train(tape, flags=GRAD)
    steps = derive(tape)
    found = evaluations(tape, steps)
    assert (found["with_grad"], found["batches_per_burst"]) == (1, 5)
    assert found["seconds_each"] == pytest.approx(0.0101)
    assert shares(steps)["forward"] == pytest.approx(0.004)
    assert shares(steps)["prepare"] == pytest.approx(0.0005)
    assert steps["samples"].unique().to_list() == [32]


def test_a_script_that_never_leaves_eval_mode_trains_all_the_same(tape):
    for n in range(60):
        tape.span(marks.LOADER_ENTER, 1.0, a=8, b=-1)
        tape.span(marks.FORWARD_ENTER, 2.0, enter_a=GRAD)
        tape.span(marks.BACKWARD_ENTER, 3.0)
        tape.span(marks.OPTIMIZER_ENTER, 1.0)
        if n % 10 == 9:
            evaluate(tape, flags=GRAD)
    steps = derive(tape)
    assert evaluations(tape, steps)["batches_per_burst"] == 5
    assert shares(steps)["forward"] == pytest.approx(0.002)


def test_two_calls_for_each_backward_are_no_evaluation(tape):
    for _ in range(40):
        for _ in range(2):  # a siamese network in eval mode
            tape.span(marks.FORWARD_ENTER, 2.0, enter_a=GRAD)
        tape.span(marks.BACKWARD_ENTER, 3.0)
        tape.span(marks.OPTIMIZER_ENTER, 1.0)
    steps = derive(tape)
    assert evaluations(tape, steps) is None
    assert shares(steps)["forward"] == pytest.approx(0.004)


def test_a_teacher_in_every_step_is_no_evaluation(tape):
    for _ in range(40):
        tape.span(marks.FORWARD_ENTER, 2.0, obj=1)
        tape.train_step()
    assert evaluations(tape, derive(tape)) is None


def test_a_trained_model_that_is_evaluated_in_every_step_is_an_evaluation(tape):
    for _ in range(40):
        tape.span(marks.FORWARD_ENTER, 2.0)
        tape.train_step()
    steps = derive(tape)
    assert evaluations(tape, steps)["steps_between"] == 1
    assert shares(steps)["evaluation"] == pytest.approx(0.002)


def test_inference_has_no_evaluation(tape):
    for _ in range(40):
        tape.span(marks.FORWARD_ENTER, 2.0)
    assert evaluations(tape, derive(tape)) is None


def test_saves_of_one_step_are_one_checkpoint(tape):
    tape.notes = [{"fact": "name", "id": 4, "name": "torch.save"}]
    for n in range(60):
        tape.train_step()
        if n % 20 == 19:
            tape.span(marks.SAVE_ENTER, 30, obj=4)
            tape.span(marks.SAVE_ENTER, 10, obj=4)
    found = checkpoints(tape, derive(tape))
    assert (found["count"], found["calls"], found["called"]) == (
        2,
        4,
        ["torch.save"],
    )  # the third is after the last step
    assert found["steps_between"] == 20
    assert found["seconds_each"] == pytest.approx(0.040)


def test_logging_in_every_step_names_what_takes_the_time(tape):
    tape.notes = [{"fact": "name", "id": 0, "name": "a"}, {"fact": "name", "id": 1, "name": "b"}]
    for _ in range(40):
        tape.train_step()
        tape.span(marks.LOG_ENTER, 0.2, obj=0)
        tape.span(marks.LOG_ENTER, 0.8, obj=1)
    steps = derive(tape)
    found = logging_calls(tape, steps)
    assert (found["steps_between"], found["called"]) == (1, ["b", "a"])
    assert found["calls"] == 2 * found["count"]
    assert found["seconds_per_step"] == pytest.approx(shares(steps)["logging"])


def test_without_any_there_is_none(tape):
    train(tape, every=100)
    steps = derive(tape)
    assert (evaluations(tape, steps), checkpoints(tape, steps), logging_calls(tape, steps)) == (None, None, None)
