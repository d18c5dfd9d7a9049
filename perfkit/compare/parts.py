"""A step as disjoint parts that add up to it, from one run's document.

Where a device computes: what it was busy with by class and what it idled for by cause, of the plain median step, and beside that
evaluation, checkpoints and what the mean step is longer than the median one. Where a processor computes: the host's phases as they
were measured, those that compute being divided as the operators of the trace are. Without a trace: the phases. All are of the mean
steady step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from . import host_operators

if TYPE_CHECKING:
    from collections.abc import Iterable

Row = dict[str, Any]
Parts = dict[str, float]

#: How finely a step can be divided.
Level = Literal["traced", "phases", "step"]

# Phases that the operators of a trace fill; the others are known by themselves.
COMPUTING = ("prepare", "forward", "backward", "optimizer", "function", "other")
BETWEEN = ("evaluation", "checkpoint")
# Phases in which the interpreter runs, so that a trace shows them as Python between operators.
IN_PYTHON = ("callbacks", "logging", "perfkit")
_OF_PHASE = {"data": "input", "optimizer": "optimizer step", "other": "untold"}
_OF_IDLE = {"input": "input", "launch": "launch"}
#: A traced step that has to be stretched or shrunk by more than this to be as long as the plain one is said.
FAR = 1.25


def step_s(document: Row) -> float | None:
    """Mean steady wall time per step; of an imported trace its step, without the profiler where that is known."""
    if document["breakdown"]:
        return float(sum(row["seconds_per_step"] for row in document["breakdown"]))
    trace = document["trace"]
    is_whole = trace.get("steps") and document["run"]["origin"].get("kind") == "import"
    return float(trace["step_s"]) if is_whole and trace.get("step_s") else None


def level_of(document: Row) -> Level:
    """How finely this run's step can be divided."""
    if document["device_breakdown"] or document["trace"].get("host_operators"):
        return "traced"
    return "phases" if document["breakdown"] else "step"


def common_level(documents: Iterable[Row]) -> Level:
    """How finely the steps of all *documents* can be divided in the same way."""
    found = list(documents)
    if all(level_of(document) == "traced" for document in found):
        return "traced"
    return "phases" if all(document["breakdown"] for document in found) else "step"


def parts(document: Row, level: Level) -> Parts:
    """Seconds of the mean step by part (vocabulary.PARTS), adding up to `step_s`; empty for a run without steps."""
    whole = step_s(document)
    if whole is None:
        return {}
    if level == "step":
        return {"step": whole}
    phases = {row["name"]: float(row["seconds_per_step"]) for row in document["breakdown"]}
    if level == "phases":
        return _named(phases)
    if document["device_breakdown"]:
        return _of_device(document["device_breakdown"], phases, whole)
    return _of_processor(document["trace"]["host_operators"], phases, whole)


def _named(phases: Parts) -> Parts:
    return {_OF_PHASE.get(name, name): seconds for name, seconds in phases.items()}


def _of_device(rows: list[Row], phases: Parts, whole: float) -> Parts:
    """The device's view of the median step, and what the mean one has besides."""
    found: Parts = {}
    for row in rows:
        name = row["name"] if row["kind"] == "busy" else _OF_IDLE.get(row["name"], f"idle {row['name']}")
        found[name] = found.get(name, 0.0) + float(row["seconds_per_step"])
    found |= {name: phases[name] for name in BETWEEN if phases.get(name)}
    rest = whole - sum(found.values())
    return found | ({"uneven": rest} if phases else _spread_over(found, rest))


def _spread_over(found: Parts, rest: float) -> Parts:
    """Of an imported trace nothing but rounding is left."""
    largest = max(found, key=lambda name: found[name])
    return {largest: found[largest] + rest}


def _of_processor(rows: list[Row], phases: Parts, whole: float) -> Parts:
    """The phases as measured; those that compute divided in the proportions of the traced operators."""
    traced = _without_phases(rows, phases)
    if not phases:
        scale = whole / sum(traced.values())
        return {name: seconds * scale for name, seconds in traced.items()}
    traced.pop("input", None)
    known = _named({name: seconds for name, seconds in phases.items() if name not in COMPUTING})
    scale = (whole - sum(known.values())) / (sum(traced.values()) or 1.0)
    computing = (
        {name: seconds * scale for name, seconds in traced.items()}
        if traced
        else {"untold": whole - sum(known.values())}
    )
    return {**known, **computing}


def _without_phases(rows: list[Row], phases: Parts) -> Parts:
    """Traced seconds by part, without what the phases tell better: Python that is logging or waiting, operators that make a batch."""
    found = host_operators.divided(rows)
    told = sum(phases.get(name, 0.0) for name in IN_PYTHON) + (0.0 if "input" in found else phases.get("data", 0.0))
    found["python"] = max(0.0, found.get("python", 0.0) - told)
    loading = _loading_s(rows, found, phases)
    if loading > 0:
        found = _less(found, loading / host_operators.outside_modules_s(rows), rows)
    return {name: seconds for name, seconds in found.items() if seconds > 0}


def _loading_s(rows: list[Row], found: Parts, phases: Parts) -> float:
    """Seconds of operators that make batches in this very process: of those outside modules what the computing phases have no room for."""
    if not phases.get("data"):
        return 0.0
    room = sum(phases.get(name, 0.0) for name in COMPUTING)
    beyond = sum(seconds for name, seconds in found.items() if name != "input") - room
    return max(0.0, min(beyond, phases["data"], host_operators.outside_modules_s(rows)))


def _less(found: Parts, share: float, rows: list[Row]) -> Parts:
    """*found* without that *share* of the operators outside of modules."""
    outside = host_operators.divided([row for row in rows if row["kind"] == "operator" and not row.get("module")])
    return {name: seconds - share * min(seconds, outside.get(name, 0.0)) for name, seconds in found.items()}


def stretched(document: Row) -> float | None:
    """How much longer the computing phases are than the traced operators that they are divided by; None where a device tells it."""
    phases = {row["name"]: float(row["seconds_per_step"]) for row in document["breakdown"]}
    rows = document["trace"].get("host_operators")
    if document["device_breakdown"] or not phases or not rows:
        return None
    traced = sum(seconds for name, seconds in _without_phases(rows, phases).items() if name != "input")
    return sum(phases.get(name, 0.0) for name in COMPUTING) / traced if traced else None


def mean_of(several: list[Parts]) -> Parts:
    """The mean of the parts of several runs."""
    names = list(dict.fromkeys(name for each in several for name in each))
    return {name: sum(each.get(name, 0.0) for each in several) / len(several) for name in names}
