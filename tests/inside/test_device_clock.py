"""Device phases from stream events. There is no GPU in CI: the events here are a stream that completes when told to."""

from perfkit.inside.device_clock import EVERY, MOST_PENDING, DeviceClock
from perfkit.model import marks


class Stream:
    """A device that runs behind the host: events get a time when recorded, and complete only when `reached`."""

    def __init__(self):
        self.now_ms = 0.0
        self.reached_ms = 0.0
        self.made = 0

    def event(self):
        stream = self
        stream.made += 1

        class Event:
            def record(self):
                self.at_ms = stream.now_ms

            def query(self):
                return self.at_ms <= stream.reached_ms

            def elapsed_time(self, later):
                assert self.query(), "reading an event that has not completed would wait for the device"
                assert later.query(), "reading an event that has not completed would wait for the device"
                return later.at_ms - self.at_ms

        return Event()


def run_step(clock, stream, step, forward=3.0, backward=6.0, optimizer=1.0, micro=1):
    clock.step_began(step)
    for _ in range(micro):
        stream.now_ms += forward
        clock.phase_ended(marks.PHASE_FORWARD)
        stream.now_ms += backward
        clock.phase_ended(marks.PHASE_BACKWARD)
    stream.now_ms += optimizer
    clock.phase_ended(marks.PHASE_OPTIMIZER)


def make(stream, may_record=lambda: True):
    read = []
    return DeviceClock(stream.event, may_record, lambda *what: read.append(what)), read


def test_phases_are_read_when_the_device_has_reached_them_and_not_before():
    stream = Stream()
    clock, read = make(stream)
    for step in range(EVERY + 1):
        run_step(clock, stream, step)
    assert read == []
    stream.reached_ms = stream.now_ms
    for step in range(EVERY + 1, 2 * EVERY + 1):
        run_step(clock, stream, step)
    assert read[:3] == [
        (marks.PHASE_FORWARD, 3_000_000, 0),
        (marks.PHASE_BACKWARD, 6_000_000, 0),
        (marks.PHASE_OPTIMIZER, 1_000_000, 0),
    ]


def test_micro_steps_add_up_within_their_step():
    stream = Stream()
    clock, read = make(stream)
    run_step(clock, stream, 0, micro=4)
    stream.reached_ms = stream.now_ms
    clock.step_began(EVERY)
    assert {phase: ns for phase, ns, _ in read}[marks.PHASE_FORWARD] == 12_000_000


def test_nothing_is_recorded_while_a_graph_is_captured():
    stream = Stream()
    clock, read = make(stream, may_record=lambda: False)
    for step in range(3 * EVERY):
        run_step(clock, stream, step)
    assert stream.made == 0
    assert read == []


def test_a_device_that_never_catches_up_costs_a_bounded_number_of_events():
    stream = Stream()
    clock, _ = make(stream)
    for step in range(100 * EVERY):
        run_step(clock, stream, step)
    assert len(clock._pending) == MOST_PENDING


def test_events_are_used_again():
    stream = Stream()
    clock, _ = make(stream)
    for step in range(50 * EVERY):
        run_step(clock, stream, step)
        stream.reached_ms = stream.now_ms
    assert stream.made <= 8
