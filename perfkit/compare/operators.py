"""Operators of several runs aligned by name, module and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sides import Side

Row = dict[str, Any]
Key = tuple[str, str | None]

#: Rows of the document; the rest take next to nothing.
MOST = 60
KINDS = ("operator", "kernel")
#: In place of a module: all of them.
ANY = "*"


def aligned(sides: Sequence[Side], *, per_sample: bool) -> list[Row]:
    """One row per operator and module: name, module, work, difference_s and of each side seconds, calls, shapes and dtypes (None where it has none).

    Where the sides name no module alike for an operator (one trace tells them, another does not) its modules are added up.
    """
    tables = [_table(side) for side in sides]
    keys = dict.fromkeys(key for table in tables for key in _keys(tables, table))
    made = [_row(key, tables, sides, per_sample=per_sample) for key in keys]
    return sorted(made, key=lambda row: -_size(row))[:MOST]


def _table(side: Side) -> list[Row]:
    return [row for row in side.first["hotspots"] if row["kind"] in KINDS]


def _keys(tables: list[list[Row]], table: list[Row]) -> list[Key]:
    return [(row["name"], row.get("module") if _has_modules_in_common(row["name"], tables) else ANY) for row in table]


def _has_modules_in_common(name: str, tables: list[list[Row]]) -> bool:
    """Whether no side has this operator, or each that does has a module of it that the others have."""
    modules = [{row.get("module") for row in table if row["name"] == name} for table in tables]
    found = [one for one in modules if one]
    return len(found) < 2 or bool(set.intersection(*found))


def _row(key: Key, tables: list[list[Row]], sides: Sequence[Side], *, per_sample: bool) -> Row:
    mine = [[row for row in table if row["name"] == key[0] and key[1] in (row.get("module"), ANY)] for table in tables]
    each = [_of_side(rows, side, per_sample=per_sample) for rows, side in zip(mine, sides, strict=True)]
    first = next(rows[0] for rows in mine if rows)
    known = [one["seconds"] if one else 0.0 for one in each]
    return {
        "name": key[0],
        "module": key[1],
        "work": first.get("work"),
        "sides": each,
        "differences_s": [seconds - known[0] for seconds in known],
        "factors": [known[0] / seconds if known[0] > 0 and seconds > 0 else None for seconds in known],
        "same_shapes": _same([one["shapes"] for one in each if one]),
    }


def _of_side(rows: list[Row], side: Side, *, per_sample: bool) -> Row | None:
    if not rows:
        return None
    scale = 1.0 / side.batch if per_sample and side.batch else 1.0
    largest = max(rows, key=lambda row: row["seconds_per_step"])
    return {
        "seconds": sum(row["seconds_per_step"] for row in rows) * scale,
        "calls_per_step": sum(row["calls_per_step"] for row in rows),
        "basis": largest["basis"],
        "shapes": largest.get("shapes"),
        "dtypes": largest.get("dtypes"),
        "bound": largest.get("bound"),
        "efficiency": largest.get("efficiency"),
    }


def _same(shapes: list[str | None]) -> bool | None:
    known = [one for one in shapes if one is not None]
    return len(set(known)) == 1 if len(known) > 1 else None


def _size(row: Row) -> float:
    """How much there is to say: the largest difference, then the longest time."""
    seconds = [one["seconds"] for one in row["sides"] if one]
    return float(max(map(abs, row["differences_s"]), default=0.0) + 1e-3 * max(seconds))
