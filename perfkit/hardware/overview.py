"""The devices of this machine, what each can do at most and what it was measured to reach, as one document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..model.records import Device
from . import calibration, detect, nvidia
from .calibration import Calibration
from .catalog import DeviceSpec
from .formula import spec_of
from .processors import ProcessorLimit, limit_of

Row = dict[str, Any]

NOT_CALIBRATED = "nothing was measured on this machine yet; run: perfkit hardware calibrate"
FORMATS = ("fp32", "tf32", "bf16", "fp16", "fp8", "fp4", "int8", "fp64")
PROCESSOR_FORMATS = ("fp32", "bf16", "fp64")
#: What is measured besides products, in its unit.
RATES = {"bandwidth": "B/s", "h2d_pinned": "B/s", "h2d_pageable": "B/s", "launch_s": "s"}
AROUND = ("host_speed", "loader", "disk")


def overview(*, cache: Path | None = None) -> Row:
    """Of this machine as it is now, with the calibration that is kept of it."""
    shown = nvidia.devices()
    return compose(detect.host_facts(), shown, calibration.kept(calibration.fingerprint(shown), cache=cache))


def compose(host: Row, shown: Sequence[Device], kept: Calibration | None) -> Row:
    """The document; every null has its reason under ``unavailable``."""
    why: dict[str, str] = {}
    # Not every driver shows its devices without a framework: those that were measured are there as well.
    accelerators = {device.name: device for device in [*_remembered(kept), *shown]}
    rows = [
        _accelerator(device, shown, _Measured(kept, device.name), why, number)
        for number, device in enumerate(accelerators.values())
    ]
    rows.append(_processor(host, _Measured(kept, "cpu"), why, len(rows)))
    if kept is None:
        why |= dict.fromkeys(("calibration", *AROUND), NOT_CALIBRATED)
    else:
        why |= {path: reason for path, reason in kept.unavailable.items() if path.split(".")[0] in AROUND}
        why |= {f"calibration.{path}": reason for path, reason in kept.unavailable.items() if path.startswith("host.")}
    return {
        "schema_version": 1,
        "host": host,
        "calibration": {"path": str(kept.path), "measured": kept.measured, "host": kept.host} if kept else None,
        "devices": rows,
        **{key: kept.document[key] if kept else None for key in AROUND},
        "unavailable": why,
    }


def _remembered(kept: Calibration | None) -> list[Device]:
    found = [device for device in kept.devices if device.kind != "cpu"] if kept else []
    return [Device(name=device.name, kind="other", memory_bytes=device.memory_bytes) for device in found]


class _Measured:
    """What a calibration has of one device, and why it has the rest not."""

    def __init__(self, kept: Calibration | None, name: str) -> None:
        devices = kept.devices if kept else ()
        self._kept = kept
        self._number = next((at for at, found in enumerate(devices) if name in (found.name, found.kind)), None)
        self.device = None if self._number is None else devices[self._number]

    def formats(self) -> Iterable[str]:
        """Those that were to be measured."""
        rows = self._kept.document["devices"] if self._kept else []
        return rows[self._number]["flops"] if self._number is not None else ()

    def value(self, name: str) -> float | None:
        """A rate; None where there is none."""
        if self.device is None:
            return None
        found: float | None = getattr(self.device, name) if name in RATES else self.device.flops.get(name)
        return found

    def one_thread(self, name: str) -> float | None:
        """The same of one thread of a processor."""
        row = self.device.one_thread if self.device else {}
        found: float | None = row.get(name) if name in RATES else row.get("flops", {}).get(name)
        return found

    def why(self, name: str) -> str:
        """Why there is no such figure."""
        if self._kept is None:
            return NOT_CALIBRATED
        return self._kept.unavailable.get(
            self._path(name), "it was not measured with the others: perfkit hardware calibrate"
        )

    def notes(self, name: str) -> Row:
        """Spread and suspicion, where there are such."""
        if self._kept is None:
            return {}
        notes = {"spread": self._kept.spread.get(self._path(name)), "suspect": self._kept.suspect.get(self._path(name))}
        return {key: value for key, value in notes.items() if value is not None}

    def _path(self, name: str) -> str:
        return f"devices[{self._number}].{name}" if name in RATES else f"devices[{self._number}].flops.{name}"


def _accelerator(device: Device, shown: Sequence[Device], measured: _Measured, why: dict[str, str], number: int) -> Row:
    path, spec, found = f"devices[{number}]", spec_of(device), measured.device
    formats = [dtype for dtype in FORMATS if (spec and spec.matrix_peak(dtype)) or dtype in measured.formats()]
    no_limit = (
        "no table says it"
        if spec
        else f"{device.name} is not in the catalogue, and its driver tells too little for an estimate"
    )
    figures = _figures([*formats, *RATES], _most(spec), measured, path, why, no_limit)
    if spec is None:
        why[f"{path}.listed"] = no_limit
    if device.memory_bytes is None:
        why[f"{path}.memory_bytes"] = "the device does not say how much it has"
    return {
        "name": device.name,
        "kind": found.kind if found else device.kind,
        "count": sum(other.name == device.name for other in shown) or (found.count if found else 1),
        "memory_bytes": device.memory_bytes,
        "listed": _listed(spec) if spec else None,
        "figures": figures,
    }


def _most(spec: DeviceSpec | None) -> dict[str, float | None]:
    if spec is None:
        return {}
    return {**{dtype: spec.matrix_peak(dtype) for dtype in FORMATS}, "bandwidth": spec.bandwidth}


def _listed(spec: DeviceSpec) -> Row:
    """The entry, without what its maker does not publish."""
    left_out = ("peak_flops", "bandwidth", "short")
    return {key: value for key, value in asdict(spec).items() if value is not None and key not in left_out}


def _processor(host: Row, measured: _Measured, why: dict[str, str], number: int) -> Row:
    path, limit = f"devices[{number}]", limit_of(host)
    most = {dtype: limit.peak(dtype) if limit else None for dtype in PROCESSOR_FORMATS}
    figures = _figures([*PROCESSOR_FORMATS, "bandwidth"], most, measured, path, why, _no_limit(limit))
    for figure in figures:
        alone = measured.one_thread(figure["name"])
        figure |= {"one_thread": alone} if alone is not None else {}
    if limit is None or limit.clock_hz is None:
        why[f"{path}.listed" + (".clock_hz" if limit else "")] = _no_limit(limit)
    facts = {"name": host["cpu"], "kind": "cpu", "count": 1, "memory_bytes": host["memory_bytes"]}
    return {**facts, "listed": asdict(limit) if limit else None, "figures": figures}


def _no_limit(limit: ProcessorLimit | None) -> str:
    if limit is None:
        return "its instruction sets are not listed"
    return "no table says it" if limit.clock_hz else "the system does not tell its highest clock"


def _figures(
    names: Iterable[str],
    most: Mapping[str, float | None],
    measured: _Measured,
    path: str,
    why: dict[str, str],
    no_limit: str,
) -> list[Row]:
    """A row for each: at most, measured, and the share of the one that the other is."""
    rows: list[Row] = []
    for name in names:
        at_most, value, place = most.get(name), measured.value(name), f"{path}.figures[{len(rows)}]"
        row = {
            "name": name,
            "unit": RATES.get(name, "FLOP/s"),
            "at_most": at_most,
            "measured": value,
            **measured.notes(name),
        }
        rows.append(row | ({"share": value / at_most} if value and at_most else {}))
        if at_most is None:
            why[f"{place}.at_most"] = no_limit
        if value is None:
            why[f"{place}.measured"] = measured.why(name)
    return rows
