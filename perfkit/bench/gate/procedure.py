"""In what order a gate decides: pairs of all that are open, looks after planned numbers of them, and fresh pairs again for what was flagged.

What was flagged goes on in the same pairs, from then on as fresh ones, so that a benchmark that is hard to tell costs the others no time for theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...stats import gate as rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .benchmark import Benchmark


def decide(
    found: Mapping[str, Benchmark],
    rule: rules.Rule,
    *,
    pair: Callable[[Sequence[Benchmark]], None],
    has_time: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    """Give the benchmarks their verdicts, as far as there is time. *pair* runs one pair of those that it is given, and lets them `take` it."""
    everything = list(found.values())
    looks = 0  # at what was flagged
    while has_time():
        still = [each for each in everything if each.verdict is None and len(each.differences) < max(rule.looks)]
        flagged = [each for each in everything if each.is_flagged]
        wanted = _wanted(rule, len(flagged))
        if not still and (not flagged or looks == len(wanted)):
            break
        if not still and min(len(each.confirming) for each in flagged) >= wanted[looks]:
            _confirm(flagged, rule.confirms[looks])
            looks += 1
            say(f"{sum(each.is_confirmed for each in flagged)} of {len(flagged)} flagged confirmed by fresh pairs")
            continue
        pair([*still, *(each for each in flagged if len(each.confirming) < wanted[-1])])
        _look(still, rule, say, of=len(everything))
    _give_up([each for each in everything if each.is_flagged], rule)


def _look(still: Sequence[Benchmark], rule: rules.Rule, say: Callable[[str], None], *, of: int) -> None:
    looked_at = [each for each in still if each.verdict is None and len(each.differences) in rule.looks]
    for each in looked_at:
        each.judge(rule, rule.allowance * rule.looks[len(each.differences)])
    if looked_at:
        left = sum(each.verdict is None for each in looked_at)
        say(f"after {len(looked_at[0].differences)} pairs: {left} of {of} undecided")


def _wanted(rule: rules.Rule, flagged: int) -> list[int]:
    """Fresh pairs at which what was flagged is looked at: as many as it takes to be able to confirm the first of so many."""
    least = max(rule.confirming, rules.confirming_pairs(flagged, min(rule.confirms)))
    return [least * (1 + number) for number in range(len(rule.confirms))]


def _confirm(flagged: Sequence[Benchmark], level: float) -> None:
    """Slower again, by however little: that it is by more than the bound was found within the allowance for false alarms before. To ask for the
    bound once more of so few pairs would lose most of what is not far above it (two of three slowdowns of 2 %, on recorded pairs).
    """
    sure = rules.confirmed({each.id: rules.p_value(each.confirming, 0.0) for each in flagged}, level)
    for each in flagged:
        each.is_confirmed = each.id in sure


def _give_up(flagged: Sequence[Benchmark], rule: rules.Rule) -> None:
    """No further pairs: a last look at those that had none of theirs yet."""
    _confirm(flagged, min(rule.confirms))
    for each in flagged:
        if not each.is_confirmed:
            each.refute()
