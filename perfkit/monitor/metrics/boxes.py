"""Boxes: how much two overlap, and which detection found which object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def overlap(found: Floats, real: Floats, crowd: Flags) -> Floats:
    """(d, g) intersection over union of (d, 4) and (g, 4) boxes x1, y1, x2, y2 in continuous coordinates (no pixel is added).

    For a crowd the union is the detection alone, as in COCO: any number of detections may lie within it.
    """
    low = np.maximum(found[:, None, :2], real[None, :, :2])
    high = np.minimum(found[:, None, 2:], real[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    of_found, of_real = _area(found)[:, None], _area(real)[None, :]
    union = np.where(crowd[None, :], of_found, of_found + of_real - common)
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0))


def match_coco(iou: Floats, ignored: Flags, crowd: Flags, thresholds: Floats) -> tuple[Flags, Flags]:
    """(t, d) whether a detection is right, and whether it does not count, at each of t thresholds.

    Detections come in falling order of score. Each takes, of the objects not yet taken whose overlap reaches the threshold, the one that
    it overlaps most, those that count before those that are ignored (COCO's ``evaluateImg``).
    """
    right = np.zeros((len(thresholds), len(iou)), dtype=np.bool_)
    void = np.zeros_like(right)
    for t, threshold in enumerate(thresholds):
        taken = np.zeros(len(ignored), dtype=np.bool_)
        for d, row in enumerate(iou):
            free = (row >= threshold) & (~taken | crowd)
            counting = free & ~ignored
            if counting.any():
                taken[_last_greatest(row, counting)] = True
                right[t, d] = True
            elif free.any():
                taken[_last_greatest(row, free)] = True
                void[t, d] = True
    return right, void


def match_voc(iou: Floats, ignored: Flags, threshold: float) -> tuple[Flags, Flags]:
    """(d,) the same by the rules of PASCAL VOC: a detection is judged by the object that it overlaps most, taken or not; a second
    detection of one object is wrong.
    """
    right = np.zeros(len(iou), dtype=np.bool_)
    void = np.zeros_like(right)
    taken = np.zeros(len(ignored), dtype=np.bool_)
    for d, row in enumerate(iou):
        best = int(row.argmax()) if len(row) else -1
        if best < 0 or row[best] < threshold:
            continue
        void[d] = ignored[best]
        right[d] = not ignored[best] and not taken[best]
        taken[best] = True
    return right, void


def _area(boxes: Floats) -> Floats:
    return np.asarray(np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1))


def _last_greatest(row: Floats, among: Flags) -> int:
    """Of equals the last, as in COCO's own evaluation."""
    values = np.where(among, row, -1.0)
    return int(len(values) - 1 - values[::-1].argmax())
