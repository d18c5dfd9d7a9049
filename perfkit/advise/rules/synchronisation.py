"""The host reads a result in every step, and the GPU runs dry meanwhile.

``.item()``, ``float(loss)``, ``print(loss)``, ``.cpu()``, ``if mask.any():`` and ``nonzero`` make the host wait until the
device has caught up. Launching starts again only then, and until its first kernel the device has nothing to do.

Speaks when waits that the script asked for leave the device idle for at least 5 % of the step.

How the gain is told. That idle time goes, all of it at best, 40 % at worst: some of it turns into waiting for launches,
which a host that runs ahead would have hidden. Measured, without a trace of it: an MLP of tiny kernels on an H100 took
13.4 ms a step with ``.item()`` and 10.0 without.

It is silent when the waits cost the device nothing because the host gets back in time, and about waits for uploads, which
the transfer rule judges.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Device, Finding
from ..what_if import ms, percent, saved, traced_seconds

MIN_SHARE = 0.05
# Of the idle time that waits cause, what goes with them: at best and at worst. An assumption.
GONE = (1.0, 0.4)
LINK = "https://pytorch.org/tutorials/recipes/recipes/tuning_guide.html#avoid-unnecessary-cpu-gpu-synchronization"

#: Its cures are PyTorch's.
FRAMEWORKS = ("torch",)
Row = dict[str, Any]


def check(
    gpu: Device,
    step_s: float,
    syncs: list[Row],
    device_breakdown: list[Row],
    script_facts: list[Row] | None = None,
) -> Finding | None:
    """Judge the waits for the device."""
    waits = [row for row in syncs if row.get("cause", "sync") == "sync"]
    idle = min(sum(row["exposed_idle_seconds_per_step"] for row in waits), traced_seconds(device_breakdown))
    if gpu.kind == "cpu" or idle < MIN_SHARE * step_s:
        return None
    worst = max(waits, key=lambda row: row["exposed_idle_seconds_per_step"])
    where = worst.get("line") or worst.get("module") or _line(script_facts)
    return Finding(
        rule="synchronisation",
        cause="sync",
        title=f"Do not read results on the host in every step ({_name(worst)})",
        evidence={
            "device idle after waits": f"{ms(idle)} of the {ms(step_s)} step ({percent(idle / step_s)})",
            "waits per step": round(sum(row["calls_per_step"] for row in waits), 1),
            "asked for by": _name(worst),
            **({"at": where} if where else {}),
        },
        saves=saved(step_s, [step_s - idle * part for part in GONE]),
        confidence="medium",
        fix=None,
        how="total += loss.detach()          # stays on the device\nif step % 100 == 0: print(total.item())",
        links=[LINK],
        takes={"sync": 1.0},
    )


def _name(row: Row) -> str:
    return str(row.get("operator") or row["name"]).removeprefix("aten::")


def _line(script_facts: list[Row] | None) -> str | None:
    """Where the script reads a result in a loop, if that was seen."""
    found = next((row for row in script_facts or [] if row.get("fact") == "item-in-loop"), None)
    return f"{found['file']}:{found['line']}" if found else None
