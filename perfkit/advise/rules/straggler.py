"""One rank is slower than the others, and they wait for it in every step.

Ranks that average their gradients move at the pace of the slowest. Their steps are equally long; what differs is where they spend
them: the slow one in its own work (waiting for data, forward), the others in backward, waiting for its gradients. Speaks on CPUs when
the slowest rank's own work exceeds that of the median of the others by at least 8 % of the step, and the others' backward is longer than its own
by half of that or more.

What to do depends on the phase that the slow rank loses it in: *data* (its shard, its storage, its loader's workers, a neighbour on
its machine), or *forward* (longer samples than the others get, a slower processor, other settings).

How the gain is told. If the rank worked like the others, the step would lose the excess: 55 to 95 % of it is told, since ranks on one
machine then compete for its cores at the same moments (measured on two ranks of one machine, one of them reading 0.5 ms more per sample: an excess of 60 %
of the step, cured 37 % less time).

It is silent with one rank, where ranks differ in nothing, where their steps differ in length (then they do not wait for each
other), and on GPUs, where the host's phases do not show the wait.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from ...model.records import Finding, Interval
from ..host_work import is_on_cpu
from ..what_if import ms, percent

if TYPE_CHECKING:
    import polars as pl

MIN_EXCESS = 0.08
# Steps of ranks that wait for each other are equally long.
SAME_LENGTH = 0.10
MIN_SEEN_IN_WAIT = 0.5
GIVES_BACK = (0.55, 0.95)
OWN = ("data", "prepare", "forward", "other")
HOW = {
    "data": "# rank {rank} waits for its data: compare its shard, storage and loader workers with the others'",
    "forward": "# rank {rank} computes longer: shard by length or work, not by count; compare its processor and settings",
}
LINK = "https://docs.pytorch.org/docs/stable/notes/ddp.html"

Row = dict[str, Any]


def check(rank_steps: dict[str, pl.DataFrame], model: Row) -> Finding | None:
    """Judge the balance between ranks."""
    ranks = {number: row for frame in rank_steps.values() for number, row in _mean_phases(frame).items()}
    if len(ranks) < 2 or not is_on_cpu(model):
        return None
    lengths = [row["wall"] for row in ranks.values()]
    step = max(lengths)
    if step <= 0 or min(lengths) < (1 - SAME_LENGTH) * step:
        return None
    slow = max(ranks, key=lambda number: _own(ranks[number]))
    others = [row for number, row in ranks.items() if number != slow]
    excess = _own(ranks[slow]) - median(_own(row) for row in others)
    waited = median(row["backward"] for row in others) - ranks[slow]["backward"]
    if excess < MIN_EXCESS * step or waited < MIN_SEEN_IN_WAIT * excess:
        return None
    return _finding(slow, ranks[slow], others, excess, waited, step)


def _mean_phases(frame: pl.DataFrame) -> dict[int, Row]:
    """Rank -> its mean phases over steady steps, in s; nothing without any."""
    steady = frame.filter(frame["steady"])
    if not steady.height:
        return {}
    means = {name: float(steady[f"{name}_ns"].mean() or 0.0) / 1e9 for name in ("wall", "backward", *OWN)}  # type: ignore[arg-type]
    return {int(steady["rank"][0]): means}


def _own(row: Row) -> float:
    return float(sum(row[name] for name in OWN))


def _finding(slow: int, row: Row, others: list[Row], excess: float, waited: float, step: float) -> Finding:
    phase = max(OWN, key=lambda name: row[name] - median(other[name] for other in others))
    return Finding(
        rule="straggler",
        cause="communication",
        title=f"Rank {slow} holds up the others",
        evidence={
            f"rank {slow}'s own work": f"{ms(_own(row))} of the {ms(step)} step, {ms(excess)} more than the others'",
            "most of it in": f"{phase}, {ms(row[phase])}",
            "the others wait in backward": f"{ms(waited)} ({percent(waited / step)})",
        },
        saves=Interval(low=GIVES_BACK[0] * excess / step, high=GIVES_BACK[1] * excess / step),
        confidence="medium",
        fix=None,
        how=HOW["data" if phase in ("data", "prepare") else "forward"].format(rank=slow),
        links=[LINK],
        takes={"backward": 1.0, "data": 0.5},
    )
