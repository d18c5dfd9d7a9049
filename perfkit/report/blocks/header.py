"""Which run, how it ended, and the headline figures."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from ..layout import clean, flow, width_of
from ..units import count, digits, seconds, share

if TYPE_CHECKING:
    from ..layout import Page, Piece

Document = dict[str, Any]

# Fewer steady steps than this say little, and that is said.
FEW_STEPS = 5
# A 95th percentile this many times the median means that the median alone would mislead.
UNSTEADY = 2.0
# Others that take this share of the cores slow a step that computes on the CPU.
CROWDED = 0.25

_RATES = (("samples_per_s", "samples"), ("tokens_per_s", "tokens"))


def add(document: Document, page: Page) -> None:
    """The rule with the run's name, what a reader must know first, and the headline."""
    run = document["run"]
    page.rule(clean(" · ".join(["perfkit", *_name_parts(document)])), _place(clean(_short_path(run["path"])), page))
    for text, style in _troubles(document):
        page.paragraph(clean(text), style=style)
    if document["run"]["origin"].get("kind") == "import" and document["trace"].get("profiled_step_s"):
        page.paragraph(_of_trace(document["trace"]))
        return
    if document["steps"]["median_s"] is None:
        page.paragraph(clean(_no_headline(document)), style="yellow")
        return
    for pieces in flow(_headline(document), page.width, " · "):
        page.add(*pieces)


def _name_parts(document: Document) -> list[str]:
    run, steps = document["run"], document["steps"]["count"]
    parts = [os.path.basename(str(run["script"])) or str(run["id"])]  # noqa: PTH119 - a path of any machine
    if steps:
        parts.append(plural(steps, "step"))
    if run["duration_s"] is not None:
        parts.append(seconds(run["duration_s"]))
    return parts


def plural(number: int, word: str) -> str:
    """``1 step``, ``312 steps``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _short_path(path: str) -> str:
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):
        return path
    return relative if len(relative) < len(path) else path


def _place(path: str, page: Page) -> str:
    """*path* on one line: of one that is too long, its end."""
    room = page.width - 3
    if width_of(path) <= room:
        return path
    while width_of(path) > room - 1:
        path = path[1:]
    return f"…{path}"


def _troubles(document: Document) -> list[Piece]:
    found: list[Piece] = [_fix(row) for row in document["fixes"]]
    if (how := _ending(document["run"])) is not None:
        found.append(how)
    found += [(text, "yellow") for text in _unsteady(document)]
    if (unread := _unreadable_trace(document)) is not None:
        found.append((unread, "yellow"))
    for fact, fault in {**document["faults"], **document["rules"]["failed"]}.items():
        found.append((f"a fault in perfkit cost this report its {fact}: {fault}", "bold red"))
    return found


def _fix(row: Document) -> Piece:
    """``with loader-workers (num_workers=2): applied``; what was not applied stands out."""
    given = ", ".join(f"{key}={value}" for key, value in row["parameters"].items())
    name = f"{row['name']} ({given})" if given else row["name"]
    state = str(row["state"] or "unknown whether it was applied").replace("-", " ")
    reason = f" ({row['reason']})" if row["reason"] else ""
    return f"with {name}: {state}{reason}", "" if row["state"] == "applied" else "yellow"


def _unreadable_trace(document: Document) -> str | None:
    """Why the newest trace tells nothing, where there is one."""
    notes = document["trace"].get("notes") or []
    return notes[0] if notes and document["trace"]["steps"] is None else None


def _unsteady(document: Document) -> list[str]:
    """Why the figures are to be taken with care."""
    steps, use, said = document["steps"], document["utilization"], []
    if steps["median_s"] and steps["p95_s"] and steps["p95_s"] >= UNSTEADY * steps["median_s"]:
        said.append(
            f"not steady: one step in twenty takes {digits(steps['p95_s'] / steps['median_s'], 2)}× the median or more"
        )
    others, usable = use.get("others_cores"), use.get("usable_cores")
    if others is not None and usable and others >= CROWDED * usable:
        said.append(f"other processes kept {others:.1f} of {usable:g} cores busy")
    return said


def _ending(run: Document) -> Piece | None:
    status, code = run["status"], run["exit_code"]
    note = f" ({run['note']})" if run["note"] else ""
    if status == "running":
        return f"still running: figures up to now{note}", "yellow"
    if status == "killed":
        return (
            f"the script was killed{_by_signal(code)}{note}: recorded up to its last whole step",
            "bold red",
        )
    if status == "failed":
        return f"the script failed with exit code {code}{note}", "bold red"
    return (run["note"], "yellow") if run["note"] else None


def _by_signal(code: int | None) -> str:
    if code is None or code <= 128:
        return ""
    try:
        return f" by {signal.Signals(code - 128).name}"
    except ValueError:
        return f" by signal {code - 128}"


def _headline(document: Document) -> list[list[Piece]]:
    steps = document["steps"]
    word = "inference call" if document["mode"] == "inference" else "step"
    p95 = f" (p95 {seconds(steps['p95_s'])})" if steps["p95_s"] is not None else ""
    parts: list[list[Piece]] = [
        [(f"steady {word} ", ""), (seconds(steps["median_s"]), "bold"), (p95, "")],
    ]
    parts += [[(f"{count(steps[key])} {unit}/s", "")] for key, unit in _RATES if steps[key] is not None]
    if steps["steady_count"] < FEW_STEPS:
        parts.append([(f"only {plural(steps['steady_count'], 'steady step')}", "yellow")])
    if steps.get("warmup_steps") is not None:
        parts.append([(f"warm-up {plural(steps['warmup_steps'], 'step')}", "")])
    if cost := _own_cost(document["overhead"]):
        parts.append([(f"perfkit's own cost {cost}", "dim")])
    return parts


def _own_cost(overhead: Document) -> str:
    """``0.1 % of a step · 0.39 s once``: what every step pays, and what start-up and windows took."""
    steady, once = overhead.get("steady_share"), [overhead["startup_s"], overhead["window_s"]]
    said = [f"{share(steady)} of a step"] if steady is not None else []
    if any(part is not None for part in once):
        said.append(f"{sum(part or 0.0 for part in once):.2f} s once")
    return " · ".join(said)


def _of_trace(trace: Document) -> str:
    what = f"a trace of {plural(trace['steps'], 'step')}" if trace["steps"] else "a trace that marks no steps"
    if not trace["steps"]:
        return f"{what}: figures are of the whole trace, {seconds(trace['profiled_step_s'])}"
    plain = f", {seconds(trace['step_s'])} without the profiler" if trace["dilation"] is not None else ""
    return f"{what} of {seconds(trace['profiled_step_s'])}{plain}"


def _no_headline(document: Document) -> str:
    total = document["steps"]["count"]
    reason = why_no_headline(document)
    return f"{plural(total, 'step')}, none of them steady: {reason}" if total else f"no step times: {reason}"


def why_no_headline(document: Document) -> str:
    """Why there is no step time, as the document has it."""
    return str(document["unavailable"].get("steps.median_s", "no step was seen"))
