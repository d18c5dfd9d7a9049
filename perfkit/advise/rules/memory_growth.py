"""Memory grows from step to step, until there is none left.

Something keeps what a step made: losses that are collected with their graphs (``losses.append(loss)``), outputs in a list or a cache
without end, a graph that runs through all steps (``retain_graph=True``, a hidden state that is never detached). Speaks when the
process's own memory (on a GPU, the device's) grows steadily over the steady steps, beyond what allocators creep.

Cure: keep numbers, not tensors with a history: ``losses.append(loss.item())`` or ``loss.detach()``, and compute what is only watched
under ``torch.no_grad()``.

It is a warning, told first, when at this pace the memory's limit is reached within a day. How the gain in time is told: there may
be none; at most 0.8 ms go for every megabyte that a step no longer takes anew from the system, which has
to clear it first (measured: keeping graphs of 2.5 MB made a step of 6.9 ms 0.95 ms longer, on another processor one of 12.9 ms
1.8 ms longer, in another case nothing).

It is silent when memory rises while warming up and then stays, goes up and down, or grows less than 2 % of what there was;
while torch.compile compiles in the steady steps, which takes memory for its own; and in inference without gradients, whose results are kept on purpose.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Interval
from ..what_if import ms

# A run may well last a day; what fills the memory later is still said, but not first.
SOON_HOURS = 24.0
# Taking and clearing new memory, in s per byte, at most.
SECONDS_PER_BYTE = 0.8e-9
MOST_SAVES = 0.25
INFERS_WITH_GRAPHS = 0.5
HABITS = ("list-append-loss", "retain-graph")
LINK = "https://docs.pytorch.org/docs/stable/notes/faq.html#my-model-reports-cuda-runtime-error-2-out-of-memory"

Row = dict[str, Any]


def check(
    step_s: float,
    memory_growth: Row,
    memory: Row | None = None,
    script_facts: list[Row] | None = None,
    headline: Row | None = None,
    model: Row | None = None,
    compilations: Row | None = None,
) -> Finding | None:
    """Judge the growth of memory."""
    if not memory_growth.get("grows") or not step_s or _collects_results(headline or {}, model or {}):
        return None
    if (compilations or {}).get("in_steady_count"):
        return None
    per_step = float(memory_growth["bytes_per_step"])
    hours = _hours_left(memory_growth, memory or {})
    evidence: Row = {
        "memory grows by": f"{per_step / 1e6:.3g} MB a step, {memory_growth['bytes_per_hour'] / 1e9:.3g} GB an hour",
        "watched": f"over {memory_growth['steps']} steps of {ms(step_s)}",
    }
    if hours is not None:
        evidence["memory is full in"] = _duration(hours)
    where = next((fact for fact in script_facts or [] if fact.get("fact") in HABITS), None)
    if where:
        evidence["perhaps kept by"] = f"{where['file']}:{where['line']}: {where['code']}"
    on_host = memory_growth.get("kind") == "host"
    return Finding(
        rule="memory_growth",
        cause="memory",
        title="Let go of what each step makes: memory grows without end",
        evidence=evidence,
        saves=Interval(low=0.0, high=min(MOST_SAVES, SECONDS_PER_BYTE * per_step / step_s) if on_host else 0.0),
        confidence="high",
        fix=None,
        how="losses.append(loss.item())   # or .detach(): a number, not a tensor with its graph\n"
        "with torch.no_grad():            # around what is only watched",
        links=[LINK],
        warning=hours is not None and hours < SOON_HOURS,
    )


def _collects_results(headline: Row, model: Row) -> bool:
    """Whether it infers without graphs: what grows then is most likely what the script is for."""
    return headline.get("mode") == "inference" and (model.get("grad_enabled") or 0.0) < INFERS_WITH_GRAPHS


def _hours_left(growth: Row, memory: Row) -> float | None:
    """Until the limit is reached at this pace; None where the limit is not known."""
    limit, peak = memory.get("limit_bytes"), memory.get("peak_bytes")
    if not limit or peak is None or growth["bytes_per_hour"] <= 0:
        return None
    return max(0.0, float(limit) - float(peak)) / float(growth["bytes_per_hour"])


def _duration(hours: float) -> str:
    if hours < 1:
        return f"{max(1.0, hours * 60):.0f} min"
    return f"{hours:.0f} h" if hours < 100 else f"{hours / 24:.0f} days"
