"""Makes a run of a trace file that anyone recorded, so that every view works on it."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import RunError
from ..model.records import Collector, Device, RunInfo
from ..runs import layout
from ..runs.reader import write_info
from ..runs.store import Store
from .formats import is_xplane, read
from .kineto import Trace

_NAME_LENGTH = 40
_ABSENT = "an imported trace does not hold them"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The run that was made."""

    path: Path
    trace: Trace
    rank: int


def import_trace(file: Path, root: Path, *, step_time_s: float | None = None) -> Imported:
    """Make a run below *root* of the trace in *file*, copy the trace into it, and let `latest` name it.

    ``step_time_s`` is the step's time without the profiler, for views that correct what the profiler added.
    Raises TraceError when there is no trace in *file*, RunError when the run cannot be written.
    """
    trace = read(file)
    rank = _rank(trace)
    store = Store(root)
    try:
        store.ensure()
        path = _make_run(store.folder, _stem(file))
        _fill(path, file, trace, rank, step_time_s)
        store.set_latest(path.name)
    except OSError as error:
        raise RunError(f"{root}: the run cannot be written ({error.strerror or error})") from error
    return Imported(path=path, trace=trace, rank=rank)


def _make_run(folder: Path, name: str) -> Path:
    while True:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = folder / f"{stamp}-{name}-{secrets.token_hex(3)}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path


def _fill(path: Path, file: Path, trace: Trace, rank: int, step_time_s: float | None) -> None:
    """The trace first and run.json last; a run that cannot be completed is removed again."""
    try:
        folder = path / layout.rank_folder(rank)
        folder.mkdir()
        target = folder / (
            layout.trace_file(0, ".xplane.pb" if is_xplane(file) else ".json") + (".gz" if _is_gzip(file) else "")
        )
        digest = _copy(file, target)
        write_info(path, _info(path.name, file, trace, digest, step_time_s))
    except OSError:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _copy(file: Path, target: Path) -> str:
    """Copy the trace as it is; returns its SHA-256."""
    digest = hashlib.sha256()
    with file.open("rb") as source, target.open("wb") as sink:
        while block := source.read(1 << 20):
            digest.update(block)
            sink.write(block)
        sink.flush()
        os.fsync(sink.fileno())
    return digest.hexdigest()


def _is_gzip(file: Path) -> bool:
    with file.open("rb") as source:
        return source.read(2) == b"\x1f\x8b"


def _info(run_id: str, file: Path, trace: Trace, digest: str, step_time_s: float | None) -> RunInfo:
    origin: dict[str, Any] = {"kind": "import", "file": file.name, "sha256": digest}
    if step_time_s is not None:
        origin["step_time_s"] = step_time_s
    return RunInfo(
        schema_version=layout.SCHEMA_VERSION,
        id=run_id,
        command=["perfkit", "import", file.name],
        script=file.name,
        status="finished",
        created_utc=datetime.now(tz=UTC).isoformat(timespec="seconds"),
        devices=_devices(trace),
        collectors=_collectors(trace),
        origin=origin,
    )


def _devices(trace: Trace) -> list[Device]:
    """The devices that worked; all that the trace describes when none did (it lists every one of the machine)."""
    every = [_device(index, device) for index, device in enumerate(trace.devices)]
    used = set(np.unique(trace.events.device).tolist())
    return [device for device in every if device.index in used] or every


def _device(index: int, said: dict[str, Any]) -> Device:
    memory = said.get("totalGlobalMem")
    number = said.get("id")
    return Device(
        name=str(said.get("name", "unknown device")),
        kind=_device_kind(str(said.get("name", ""))),
        index=number if isinstance(number, int) else index,
        memory_bytes=memory if isinstance(memory, int) else None,
        details={key: value for key, value in said.items() if isinstance(value, int | float)},
    )


def _device_kind(name: str) -> Literal["cuda", "rocm", "other"]:
    if re.search(r"AMD|Radeon|Instinct|\bMI\d", name):
        return "rocm"
    return "cuda" if re.search(r"NVIDIA|Tesla|GeForce|Quadro|RTX", name) else "other"


def _collectors(trace: Trace) -> list[Collector]:
    how = "; ".join(["read from the imported trace", *trace.problems])
    absent = ("steps", "host", "nvml", "stacks")
    return [
        Collector(name="trace", state="on", reason=how),
        *(Collector(name=name, state="off", reason=_ABSENT) for name in absent),
    ]


def _rank(trace: Trace) -> int:
    rank = trace.distributed.get("rank")
    return rank if isinstance(rank, int) and 0 <= rank < 100_000 else 0


def _stem(file: Path) -> str:
    """A name for the run: the file's, without its endings and what a path does not like."""
    name = re.sub(r"((\.pt)?(\.trace)?\.json|(\.xplane)?\.pb)(\.gz)?$", "", file.name)
    cleaned = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.")
    return cleaned[:_NAME_LENGTH].rstrip("-.") or "trace"
