"""Values that cannot be right are told at once, each thing once, and once more when it is over."""

import math

from perfkit.model.monitoring import Point
from perfkit.monitor.detect.validity import STUCK, Validity


def told(rows, steps=None):
    validity = Validity()
    found = []
    for i, values in enumerate(rows):
        step = steps[i] if steps else i
        found += [
            (i, fault.rule, fault.kind)
            for fault in validity.check(Point(values=values, time_ns=i, monotonic_ns=i, step=step))
        ]
    return found


def test_what_is_not_finite():
    values = [1.0, math.inf, math.nan, 2.0, math.nan]
    assert told([{"train/loss": value} for value in values]) == [
        (1, "not-finite", "validity"),
        (3, "not-finite", "recovered"),
        (4, "not-finite", "validity"),
    ]


def test_what_the_metric_cannot_be():
    assert told([{"val/accuracy": 1.2}]) == [(0, "out-of-domain", "validity")]
    assert told([{"val/precision": -0.1}]) == [(0, "out-of-domain", "validity")]
    assert told([{"val/recall[3]": 1.5}]) == [(0, "out-of-domain", "validity")]
    assert told([{"perf/step_time_s": -1.0}]) == [(0, "out-of-domain", "validity")]
    assert told([{"train/loss": -5.0, "val/r2": -3.0, "val/accuracy": 1.0 + 1e-9, "my/thing": 1e9}]) == []


def test_a_counter_that_goes_back():
    assert told([{"train/loss": 1.0 + i} for i in range(4)], steps=[5, 6, 2, 3]) == [(2, "counter-back", "validity")]


def test_a_step_that_begins_anew_with_each_epoch_is_no_fault_nor_are_splits_that_count_by_themselves():
    validity, found = Validity(), []
    for epoch in range(3):
        for step in range(5):
            point = Point(values={"train/loss": epoch + step / 10}, time_ns=0, monotonic_ns=0, step=step, epoch=epoch)
            found += validity.check(point)
        found += validity.check(Point(values={"val/loss": 1.0 + epoch}, time_ns=0, monotonic_ns=0, step=epoch))
    assert found == []


def test_a_metric_that_has_stopped_moving_and_moves_again():
    values = [0.1, 0.2] + [0.3] * (STUCK + 20) + [0.4]
    found = told([{"train/loss": value} for value in values])
    assert [(rule, kind) for _, rule, kind in found] == [("constant", "validity"), ("constant", "recovered")]
    assert told([{"train/learning_rate": value} for value in values]) == []
    assert told([{"train/loss": 0.7}] * 200) == []  # it never moved


def test_a_metric_that_has_stopped_coming_and_comes_again():
    rows = [{"train/loss": 1.0 + i, "train/grad_norm": 2.0 + i} for i in range(50)]
    rows += [{"train/loss": 60.0 + i} for i in range(100)] + [{"train/grad_norm": 1.0}]
    found = [row for row in told(rows) if row[1] == "missing"]
    assert [kind for _, _, kind in found] == ["validity", "recovered"]
    assert 60 < found[0][0] < 100


def test_a_metric_of_every_epoch_is_not_missed_between_epochs():
    rows = [{"train/loss": 1.0 + i} | ({"val/loss": 2.0 + i} if i % 100 == 0 else {}) for i in range(1000)]
    assert told(rows) == []


def test_an_accuracy_that_stays_at_one_is_not_stuck():
    assert told([{"train/accuracy": value} for value in [0.5, 0.9] + [1.0] * 80]) == []
    assert told([{"train/accuracy": value} for value in [0.5, 0.9] + [0.1] * 80]) == [(51, "constant", "validity")]
