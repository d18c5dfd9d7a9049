"""Steps as they end: the same as a profile's, whatever pieces the marks come in."""

import struct

import numpy as np
import pytest

from perfkit.analyze.boundaries import segments
from perfkit.analyze.intervals import decode
from perfkit.analyze.steps import of_loop
from perfkit.model import marks
from perfkit.monitor.live.steps import HOLD_NS, LiveSteps

MS = 1_000_000
LATER = 10**12


class Loop:
    """A training loop's marks, written by hand; times in ms."""

    def __init__(self):
        self.rows, self.now = [], 0.0

    def mark(self, kind, obj=0, a=0, b=0, at=None):
        value = struct.unpack("q", struct.pack("d", a))[0] if isinstance(a, float) else a
        time_ns = round((self.now if at is None else at) * MS)
        self.rows.append((time_ns, marks.tag(kind, obj), value, b))

    def during(self, enter, ms, obj=0, enter_a=0, exit_a=0):
        self.mark(enter, obj, enter_a)
        self.now += ms
        self.mark(enter + 1, obj, exit_a)

    def epoch(self, loader=0, length=-1):
        self.mark(marks.LOADER_START_ENTER, loader, length)
        self.mark(marks.LOADER_START_EXIT, loader)

    def step(self, loss=None, optimizer=0, loader=0, samples=8):
        self.during(marks.LOADER_ENTER, 1, loader, exit_a=samples)
        self.during(marks.FORWARD_ENTER, 3, enter_a=marks.FLAG_GRAD | marks.FLAG_TRAINING, exit_a=samples)
        if loss is not None:
            self.mark(marks.LOSS, a=float(loss))
        self.during(marks.BACKWARD_ENTER, 4)
        self.during(marks.OPTIMIZER_ENTER, 2, optimizer)

    def evaluate(self, calls=3, loader=1):
        self.epoch(loader)
        for _ in range(calls):
            self.during(marks.LOADER_ENTER, 1, loader, exit_a=8)
            self.during(marks.FORWARD_ENTER, 20, exit_a=8)
        self.during(marks.LOADER_ENTER, 0, loader, exit_a=-2)

    def array(self, begin=0, end=None):
        return np.array(self.rows[begin:end], dtype=np.int64).reshape(-1, 4)


@pytest.fixture
def loop():
    made = Loop()
    made.mark(marks.RATE, 0, 0.1)
    for number in range(3):
        made.epoch(loader=2 * number, length=5)
        for step in range(5):
            made.step(loss=5.0 - number - step / 10, loader=2 * number)
        made.evaluate(loader=2 * number + 1)
        made.mark(marks.RATE, 0, 0.1 / 2 ** (number + 1))
    return made


def taken(loop, piece):
    live, made = LiveSteps(), []
    for begin in range(0, len(loop.rows), piece):
        made += live.take(loop.array(begin, begin + piece), LATER)
    return live, made


@pytest.mark.parametrize("piece", [1, 7, 40, 10_000])
def test_whatever_pieces_marks_come_in_steps_are_those_of_the_analysis(loop, piece):
    live, steps = taken(loop, piece)
    found = decode(loop.array())
    (whole,) = segments(found)
    columns = of_loop(found, whole)
    assert [step.number for step in steps] == list(range(1, 16))
    assert [step.end_ns for step in steps] == whole.ends_ns.tolist()
    assert [step.duration_ns for step in steps] == columns["duration_ns"].tolist()
    assert [step.samples for step in steps] == columns["samples"].tolist()
    assert [step.duration_ns for step in steps] == [10 * MS] * 15  # 63 ms of evaluation are in none
    assert [step.wall_ns for step in steps][5] == 73 * MS
    assert [step.epoch for step in steps] == [1] * 5 + [2] * 5 + [3] * 5
    assert (live.epoch_steps, live.loader_length) == ([5, 5], 5)


def test_losses_and_rates_are_those_of_their_step(loop):
    _, steps = taken(loop, 10_000)
    assert [step.loss for step in steps[:6]] == pytest.approx([5.0, 4.9, 4.8, 4.7, 4.6, 4.0])
    assert [step.learning_rate for step in steps[::5]] == [0.1, 0.05, 0.025]


def test_with_accumulation_a_steps_loss_is_the_mean_over_its_backwards():
    loop = Loop()
    for _ in range(4):
        for loss in (1.0, 2.0, 6.0):
            loop.during(marks.FORWARD_ENTER, 3, enter_a=3, exit_a=8)
            loop.mark(marks.LOSS, a=loss)
            loop.during(marks.BACKWARD_ENTER, 4)
        loop.during(marks.OPTIMIZER_ENTER, 2)
    _, steps = taken(loop, 10_000)
    assert [step.loss for step in steps] == [3.0] * 4


def test_a_loss_that_is_late_from_its_device_is_waited_for_a_moment():
    loop = Loop()
    launched = []
    for number in range(6):
        loop.step()
        launched.append(loop.now - 6)
        if number:
            loop.mark(marks.LOSS, a=float(number - 1), at=launched[number - 1])
    live = LiveSteps()
    rows = loop.array()
    steps = live.take(rows, int(loop.now * MS) + 1)
    assert [step.loss for step in steps] == [0.0, 1.0, 2.0, 3.0, 4.0]
    loop.mark(marks.LOSS, a=5.0, at=launched[5])
    assert [step.loss for step in live.take(loop.array(-1), int(loop.now * MS) + 2)] == [5.0]
    loop.step()
    begin = len(rows) + 1
    assert live.take(loop.array(begin), int(loop.now * MS)) == []
    (late,) = live.take(loop.array(len(loop.rows)), int(loop.now * MS) + HOLD_NS)  # also without a new mark
    assert (late.number, late.loss) == (7, None)


def test_of_two_optimizers_that_take_turns_the_second_ends_the_step():
    loop = Loop()
    for _ in range(8):
        loop.step(optimizer=0)
        loop.step(optimizer=1)
    _, steps = taken(loop, 9)
    assert {step.end_ns // MS % 20 for step in steps[1:]} == {0}
    assert len(steps) in (8, 9)  # the very first step of the first is taken for one


def test_a_second_loop_begins_where_its_data_does_and_not_where_the_first_ended():
    loop = Loop()
    for _ in range(6):
        loop.step(optimizer=0)
    loop.now += 5000
    for _ in range(6):
        loop.step(optimizer=1)
    _, steps = taken(loop, 10_000)
    assert [step.duration_ns for step in steps] == [10 * MS] * 12


def test_the_users_own_steps_come_before_what_is_detected():
    loop = Loop()
    for _ in range(5):
        loop.step()
        loop.step()
        loop.mark(marks.STEP)
    live, steps = taken(loop, 10_000)
    assert (live.clock, len(steps)) == ("user", 5)


def test_a_few_calls_without_an_optimizer_are_no_steps_yet_many_are():
    loop = Loop()
    for _ in range(63):
        loop.during(marks.FORWARD_ENTER, 5, exit_a=8)
    live, steps = taken(loop, 100)
    assert (live.clock, steps) == ("none", [])
    loop.during(marks.FORWARD_ENTER, 5, exit_a=8)
    made = live.take(loop.array(-2), LATER)
    assert (live.clock, len(made), made[-1].samples) == ("inference", 64, 8)


def test_after_a_restart_the_count_goes_on(loop):
    live, _ = taken(loop, 10_000)
    live.restart()
    again = Loop()
    again.epoch(length=5)
    for _ in range(5):
        again.step(loss=1.0)
    steps = live.take(again.array(), LATER)
    assert [step.number for step in steps] == [16, 17, 18, 19, 20]
    assert steps[0].epoch == 4


def test_marks_of_a_long_evaluation_are_looked_at_once_when_a_step_ends():
    loop = Loop()
    for _ in range(5):
        loop.step()
    live, _ = taken(loop, 10_000)
    before = len(loop.rows)
    for _ in range(200):
        loop.during(marks.FORWARD_ENTER, 5, exit_a=8)
    for begin in range(before, len(loop.rows), 50):
        assert live.take(loop.array(begin, begin + 50), LATER) == []
    assert len(live._rows) <= before
    begin = len(loop.rows)
    loop.step()
    (step,) = live.take(loop.array(begin), LATER)
    assert (step.number, step.duration_ns, step.wall_ns) == (6, 10 * MS, 1010 * MS)


def keras_fit(calls, steps):
    """Epochs of four calls of a train function, each of so many steps; an evaluation after each."""
    made = Loop()
    for number in range(calls):
        made.during(marks.CALLBACK_ENTER, 1)
        made.mark(marks.FUNCTION_ENTER, 0, marks.ROLE_TRAIN)
        made.now += 4 * steps
        made.mark(marks.FUNCTION_EXIT, 0, 8 * steps, steps)
        if number % 4 == 3:
            made.mark(marks.FUNCTION_ENTER, 0, marks.ROLE_EVALUATE)
            made.now += 30
            made.mark(marks.FUNCTION_EXIT, 0, -1, 0)
    return made


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("steps", [1, 5])
def test_calls_of_a_train_function_are_steps_whatever_pieces_their_marks_come_in(steps, piece):
    _, made = taken(keras_fit(24, steps), piece)
    assert [step.number for step in made] == list(range(1, 24 * steps + 1))
    assert {step.samples for step in made} == {8}
    usual = (1 + 4 * steps) / steps * MS
    # What follows an evaluation is no longer than the others: the evaluation is none of it.
    assert [step.duration_ns for step in made[4 * steps : 8 * steps]] == pytest.approx(
        [usual] * 4 * steps, abs=2 * MS * (steps > 1)
    )
