"""The gate: pairs of fresh processes until each benchmark has a verdict, and fresh pairs again for what was flagged."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...stats import gate as rules
from ...stats.paired import hodges_lehmann
from .. import fingerprint, outputs
from ..session import Plan
from . import pairs, why
from .trees import last_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .trees import Side

Row = dict[str, Any]

# A pair may take so many times as long as the longest so far, and at least so long.
PATIENCE, LEAST_PATIENCE_S = 5.0, 300.0
UNSETTLED_SHARE = 0.5


@dataclass
class Benchmark:
    """What is known of one benchmark."""

    id: str
    #: Log of head's time over base's: of each pair, and of each that confirms.
    differences: list[float] = field(default_factory=list)
    confirming: list[float] = field(default_factory=list)
    #: Median seconds of a call in each process.
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"base": [], "head": []})
    unsettled: int = 0
    verdict: str | None = None
    why: str = ""
    #: What grew, rows of `why.causes`.
    causes: list[Row] = field(default_factory=list)
    #: How head's outputs differ from base's.
    answer: str = ""

    def take(self, ran: dict[str, pairs.Ran]) -> None:
        """Add what a pair brought; where a side did not run it, that is the verdict."""
        if any(self.id not in ran[side].benchmarks for side in ("base", "head")):
            self._not_run(ran)
            return
        rows = {side: ran[side].benchmarks[self.id] for side in ("base", "head")}
        blocks = {side: [math.log(value) for value in row["blocks_s"]] for side, row in rows.items()}
        turns = [head - base for base, head in zip(blocks["base"], blocks["head"], strict=False)]
        (self.differences if self.verdict is None else self.confirming).append(hodges_lehmann(turns))
        for side, row in rows.items():
            self.seconds[side].append(math.exp(hodges_lehmann(blocks[side])))
            self.unsettled += not row["settled"]
        self.answer = self.answer or _answer(rows)

    def _not_run(self, ran: dict[str, pairs.Ran]) -> None:
        """A failure is head's. What only base cannot do is nothing to compare with, and what is skipped was not meant to be compared."""
        # Head's first: where it fails, that is what somebody has to know.
        side = "head" if self.id not in ran["head"].benchmarks else "base"
        problem = ran[side].problems.get(self.id)
        is_skipped = problem is not None and problem["outcome"] == "skipped"
        self.verdict = "skipped" if is_skipped else "failed" if side == "head" else "inconclusive"
        self.why = f"{side}: {_first(problem['text']) if problem else last_line(ran[side].said)}"

    def judge(self, rule: rules.Rule, alpha: float) -> None:
        """Decide, if that can be."""
        found = rules.judged(self.differences, rule, alpha)
        if self.unsettled > UNSETTLED_SHARE * 2 * len(self.differences):
            self.why = "its calls never settled within the time for warming up"
            return
        if found.verdict != "inconclusive":
            self.verdict = found.verdict

    def row(self, rule: rules.Rule) -> Row:
        """As the document has it."""
        known = [*self.differences, *self.confirming]
        change: dict[str, float | None] = {"low": None, "high": None, "estimate": None}
        if known:
            shown = rules.judged(known, rule, 0.0)
            change = {"low": shown.low, "high": shown.high, "estimate": shown.change}
        return {
            "id": self.id,
            "verdict": self.verdict or "inconclusive",
            "change": change,
            "why": self.why,
            "causes": self.causes,
            "outputs": self.answer or None,
            "seconds": {side: math.exp(hodges_lehmann([math.log(v) for v in values])) if values else None for side, values in self.seconds.items()},
            "pairs": len(self.differences),
            "confirming_pairs": len(self.confirming),
        }  # fmt: skip


@dataclass
class Gate:
    """One comparison of two sides."""

    base: Side
    head: Side
    #: Paths and options, as pytest has them.
    words: Sequence[str]
    place: Path
    limit_s: float
    rule: rules.Rule = field(default_factory=rules.Rule)
    plan: Plan = field(default_factory=Plan)
    say: Callable[[str], None] = lambda _line: None
    #: Whether what got slower is traced.
    explains: bool = True

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._number = 0
        self._longest_s = 0.0

    def run(self) -> Row:
        """The document. Raises UsageError when there is nothing to compare, PerfkitError when a side cannot be run."""
        here = {side.name: pairs.collected(side, self.words) for side in (self.base, self.head)}
        common = [name for name in here["head"] if name in set(here["base"])]
        if not common:
            raise UsageError(
                f"no benchmark is on both sides: {len(here['base'])} at {self.base.label}, {len(here['head'])} at {self.head.label}"
            )
        self.say(f"{len(common)} benchmark{'s' * (len(common) != 1)}, {self.base.label} against {self.head.label}")
        found = {name: Benchmark(id=name) for name in common}
        self._first(found)
        self._confirm([each for each in found.values() if each.verdict == "regressed"])
        self._explain([each for each in found.values() if each.verdict == "regressed"])
        return self._document(found, here)

    def _first(self, found: dict[str, Benchmark]) -> None:
        """Pairs of all that are open, with a look after each number that is planned."""
        for number in range(1, max(self.rule.looks) + 1):
            still = [each for each in found.values() if each.verdict is None]
            if not still or not self._has_time():
                return
            self._pair(still)
            if number in self.rule.looks:
                for each in still:
                    if each.verdict is None:
                        each.judge(self.rule, self.rule.allowance * self.rule.looks[number])
                self._tell(found, number)

    def _confirm(self, flagged: list[Benchmark]) -> None:
        """What was flagged must be slower in fresh pairs too."""
        if not flagged:
            return
        wanted = max(self.rule.confirming, rules.confirming_pairs(len(flagged), self.rule.confirms_at))
        self.say(f"confirming {len(flagged)} on {wanted} fresh pairs")
        for _ in range(wanted):
            if not self._has_time():
                break
            self._pair(flagged)
        shift = math.log1p(self.rule.bound)
        standing = {each.id: rules.p_value(each.confirming, shift) for each in flagged if each.verdict == "regressed"}
        sure = rules.confirmed(standing, self.rule.confirms_at)
        for each in flagged:
            if each.verdict == "regressed" and each.id not in sure:
                each.verdict = "inconclusive"
                each.why = (
                    "slower at first, which fresh pairs did not confirm"
                    if each.confirming
                    else "slower, and no time was left to confirm it"
                )

    def _explain(self, regressed: list[Benchmark]) -> None:
        """Trace what is slower on both sides, and say what grew."""
        if not regressed or not self.explains:
            return
        self.say(f"tracing {len(regressed)} on both sides")
        names = [each.id for each in regressed]
        rows = {side.name: pairs.traced(side, self.words, names) for side in (self.base, self.head)}
        for each in regressed:
            each.causes = why.causes(rows["base"].get(each.id, []), rows["head"].get(each.id, []))
            each.why = why.told(each.causes) or "where it went did not show under a profiler"

    def _pair(self, still: Sequence[Benchmark]) -> None:
        began = time.monotonic()
        order = (self.base, self.head) if self._number % 2 == 0 else (self.head, self.base)
        place = self.place / f"pair-{self._number}"
        timeout_s = max(LEAST_PATIENCE_S, PATIENCE * self._longest_s)
        ran = pairs.run(order, self.words, [each.id for each in still], self.plan, place=place, timeout_s=timeout_s)
        for each in still:
            each.take(ran)
        shutil.rmtree(place)
        self._number += 1
        self._longest_s = max(self._longest_s, time.monotonic() - began)

    def _has_time(self) -> bool:
        return self.limit_s - (time.monotonic() - self._began) > self._longest_s

    def _tell(self, found: dict[str, Benchmark], number: int) -> None:
        decided = sum(each.verdict is not None for each in found.values())
        self.say(f"after {number} pairs: {decided} of {len(found)} decided")

    def _document(self, found: dict[str, Benchmark], here: dict[str, list[str]]) -> Row:
        return {
            "schema_version": 1,
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "fingerprint": fingerprint.machine(self.head.environment),
            "base": {"label": self.base.label, "revision": self.base.revision},
            "head": {"label": self.head.label, "revision": self.head.revision},
            "rule": {"bound": self.rule.bound, "margin": self.rule.margin, "allowance": self.rule.allowance},
            "benchmarks": [each.row(self.rule) for each in found.values()],
            "new": [name for name in here["head"] if name not in found],
            "gone": [name for name in here["base"] if name not in found],
            "seconds": time.monotonic() - self._began,
        }


def _answer(rows: dict[str, Row]) -> str:
    """How what head computes differs from what base does; empty where it does not, or where they cannot be compared."""
    files = [rows[side]["outputs"] for side in ("base", "head")]
    if None in files:
        return ""
    base, head = (outputs.kept(Path(file)) for file in files)
    try:
        found = outputs.difference(head, base, rtol=None, atol=None)
    except UsageError as error:
        return str(error)
    return "" if found is None else f"output {found['output']} differs"


def _first(text: str) -> str:
    """What was raised, without what it was raised with on further lines."""
    return text.strip().partition("\n")[0]
