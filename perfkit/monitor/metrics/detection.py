"""Mean average precision of object detection, by the rules of COCO and of PASCAL VOC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import MonitorError, UsageError
from .arrays import Array, as_array, as_labels
from .base import of_class
from .boxes import Flags, Floats, match_coco, match_voc, overlap

#: As COCO's own evaluation writes them (cocoeval.py, Params), so that both round alike.
IOU_THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
RECALL_POINTS: Floats = np.linspace(0.0, 1.0, 101)
_AT_75 = 5
VOC_THRESHOLD = 0.5


@dataclass
class _OfClass:
    """What is known of one class. A detection is a score and flags: columns 0-9 for COCO's thresholds, 10 for VOC."""

    real: int = 0
    scores: list[Floats] = field(default_factory=list)
    right: list[Flags] = field(default_factory=list)
    void: list[Flags] = field(default_factory=list)


class DetectionMatches:
    """Matches detected boxes with real ones, image by image, and computes average precision over all images.

    COCO (T.-Y. Lin et al., Microsoft COCO, ECCV 2014; cocodataset.org/#detection-eval): mean over IoU thresholds .50:.05:.95 of the area
    under the precision-recall curve, precision made non-increasing and read at 101 recalls, over all classes that have objects; areas
    "all". VOC (Everingham et al., IJCV 88 (2010), 303–338; from 2010 on all points of the curve): the area at IoU 0.5.
    Detections of equal score are one point of the curve, so that the order of images does not matter.

    ``update(y_true, y_pred)`` takes a mapping for each image: ``boxes`` (m, 4) as x1, y1, x2, y2, ``labels`` (m,); of detections also
    ``scores`` (m,); of the truth, if wanted, ``crowd`` (or ``iscrowd``) and ``difficult`` (m,): such objects are neither asked for nor
    wrong.

    Args:
        average: "macro": the mean over classes. None: a value for each class as well, ``average_precision[3]``.
        detections_per_image: of each class, those of the highest scores (COCO: 100).

    """

    def __init__(self, *, average: Literal["macro"] | None = "macro", detections_per_image: int = 100) -> None:
        if average not in ("macro", None) or detections_per_image < 1:
            raise UsageError(
                f"average={average!r}, detections_per_image={detections_per_image}: give 'macro' or None, and 1 or more"
            )
        self.average: Literal["macro"] | None = average
        self.detections_per_image = detections_per_image
        self.reset()

    def reset(self) -> None:
        """Forget all images, keep the settings."""
        self._count = 0
        self._classes: dict[Any, _OfClass] = {}

    @property
    def count(self) -> int:
        """Images seen."""
        return self._count

    @property
    def support(self) -> dict[Any, int]:
        """Real objects of each class, without crowds and difficult ones."""
        return {label: self._classes[label].real for label in sorted(self._classes)}

    def update(self, y_true: Sequence[Mapping[str, Any]], y_pred: Sequence[Mapping[str, Any]]) -> None:
        """One or more images. Raises MonitorError, and then keeps none of them."""
        if isinstance(y_true, Mapping) or isinstance(y_pred, Mapping) or len(y_true) != len(y_pred):
            raise MonitorError(
                "detection needs two lists of one length, a mapping (boxes, labels, scores) for each image"
            )
        images = [(_truth(t), _detections(p)) for t, p in zip(y_true, y_pred, strict=True)]
        for truth, found in images:
            for label in {*truth.labels.tolist(), *found.labels.tolist()}:
                self._image(self._classes.setdefault(label, _OfClass()), truth.only(label), found.only(label))
        self._count += len(images)

    def merge(self, other: DetectionMatches) -> None:
        """Add the images of *other*, in any order. Raises UsageError where settings differ."""
        if (self.average, self.detections_per_image) != (other.average, other.detections_per_image):
            raise UsageError("these matches were set up differently; give both the same arguments")
        for label, theirs in other._classes.items():
            mine = self._classes.setdefault(label, _OfClass())
            mine.real += theirs.real
            mine.scores += theirs.scores
            mine.right += theirs.right
            mine.void += theirs.void
        self._count += other.count

    def compute(self) -> dict[str, float]:
        """average_precision (COCO), average_precision_50, average_precision_75, average_precision_voc. Empty while there is no object."""
        curves = {label: _areas(self._classes[label]) for label in sorted(self._classes) if self._classes[label].real}
        if not curves:
            return {}
        table = np.array(list(curves.values()))
        values = {name: float(v) for name, v in _named(table.mean(axis=0)).items()}
        if self.average is None:
            for label, areas in curves.items():
                values |= {of_class(name, label): float(v) for name, v in _named(areas).items()}
        return values

    def __repr__(self) -> str:
        return f"<DetectionMatches: {self._count} images, {len(self._classes)} classes>"

    def _image(self, known: _OfClass, truth: _Boxes, found: _Boxes) -> None:
        """One class in one image."""
        known.real += int((~truth.ignored).sum())
        order = np.argsort(-found.scores, kind="stable")[: self.detections_per_image]
        if not len(order):
            return
        iou = overlap(found.boxes[order], truth.boxes, truth.crowd)
        right, void = match_coco(iou, truth.ignored, truth.crowd, IOU_THRESHOLDS)
        voc_right, voc_void = match_voc(iou, truth.ignored, VOC_THRESHOLD)
        known.scores.append(found.scores[order])
        known.right.append(np.vstack([right, voc_right]).T)
        known.void.append(np.vstack([void, voc_void]).T)


@dataclass(frozen=True)
class _Boxes:
    boxes: Floats
    labels: Array
    scores: Floats
    ignored: Flags
    crowd: Flags

    def only(self, label: Any) -> _Boxes:
        here = self.labels == label
        return _Boxes(self.boxes[here], self.labels[here], self.scores[here], self.ignored[here], self.crowd[here])


def _truth(image: Mapping[str, Any]) -> _Boxes:
    boxes, labels = _boxes_of(image)
    crowd = _flags(image.get("crowd", image.get("iscrowd")), len(boxes))
    ignored = crowd | _flags(image.get("difficult"), len(boxes))
    return _Boxes(boxes, labels, np.ones(len(boxes)), ignored, crowd)


def _detections(image: Mapping[str, Any]) -> _Boxes:
    boxes, labels = _boxes_of(image)
    if "scores" not in image:
        raise MonitorError("detections need scores; give boxes, labels and scores for each image")
    scores = as_array(image["scores"]).astype(np.float64).reshape(-1)
    if len(scores) != len(boxes):
        raise MonitorError(f"an image has {len(boxes)} detected boxes, but {len(scores)} scores")
    known = ~np.isnan(scores)  # a box without a score is no detection
    none = np.zeros(int(known.sum()), dtype=np.bool_)
    return _Boxes(boxes[known], labels[known], scores[known], none, none)


def _boxes_of(image: Mapping[str, Any]) -> tuple[Floats, Array]:
    for key in ("boxes", "labels"):
        if key not in image:
            raise MonitorError(f"an image has no {key!r}; give boxes (m, 4) as x1, y1, x2, y2 and labels (m,)")
    boxes = as_array(image["boxes"]).astype(np.float64)
    boxes = boxes.reshape(-1, 4) if not boxes.size else boxes
    labels = as_array(image["labels"]).reshape(-1)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(labels) != len(boxes):
        raise MonitorError(f"an image has boxes of shape {boxes.shape} and {len(labels)} labels; give (m, 4) and (m,)")
    if np.any(boxes[:, 2:] < boxes[:, :2]):
        raise MonitorError("a box ends before it begins; give x1, y1, x2, y2, not x, y, width, height")
    return boxes, as_labels(labels) if len(labels) else labels


def _flags(values: Any, count: int) -> Flags:
    return np.zeros(count, dtype=np.bool_) if values is None else as_array(values).astype(np.bool_).reshape(count)


def _named(areas: Floats) -> dict[str, Any]:
    """Of (11,) areas: ten of COCO's thresholds and VOC's."""
    coco = areas[: len(IOU_THRESHOLDS)]
    return {
        "average_precision": coco.mean(), "average_precision_50": coco[0], "average_precision_75": coco[_AT_75],
        "average_precision_voc": areas[-1],
    }  # fmt: skip


def _areas(known: _OfClass) -> Floats:
    """(11,) average precision of one class at each threshold of COCO, and by VOC."""
    width = len(IOU_THRESHOLDS) + 1
    if not known.scores:
        return np.zeros(width)
    scores = np.concatenate(known.scores)
    order = np.argsort(-scores, kind="stable")
    right, void = np.concatenate(known.right)[order], np.concatenate(known.void)[order]
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # the last of each group of equal scores
    hits = right.cumsum(axis=0)[ends]
    counted = (~void).cumsum(axis=0)[ends]
    recall = hits / known.real
    precision = np.divide(hits, counted, out=np.zeros(hits.shape), where=counted > 0)
    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    areas = [_at_points(recall[:, i], precision[:, i]) for i in range(width - 1)]
    return np.array([*areas, _all_points(recall[:, -1], precision[:, -1])])


def _at_points(recall: Floats, precision: Floats) -> float:
    """Mean of the precision at RECALL_POINTS, 0 where a recall is never reached."""
    place: NDArray[np.intp] = np.searchsorted(recall, RECALL_POINTS, side="left")
    return float(np.append(precision, 0.0)[place].mean())


def _all_points(recall: Floats, precision: Floats) -> float:
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))
