"""What a gate knows of one benchmark: the pairs it ran in, what they say, and what else is different between the sides."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...stats import gate as rules
from ...stats.paired import hodges_lehmann
from .. import outputs
from .trees import last_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .pairs import Ran

Row = dict[str, Any]

SIDES = ("base", "head")
UNSETTLED_SHARE = 0.5
_UNSETTLED = "its calls never settled within the time for warming up"


@dataclass
class Benchmark:
    """One benchmark that both sides have."""

    id: str
    #: Log of head's time over base's: of each pair, and of each that confirms.
    differences: list[float] = field(default_factory=list)
    confirming: list[float] = field(default_factory=list)
    #: Median seconds of a call in each process.
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"base": [], "head": []})
    unsettled: int = 0
    verdict: str | None = None
    is_confirmed: bool = False
    why: str = ""
    #: What grew, rows of `why.causes`.
    causes: list[Row] = field(default_factory=list)
    #: What else a call takes, rows of `counts.compared`.
    counts: list[Row] = field(default_factory=list)
    #: Why that could not be counted on a side; else empty.
    uncounted: str = ""
    #: How head's outputs differ from base's.
    answer: str = ""

    @property
    def is_flagged(self) -> bool:
        """Whether it was found slower, and fresh pairs have yet to say so too."""
        return self.verdict == "regressed" and not self.is_confirmed

    @property
    def known(self) -> list[float]:
        """`differences` of all pairs."""
        return [*self.differences, *self.confirming]

    @property
    def change(self) -> float:
        """By how much a call takes longer in head: a fraction of its time, of all pairs; 0.0 without any."""
        return math.expm1(hodges_lehmann(self.known)) if self.known else 0.0

    def take(self, ran: Mapping[str, Ran]) -> None:
        """Add what a pair brought; where a side did not run it, that is the verdict."""
        if any(self.id not in ran[side].benchmarks for side in SIDES):
            self._not_run(ran)
            return
        rows = {side: ran[side].benchmarks[self.id] for side in SIDES}
        blocks = {side: [math.log(value) for value in row["blocks_s"]] for side, row in rows.items()}
        # Where calls are so slow that time was up, one side may have had a turn more than the other.
        turns = [head - base for base, head in zip(blocks["base"], blocks["head"], strict=False)]
        (self.differences if self.verdict is None else self.confirming).append(hodges_lehmann(turns))
        for side, row in rows.items():
            self.seconds[side].append(math.exp(hodges_lehmann(blocks[side])))
            self.unsettled += not row["settled"]
        self.answer = self.answer or _another_answer(rows)

    def _not_run(self, ran: Mapping[str, Ran]) -> None:
        """A failure is head's. What only base cannot do is nothing to compare with, and what is skipped was not meant to be compared."""
        # Head's first: where it fails, that is what somebody has to know.
        side = "head" if self.id not in ran["head"].benchmarks else "base"
        is_skipped = ran[side].problems.get(self.id, {}).get("outcome") == "skipped"
        self.verdict = "skipped" if is_skipped else "failed" if side == "head" else "inconclusive"
        self.why = reason_in(ran, self.id)

    def judge(self, rule: rules.Rule, alpha: float) -> None:
        """Decide, if that can be."""
        self.why = ""
        if self.unsettled > UNSETTLED_SHARE * 2 * len(self.differences):
            self.why = _UNSETTLED
            return
        found = rules.judged(self.differences, rule, alpha)
        if found.verdict != "inconclusive":
            self.verdict = found.verdict

    def refute(self) -> None:
        """Fresh pairs did not say what the first had."""
        self.verdict = "inconclusive"
        self.why = (
            "slower at first, which fresh pairs did not confirm"
            if self.confirming
            else "slower, and no time was left to confirm it"
        )

    def row(self, rule: rules.Rule) -> Row:
        """As the document has it."""
        change: dict[str, float | None] = {"low": None, "high": None, "estimate": None}
        if self.known:
            shown = rules.judged(self.known, rule, 0.0)
            change = {"low": shown.low, "high": shown.high, "estimate": shown.change}
        return {
            "id": self.id,
            "verdict": self.verdict or "inconclusive",
            "change": change,
            "why": self.why,
            "causes": self.causes,
            "counts": self.counts,
            "uncounted": self.uncounted,
            "outputs": self.answer or None,
            "seconds": {side: math.exp(hodges_lehmann([math.log(v) for v in values])) if values else None for side, values in self.seconds.items()},
            "pairs": len(self.differences),
            "confirming_pairs": len(self.confirming),
        }  # fmt: skip


def _another_answer(rows: Mapping[str, Row]) -> str:
    """How what head computes differs from what base does; empty where it does not, or where they cannot be compared."""
    files = [rows[side]["outputs"] for side in SIDES]
    if None in files:
        return ""
    base, head = (outputs.kept(Path(file)) for file in files)
    try:
        found = outputs.difference(head, base, rtol=None, atol=None)
    except UsageError as error:
        return str(error)
    return "" if found is None else f"output {found['output']} differs"


def reason_in(ran: Mapping[str, Ran], name: str) -> str:
    """Why the benchmark *name* has no row on a side, head's reason first; empty where both have one."""
    for side in reversed(SIDES):
        if name not in ran[side].benchmarks:
            problem = ran[side].problems.get(name)
            return f"{side}: {_first_line(problem['text']) if problem else last_line(ran[side].said)}"
    return ""


def _first_line(text: str) -> str:
    """What was raised, without what it was raised with on further lines."""
    return text.strip().partition("\n")[0]
