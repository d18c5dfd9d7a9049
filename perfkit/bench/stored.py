"""Two stored results of benchmarks, side by side. Each is of one process, measured at another time, so a difference counts only where it is larger than what
the same code is known to differ by there; and times of unlike machines are not compared at all.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from . import fingerprint
from .gate import counts
from .history import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

Row = dict[str, Any]

#: What a process of the same program may differ by where no history tells: on shared machines by a tenth and more (docs/bench.md).
ASSUMED = 0.10
#: Of the differences that a history has: this quantile, from so many on.
QUANTILE, LEAST = 0.99, 8
#: "Same" is said where no more than so many times the bound would have gone unseen.
MARGIN = 2.0


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file of results."""

    path: str
    result: reading.Result
    #: Seconds of a call by benchmark, and what else it takes (`counting.counted`).
    seconds: Mapping[str, float]
    counts: Mapping[str, Mapping[str, float]]

    def row(self) -> Row:
        """As the document has it."""
        found = self.result
        return {
            "path": self.path,
            "measured": found.measured.isoformat(),
            "commit": found.commit,
            "branch": found.branch,
            "changed": found.changed,
            "machine": found.fingerprint,
            "software": found.software,
        }

    @property
    def label(self) -> str:
        """What a person calls it: the file, and the commit it is of."""
        return self.path + (f" ({self.result.commit[:8]})" if self.result.commit else "")


def load(path: Path) -> Stored:
    """The results in *path*, of ``pytest --perfkit-json`` or ``--benchmark-json``. Raises UsageError for anything else."""
    try:
        data, touched = path.read_bytes(), datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    result = reading.read(data, str(path), touched)
    seconds = {value.benchmark: math.exp(value.log) for value in result.values if value.kind == "seconds"}
    if not seconds:
        raise UsageError(f"{path}: holds no times of benchmarks; it is made by: pytest --perfkit-json FILE")
    rows = json.loads(data)["benchmarks"]
    counted = {row["fullname"]: (row.get("perfkit") or {}).get("counts") or {} for row in rows}
    return Stored(path=str(path), result=result, seconds=seconds, counts=counted)


def compare(base: Stored, head: Stored, *, bound: float, scatter: Callable[[str], float | None]) -> Row:
    """The document: runs, rows, causes (what unlike machines differ in), new, gone, notes.

    *bound*: a change must be larger to count (0.01: 1 %). *scatter* tells what the same code differs by (a fraction), by benchmark; None: not
    known. Raises UsageError where no benchmark is in both.
    """
    common = [name for name in head.seconds if name in base.seconds]
    if not common:
        told = f"{len(base.seconds)} in {base.path}, {len(head.seconds)} in {head.path}"
        raise UsageError(f"no benchmark is in both: {told}")
    unlike = fingerprint.differences(base.result.fingerprint, head.result.fingerprint)
    known = {name: scatter(name) for name in common}
    return {
        "schema_version": 1,
        "runs": [base.row(), head.row()],
        "base": {"label": base.label, "revision": base.result.commit},
        "head": {"label": head.label, "revision": head.result.commit},
        "rows": [_row(name, base, head, bound=bound, scatter=known[name], comparable=not unlike) for name in common],
        "causes": unlike,
        "new": [name for name in head.seconds if name not in base.seconds],
        "gone": [name for name in base.seconds if name not in head.seconds],
        "notes": _notes(base.result, head.result, unlike, known),
    }


def _row(name: str, base: Stored, head: Stored, *, bound: float, scatter: float | None, comparable: bool) -> Row:
    log = math.log(head.seconds[name] / base.seconds[name])
    usual = math.log1p(ASSUMED if scatter is None else scatter)
    change = {"low": math.expm1(log - usual), "estimate": math.expm1(log), "high": math.expm1(log + usual)}
    return {
        "id": name,
        "verdict": _verdict(log, usual, math.log1p(bound)) if comparable else "incomparable",
        "change": change if comparable else dict.fromkeys(change),
        "scatter": scatter,
        "why": "",
        "causes": [],
        # Counts are the same on every machine.
        "counts": counts.compared(base.counts.get(name, {}), head.counts.get(name, {})),
        "uncounted": "",
        "outputs": None,
        "seconds": {"base": base.seconds[name], "head": head.seconds[name]},
        "pairs": 0,
    }


def _verdict(log: float, usual: float, bound: float) -> str:
    if log - usual > bound:
        return "regressed"
    if log + usual < -bound:
        return "improved"
    return "same" if log + usual < MARGIN * bound else "inconclusive"


def _notes(
    base: reading.Result, head: reading.Result, unlike: Sequence[str], known: Mapping[str, float | None]
) -> list[str]:
    """What a person has to know besides."""
    if unlike:
        return ["the machines are not alike, so times are not compared:", *unlike]
    found = [f"not the same: {line}" for line in fingerprint.differences(base.software, head.software)]
    if unknown := sum(value is None for value in known.values()):
        found.append(
            f"of {unknown} the history does not tell what the same code differs by, {ASSUMED:.0%} is assumed; to have it known, keep several results "
            "of a commit: perfkit bench history --add FILE"
        )
    return found


def scatter_in(values: Iterable[Row], results: Iterable[Row], machine: str) -> dict[str, float]:
    """What results of one commit differ by on *machine* (a key), by benchmark, as a fraction: of those that a history has enough of.

    *values* and *results* are rows of its index.
    """
    usable = {
        row["id"]: row for row in results if row["machine"] == machine and row["commit_id"] and not row["changed"]
    }
    by_commit: dict[tuple[str, str], list[float]] = defaultdict(list)
    for value in values:
        if value["kind"] == "seconds" and (result := usable.get(value["result"])) is not None:
            by_commit[value["benchmark"], result["commit_id"]].append(value["log"])
    differences: dict[str, list[float]] = defaultdict(list)
    for (benchmark, _), logs in by_commit.items():
        differences[benchmark] += [abs(after - before) for before, after in pairwise(logs)]
    return {
        benchmark: math.expm1(float(np.quantile(found, QUANTILE, method="higher")))
        for benchmark, found in differences.items()
        if len(found) >= LEAST
    }
