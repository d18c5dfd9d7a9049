"""Average precision of detections: cases computed by hand, and what must hold for any."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.errors import MonitorError, UsageError
from perfkit.monitor.metrics import DetectionMatches


def truth(*boxes, labels=None, **more):
    return {"boxes": [list(b) for b in boxes], "labels": labels or [1] * len(boxes), **more}


def found(*scored, labels=None):
    return {
        "boxes": [list(b) for b, _ in scored], "scores": [s for _, s in scored], "labels": labels or [1] * len(scored),
    }  # fmt: skip


def measured(*images, **settings):
    matches = DetectionMatches(**settings)
    matches.update([t for t, _ in images], [p for _, p in images])
    return matches.compute()


A, B, C = (0, 0, 10, 10), (20, 20, 30, 30), (50, 50, 60, 60)
NOWHERE = (80, 80, 90, 90)
#: Of A's 100 units these cover 62 and 77 and nothing else: IoU 0.62 and 0.77.
A_62, A_77 = (0, 0, 10, 6.2), (0, 0, 10, 7.7)


def test_every_object_found_and_nothing_else_is_1():
    values = measured((truth(A, B), found((A, 0.9), (B, 0.2))))
    assert values == dict.fromkeys(
        ["average_precision", "average_precision_50", "average_precision_75", "average_precision_voc"], 1.0
    )


def test_a_curve_computed_by_hand():
    """Right, wrong, right, and a third object that nobody finds.

    Recall 1/3 at precision 1, 2/3 at 2/3. All points: 1/3 · 1 + 1/3 · 2/3 = 5/9. At 101 recalls: 34 (0 … 0.33) at 1,
    33 (0.34 … 0.66) at 2/3, 34 at 0: 56/101.
    """
    values = measured((truth(A, B, C), found((A, 0.9), (NOWHERE, 0.8), (B, 0.7))))
    assert values["average_precision_voc"] == pytest.approx(5 / 9, abs=1e-12)
    assert values["average_precision_50"] == pytest.approx(56 / 101, abs=1e-12)
    assert values["average_precision"] == pytest.approx(56 / 101, abs=1e-12)


def test_precision_is_made_non_increasing():
    """Wrong, right, right: precisions 0, 1/2, 2/3 count as 2/3 throughout."""
    values = measured((truth(A, B), found((NOWHERE, 0.9), (A, 0.8), (B, 0.7))))
    assert values["average_precision_voc"] == pytest.approx(2 / 3, abs=1e-12)
    assert values["average_precision_50"] == pytest.approx(2 / 3, abs=1e-12)


@pytest.mark.parametrize(
    ("box", "mean", "at_75"),
    [(A_62, 0.3, 0.0), (A_77, 0.6, 1.0), (A, 1.0, 1.0), ((0, 0, 10, 4), 0.0, 0.0)],
)  # fmt: skip
def test_a_loose_box_is_right_at_the_thresholds_that_it_reaches(box, mean, at_75):
    """IoU 0.62 reaches .50, .55 and .60 of the ten; 0.77 reaches .50 … .75."""
    values = measured((truth(A), found((box, 0.9))))
    assert values["average_precision_75"] == at_75
    assert values["average_precision"] == pytest.approx(mean, abs=1e-12)


def test_a_second_detection_of_one_object_is_wrong():
    values = measured((truth(A, B), found((A, 0.9), (A, 0.8), (B, 0.7))))
    assert values["average_precision_voc"] == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3, abs=1e-12)


def test_coco_gives_a_detection_the_next_object_and_voc_does_not():
    """Two objects overlap, so do two detections; both overlap the first most. By COCO the second detection takes the second object."""
    left, right = (0, 0, 10, 10), (0, 0, 10, 12)
    values = measured((truth(left, right), found((left, 0.9), ((0, 0, 10, 10.5), 0.8))))
    assert values["average_precision_50"] == pytest.approx(1.0)
    assert values["average_precision_voc"] == pytest.approx(0.5)


def test_the_mean_is_over_classes_that_have_objects():
    images = (
        truth(A, B, labels=["cat", "dog"]),
        found((A, 0.9), (NOWHERE, 0.9), (C, 0.5), labels=["cat", "dog", "emu"]),
    )
    values = measured(images, average=None)
    assert values["average_precision_voc"] == pytest.approx(0.5)
    assert values["average_precision[cat]"] == 1.0
    assert values["average_precision[dog]"] == 0.0
    assert "average_precision[emu]" not in values


def test_difficult_objects_and_crowds_are_neither_asked_for_nor_wrong():
    difficult = measured((truth(A, B, difficult=[False, True]), found((A, 0.9), (B, 0.95))))
    assert difficult["average_precision_50"] == difficult["average_precision_voc"] == 1.0
    crowd = measured((truth(A, (20, 20, 60, 60), iscrowd=[0, 1]), found((A, 0.5), (B, 0.9), ((40, 40, 50, 50), 0.8))))
    assert crowd["average_precision"] == 1.0


def test_an_image_without_objects_still_counts_what_was_detected_there():
    values = measured((truth(A), found((A, 0.5))), (truth(), found((NOWHERE, 0.9))))
    assert values["average_precision_voc"] == pytest.approx(0.5)


def test_equal_scores_are_one_point_whatever_the_order_of_images():
    right, wrong = (truth(A), found((A, 0.5))), (truth(), found((NOWHERE, 0.5)))
    assert measured(right, wrong) == measured(wrong, right)
    assert measured(right, wrong)["average_precision_voc"] == pytest.approx(0.5)


def test_without_an_object_there_is_no_value():
    assert measured((truth(), found((A, 0.5)))) == {}
    assert DetectionMatches().compute() == {}


def test_only_the_best_detections_of_an_image_are_taken():
    images = (truth(A), found((NOWHERE, 0.9), (B, 0.8), (A, 0.1)))
    assert measured(images, detections_per_image=2)["average_precision_50"] == 0.0
    assert measured(images, detections_per_image=3)["average_precision_50"] > 0.3


@pytest.mark.parametrize(
    ("image", "detected", "match"),
    [
        (truth((10, 10, 5, 20)), found(), "not x, y, width, height"),
        ({"boxes": [[0, 0, 1, 1]]}, found(), "no 'labels'"),
        (truth(A), {"boxes": [list(A)], "labels": [1]}, "need scores"),
        (truth(A, labels=[1, 2]), found(), "2 labels"),
        (truth(A), {"boxes": [list(A)], "labels": [1], "scores": [0.1, 0.2]}, "1 detected boxes, but 2 scores"),
    ],
)
def test_what_cannot_be_read_is_refused_and_not_counted(image, detected, match):
    matches = DetectionMatches()
    with pytest.raises(MonitorError, match=match):
        matches.update([truth(A), image], [found((A, 1.0)), detected])
    assert (matches.count, matches.compute()) == (0, {})


def test_one_image_needs_a_list_too():
    with pytest.raises(MonitorError, match="two lists of one length"):
        DetectionMatches().update(truth(A), found((A, 0.9)))


def test_settings_that_mean_nothing_or_differ_are_refused():
    with pytest.raises(UsageError, match="detections_per_image=0"):
        DetectionMatches(detections_per_image=0)
    with pytest.raises(UsageError, match="set up differently"):
        DetectionMatches().merge(DetectionMatches(average=None))


BOXES = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
IMAGES = st.lists(
    st.tuples(
        st.lists(st.tuples(BOXES, st.integers(1, 3)), max_size=4),
        st.lists(st.tuples(BOXES, st.integers(1, 3), st.sampled_from([0.1, 0.4, 0.5, 0.9])), max_size=5),
    ),
    min_size=1,
    max_size=4,
)


def as_images(drawn):
    return [
        (truth(*(b for b, _ in real), labels=[k for _, k in real]), found(*((b, s) for b, _, s in said), labels=[k for _, k, _ in said]))
        for real, said in drawn
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(drawn=IMAGES, data=st.data())
def test_images_merged_in_any_order_are_as_one(drawn, data):
    images = as_images(drawn)
    total = DetectionMatches(average=None)
    for real, said in data.draw(st.permutations(images)):
        piece = DetectionMatches(average=None)
        piece.update([real], [said])
        total.merge(piece)
    assert total.compute() == pytest.approx(measured(*images, average=None), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(drawn=IMAGES, factor=st.sampled_from([0.25, 3.0]))
def test_values_are_shares_that_only_the_order_of_scores_and_the_form_of_boxes_decide(drawn, factor):
    images = as_images(drawn)
    values = measured(*images)
    assert all(0 <= v <= 1 for v in values.values())
    assert values.get("average_precision", 0) <= values.get("average_precision_50", 0) + 1e-12
    scaled = [
        ({**real, "boxes": (np.array(real["boxes"]) * factor).tolist()},
         {**said, "boxes": (np.array(said["boxes"]) * factor).tolist(), "scores": [s**3 for s in said["scores"]]})
        for real, said in images
    ]  # fmt: skip
    assert measured(*scaled) == pytest.approx(values, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(drawn=IMAGES)
def test_a_wrong_detection_below_all_others_changes_nothing(drawn):
    images = as_images(drawn)
    worse = [
        (r, found(*zip(s["boxes"], s["scores"], strict=True), ((200, 200, 210, 210), 0.01), labels=[*s["labels"], 1]))
        for r, s in images
    ]
    assert measured(*worse) == pytest.approx(measured(*images), abs=1e-12)
