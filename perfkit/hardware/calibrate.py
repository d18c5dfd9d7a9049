"""Measures what this machine reaches: every kind of accelerator with torch, the processor, the host's own speed, a loader's, the disk's.

Everything in child processes, one after the other, so that nothing disturbs anything and no fault comes further than its figure.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..model.records import Device
from . import calibration, children, detect, measure, nvidia, possible
from .calibration import Calibration
from .children import Gathered

Row = dict[str, Any]

#: Measuring takes about so long; starting torch comes on top.
SECONDS = 20.0
#: No figure is measured for less or longer than this.
LEAST_S, MOST_S = 0.05, 1.5
#: Figures among which the time is divided, when there is one kind of accelerator.
SHARES = 26

ACCELERATOR = (
    *(f"flops.{dtype}" for dtype in ("fp32", "tf32", "bf16", "fp16", "fp8")),
    "bandwidth", "h2d_pinned", "h2d_pageable", "launch_s",
)  # fmt: skip
PROCESSOR = tuple(f"flops.{dtype}" for dtype in ("fp32", "bf16", "fp64"))
ONE_THREAD = "one_thread."
#: Of an accelerator, what a processor does not have.
NOT_OF_A_PROCESSOR = {
    "h2d_pinned": "the processor's memory is the host's own",
    "h2d_pageable": "the processor's memory is the host's own",
    "launch_s": "a processor starts no kernels",
}
#: What figures depend on. Of the machine's own name nothing: the file may travel.
HOST_FACTS = (
    "cpu", "machine", "instruction_sets", "physical_cores", "logical_cores", "usable_cores", "memory_bytes", "virtual",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to measure with, and for how long."""

    #: The Python whose torch and PIL are measured.
    python: str = sys.executable
    seconds: float = SECONDS
    #: Where a file may be written, to read it.
    folder: Path = Path()
    #: Where the calibration is kept; None: the user's cache.
    cache: Path | None = None

    @property
    def each_s(self) -> float:
        """For one figure."""
        return min(MOST_S, max(LEAST_S, self.seconds / SHARES))


@dataclass(kw_only=True)
class _Draft:
    """The parts of the document that grow with every figure."""

    unavailable: dict[str, str] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)

    def put(self, path: str, gathered: Gathered, wanted: Sequence[str]) -> Row:
        """Figures as nested rows (``flops.fp32``); nulls have their reasons put down."""
        made: Row = {}
        for name in wanted:
            *outer, last = name.split(".")
            row = made
            for key in outer:
                row = row.setdefault(key, {})
            row[last] = gathered.value(name)
            if name not in gathered.found:
                self.unavailable[f"{path}.{name}"] = gathered.reasons.get(name, "was not measured")
            elif (spread := gathered.found[name].get("spread")) is not None:
                self.spread[f"{path}.{name}"] = spread
        return made


def calibrate(asked: Asked, say: Callable[[str], None] = lambda _line: None) -> Calibration:
    """Measure, check and keep. *say* gets lines of progress. Raises PerfkitError where nothing can be kept."""
    threads, quiet, shown, draft = max(1, int(detect.usable_cores())), measure.is_idle(), nvidia.devices(), _Draft()
    if not quiet:
        say("others are at work on this machine: figures will be lower than it can do")
    say(f"measuring the processor, {threads} thread{'s' * (threads != 1)}")
    torch = children.gather(
        "processor",
        ["devices", *PROCESSOR, *(f"{ONE_THREAD}{name}" for name in PROCESSOR), "dispatch_s"],
        seconds=asked.each_s,
        python=asked.python,
        threads=threads,
    )
    accelerators = _accelerators(asked, torch, shown, draft, say)
    say("measuring memory, the interpreter, a loader's work, the disk")
    python = children.gather("host", ["interpreter_s", "decode_s"], seconds=asked.each_s, python=asked.python)
    devices = [*accelerators, _processor(asked, threads, torch, draft, f"devices[{len(accelerators)}]")]
    host = _host(torch, python, draft, quiet=quiet)
    around = _around(asked, torch, python, draft)
    document: Row = {
        "schema_version": calibration.SCHEMA_VERSION,
        "measured": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "perfkit": __version__,
        "fingerprint": calibration.fingerprint(shown),
        "host": host,
        "devices": devices,
        **around,
        "unavailable": draft.unavailable,
        "spread": draft.spread,
        "suspect": possible.suspects(devices, host, _kinds([*_seen(torch), *shown])),
    }
    made = calibration.of(document)
    return calibration.write(made, calibration.place(made.fingerprint, cache=asked.cache))


# --- accelerators


def _accelerators(
    asked: Asked, torch: Gathered, shown: Sequence[Device], draft: _Draft, say: Callable[[str], None]
) -> list[Row]:
    """One row for each kind: devices of a name are alike, and one of them is measured."""
    rows: list[Row] = []
    for device in _kinds([*_seen(torch), *shown]):
        path, alike = f"devices[{len(rows)}]", [found for found in _seen(torch) if found.name == device.name]
        if alike:
            say(f"measuring {device.name}")
            name = f"cuda:{alike[0].index}"
            gathered = children.gather(
                "accelerator", ACCELERATOR, seconds=asked.each_s, python=asked.python, device=name
            )
        else:
            gathered = Gathered(reasons=dict.fromkeys(ACCELERATOR, _why_unseen(torch)))
            alike = [found for found in shown if found.name == device.name]
        facts = {"name": device.name, "kind": device.kind, "count": len(alike), "memory_bytes": device.memory_bytes}
        rows.append(facts | draft.put(path, gathered, ACCELERATOR))
        if device.memory_bytes is None:
            draft.unavailable[f"{path}.memory_bytes"] = "the device does not say how much it has"
    return rows


def _seen(torch: Gathered) -> list[Device]:
    """The accelerators that torch can use."""
    return [Device(**row) for row in (torch.value("devices") or {}).get("devices", ())]


def _kinds(devices: Sequence[Device]) -> list[Device]:
    """The first of each name; what others tell of it is added to what is known."""
    found: dict[str, Device] = {}
    for device in devices:
        known = found.get(device.name)
        found[device.name] = replace(known, details={**device.details, **known.details}) if known else device
    return list(found.values())


def _why_unseen(torch: Gathered) -> str:
    told = torch.value("devices")
    if told is None:
        return f"it is measured with torch: {torch.reasons.get('devices', 'which could not be asked')}"
    if not (told["cuda"] or told["hip"]):
        return f"it is measured with torch, and torch {told['torch']} is built for the processor only"
    return f"it is measured with torch, and torch {told['torch']} does not see it"


# --- the host


def _processor(asked: Asked, threads: int, torch: Gathered, draft: _Draft, path: str) -> Row:
    """Products of torch's where there is torch, else of numpy's; memory always with numpy's copies."""
    wanted = ["bandwidth"] if "flops.fp32" in torch.found else ["flops.fp32", "flops.fp64", "bandwidth"]
    arrays = [children.gather("arrays", wanted, seconds=asked.each_s, threads=number) for number in (threads, 1)]
    own, single = _together(torch, arrays[0]), _together(_of_one_thread(torch), arrays[1])
    own.reasons |= NOT_OF_A_PROCESSOR
    facts = {"name": detect.cpu_model(), "kind": "cpu", "count": 1, "memory_bytes": detect.memory_bytes()}
    rates = draft.put(path, own, [*PROCESSOR, "bandwidth", *NOT_OF_A_PROCESSOR])
    one_thread = draft.put(f"{path}.one_thread", single, [*PROCESSOR, "bandwidth"])
    return {**facts, "threads": threads, **rates, "one_thread": one_thread}


def _together(*parts: Gathered) -> Gathered:
    """The later ones count where several have a figure."""
    made = Gathered()
    for part in parts:
        made.found |= part.found
        made.reasons |= part.reasons
    return made


def _of_one_thread(torch: Gathered) -> Gathered:
    found = {name.removeprefix(ONE_THREAD): row for name, row in torch.found.items() if name.startswith(ONE_THREAD)}
    reasons = {name.removeprefix(ONE_THREAD): why for name, why in torch.reasons.items() if name.startswith(ONE_THREAD)}
    return Gathered(found=found, reasons=reasons)


def _around(asked: Asked, torch: Gathered, python: Gathered, draft: _Draft) -> Row:
    """host_speed, loader and disk."""
    speed = draft.put("host_speed", _together(torch, python), ["interpreter_s", "dispatch_s"])
    speed["crowded"] = measure.crowding()
    loader = draft.put("loader", python, ["decode_s"])
    loader["what"] = python.found.get("decode_s", {}).get("what")
    for path, value in (("host_speed.crowded", speed["crowded"]), ("loader.what", loader["what"])):
        if value is None:
            draft.unavailable[path] = "the process that was to measure it failed"
    read = children.gather("disk", ["read_bytes_per_s"], seconds=asked.each_s, folder=str(asked.folder.absolute()))
    return {"host_speed": speed, "loader": loader, "disk": draft.put("disk", read, ["read_bytes_per_s"])}


def _host(torch: Gathered, python: Gathered, draft: _Draft, *, quiet: bool) -> Row:
    """Facts that figures depend on."""
    facts = detect.host_facts()
    host: Row = {key: facts[key] for key in HOST_FACTS}
    host["python"] = python.found.get("interpreter_s", {}).get("python")
    host["torch"] = (torch.value("devices") or {}).get("torch")
    host["quiet"] = quiet
    reasons = {
        "physical_cores": "the system does not tell them from threads",
        "python": python.reasons.get("interpreter_s", "not told"),
        "torch": torch.reasons.get("devices", "not told"),
    }
    draft.unavailable |= {f"host.{key}": why for key, why in reasons.items() if host[key] is None}
    return host
