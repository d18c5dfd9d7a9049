"""The table: a row per figure, a value per side, each with what its runs scatter by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import price as prices_of
from .metrics import METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .price import Price
    from .sides import Side

Row = dict[str, Any]

# The best side of a row must be better than the next by this factor; where nothing bounds the figures, by the second one.
BETTER, BETTER_UNBOUNDED = 1.01, 1.05
# Figures that the interval of the median step bounds, and whether they grow or shrink with it.
_WITH_STEP = {"step_s": 1, "median_s": 1, "sample_s": 1, "samples_per_s": -1, "tokens_per_s": -1}


def rows(sides: Sequence[Side], prices: Sequence[Price] = ()) -> list[Row]:
    """Rows that any side has a value for: key, name, unit, group, better, values [{value, low, high, reason}], ratios (to the first side), best (its number)."""
    made = [_row(metric, sides) for metric in METRICS]
    if prices:
        made.append(_cost(sides, prices))
    return [row for row in made if any(value["value"] is not None for value in row["values"])]


def _row(metric: Metric, sides: Sequence[Side]) -> Row:
    values = [_value(metric, side) for side in sides]
    return _completed(
        {"key": metric.key, "name": metric.name, "unit": metric.unit, "group": metric.group, "better": metric.better},
        values,
    )


def _completed(row: Row, values: list[Row]) -> Row:
    first = values[0]["value"]
    ratios = [value["value"] / first if first and value["value"] is not None else None for value in values]
    return {**row, "values": values, "ratios": ratios, "best": _best(row["better"], values)}


def _value(metric: Metric, side: Side) -> Row:
    found = side.values(metric.read)
    if not found:
        return {"value": None, "low": None, "high": None, "reason": _why(metric, side)}
    value = side.step_s if metric.key == "step_s" else side.value(metric.read)
    low, high = (min(found), max(found)) if len(found) > 1 else _bounds(metric, side, found[0])
    return {"value": value, "low": low, "high": high, "reason": None}


def _bounds(metric: Metric, side: Side, value: float) -> tuple[float | None, float | None]:
    """Of one run: as wide as the interval of its median step, where the figure goes with it."""
    told = side.timed[0]["steps"] if side.timed else {}
    middle, low, high = (told.get(key) for key in ("median_s", "median_low_s", "median_high_s"))
    if metric.key not in _WITH_STEP or not middle or not low or not high:
        return None, None
    ends = (low / middle, high / middle) if _WITH_STEP[metric.key] > 0 else (middle / high, middle / low)
    return value * ends[0], value * ends[1]


def _why(metric: Metric, side: Side) -> str:
    """The document's own reason for what is missing at that place, or above it."""
    told, path = side.first["unavailable"], metric.path
    while path:
        if path in told:
            return str(told[path])
        path = path.rpartition(".")[0]
    return metric.otherwise


def _cost(sides: Sequence[Side], prices: Sequence[Price]) -> Row:
    values = [_cost_of(side, prices) for side in sides]
    return _completed(
        {
            "key": "usd_per_million",
            "name": "$ per million samples",
            "unit": "usd",
            "group": "energy",
            "better": "lower",
        },
        values,
    )


def _cost_of(side: Side, prices: Sequence[Price]) -> Row:
    an_hour = prices_of.usd_per_hour(side, prices)
    value = prices_of.usd_per_million(side, an_hour) if an_hour is not None else None
    if value is None:
        reason = (
            "no price was given for what computes it"
            if an_hour is None
            else "samples are not counted, or there is no step time"
        )
        return {"value": None, "low": None, "high": None, "reason": reason}
    steps = side.steps_s
    ends = (
        (value * min(steps) / (side.step_s or 1.0), value * max(steps) / (side.step_s or 1.0))
        if len(steps) > 1
        else (None, None)
    )
    return {"value": value, "low": ends[0], "high": ends[1], "reason": None}


def _best(better: str | None, values: list[Row]) -> int | None:
    """The number of the side that is clearly the best; None where none is, or better means nothing here."""
    known = [(row["value"], number, row) for number, row in enumerate(values, 1) if row["value"] is not None]
    if better is None or len(known) < 2:
        return None
    ordered = sorted(known, key=lambda one: one[0], reverse=better == "higher")
    (first, number, row), (second, _, other) = ordered[0], ordered[1]
    low, high = sorted((first, second))
    enough = BETTER if _is_bounded(row) and _is_bounded(other) else BETTER_UNBOUNDED
    if low <= 0 or high < low * enough or _overlap(row, other):
        return None
    return number


def _is_bounded(row: Row) -> bool:
    return row["low"] is not None and row["high"] is not None


def _overlap(one: Row, other: Row) -> bool:
    if not _is_bounded(one) or not _is_bounded(other):
        return False
    return bool(max(one["low"], other["low"]) <= min(one["high"], other["high"]))
