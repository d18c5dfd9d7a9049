"""Where the time went: steps, host phases, ranks, the whole process, and perfkit's own cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...stats.quantiles import PERCENTILES

if TYPE_CHECKING:
    from ...advise.evidence import Evidence
    from ..gaps import Gaps

STEP_KEYS = ("count", "steady_count", "median_s", "p95_s", "samples_per_s", "tokens_per_s")
OVERHEAD_KEYS = ("startup_s", "per_step_s", "window_s", "share")


def mode(evidence: Evidence, gaps: Gaps) -> str | None:
    """``mode``: training or inference."""
    gaps.note("mode", evidence.why("headline") if evidence.headline is None else "no step was seen")
    return (evidence.headline or {}).get("mode")


def steps(evidence: Evidence, gaps: Gaps) -> dict[str, Any]:
    """``steps``: the headline figures, over steady steps outside every window."""
    headline = evidence.headline
    if headline is None:
        gaps.note("steps", evidence.why("headline"))
        return dict.fromkeys(STEP_KEYS)
    found = {key: headline.get(key) for key in STEP_KEYS}
    found.update({key: value for key, value in headline.items() if key not in found and key != "mode"})
    reasons = headline.get("unavailable") or {}
    found.pop("unavailable", None)
    for key, reason in reasons.items():
        gaps.note(f"steps.{key}", reason)
    gaps.note("steps.samples_per_s", "the size of a batch could not be told")
    gaps.note("steps.samples_from", "the size of a batch could not be told")
    gaps.note("steps.tokens_per_s", "no integer sequences were seen in the batches")
    gaps.note("steps", "too few steady steps")
    return found


def latency(evidence: Evidence, gaps: Gaps) -> dict[str, Any] | None:
    """``latency``: percentiles of an inference call; null of a training."""
    gaps.note("latency", evidence.why("latency") if evidence.latency is None else "not measured")
    for name in PERCENTILES:
        for end in ("low", "high"):
            gaps.note(f"latency.{name}.{end}", "too few calls to bound it")
    gaps.note("latency.by_batch[].p99_s", "too few calls of this size")
    return evidence.latency


def rows(evidence: Evidence, gaps: Gaps, name: str) -> list[dict[str, Any]]:
    """A list of rows that is a fact of its own; empty with its reason when it could not be had."""
    found = getattr(evidence, name)
    if found is None:
        gaps.note(name, evidence.why(name))
    return [dict(row) for row in found or []]


def ranks(evidence: Evidence, gaps: Gaps) -> list[dict[str, Any]]:
    """``ranks``: one row per recording process, with its own step times."""
    from ...analyze import breakdown

    tables = evidence.rank_steps
    if tables is None:
        gaps.note("ranks", evidence.why("rank_steps"))
        return []
    gaps.note("ranks[].median_s", "no step of this rank was steady")
    found = []
    for recording in evidence.recordings or []:
        table = tables[recording.name]
        headline = breakdown.headline(table) if table.height else {}
        times = {key: headline.get(key) for key in ("steady_count", "median_s", "p95_s", "mean_s")}
        row = {"rank": recording.rank, "folder": recording.name, "pid": recording.pid, "steps": table.height}
        found.append({**row, **times})
    return found


def overhead(evidence: Evidence, gaps: Gaps) -> dict[str, Any]:
    """``overhead``: what perfkit itself cost the script."""
    found = evidence.overhead
    if found is None:
        gaps.note("overhead", evidence.why("overhead"))
        return dict.fromkeys(OVERHEAD_KEYS)
    gaps.note("overhead.window_s", "no trace window was opened")
    gaps.note("overhead", "not measured in this run")
    return {**dict.fromkeys(OVERHEAD_KEYS), **found}
