"""What calls take besides time, on both sides of a gate: arithmetic, operators, kernels, memory, energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..counting import METRICS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Row = dict[str, Any]


def compared(base: Mapping[str, float], head: Mapping[str, float]) -> list[Row]:
    """{name, label, unit, base, head, change (relative), differs} of all that both sides have, as `counting.counted` found it.

    *differs* is +1 where head surely takes more, −1 where it takes less, 0 where it does not, None where one look cannot tell.
    """
    return [_row(name, base[name], head[name]) for name in METRICS if name in base and name in head]


def _row(name: str, base: float, head: float) -> Row:
    metric, change = METRICS[name], head / base - 1
    differs = None if metric.slack is None else 0 if abs(change) <= metric.slack else 1 if change > 0 else -1
    told = {"base": base, "head": head, "change": change, "differs": differs}
    return {"name": name, "label": metric.label, "unit": metric.unit, **told}


def more(rows: Sequence[Row], gated: Collection[str]) -> str:
    """What of *gated* head takes more of: ``more arithmetic, host memory at its peak``; empty where it takes no more of any."""
    found = [row["label"] for row in rows if row["name"] in gated and row["differs"] == 1]
    return f"more {', '.join(found)}" if found else ""
