"""Memory, utilisation, energy, and hot lines of Python."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..layout import clean
from ..units import digits, share, size

if TYPE_CHECKING:
    from ..layout import Page, Piece

Document = dict[str, Any]

SMALL_SHARE = 0.02
HOT_LINES_SHOWN, HOT_LINES_VERBOSE = 3, 10
# A disk that moves less than this is not worth a word.
NOTABLE_IO_BYTES_PER_S = 1 << 20


def add(document: Document, page: Page, *, verbose: int) -> None:
    """Only what was measured; what was not is named at the foot."""
    page.row("memory", _memory(document["memory"]))
    page.row("utilization", _utilization(document["utilization"]) + _energy(document["energy"]))
    most = HOT_LINES_VERBOSE if verbose else HOT_LINES_SHOWN
    if page.tight:
        return
    window, lines = _lines_of_interest(document)
    label = f"hot lines, {window}" if window else "hot lines"
    page.row(label, [_hot_line(row) for row in lines[:most]], most=None if verbose else 1)


def _memory(memory: Document) -> list[list[Piece]]:
    found: list[list[Piece]] = []
    if memory.get("host_peak_bytes") is not None:
        found.append([("host peak ", "cyan"), (size(memory["host_peak_bytes"]), "")])
    for row in memory.get("devices", []):
        whose = f"rank {row['rank']} " if len(memory["devices"]) > 1 else ""
        peak = f"{size(row['allocated_bytes'])} allocated, {size(row['reserved_bytes'])} reserved"
        found.append([(f"{whose}device {row['device']} peak ", "cyan"), (peak, "")])
    return found


def _utilization(use: Document) -> list[list[Piece]]:
    found: list[list[Piece]] = []
    cores, allowed = use.get("cores_used"), use.get("usable_cores")
    if cores is not None:
        of_all = f" of {allowed:g}" if allowed else ""
        found.append([("CPU ", "cyan"), (f"{cores:.1f}{of_all} cores", "")])
    elif use.get("cpu_percent") is not None:
        found.append([("CPU ", "cyan"), (f"{use['cpu_percent']:.0f} % of one core", "")])
    if use.get("gpu_percent") is not None:
        found.append([("GPU ", "cyan"), (f"{use['gpu_percent']:.0f} %", "")])
    for key, name in (("read_bytes_per_s", "read"), ("write_bytes_per_s", "write")):
        if (use.get(key) or 0) >= NOTABLE_IO_BYTES_PER_S:
            found.append([(f"{name} ", "cyan"), (f"{size(use[key])}/s", "")])
    return found


def _energy(energy: Document) -> list[list[Piece]]:
    joules = energy.get("joules_per_step")
    return [] if joules is None else [[("energy ", "cyan"), (f"{digits(joules, 3)} J/step", "")]]


def _lines_of_interest(document: Document) -> tuple[str, list[Document]]:
    """Lines that did something themselves, most first, and what to call their window.

    Where there are steps, those of the last window among them; in a run too short for one those of
    start-up, less the script's top level: that is imports. Without steps the whole run is one window.
    """
    busy = [row for row in document["hot_lines"] if (row.get("self_share") or 0.0) >= SMALL_SHARE]
    busy.sort(key=lambda row: -row["self_share"])
    if not document["steps"]["count"]:
        return "", busy
    steady = {str(row.get("window")) for row in busy if str(row.get("window")).startswith("steady")}
    if steady:
        return "steady", [row for row in busy if row["window"] == max(steady)]
    return "start-up", [row for row in busy if row.get("function") != "<module>"]


def _hot_line(row: Document) -> list[Piece]:
    file = os.path.basename(str(row.get("file", "")))  # noqa: PTH119 - a path of any machine
    role = "" if row.get("role") in (None, "main") else f"{row['role']} "
    where = f"{role}{file}:{row.get('line')}"
    return [
        (f"{clean(where)} ", "cyan"),
        (clean(row.get("function", "")), ""),
        (f" {share(row['self_share'])}", "dim"),
    ]
