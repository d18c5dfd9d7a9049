"""Charts as plain data for a page: positions as differences of whole numbers, values with six digits, no more points than can be seen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import groups, scales
from .thin import extremes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...monitor.history import History, Series
    from .timeline import Timeline

#: Of a value: more digits than a chart can show, fewer than a float has.
DIGITS = 6
#: Times are told in the power of ten seconds that is below this share of the run, far less than a pixel.
_TIME_SHARE = 1e-5
#: Characters of a name.
MOST_NAME = 120
#: Anchors of the map from times to epochs.
MOST_ANCHORS = 500
#: Colours (chart.css) by split, so that a split has the same one in all charts; others take the rest in turn.
_COLORS = {"train": "c1", "val": "c2", "test": "c3", "probe": "c4", "train_eval": "c5"}
_OTHER_COLORS = ("c8", "c7", "c4", "c3", "c1", "c2", "c6", "c5")
_MEMBER_COLORS = {"loss_before": "c5", "loss_after": "c1", "host_memory_bytes": "c8", "device_memory_bytes": "c7"}
#: The second and later curves of a colour, and what must not be told apart by colour alone.
_DASHES = {"test": "7 4", "train_eval": "2 4", "loss_before": "6 4"}


def charts(
    history: History, chosen: Sequence[groups.Chart], timeline: Timeline, most_points: int
) -> list[dict[str, Any]]:
    """*chosen* charts with their series, each thinned to *most_points*."""
    unit = time_unit(timeline)
    return [
        {
            "key": short(chart.key), "title": short(chart.title), "unit": chart.unit, "role": chart.role, "low": chart.low, "high": chart.high,
            "log": scales.wants_log(np.concatenate([history.series(name).values for name in chart.names])),
            "series": [
                _series(history.series(name), timeline, unit, most_points) | {"label": short(label)} | _look(name, number)
                for number, (name, label) in enumerate(groups.labels(chart).items())
            ],
        }
        for chart in chosen
    ]  # fmt: skip


def short(name: str) -> str:
    """A name that is cut where nobody reads on; the same for a series and for what speaks of it."""
    return name if len(name) <= MOST_NAME else name[: MOST_NAME - 1] + "…"


def time_unit(timeline: Timeline) -> float:
    """The power of ten seconds in which times are told."""
    span_s = (timeline.end_ns - timeline.start_ns) / 1e9
    return float(10.0 ** math.floor(math.log10(span_s * _TIME_SHARE))) if span_s > 0 else 1e-3


def anchors(timeline: Timeline) -> list[list[float]]:
    """[seconds, epochs]: the map from times to epochs, linear between the anchors."""
    at, epochs = timeline.epoch_anchors
    if not len(at):
        return [[], []]
    chosen = np.unique(np.linspace(0, len(at) - 1, min(len(at), MOST_ANCHORS)).astype(np.int64))
    return [[round(x, 6) for x in at[chosen].tolist()], [round(e, 4) for e in epochs[chosen].tolist()]]


def _series(series: Series, timeline: Timeline, unit: float, most_points: int) -> dict[str, Any]:
    values = series.values
    thin = extremes(values, most_points)
    row: dict[str, Any] = {
        "name": short(series.name),
        "count": len(values),
        "bucket": thin.bucket,
        "not_finite": int((~np.isfinite(values)).sum()),
        "t": _differences(timeline.elapsed(series.times_ns)[thin.kept] / unit),
        "v": [_told(value) for value in values[thin.kept].tolist()],
    }
    if timeline.has_steps:
        row["s"] = _differences(timeline.steps_of(series)[thin.kept])
    if thin.bucket > 1:
        nearest = np.minimum(np.searchsorted(thin.kept, thin.centres), len(thin.kept) - 1)
        row["means"] = {
            "i": _differences(nearest.astype(np.float64)),
            "v": [_told(mean) for mean in thin.means.tolist()],
        }
    return row


def _look(name: str, number: int) -> dict[str, str]:
    split, _, metric = name.rpartition("/")
    color = _MEMBER_COLORS.get(metric) or _COLORS.get(split) or _OTHER_COLORS[number % len(_OTHER_COLORS)]
    dash = _DASHES.get(metric) or _DASHES.get(split) or ("6 3" if number >= len(_OTHER_COLORS) else "")
    return {"color": color, "dash": dash}


def _differences(positions: NDArray[np.float64]) -> list[int | None]:
    """The first position and the step to each next one, in whole numbers: their sums never drift from the rounded positions. None for a
    value that has no place on the axis (NaN), which the next difference passes over.
    """
    placed = np.isfinite(positions)
    differences: list[int | None] = [None] * len(positions)
    whole = np.rint(positions[placed]).astype(np.int64)
    for place, step in zip(np.flatnonzero(placed).tolist(), np.diff(whole, prepend=0).tolist(), strict=True):
        differences[place] = step
    return differences


def _told(value: float) -> float | int | str | None:
    """Six digits; None for NaN, "inf" and "-inf"."""
    if math.isfinite(value):
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    return None if math.isnan(value) else str(value)
