"""The gate: pairs of fresh processes until each benchmark has a verdict, and fresh pairs again for what was flagged."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...stats import gate as rules
from .. import fingerprint
from ..session import COUNTED, TRACED, Plan
from . import counts, pairs, procedure, why
from .benchmark import SIDES, Benchmark, reason_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from .trees import Side

Row = dict[str, Any]

# A pair may take so many times as long as the longest so far, at least so long, and in any case what time is left.
PATIENCE, LEAST_PATIENCE_S = 5.0, 300.0


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
    #: Whether what got slower is traced, and what else calls take counted.
    explains: bool = True
    #: Of what else calls take (`counting.METRICS`): of which more is a regression too.
    gated: Collection[str] = ()

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
        procedure.decide(found, self.rule, pair=self._pair, has_time=self._has_time, say=self.say)
        self._explain([each for each in found.values() if each.verdict == "regressed"])
        self._count(found)
        return self._document(found, here)

    def _count(self, found: dict[str, Benchmark]) -> None:
        """What calls take besides time, once on each side: counts are the same each time."""
        ran = [each for each in found.values() if each.differences]
        if not ran or not self.explains:
            return
        self.say(f"counting {len(ran)} on both sides")
        looks = {side.name: self._looked_at(side, ran, COUNTED) for side in (self.base, self.head)}
        for each in ran:
            base, head = (looks[side].benchmarks.get(each.id, {}).get(COUNTED, {}) for side in SIDES)
            each.counts = counts.compared(base, head)
            each.uncounted = reason_in(looks, each.id)
            if more := counts.more(each.counts, self.gated):
                each.verdict, each.why = "regressed", "; ".join(filter(None, [more, each.why]))

    def _explain(self, regressed: list[Benchmark]) -> None:
        """Trace what is slower on both sides, and say what grew."""
        if not regressed or not self.explains:
            return
        self.say(f"tracing {len(regressed)} on both sides")
        looks: dict[str, list[pairs.Ran]] = {name: [] for name in SIDES}
        for side in (self.base, self.head, self.head, self.base):
            looks[side.name].append(self._looked_at(side, regressed, TRACED))
        for each in regressed:
            base, head = (
                [rows for ran in looks[side] if (rows := ran.benchmarks.get(each.id, {}).get(TRACED))] for side in SIDES
            )
            each.causes = why.causes(base, head, each.change)
            failed = reason_in({side: ran[0] for side, ran in looks.items()}, each.id)
            each.why = why.told(each.causes) or failed or "where it went did not show under a profiler"

    def _looked_at(self, side: Side, wanted: Sequence[Benchmark], mode: str) -> pairs.Ran:
        return pairs.looked_at(side, self.words, [each.id for each in wanted], mode, timeout_s=self._patience_s())

    def _pair(self, still: Sequence[Benchmark]) -> None:
        began = time.monotonic()
        order = (self.base, self.head) if self._number % 2 == 0 else (self.head, self.base)
        place = self.place / f"pair-{self._number}"
        names = [each.id for each in still]
        ran = pairs.run(order, self.words, names, self.plan, place=place, timeout_s=self._patience_s())
        for each in still:
            each.take(ran)
        shutil.rmtree(place)
        self._number += 1
        self._longest_s = max(self._longest_s, time.monotonic() - began)

    def _patience_s(self) -> float:
        """What a process may take: how long one takes is known only from others."""
        return max(LEAST_PATIENCE_S, PATIENCE * self._longest_s, self.limit_s - (time.monotonic() - self._began))

    def _has_time(self) -> bool:
        return self.limit_s - (time.monotonic() - self._began) > self._longest_s

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
