"""Everything on one axis: steps, epochs and times of values that came with only some of them."""

import numpy as np
import pytest

from perfkit.monitor.history import History
from perfkit.report.curves.timeline import Timeline

S = 1_000_000_000


def at(*seconds):
    return np.array([int(s * S) for s in seconds], dtype=np.int64)


@pytest.fixture
def history():
    """Ten steps of a second, five to an epoch; a validation half a second behind each epoch; a memory sample at 2.5 s."""
    made = History()
    for step in range(10):
        made.add({"loss": 1.0}, step=step, epoch=step // 5 + 1, time_ns=step * S)
        if step % 5 == 4:
            made.add({"val/loss": 1.0}, epoch=step // 5 + 1, time_ns=step * S + S // 2)
    made.add({"host_memory_bytes": 1.0}, time_ns=int(2.5 * S))
    return made


def test_own_steps_are_kept(history):
    timeline = Timeline(history)
    assert timeline.steps_of(history.series("loss")).tolist() == list(range(10))


def test_a_value_without_a_step_lies_between_its_neighbours_in_time(history):
    timeline = Timeline(history)
    assert timeline.steps_of(history.series("val/loss")).tolist() == [4.5, 9.0]
    assert timeline.steps_of(history.series("host_memory_bytes")).tolist() == [2.5]


def test_what_ends_the_first_epoch_lies_at_one(history):
    assert Timeline(history).epochs_at(at(0, 2.25, 4.5, 9.5)) == pytest.approx([0, 0.5, 1, 2])


def test_epochs_that_are_counted_from_zero_lie_at_the_same_places():
    made = History()
    for epoch in range(3):
        made.add({"val/loss": 1.0}, epoch=epoch, time_ns=(epoch + 1) * S)
    assert Timeline(made).epochs_at(at(1, 2, 3)).tolist() == [1, 2, 3]


def test_without_steps_or_epochs_there_is_only_time():
    made = History()
    made.add({"loss": 1.0}, time_ns=5 * S)
    made.add({"loss": 1.0}, time_ns=7 * S)
    timeline = Timeline(made)
    assert (timeline.has_steps, timeline.has_epochs) == (False, False)
    assert np.isnan(timeline.steps_at(at(6))).all()
    assert timeline.elapsed(at(6)).tolist() == [1.0]


def test_a_restart_maps_each_time_to_the_step_it_had():
    made = History()
    for second, step in enumerate([0, 1, 2, 3, 2, 3, 4]):
        made.add({"loss": 1.0}, step=step, time_ns=second * S)
    timeline = Timeline(made)
    assert timeline.steps_of(made.series("loss")).tolist() == [0, 1, 2, 3, 2, 3, 4]
    assert timeline.steps_at(at(2, 4, 6)).tolist() == [2, 2, 4]


def test_an_empty_history_has_an_empty_timeline():
    timeline = Timeline(History())
    assert (timeline.start_ns, timeline.end_ns, timeline.has_steps, timeline.has_epochs) == (0, 0, False, False)


def test_samples_from_before_the_first_step_and_after_the_last_have_no_step_but_validations_do():
    made = History()
    for name in ("host_memory_bytes", "val/loss"):
        made.add({name: 1.0}, time_ns=1 * S)
    for step in range(1, 5):
        made.add({"loss": 1.0}, step=step, epoch=1, time_ns=(4 + step) * S)
    for name in ("host_memory_bytes", "val/loss"):
        made.add({name: 2.0}, time_ns=20 * S)
    timeline = Timeline(made)
    assert np.isnan(timeline.steps_of(made.series("host_memory_bytes"))).all()
    assert timeline.steps_of(made.series("val/loss")).tolist() == [1, 4]
    assert np.isnan(timeline.epochs_of(made.series("host_memory_bytes"))).all()
    assert timeline.epochs_of(made.series("loss")) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert timeline.before_steps(2 * S)
    assert not timeline.before_steps(5 * S)
