"""The frozen records that cross a room's door. Times carry their unit in their name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["running", "finished", "failed", "killed"]
CollectorState = Literal["on", "off", "failed"]

CAUSES = (
    "input", "transfer", "launch", "sync", "precision", "batch", "memory", "threads", "python", "optimizer", "compile",
    "evaluation", "checkpoint", "logging", "communication", "kernel", "startup",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Collector:
    """Something that records, and whether it could."""

    name: str
    state: CollectorState
    #: Why it is off or failed; for *on*, how it measures. Never empty.
    reason: str


@dataclass(frozen=True, kw_only=True)
class Device:
    """A processor that the script could compute on."""

    name: str
    kind: Literal["cpu", "cuda", "rocm", "mps", "xpu", "other"]
    index: int = 0
    memory_bytes: int | None = None
    #: Vendor identifier, where there is one (NVML UUID).
    uuid: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What run.json holds: the identity of a run, its outcome, and what was measured or why not."""

    schema_version: int
    id: str
    #: What the person typed after `perfkit profile`, secrets masked.
    command: list[str]
    script: str
    status: Status
    created_utc: str
    #: The script's own; 128+n for a signal. None while running and for imported traces.
    exit_code: int | None = None
    #: CLOCK_MONOTONIC and wall clock, read together when the command was started.
    started_monotonic_ns: int | None = None
    started_realtime_ns: int | None = None
    ended_monotonic_ns: int | None = None
    #: Process id of the supervised command, and of perfkit itself.
    pid: int | None = None
    supervisor_pid: int | None = None
    python: dict[str, Any] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    devices: list[Device] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    collectors: list[Collector] = field(default_factory=list)
    #: Where the run came from: "profile" or "import", and for an import the file's name.
    origin: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A range, both ends included, of a dimensionless share unless the name around it says otherwise."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Fix:
    """A change as data: `inside/patches` applies it by name, so that a cure needs no code change."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing worth changing, with its evidence."""

    rule: str
    #: What loses the time, not the cure; one of CAUSES.
    cause: str
    title: str
    #: Facts with their units, in the order a reader wants them.
    evidence: dict[str, Any]
    #: Fraction of the mean steady wall time per sample (basis steady) or of the whole process (basis run).
    saves: Interval
    basis: Literal["steady", "run"] = "steady"
    confidence: Literal["low", "medium", "high"]
    fix: Fix | None
    #: The lines a person would write.
    how: str
    links: list[str] = field(default_factory=list)
    #: Parts of the step (`advise.together.POOLS`) that the gain comes out of, with their weights; empty: those of its
    #: cause.
    takes: dict[str, float] = field(default_factory=dict)
    #: Findings with the same word here cure the same trouble: a person chooses one of them.
    alternatives: str = ""
    #: The run itself is in danger: told before everything that is only slow, whatever it saves.
    warning: bool = False
