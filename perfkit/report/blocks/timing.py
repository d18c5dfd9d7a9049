"""Where the step, the device and the run go, per rank and per operator."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ...stats.quantiles import PERCENTILES
from ..layout import clean
from ..units import digits, seconds, share

if TYPE_CHECKING:
    from ..layout import Page, Piece

Document = dict[str, Any]

# Annotations and Python between operators are what the host phases already say; -v and JSON have them.
CARD_KINDS = ("operator", "kernel")
HOTSPOTS_SHOWN, HOTSPOTS_VERBOSE = 3, 15
DEVICE_ROWS_SHOWN = 5
# Smaller shares are left to -v and the JSON document.
SMALL_SHARE = 0.005
# Stages that are worth a line, and how many of them.
NOTABLE_STAGE = 0.02
STAGES_SHOWN, STAGES_VERBOSE = 8, 40
# What is perfkit's own is shown only where it matters.
OWN_PHASES = ("perfkit",)
# A share that deserves a second look.
LARGE_SHARE = 0.25
# A trace whose steps are this much longer than the plain ones is dilated, and that is said.
DILATED = 1.1

PHASE_STYLES = {
    "data": "yellow", "forward": "cyan", "backward": "blue", "optimizer": "magenta", "function": "cyan", "callbacks": "magenta",
    "other": "dim",
}  # fmt: skip


def add(document: Document, page: Page, *, verbose: int) -> None:
    """Ranks, host phases, device shares, hot operators."""
    page.blank()
    _ranks(document["ranks"], page, verbose=verbose)
    _phases(document, page, verbose=verbose)
    _latency(document["latency"], page, verbose=verbose)
    if verbose:
        page.row("device phases", [_device_phase(row) for row in document["device_phases"]])
    _device(document["device_breakdown"], page, verbose=verbose)
    _mfu(document.get("mfu"), page, verbose=verbose)
    _hotspots(document["hotspots"], page, verbose=verbose)
    _dilation(document, page)


def _latency(latency: Document | None, page: Page, *, verbose: int) -> None:
    """Percentiles of an inference call, those that have calls enough."""
    if latency is None:
        return
    names = [name for name in PERCENTILES if latency[name]["enough"]]
    shown: list[list[Piece]] = [[(f"{name} ", "cyan"), *_percentile(latency[name], verbose=verbose)] for name in names]
    few = [f"{name} takes {latency[name]['needed']}" for name in PERCENTILES if name not in names]
    if few:
        shown.append([(f"too few calls ({latency['calls']}; {', '.join(few)})", "dim")])
    page.row("latency of a call", shown)
    rest: list[list[Piece]] = [[("between calls ", "cyan"), (seconds(latency["between_s"]), "")]]
    if latency["first_call_s"] is not None:
        rest.insert(0, [("first call ", "cyan"), (seconds(latency["first_call_s"]), "")])
    page.row("", rest)
    if verbose and len(latency["by_batch"]) > 1:
        page.row("by batch", [_of_batch(row) for row in latency["by_batch"]])


def _percentile(found: Document, *, verbose: int) -> list[Piece]:
    ends = [seconds(found[end]) if found[end] is not None else "?" for end in ("low", "high")]
    return [(seconds(found["value"]), "bold"), (f" [{ends[0]}, {ends[1]}]" if verbose else "", "dim")]


def _of_batch(row: Document) -> list[Piece]:
    rate = f" {digits(row['samples'] / row['p50_s'], 3)} samples/s" if row["p50_s"] else ""
    return [(f"{row['samples']} ", "cyan"), (seconds(row["p50_s"]), ""), (f"{rate} ({row['calls']}×)", "dim")]


def _ranks(ranks: list[Document], page: Page, *, verbose: int) -> None:
    if len(ranks) < 2:
        return
    timed = [_rank(row) for row in ranks if row["median_s"] is not None]
    none: list[list[Piece]] = [[(f"{len(ranks)} ranks, no steady step in any", "")]]
    page.row("step time per rank", timed or none, most=None if verbose else 1 if page.tight else 2)


def _rank(row: Document) -> list[Piece]:
    restart = str(row["folder"]).partition(".")[2]
    name = f"rank {row['rank']}" + (f" (restart {restart})" if restart else "")
    return [(f"{name} ", "cyan"), (seconds(row["median_s"]), "bold"), (f" over {row['steady_count']}", "dim")]


def _phases(document: Document, page: Page, *, verbose: int) -> None:
    phases, stages = document["breakdown"], document["run_breakdown"]
    shown = [
        row for row in phases if row["share"] >= (SMALL_SHARE if row["name"] in OWN_PHASES and not verbose else 1e-9)
    ]
    page.row("where the step goes", [_phase(row) for row in shown])
    _say_of_details(document["steps"], page, verbose=verbose)
    if phases and page.bars and not page.tight:
        page.bar([(row["share"], _style(row["name"])) for row in phases if row["share"]])
    if verbose or not phases:
        page.row("where the run goes", [_stage(row) for row in stages if (row["share"] or 0) >= SMALL_SHARE])
        _stages(document["stages"], page, verbose=verbose)


def _stages(rows: list[Document], page: Page, *, verbose: int) -> None:
    """A line per stage with what came in and out; with -v also its parts. Nothing of a script whose steps are the story."""
    notable = [row for row in rows if (row["share"] or 0.0) >= (SMALL_SHARE if verbose else NOTABLE_STAGE)]
    shown = notable if verbose else [row for row in notable if row["depth"] <= 1]
    for number, row in enumerate(shown[: STAGES_VERBOSE if verbose else STAGES_SHOWN]):
        page.row("stages" if number == 0 else "", [_stage_details(row)])


def _stage_details(row: Document) -> list[Piece]:
    calls = f"{row['calls']:,}×" if row["calls"] > 1 else ""
    return [
        (f"{share(row['share']):>7}  ", _weight(row["share"]) if not row["depth"] else ""),
        (f"{seconds(row['seconds']):>8}  {calls:>6}  ", "dim"),
        (f"{'  ' * row['depth']}{clean(row['name'])}", "cyan"),
        (_sizes(row), "dim"),
    ]


def _sizes(row: Document) -> str:
    if row["rows"] is None:
        return f"  {row['rows_out']:,} rows" if row["rows_out"] is not None and row["kind"] != "load" else ""
    across = f" × {row['columns']:,}" if row["columns"] is not None else ""
    came = f" → {row['rows_out']:,}" if row["rows_out"] not in (None, row["rows"]) else ""
    return f"  {row['rows']:,}{across}{came} {row['dtype'] or ''}".rstrip()


def _say_of_details(steps: Document, page: Page, *, verbose: int) -> None:
    detailed, steady = steps.get("detailed_count"), steps.get("steady_count")
    if verbose and detailed is not None and steady and detailed < steady:
        text = f"phases from the {detailed} of {steady} steady steps that were marked in full: the steps are short"
        page.paragraph(text, indent=page.indent, style="dim")


def _phase(row: Document) -> list[Piece]:
    name = clean(row["name"])
    told: list[Piece] = [(f"{name} ", _style(name)), (share(row["share"]), _weight(row["share"]))]
    return [*told, (f" (in {row['traced_steps']} traced steps)", "dim")] if row.get("traced_steps") else told


def _style(phase: str) -> str:
    return PHASE_STYLES.get(phase, "green")


def _weight(value: float) -> str:
    return "bold" if value >= LARGE_SHARE else ""


def _stage(row: Document) -> list[Piece]:
    return [
        (f"{clean(row['name'])} ", "cyan"),
        (seconds(row["seconds"]), ""),
        (f" {share(row['share'])}", "dim"),
    ]


def _device_phase(row: Document) -> list[Piece]:
    return [(f"{clean(row['name'])} ", _style(row["name"])), (seconds(row["seconds_per_step"]), "")]


def _device(rows: list[Document], page: Page, *, verbose: int) -> None:
    for kind in ("busy", "idle"):
        mine = [row for row in rows if row["kind"] == kind and row["share"]]
        mine.sort(key=lambda row: -row["share"])
        if not mine:
            continue
        total: list[Piece] = [(share(sum(row["share"] for row in mine)), "bold")]
        shown = mine if verbose else [row for row in mine if row["share"] >= SMALL_SHARE][:DEVICE_ROWS_SHOWN]
        page.row(f"device {kind}", [total, *(_phase(row) for row in shown)], most=1 if page.tight else None)


def _mfu(mfu: Document | None, page: Page, *, verbose: int) -> None:
    if mfu and verbose:
        rate: Piece = (
            f" {digits(mfu['flops_per_s'] / 1e12, 3)} of {digits(mfu['peak_flops_per_s'] / 1e12, 3)} TFLOP/s",
            "",
        )
        page.row("model FLOP/s", [[(share(mfu["value"]), "bold"), rate, (f" ({clean(mfu['peak'])})", "dim")]])


def _dilation(document: Document, page: Page) -> None:
    trace = document["trace"]
    dilation = trace.get("dilation")
    estimate = trace.get("dilation_estimate")
    if isinstance(dilation, int | float) and dilation >= DILATED:
        text = f"under the profiler a step took {digits(dilation, 3)}× as long; shares are of the plain step"
        page.paragraph(text, indent=page.indent, style="dim")
    elif estimate and estimate[1] >= DILATED:
        by = f"{digits(estimate[0], 3)}–{digits(estimate[1], 3)}×"
        text = f"dilated: times are under the profiler, about {by} the plain ones"
        page.paragraph(f"{text}; perfkit import --step-time corrects them", style="yellow")
    if trace.get("truncated"):
        page.paragraph("the trace is cut off: figures are of what could be read", style="yellow")


def _hotspots(rows: list[Document], page: Page, *, verbose: int) -> None:
    if not verbose:
        operators = _by_name([row for row in rows if row["kind"] in CARD_KINDS])
        page.row("hot operators", [_hotspot(row) for row in operators[:HOTSPOTS_SHOWN]], most=2)
        return
    for number, row in enumerate(rows[:HOTSPOTS_VERBOSE]):
        page.row("hot operators" if number == 0 else "", [_hotspot_details(row)])


def _by_name(rows: list[Document]) -> list[Document]:
    """The same operators over all modules, most time first, those that matter."""
    groups: dict[str, list[Document]] = {}
    for row in rows:
        groups.setdefault(row["name"], []).append(row)
    merged = [
        {**same[0], "share": sum(row["share"] or 0.0 for row in same), "module": _where(same)}
        for same in groups.values()
    ]
    notable = [row for row in merged if row["share"] >= SMALL_SHARE]
    return sorted(notable, key=lambda row: -row["share"])


def _where(same: list[Document]) -> str | None:
    modules = {row["module"]: row.get("modules") or 1 for row in same if row.get("module")}
    return f"{sum(modules.values())} modules" if len(modules) > 1 else next(iter(modules), None)


def _hotspot(row: Document) -> list[Piece]:
    pieces: list[Piece] = [(f"{_short_name(row)} ", "cyan"), (share(row["share"] or 0.0), "")]
    return [*pieces, (f" in {where}", "dim")] if (where := _module(row)) else pieces


def _short_name(row: Document) -> str:
    """Without what every operator's name begins with; ``Optimizer.step#Adam.step`` is ``Adam.step``."""
    name = clean(row["name"]).removeprefix("aten::").rpartition("#")[2]
    return name.removeprefix("_") if name.startswith("_SingleProcess") or name.startswith("_MultiProcessing") else name


def _module(row: Document) -> str:
    where = clean(row.get("module") or "")
    return f"module {where}" if where and not any(char.isalpha() for char in where) else where


def _hotspot_details(row: Document) -> list[Piece]:
    """A row of a table: share, time and calls in columns, then what and where."""
    time = f"{seconds(row['seconds_per_step'])}" if row.get("seconds_per_step") else ""
    calls = f"{digits(row['calls_per_step'], 3)}×" if row.get("calls_per_step") else ""
    line = os.path.basename(clean(row.get("line") or ""))  # noqa: PTH119 - a path of any machine
    bound = f"{row['bound']}-bound" if row.get("bound") else ""
    where = " · ".join(part for part in (_module(row), line, bound) if part)
    return [
        (f"{share(row['share'] or 0.0):>7}  ", ""),
        (f"{time:>8}  {calls:>6}  ", "dim"),
        (_short_name(row), "cyan"),
        (f"  {where}" if where else "", "dim"),
    ]
