"""Stages of a script without steps: what was loaded, transformed, fitted and predicted, how long it took and how much came through."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runs import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from ..runs.reader import Run

Row = dict[str, Any]
#: What a stage does, in the order of a script.
KINDS = ("load", "transform", "fit", "predict", "score")
#: What is told of the newest call; calls and times are added up.
SIZES = ("rows", "columns", "rows_out", "bytes", "dtype", "n_jobs")


def outermost(run: Run) -> list[Row]:
    """Lines of stages.jsonl of the process that spent most in stages, by start; empty without any."""
    lines = [
        line for line in run.jsonl(layout.STAGES) if line.get("what") in KINDS and isinstance(line.get("dur"), int)
    ]
    spent: dict[Any, int] = defaultdict(int)
    for line in lines:
        spent[line.get("pid")] += line["dur"]
    if not spent:
        return []
    lead = max(spent, key=lambda pid: spent[pid])
    return sorted((line for line in lines if line.get("pid") == lead), key=lambda line: int(line.get("t", 0)))


def table(lines: Sequence[Row], whole_s: float | None) -> list[Row]:
    """One row per stage, most time first, each followed by its parts.

    ``{name, kind, depth, calls, seconds, share (of the run, or null), cpu_seconds, repeated_seconds, rows, columns, rows_out, bytes, dtype, n_jobs}``;
    ``repeated_seconds``: in calls of the same object with the same data as before.
    """
    stages: dict[str, list[Row]] = defaultdict(list)
    for line in lines:
        stages[str(line["of"])].append(line)
    made = []
    for name, calls in sorted(stages.items(), key=lambda item: -sum(line["dur"] for line in item[1])):
        made.append(_row(name, calls, whole_s))
        made += _parts(calls, whole_s)
    return made


def _row(name: str, calls: list[Row], whole_s: float | None) -> Row:
    seconds = sum(line["dur"] for line in calls) / 1e9
    return {
        "name": name,
        "kind": calls[-1]["what"],
        "depth": 0,
        "calls": sum(line.get("calls", 1) for line in calls),
        "seconds": seconds,
        "share": seconds / whole_s if whole_s else None,
        "cpu_seconds": sum(line.get("cpu", 0) for line in calls) / 1e9,
        "repeated_seconds": sum(line["dur"] for line in calls if line.get("same")) / 1e9,
        **{key: calls[-1].get(key) for key in SIZES},
    }


def _parts(calls: Iterable[Row], whole_s: float | None) -> list[Row]:
    """The parts of a stage's calls, added up by where they lie, each followed by its own parts."""
    found: dict[tuple[str, ...], Row] = {}
    for line in calls:
        for part in line.get("parts") or ():
            known = found.setdefault(tuple(part["path"]), {"calls": 0, "ns": 0})
            known["calls"] += part.get("calls", 1)
            known["ns"] += part.get("ns", 0)
            known["newest"] = part
    # A part is noted when it ends, so after its own parts: the first of these says where it began.
    order = {path[:size]: place for place, path in reversed(list(enumerate(found))) for size in range(1, len(path) + 1)}
    ordered = sorted(found, key=lambda path: [order[path[:size]] for size in range(1, len(path) + 1)])
    return [_part_row(path, found[path], whole_s) for path in ordered]


def _part_row(path: tuple[str, ...], known: Row, whole_s: float | None) -> Row:
    return {
        "name": path[-1],
        "kind": known["newest"].get("what"),
        "depth": len(path),
        "calls": known["calls"],
        "seconds": known["ns"] / 1e9,
        "share": known["ns"] / 1e9 / whole_s if whole_s else None,
        "cpu_seconds": None,
        "repeated_seconds": 0.0,
        **{key: known["newest"].get(key) for key in SIZES},
    }


def spans(lines: Iterable[Row]) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Start and end (ns, CLOCK_MONOTONIC) of the stages of each kind; lines that stand for several have no place in time."""
    found: dict[str, list[tuple[int, int]]] = {kind: [] for kind in KINDS}
    for line in lines:
        if not line.get("calls"):
            found[line["what"]].append((line["t"], line["t"] + line["dur"]))
    return {
        kind: (np.array([a for a, _ in pairs], np.int64), np.array([b for _, b in pairs], np.int64))
        for kind, pairs in found.items()
        if pairs
    }
