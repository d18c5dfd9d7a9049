"""Phases as the device ran them, from the guest's clock over a stream that completes when told to: no GPU is needed."""

from perfkit import api
from perfkit.inside.device_clock import DeviceClock
from perfkit.model import marks
from perfkit.model.records import Device
from perfkit.runs import layout

GPU = Device(index=0, name="NVIDIA H100", kind="cuda")


class Event:
    """An event of a stream that is never behind by more than the steps between recording and reading."""

    now_ms = 0.0

    def record(self):
        self.at_ms = Event.now_ms

    def query(self):
        return True

    def elapsed_time(self, later):
        return later.at_ms - self.at_ms


def record_device_phases(run, steps=40, forward_ms=3.0, backward_ms=6.5, optimizer_ms=1.25):
    words = []

    def emit(phase, duration_ns, step):
        words.append((2_000_000_000, marks.tag(marks.DEVICE_PHASE, phase), duration_ns, step))

    clock = DeviceClock(Event, lambda: True, emit)
    lengths = (
        (marks.PHASE_FORWARD, forward_ms), (marks.PHASE_BACKWARD, backward_ms), (marks.PHASE_OPTIMIZER, optimizer_ms),
    )  # fmt: skip
    for step in range(steps):
        clock.step_began(step)
        for phase, milliseconds in lengths:
            Event.now_ms += milliseconds
            clock.phase_ended(phase)
    with (run.path / layout.rank_folder(0) / layout.MARKS).open("ab") as file:
        for row in words:
            file.write(b"".join(word.to_bytes(8, "little", signed=True) for word in row))


def test_the_document_has_them_beside_the_hosts_phases(make_run):
    run = make_run(end=False, info={"devices": [GPU]})
    record_device_phases(run)
    document = api.document(run)
    assert document["device_phases"] == [
        {"name": "forward", "seconds_per_step": 0.003, "steps": 4},
        {"name": "backward", "seconds_per_step": 0.0065, "steps": 4},
        {"name": "optimizer", "seconds_per_step": 0.00125, "steps": 4},
    ]
    assert "device_phases" not in document["unavailable"]


def test_the_card_shows_them_behind_v(make_run, card):
    run = make_run(end=False, info={"devices": [GPU]})
    record_device_phases(run)
    said = "forward 3.000 ms   backward 6.500 ms   optimizer 1.250 ms"
    assert any(line.startswith("device phases") and said in line for line in card(run, verbose=1))
    assert not any("device phases" in line for line in card(run))


def test_without_a_device_or_without_events_there_is_a_reason(make_run):
    assert "no accelerator" in api.document(make_run())["unavailable"]["device_phases"]
    assert "no step carried events" in api.document(make_run(info={"devices": [GPU]}))["unavailable"]["device_phases"]


def test_how_many_steps_the_phases_are_from_is_said_behind_v(make_run, card):
    run = make_run()
    steps = {**api.document(run)["steps"], "detailed_count": 7}
    assert any("phases from the 7 of" in line for line in card(run, verbose=1, steps=steps))
    assert not any("phases from the" in line for line in card(run, verbose=1))
