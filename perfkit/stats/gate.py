"""Is B slower than A by more than matters? The rule of a gate, on differences of log times between fresh processes in pairs.

Each difference is one pair's (`bench.gate.pairs`): the Hodges–Lehmann estimate over the turns that both took. The bounds are exact (Wilcoxon's signed
rank), looks at the same data share one allowance for false alarms, and what was flagged has to be confirmed on fresh pairs, Holm's procedure over all
that were. Source of that: S. Holm, Scandinavian Journal of Statistics 6 (1979); of the rest see `stats.paired`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .paired import least_pairs, signed_rank, walsh_averages
from .paired import signed_rank_tail as tail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Verdict = Literal["regressed", "improved", "same", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What counts as a change, and how sure one must be."""

    #: A slowdown must surely be larger than this (a fraction of the time) to count, and a gain likewise.
    bound: float = 0.01
    #: "same": surely no slowdown of more than this.
    margin: float = 0.02
    #: What all looks together may claim falsely of one benchmark, one-sided, and how they share it: pairs → part.
    allowance: float = 0.01
    looks: Mapping[int, float] = field(default_factory=lambda: {8: 0.4, 16: 0.3, 32: 0.3})
    #: One-sided level of "same".
    same_level: float = 0.05
    #: Fresh pairs, at least, that confirm what was flagged, and the one-sided levels at which they do, all that were flagged together: of a look at
    #: so many, and of one at twice as many. (Of eight a single one that was disturbed speaks against a slowdown of 5 % on a shared machine.)
    confirming: int = 8
    confirms: Sequence[float] = (0.025, 0.025)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A verdict with the change of the time as a fraction (0.05: takes 5 % longer) and its 95 % interval; ends None where nothing bounds them."""

    verdict: Verdict
    change: float
    low: float | None
    high: float | None
    pairs: int


# Each end of a shown interval is wrong in so many cases (95 % for both).
SHOWN = 0.025


def judged(differences: Sequence[float], rule: Rule, alpha: float) -> Judged:
    """What *differences* (log of the new time over the old, one per pair) say when *alpha* may be spent on it."""
    shown = signed_rank(differences, SHOWN)
    return Judged(
        verdict=_verdict(differences, rule, alpha),
        change=math.expm1(shown.value),
        low=math.expm1(shown.low) if math.isfinite(shown.low) else None,
        high=math.expm1(shown.high) if math.isfinite(shown.high) else None,
        pairs=len(differences),
    )


def _verdict(differences: Sequence[float], rule: Rule, alpha: float) -> Verdict:
    if alpha > 0 and len(differences) >= least_pairs(alpha):
        bounds = signed_rank(differences, alpha)
        if bounds.low > math.log1p(rule.bound):
            return "regressed"
        if bounds.high < -math.log1p(rule.bound):
            return "improved"
    if len(differences) >= min(rule.looks) and signed_rank(differences, rule.same_level).high < math.log1p(rule.margin):
        return "same"
    return "inconclusive"


def p_value(differences: Sequence[float], shift: float) -> float:
    """Exact one-sided p of "no larger than *shift*" (signed rank); 1.0 without any."""
    averages = walsh_averages(differences)
    below = int((averages <= shift).sum())
    return tail(len(differences))[below] if averages.size else 1.0


def confirmed(p_values: Mapping[str, float], level: float) -> set[str]:
    """Those that Holm's procedure rejects at *level* over all."""
    found: set[str] = set()
    ranked = sorted(p_values, key=lambda name: p_values[name])
    for position, name in enumerate(ranked):
        if p_values[name] > level / (len(ranked) - position):
            break
        found.add(name)
    return found


def confirming_pairs(flagged: int, level: float) -> int:
    """Pairs that Holm's first comparison of so many *flagged* needs to be able to reject."""
    return least_pairs(level / max(1, flagged))
