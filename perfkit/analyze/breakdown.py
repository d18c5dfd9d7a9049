"""From the steps table to the figures of the card: headline, shares of the step, shares of the run, perfkit's own cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..model import marks
from ..stats.robust import median_interval
from ..stats.steady import drift
from .boundaries import segments
from .intervals import Ints, Marks, decode, intervals, union
from .phases import Spans, disjoint_totals, evaluation_calls, evaluation_spans, windows
from .stages import spans as stage_spans
from .steps import DETAILS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from ..model.records import RunInfo
    from ..runs.reader import RankRecording

#: Phases of a step in the order of a step; the columns of the steps table less "_ns".
STEP_PHASES = (
    "data", "prepare", "forward", "backward", "optimizer", "function", "callbacks", "evaluation", "checkpoint", "logging", "perfkit",
    "other",
)  # fmt: skip

#: What the whole run's breakdown calls a kind of stage, where that is another word.
STAGES = {"load": "loading data"}

# A step this much longer than the median is an outlier worth counting.
OUTLIER_FACTOR = 2.0


def leading_segment(steps: pl.DataFrame) -> pl.DataFrame:
    """The steps of the loop that took longest, which is the one that the report leads with."""
    if steps.is_empty():
        return steps
    import polars as pl

    totals = steps.group_by("segment").agg(pl.col("wall_ns").sum())
    longest = totals.sort(["wall_ns", "segment"], descending=[True, False])["segment"][0]
    return steps.filter(pl.col("segment") == longest)


def headline(steps: pl.DataFrame) -> dict[str, Any]:
    """Counts, median and 95th percentile of the step in s, and throughput, over steady untraced steps of the leading segment.

    Values that cannot be had are None. ``mode`` is training or inference, None without steps.
    """
    lead = leading_segment(steps)
    steady = _steady(lead)
    found: dict[str, Any] = {
        "count": len(steps),
        "segments": steps["segment"].n_unique() if len(steps) else 0,
        "steady_count": len(steady),
        "traced_count": int(lead["traced"].sum()) if len(lead) else 0,
        "mode": lead["mode"][0] if len(lead) else None,
        "warmup_steps": _warmup_count(lead),
        "median_s": None, "median_low_s": None, "median_high_s": None, "mean_s": None, "p95_s": None,
        "samples_per_s": None, "tokens_per_s": None, "samples_per_step": None, "tokens_per_step": None,
        "micro_steps": None, "drift": None, "outliers": None, "detailed_count": None,
    }  # fmt: skip
    if len(steady):
        found.update(_steady_figures(steady))
    return found


def _steady(lead: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return lead.filter(pl.col("steady")) if len(lead) else lead


def _warmup_count(lead: pl.DataFrame) -> int:
    """Steps before the first steady one; all of them when none is steady."""
    return int(lead["steady"].arg_max() or 0) if len(lead) and lead["steady"].any() else len(lead)


def _steady_figures(steady: pl.DataFrame) -> dict[str, Any]:
    seconds = steady["duration_ns"].to_numpy() / 1e9
    low, high = median_interval(seconds)
    median = float(np.median(seconds))
    figures: dict[str, Any] = {
        "median_s": median,
        "median_low_s": low,
        "median_high_s": high,
        "mean_s": float(seconds.mean()),
        "p95_s": float(np.quantile(seconds, 0.95)),
        "micro_steps": int(steady["micro_steps"].median() or 0),  # type: ignore[arg-type]
        "detailed_count": int(steady["detailed"].sum()),
        "drift": drift(seconds),
        "outliers": int((seconds > OUTLIER_FACTOR * median).sum()),
    }
    for name in ("samples", "tokens"):
        counted = steady.filter(steady[name].is_not_null())
        if len(counted):
            total = float(counted[name].sum())
            figures[f"{name}_per_s"] = total / (float(counted["duration_ns"].sum()) / 1e9)
            figures[f"{name}_per_step"] = total / len(counted)
    return figures


def breakdown(steps: pl.DataFrame) -> list[dict[str, Any]]:
    """Where the mean steady step goes: [{name, seconds_per_step, share}], longest-known order, shares summing to 1.

    Over the wall time of steady steps, so that periodic evaluation and checkpoints count. A phase that cannot be known
    (data without a loader) is left out; one that did not occur is left out too. Of steps under a millisecond most have no
    details: what they took beside the phases that every step tells is divided as in those that have.
    """
    steady = _steady(leading_segment(steps))
    if not len(steady):
        return []
    means = _phase_means(steady)
    total = sum(means.values())
    always = ("data", "forward", "backward", "optimizer", "other")
    return [
        {"name": name, "seconds_per_step": mean, "share": mean / total if total else 0.0}
        for name, mean in means.items()
        if mean > 0 or (name in always and steady["mode"][0] == "training")
    ]


def with_traced_wait(rows: list[dict[str, Any]], waiting: dict[str, Any] | None) -> list[dict[str, Any]]:
    """*rows* of `breakdown` with the phase ``data`` where only a trace tells it (*waiting*: share of the traced steps, and how many they were):
    it is taken out of the function that fetches its batches itself, or out of what no phase told. Its row says ``traced_steps``.
    """
    named = {row["name"]: row for row in rows}
    if not waiting or "data" in named:
        return rows
    step = sum(row["seconds_per_step"] for row in rows)
    seconds = waiting["share"] * step
    holder = next((n for n in ("other", "function") if n in named and named[n]["seconds_per_step"] >= seconds), None)
    if holder is None:
        return rows
    left = named[holder]["seconds_per_step"] - seconds
    named[holder] = {**named[holder], "seconds_per_step": left, "share": left / step}
    data = {"name": "data", "seconds_per_step": seconds, "share": waiting["share"], "traced_steps": waiting["steps"]}
    return [data, *named.values()]


def _phase_means(steady: pl.DataFrame) -> dict[str, float]:
    """Mean of each phase that is known per steady step, in s, in the order of a step."""
    told = [phase for phase in STEP_PHASES if phase not in DETAILS]
    exact = _means(steady, told)
    detailed = steady.filter(steady["detailed"])
    rest = _means(steady, ["wall"])["wall"] - sum(exact.values())
    parts = _means(detailed, DETAILS) or {"other": rest}
    scale = rest / total if (total := sum(parts.values())) else 0.0
    return {phase: exact[phase] if phase in exact else parts[phase] * scale
            for phase in STEP_PHASES if phase in exact or phase in parts}  # fmt: skip


def _means(steps: pl.DataFrame, phases: Sequence[str]) -> dict[str, float]:
    """Means in s of those phases that any of the steps knows."""
    known = [phase for phase in phases if steps[f"{phase}_ns"].null_count() < len(steps)]
    return {phase: float(steps[f"{phase}_ns"].mean() or 0.0) / 1e9 for phase in known}  # type: ignore[arg-type]


def regions(recording: RankRecording, steps: pl.DataFrame) -> list[dict[str, Any]]:
    """Time in each ``perfkit.region`` per steady step: [{name, seconds_per_step, share, calls_per_step}]; may overlap phases."""
    steady = _steady(leading_segment(steps))
    if not len(steady):
        return []
    names = {fact["id"]: fact["name"] for fact in recording.facts_of("name")}
    found = decode(recording.marks)
    edges_start, edges_end = steady["start_ns"].to_numpy(), steady["end_ns"].to_numpy()
    wall = float(steady["wall_ns"].sum())
    made = []
    for obj in np.unique(found.of(marks.REGION_ENTER).obj):
        own = intervals(found.where((found.obj == obj) & np.isin(found.kind, (16, 17))), marks.REGION_ENTER)
        step = np.searchsorted(edges_start, own.start_ns, side="right") - 1
        inside = (step >= 0) & (own.end_ns <= edges_end[np.maximum(step, 0)])
        total = float((own.end_ns - own.start_ns)[inside].sum())
        made.append({
            "name": names.get(int(obj), f"region {int(obj)}"),
            "seconds_per_step": total / 1e9 / len(steady),
            "share": total / wall if wall else 0.0,
            "calls_per_step": int(inside.sum()) / len(steady),
        })  # fmt: skip
    return made


def device_phases(recording: RankRecording) -> list[dict[str, Any]]:
    """Phases as the device ran them, from events in its stream: [{name, seconds_per_step, steps}]; empty without any.

    Medians over the steps that carried events. The host's phases say when work was launched, these how long it took.
    """
    found = decode(recording.marks).of(marks.DEVICE_PHASE)
    names = {marks.PHASE_FORWARD: "forward", marks.PHASE_BACKWARD: "backward", marks.PHASE_OPTIMIZER: "optimizer"}
    made = []
    for phase, name in names.items():
        durations = found.a[found.obj == phase]
        if durations.size:
            seconds = float(np.median(durations)) / 1e9
            made.append({"name": name, "seconds_per_step": seconds, "steps": int(durations.size)})
    return made


# -- the whole run -----------------------------------------------------------------------------------------------------


def run_breakdown(
    info: RunInfo,
    recordings: Sequence[RankRecording],
    steps: pl.DataFrame,
    guests: Sequence[dict[str, Any]] = (),
    stages: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Where the whole process went: [{name, seconds, share}], summing to the process's wall time.

    *recordings* and *steps* are of the leading rank first; *guests* are the lines of guests.jsonl, for the end of imports; *stages* those of
    stages.jsonl, for a script without steps.
    """
    started, ended = _process_span(info, recordings)
    if started is None or ended is None or ended <= started:
        return []
    claims = _run_claims(started, ended, recordings, steps, guests, stages)
    totals = disjoint_totals(claims, np.array([started, ended], dtype=np.int64))
    whole = ended - started
    return [
        {"name": name, "seconds": int(total[0]) / 1e9, "share": int(total[0]) / whole}
        for name, total in totals.items()
        if int(total[0]) > 0
    ]


def _process_span(info: RunInfo, recordings: Sequence[RankRecording]) -> tuple[int | None, int | None]:
    last = max((int(r.marks[-1, 0]) for r in recordings if len(r.marks)), default=None)
    return info.started_monotonic_ns, info.ended_monotonic_ns or last


def _run_claims(
    started: int,
    ended: int,
    recordings: Sequence[RankRecording],
    steps: pl.DataFrame,
    guests: Sequence[dict[str, Any]],
    stages: Sequence[dict[str, Any]],
) -> dict[str, Spans]:
    found = decode(recordings[0].marks) if recordings else decode(np.zeros((0, 4), dtype=np.int64))
    armed = stages[0].get("pid") if stages and not recordings else _first_armed_pid(guests)
    imports_end = _imports_end(started, recordings[0].pid if recordings else armed, guests)
    warm, steady = _warm_and_steady(steps)
    loops_end = max([int(e) for e in steady[1]] + [int(e) for e in warm[1]], default=None)
    claims = {
        "perfkit's window": windows(found),
        "checkpoint": _spans_of(found, marks.SAVE_ENTER),
        "evaluation": _evaluations(found),
        "compile": _spans_of(found, marks.COMPILE_ENTER),
        "warm-up": warm,
        "steady steps": steady,
        "imports": _span(started, imports_end) if imports_end else _span(0, 0),
    }
    if loops_end is None:
        return (
            {STAGES.get(kind, kind): spans for kind, spans in stage_spans(stages).items()}
            | claims
            | {"script": _span(imports_end or started, ended)}
        )
    return claims | {
        "preparation": _span(imports_end or started, loops_end),
        "teardown": _span(loops_end, ended),
    }


def _first_armed_pid(guests: Sequence[dict[str, Any]]) -> int | None:
    """The first process that armed."""
    return next((guest["pid"] for guest in guests if "armed" in guest), None)


def _imports_end(started: int, pid: int | None, guests: Sequence[dict[str, Any]]) -> int | None:
    """The end of the last framework's import; without a framework, of the last library that is watched for stages."""
    last = max(
        (int(guest["stages_ns"]) for guest in guests if guest.get("pid") == pid and "stages_ns" in guest), default=None
    )
    own = [guest for guest in guests if guest.get("pid") == pid]
    # The second name is that of recordings made before other frameworks than torch were known.
    spans = [guest.get("import_ns") or guest.get("torch_import_ns") or (0, 0) for guest in own]
    ended = [int(span[1]) for span in spans if span[1] > started]
    return max(ended, default=last)


def _warm_and_steady(steps: pl.DataFrame) -> tuple[Spans, Spans]:
    """Each segment's time before its first steady step, and from there to its end."""
    warm, steady = [], []
    for (_,), part in steps.group_by("segment", maintain_order=True) if len(steps) else ():
        start, end = int(part["start_ns"][0]), int(part["end_ns"][-1])
        first = int(part["start_ns"][int(part["steady"].arg_max() or 0)]) if part["steady"].any() else end
        warm.append((start, first))
        steady.append((first, end))
    return _as_spans(warm), _as_spans(steady)


def _as_spans(pairs: list[tuple[int, int]]) -> Spans:
    array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return union(array[:, 0], array[:, 1])


def _span(start: int, end: int) -> Spans:
    return np.array([start], dtype=np.int64), np.array([end], dtype=np.int64)


def _spans_of(found: Marks, enter: int) -> Spans:
    made = intervals(found, enter)
    return made.start_ns, made.end_ns


def _evaluations(found: Marks) -> Spans:
    """Evaluations of a training script, also those after its last step."""
    calls, backward = intervals(found, marks.FORWARD_ENTER), intervals(found, marks.BACKWARD_ENTER)
    empty: Ints = np.zeros(0, dtype=np.int64)
    loops = segments(found)
    functions = intervals(found, marks.FUNCTION_ENTER)
    if (functions.enter_a == marks.ROLE_TRAIN).any():
        evaluating = functions.where(functions.enter_a == marks.ROLE_EVALUATE)
        return evaluating.start_ns, evaluating.end_ns
    if not len(backward) or not len(calls) or not loops:
        return empty, empty
    horizon = int(found.time_ns[-1]) + 1
    edges = np.unique(np.concatenate([loop.ends_ns for loop in loops] + [np.array([horizon], dtype=np.int64)]))
    return evaluation_spans(found, calls, evaluation_calls(calls, backward, edges), edges)


# -- perfkit's own cost ------------------------------------------------------------------------------------------------


def overhead(recording: RankRecording, steps: pl.DataFrame, info: RunInfo | None = None) -> dict[str, Any]:
    """What perfkit cost this process: {startup_s, per_step_s, window_s, share, how}; None where nothing says.

    Start-up is measured; the step's cost is its number of marks times the cost of one, as measured in that process; the
    window's is its opening and closing plus what its steps took beyond the median. The share is of the whole run where *info*
    says how long that was, else of the steps.
    """
    ended = recording.facts_of("ended")
    costs = {fact["what"]: fact["ns"] for fact in recording.facts_of("cost")}
    lead = leading_segment(steps)
    per_step = _per_step_s(recording, lead, costs)
    window = _window_s(recording, steps)
    startup = ended[-1]["startup_ns"] / 1e9 if ended else None
    wall = _whole_s(info) or (float(steps["wall_ns"].sum()) / 1e9 if len(steps) else 0.0)
    known = (startup or 0.0) + (per_step or 0.0) * len(steps) + (window or 0.0)
    return {
        "startup_s": startup,
        "per_step_s": per_step,
        "window_s": window,
        "share": known / wall if wall else None,
        "steady_share": per_step / _mean_s(lead) if per_step is not None and _mean_s(lead) else None,
        "how": "start-up and window measured; per step: marks per step × a mark's cost + a write, both measured there",
    }


def _whole_s(info: RunInfo | None) -> float | None:
    if info is None or info.started_monotonic_ns is None or info.ended_monotonic_ns is None:
        return None
    return (info.ended_monotonic_ns - info.started_monotonic_ns) / 1e9


def _mean_s(lead: pl.DataFrame) -> float:
    steady = _steady(lead)
    return float(steady["duration_ns"].mean() or 0.0) / 1e9 if len(steady) else 0.0  # type: ignore[arg-type]


def _per_step_s(recording: RankRecording, lead: pl.DataFrame, costs: dict[str, float]) -> float | None:
    steady = _steady(lead)
    if not len(steady) or "mark" not in costs:
        return None
    times = recording.marks[:, 0]
    count = np.searchsorted(times, int(steady["end_ns"][-1])) - np.searchsorted(times, int(steady["start_ns"][0]))
    span = len(lead.filter(lead["start_ns"] >= steady["start_ns"][0]))
    return float(count / max(1, span) * costs["mark"] + costs.get("flush", 0.0)) / 1e9


def _window_s(recording: RankRecording, steps: pl.DataFrame) -> float | None:
    notes = [fact for fact in recording.facts_of("window") if fact.get("start_cost_ns") is not None]
    if not notes:
        return 0.0
    handling = float(sum(note["start_cost_ns"] + note["stop_cost_ns"] for note in notes)) / 1e9
    traced, plain = steps.filter(_under_profiler(recording, steps)), steps.filter(steps["steady"])
    if not len(traced) or not len(plain):
        return handling
    extra = float(traced["duration_ns"].sum()) - len(traced) * float(plain["duration_ns"].median() or 0.0)  # type: ignore[arg-type]
    return handling + max(0.0, extra / 1e9)


def _under_profiler(recording: RankRecording, steps: pl.DataFrame) -> NDArray[np.bool_]:
    """Which steps ran while a trace window was open; a step may also be set aside because stacks were sampled in it."""
    found = decode(recording.marks)
    opened, closed = found.of(marks.WINDOW_START_EXIT).time_ns, found.of(marks.WINDOW_STOP_ENTER).time_ns
    open_before_end = np.searchsorted(opened, steps["end_ns"].to_numpy(), side="left")
    closed_before_start = np.searchsorted(closed, steps["start_ns"].to_numpy(), side="right")
    return np.asarray(open_before_end > closed_before_start)
