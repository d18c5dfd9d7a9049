"""What a result file says: of a run of pytest (pytest-benchmark's JSON, with or without perfkit's own part), or of a gate (`perfkit bench --base`)."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from ...errors import NewerSchema, UsageError

Kind = Literal["seconds", "ratio"]
#: What is said of a change point; "accepted": confirmed as a slowdown, which somebody means to live with.
Verdict = Literal["confirmed", "not confirmed", "inconclusive", "accepted"]

#: Of both formats; a newer one may mean other things by the same names.
SCHEMA_VERSION = 1
#: What pytest-benchmark calls a commit where there is none.
_NO_COMMIT = ("unversioned", "unknown", "")


@dataclass(frozen=True, kw_only=True)
class Value:
    """What one result says of one benchmark."""

    benchmark: str
    kind: Kind
    #: Of a ratio: full hash of the revision that it is against; else empty.
    base: str
    #: Log of the median seconds of a call, or of head's time over base's in pairs.
    log: float


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What the gate said of a change point when it ran the commits on its sides, or a person of what it had said."""

    benchmark: str
    #: Key of the machine of the series that the change point is in (`machine_key`).
    machine: str
    #: The last commit before the change, and the first behind it.
    before: str
    after: str
    slower: bool
    verdict: Verdict
    #: Change of the time from before to after, as fractions: estimate, and its 95 % interval where there is one.
    estimate: float | None
    low: float | None
    high: float | None
    #: The commits that were run: before and after, or some way out on both sides.
    ran: tuple[str, str]
    why: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """A result file."""

    measured: datetime
    #: Full hash; None where it was measured outside of a repository.
    commit: str | None
    commit_time: datetime | None
    branch: str | None
    #: Whether the sources held changes that no commit has.
    changed: bool
    #: What the machine is, flat.
    fingerprint: dict[str, Any]
    #: Versions by name.
    software: dict[str, str]
    values: tuple[Value, ...]
    #: Of a gate that was run to confirm a change point, and of one that was accepted: they have no values.
    confirmation: Confirmation | None = None

    @property
    def machine(self) -> str:
        """Key of the machine."""
        return machine_key(self.fingerprint)


def machine_key(fingerprint: dict[str, Any]) -> str:
    """Twelve digits that stand for a fingerprint: equal for equal facts only."""
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:12]


def read(data: bytes, name: str, otherwise: datetime) -> Result:
    """What *data*, a file called *name*, says; *otherwise* is when it was measured where it does not tell.

    Raises UsageError for what is neither kind of result, NewerSchema for what a newer perfkit wrote.
    """
    try:
        document = json.loads(data)
        if isinstance(document, dict) and "commit_info" in document:
            return _of_pytest(msgspec.convert(document, _Pytest), name)
        if isinstance(document, dict) and {"base", "head"} <= document.keys():
            return _of_gate(msgspec.convert(document, _Gate), name, otherwise)
    except (ValueError, msgspec.ValidationError) as error:
        raise UsageError(f"{name}: not a result: {error}") from None
    raise UsageError(
        f"{name}: not a result: it is made by pytest --perfkit-json FILE, pytest --benchmark-json FILE or perfkit bench PATHS --base REV --json FILE"
    )


# --- a run of pytest


class _Stats(msgspec.Struct):
    median: float


class _Benchmark(msgspec.Struct):
    fullname: str
    stats: _Stats


class _Commit(msgspec.Struct):
    id: str | None = None
    time: datetime | None = None
    branch: str | None = None
    dirty: bool = False


class _Own(msgspec.Struct):
    schema_version: int
    fingerprint: dict[str, Any] | None = None
    software: dict[str, str] = {}


class _Pytest(msgspec.Struct):
    machine_info: dict[str, Any]
    commit_info: _Commit
    benchmarks: list[_Benchmark]
    datetime: datetime
    perfkit: _Own | None = None


def _of_pytest(found: _Pytest, name: str) -> Result:
    own = found.perfkit or _Own(schema_version=SCHEMA_VERSION)
    _refuse_newer(own.schema_version, name)
    commit = found.commit_info
    return Result(
        measured=_utc(found.datetime),
        commit=None if (commit.id or "") in _NO_COMMIT else commit.id,
        commit_time=_utc(commit.time) if commit.time is not None else None,
        branch=commit.branch,
        changed=commit.dirty,
        fingerprint=own.fingerprint or _from_machine_info(found.machine_info),
        software=own.software,
        values=tuple(
            Value(benchmark=row.fullname, kind="seconds", base="", log=_log(row.stats.median, row.fullname, name))
            for row in found.benchmarks
        ),
    )


def _from_machine_info(info: dict[str, Any]) -> dict[str, Any]:
    """A fingerprint, of what pytest-benchmark knows of a machine. Not its name: two of a kind compare."""
    cpu = info.get("cpu") or {}
    return {
        "cpu": cpu.get("brand_raw") or cpu.get("brand") or info.get("processor"),
        "usable_cores": cpu.get("count"),
        "python": info.get("python_version"),
        "system": info.get("system"),
    }


# --- a gate


class _Side(msgspec.Struct):
    label: str
    revision: str | None = None


class _Change(msgspec.Struct):
    estimate: float | None = None


class _Row(msgspec.Struct):
    id: str
    change: _Change


class _Confirms(msgspec.Struct):
    benchmark: str
    machine: str
    before: str
    after: str
    slower: bool
    verdict: Verdict
    ran: tuple[str, str]
    why: str = ""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None


class _Gate(msgspec.Struct):
    base: _Side
    head: _Side
    benchmarks: list[_Row]
    schema_version: int = SCHEMA_VERSION
    measured: datetime | None = None
    fingerprint: dict[str, Any] = {}
    software: dict[str, str] = {}
    confirms: _Confirms | None = None


def _of_gate(found: _Gate, name: str, otherwise: datetime) -> Result:
    _refuse_newer(found.schema_version, name)
    base, confirms = found.base.revision, found.confirms
    rows = found.benchmarks if base is not None and confirms is None else []
    return Result(
        measured=_utc(found.measured or otherwise),
        commit=found.head.revision,
        commit_time=None,
        branch=None,
        changed=found.head.revision is None,
        fingerprint=found.fingerprint,
        software=found.software,
        values=tuple(
            Value(benchmark=row.id, kind="ratio", base=base or "", log=_log(1 + row.change.estimate, row.id, name))
            for row in rows
            if row.change.estimate is not None
        ),
        confirmation=Confirmation(**msgspec.structs.asdict(confirms)) if confirms is not None else None,
    )


# --- both


def _refuse_newer(version: int, name: str) -> None:
    if version > SCHEMA_VERSION:
        raise NewerSchema(f"{name}: written by a newer perfkit (schema {version}); upgrade: pip install -U perfkit")


def _utc(moment: datetime) -> datetime:
    """Without a zone it is UTC, as older versions of pytest-benchmark wrote it."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _log(value: float, benchmark: str, name: str) -> float:
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{name}: {benchmark} took {value}, which is no time")
    return math.log(value)
