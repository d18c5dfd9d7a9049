"""What a gate is worth on this machine: how often it finds a change where there is none, and how often one that was put in.

The benchmarks are products of small matrices in NumPy, on one thread. On the one side all do the same number of them; on the other some do so many per cent more: real
work, not a pause. All go through the gate as a project's own would, in the same pairs.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...stats import proportion
from ..session import Plan
from .gate import Gate
from .trees import Side

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...stats.gate import Rule

Row = dict[str, Any]

UNITS = 200
FILE = "test_speed.py"
#: Shorter than a project's own: there are many of them.
PLAN = Plan(block_s=0.02, blocks=30)
_BENCHMARK = """
import numpy as np
import pytest
MATRIX = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0]
def work(units):
    found = MATRIX
    for _ in range(units):
        found = found @ MATRIX
@pytest.mark.parametrize("units", {units!r}, ids={ids!r})
def test_work(perfkit, units):
    perfkit(work, units)
"""


def selftest(
    *, aa: int, each: int, effects: Sequence[float], minutes: float, rule: Rule, say: Callable[[str], None]
) -> Row:
    """Run *aa* benchmarks without a change and *each* with every one of the *effects*; the rates, with exact bounds."""
    cases = [0.0] * aa + [effect for effect in effects for _ in range(each)]
    with tempfile.TemporaryDirectory(prefix="perfkit-selftest-") as place:
        base, head, names = planted(cases, Path(place))
        gate = Gate(
            base=base, head=head, words=[FILE], place=Path(place, "pairs"), limit_s=minutes * 60, rule=rule, plan=PLAN, say=say,
            explains=False,
        )  # fmt: skip
        rows = gate.run()["benchmarks"]
    told = {row["id"]: row for row in rows}
    by_effect = {
        effect: [told[name] for name, own in zip(names, cases, strict=True) if own == effect]
        for effect in dict.fromkeys(cases)
    }
    return {
        "false_alarm": _false_alarms(by_effect.pop(0.0, [])),
        "power": [_power(effect, found) for effect, found in by_effect.items()],
        "cut_short": _cut_short(rows, rule),
        "benchmarks": rows,
    }


def planted(cases: Sequence[float], place: Path) -> tuple[Side, Side, list[str]]:
    """Two sides in *place*, base and head, and the node ids of their benchmarks: one for each of *cases*, the share of work (0.05: 5 %) that
    head does more of. The shares are exact where `UNITS` times them is a whole number.
    """
    ids = [f"{effect:.0%}-{number}" if effect else f"aa-{number}" for number, effect in enumerate(cases)]
    base, head = (
        _side(name, place, [round(UNITS * (1 + effect * changed)) for effect in cases], ids)
        for name, changed in (("base", 0), ("head", 1))
    )
    return base, head, [f"{FILE}::test_work[{each}]" for each in ids]


def _side(name: str, place: Path, units: list[int], ids: list[str]) -> Side:
    folder = place / name
    folder.mkdir()
    (folder / FILE).write_text(_BENCHMARK.format(units=units, ids=ids), encoding="utf-8")
    # One thread: with more, what is measured is who else is on the cores.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return Side(name=name, label=name, revision=None, folder=folder, environment=environment)


def _cut_short(rows: list[Row], rule: Rule) -> int:
    """How many more pairs might have decided: a gate with more time has other rates."""
    return sum(row["verdict"] == "inconclusive" and row["pairs"] < max(rule.looks) for row in rows)


def _false_alarms(rows: list[Row]) -> Row:
    wrong = sum(row["verdict"] in ("regressed", "improved") for row in rows)
    runs = len(rows)
    return {
        "rate": wrong / runs if runs else None,
        "upper95": proportion.upper(wrong, runs),
        "runs": runs,
        "inconclusive": sum(row["verdict"] == "inconclusive" for row in rows),
        "pairs": sum(row["pairs"] + row["confirming_pairs"] for row in rows) / runs if runs else None,
    }


def _power(effect: float, rows: list[Row]) -> Row:
    found, runs = sum(row["verdict"] == "regressed" for row in rows), len(rows)
    return {
        "effect": effect,
        "rate": found / runs,
        "lower95": proportion.lower(found, runs),
        "runs": runs,
        "called_same": sum(row["verdict"] == "same" for row in rows),
        "interval_holds": sum(holds(row, effect) for row in rows) / runs,
    }


def holds(row: Row, effect: float) -> bool:
    """Whether the interval of a row of the gate holds *effect*."""
    low, high = row["change"]["low"], row["change"]["high"]
    return (low is None or low <= effect) and (high is None or effect <= high)
