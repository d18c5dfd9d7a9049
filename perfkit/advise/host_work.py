"""What the operators of a step that is computed on the CPU tell: small questions that rules share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Row = dict[str, Any]

COMPUTE_PHASES = ("forward", "backward", "optimizer", "function")


def is_on_cpu(model: Mapping[str, Any] | None) -> bool:
    """Whether all parameters of *model*, or of an optimizer, are known to lie on the CPU."""
    devices = (model or {}).get("devices") or {}
    return bool(devices) and all(str(name).startswith("cpu") for name in devices)


def is_elsewhere(model: Mapping[str, Any] | None) -> bool:
    """Whether a parameter of *model* is known to lie on another device than the CPU."""
    return any(not str(name).startswith("cpu") for name in (model or {}).get("devices") or {})


def operators(rows: Iterable[Row]) -> list[Row]:
    """Those *rows* that are operators of the framework, called at all."""
    return [row for row in rows if row.get("kind") == "operator" and row.get("calls_per_step")]


def seconds(rows: Iterable[Row]) -> float:
    """Seconds per step of *rows* together."""
    return float(sum(row["seconds_per_step"] for row in rows))


def shapes(row: Row) -> list[list[int]]:
    """Input shapes of *row* that take the most of it; empty lists for inputs without one."""
    try:
        found = json.loads(row.get("shapes") or "[]")
    except ValueError:
        return []
    return [item if isinstance(item, list) and all(isinstance(n, int) for n in item) else [] for item in found]


def compute_takes(breakdown: Sequence[Row] | None) -> dict[str, float]:
    """The compute phases by their share: where a gain comes from that makes all computation shorter."""
    return {row["name"]: float(row["share"]) for row in breakdown or [] if row["name"] in COMPUTE_PHASES}
