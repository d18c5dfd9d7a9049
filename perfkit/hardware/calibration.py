"""A calibration: what a machine was measured to reach, as `perfkit hardware calibrate` keeps it. The file travels: it stands for its machine
wherever a device is asked for.

::

    {"schema_version": 1, "measured": "2026-11-28T19:59:00Z", "perfkit": version, "fingerprint": of processor, cores, quota and devices,
     "host": {"cpu", "usable_cores", …, "python", "torch", "quiet"},
     "devices": [{"name", "kind": cuda | rocm | cpu, "count", "memory_bytes", "flops": {format: FLOP/s}, "bandwidth": bytes/s, "h2d_pinned",
                  "h2d_pageable", "launch_s", and of a processor "threads", "one_thread": {"flops", "bandwidth"}}],
     "host_speed": {"interpreter_s", "dispatch_s", "crowded"}, "loader": {"decode_s", "what"}, "disk": {"read_bytes_per_s"},
     "unavailable": {path: reason} for every null, "spread": {path: median over best, less 1}, "suspect": {path: what it exceeds}}
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import NewerSchema, PerfkitError, UsageError
from ..model.records import Device
from . import detect, measure
from .catalog import DeviceSpec

SCHEMA_VERSION = 1

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class MeasuredDevice:
    """One kind of device, as it was measured. Rates are per second; None for what could not be had."""

    name: str
    kind: str
    #: Format → FLOP/s of matrix products; those that could be measured.
    flops: dict[str, float]
    bandwidth: float | None = None
    #: From the host's memory to the device's.
    h2d_pinned: float | None = None
    h2d_pageable: float | None = None
    #: Of starting a kernel that has nothing to do.
    launch_s: float | None = None
    #: How many of the kind the machine has.
    count: int = 1
    memory_bytes: int | None = None
    #: Of a processor: how many threads `flops` and `bandwidth` are of, and the same with one.
    threads: int | None = None
    one_thread: Row = field(default_factory=dict)
    #: When, as the file has it.
    measured: str = ""

    def as_spec(self) -> DeviceSpec:
        """As an entry of the catalogue, with measured peaks. Raises PerfkitError without products or bandwidth: half a roofline is none."""
        if not self.flops or self.bandwidth is None:
            missing = "matrix products" if not self.flops else "memory bandwidth"
            raise PerfkitError(
                f"{self.name}: its calibration has no {missing}; `unavailable` there says why; measure it again: perfkit hardware calibrate"
            )
        return DeviceSpec(
            name=self.name,
            peak_flops=dict(self.flops),
            bandwidth=self.bandwidth,
            memory_bytes=self.memory_bytes,
            source={
                "default": f"measured {self.measured[:10]} by perfkit hardware calibrate",
                "memory_bytes": "the driver",
            },
        )


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A machine as it was measured."""

    #: As the file has it.
    document: Row
    devices: tuple[MeasuredDevice, ...]
    #: Where it was read from or written to.
    path: Path | None = None

    @property
    def measured(self) -> str:
        """When: ``2026-11-28T19:59:00Z``."""
        return str(self.document["measured"])

    @property
    def fingerprint(self) -> str:
        """Which machine, with which devices."""
        return str(self.document["fingerprint"])

    @property
    def host(self) -> Row:
        """Facts of the machine."""
        return dict(self.document["host"])

    @property
    def host_speed(self) -> Row:
        """interpreter_s, dispatch_s, crowded {interpreter, matrix}."""
        return dict(self.document["host_speed"])

    @property
    def loader(self) -> Row:
        """decode_s, what."""
        return dict(self.document["loader"])

    @property
    def disk(self) -> Row:
        """read_bytes_per_s."""
        return dict(self.document["disk"])

    @property
    def unavailable(self) -> dict[str, str]:
        """Path in the document → why it is null."""
        return dict(self.document["unavailable"])

    @property
    def spread(self) -> dict[str, float]:
        """Path in the document → by how much the median time exceeds the best."""
        return dict(self.document["spread"])

    @property
    def suspect(self) -> dict[str, str]:
        """Path in the document → what the figure exceeds, though it cannot."""
        return dict(self.document.get("suspect") or {})

    def device(self, name_or_kind: str) -> MeasuredDevice:
        """The device of that name, else the first of that kind (``cuda``, ``rocm``, ``cpu``; ``gpu`` is any accelerator).

        Raises UsageError naming those that there are.
        """
        wanted = name_or_kind.lower()
        for found in self.devices:
            if found.name.lower() == wanted:
                return found
        for found in self.devices:
            if wanted in (found.kind, "gpu" if found.kind != "cpu" else ""):
                return found
        known = ", ".join(f"{found.name} ({found.kind})" for found in self.devices) or "none"
        raise UsageError(f"the calibration has no device {name_or_kind!r}; it has: {known}")

    def as_spec(self, name_or_kind: str | None = None) -> DeviceSpec:
        """Measured peaks of that device; without a name of its first accelerator, else of its processor."""
        if name_or_kind is not None:
            return self.device(name_or_kind).as_spec()
        accelerators = [found for found in self.devices if found.kind != "cpu"]
        return (accelerators[0] if accelerators else self.device("cpu")).as_spec()


def of(document: Row, path: Path | None = None) -> Calibration:
    """The calibration that *document* is. Raises KeyError and its like for one that is none."""
    measured = str(document["measured"])
    for key in ("fingerprint", "host", "host_speed", "loader", "disk", "unavailable", "spread"):
        _ = document[key]
    return Calibration(
        document=document, devices=tuple(_device(row, measured) for row in document["devices"]), path=path
    )


def _device(row: Row, measured: str) -> MeasuredDevice:
    flops = {dtype: float(value) for dtype, value in row["flops"].items() if value is not None}
    rates = {key: row[key] for key in ("bandwidth", "h2d_pinned", "h2d_pageable", "launch_s")}
    more = {key: row[key] for key in ("count", "memory_bytes", "threads", "one_thread") if key in row}
    return MeasuredDevice(name=str(row["name"]), kind=str(row["kind"]), flops=flops, measured=measured, **rates, **more)


def load(path: str | Path) -> Calibration:
    """The calibration in a file. Raises UsageError for anything else, and NewerSchema for one of a newer perfkit."""
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{path}: is not JSON; a calibration is made by: perfkit hardware calibrate -o FILE") from None
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{path}: version {version} of a newer perfkit; this one reads up to {SCHEMA_VERSION}: upgrade it"
        )
    try:
        if not isinstance(version, int):
            raise KeyError("schema_version")  # noqa: TRY301
        return of(document, path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"{error.args[0]!r} is missing or wrong" if error.args else "a key is wrong"
        raise UsageError(
            f"{path}: is no calibration ({told}); one is made by: perfkit hardware calibrate -o FILE"
        ) from None


def write(calibration: Calibration, path: Path) -> Calibration:
    """Write it to *path*, whole or not at all. Raises PerfkitError where that cannot be."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps(calibration.document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise _unwritable(path, str(error.strerror)) from error
    return Calibration(document=calibration.document, devices=calibration.devices, path=path)


def check_writable(path: Path) -> None:
    """Raise, before anything is measured, what `write` would raise for a folder in which nothing can be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, str(error.strerror)) from error
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise _unwritable(path, "Is a directory" if path.is_dir() else "Permission denied")


def _unwritable(path: Path, why: str) -> PerfkitError:
    return PerfkitError(f"{path}: cannot be written: {why}; name another file with -o")


def fingerprint(devices: Iterable[Device]) -> str:
    """Of processor, cores, quota, and the accelerators that the driver shows."""
    host = measure.fingerprint(max(1, int(detect.usable_cores())))
    shown = [host, sorted(device.name for device in devices)]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]


def place(known_as: str, *, cache: Path | None = None) -> Path:
    """Where the calibration of the machine with that fingerprint is kept."""
    return (cache or measure.cache_folder()) / f"calibration-{known_as}.json"


def kept(known_as: str, *, cache: Path | None = None) -> Calibration | None:
    """The calibration kept of that machine; None where there is none, or none that can be read."""
    try:
        return load(place(known_as, cache=cache))
    except PerfkitError:
        return None
