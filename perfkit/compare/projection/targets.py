"""What a run can be moved to: a device of the catalogue, or a machine that was calibrated."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...hardware import calibration, catalog, detect, nvidia

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...advise.evidence import Evidence
    from ...hardware.calibration import Calibration
    from ...hardware.catalog import DeviceSpec


@dataclass(frozen=True, kw_only=True)
class Target:
    """A device, and what is known of the machine that holds it."""

    asked: str
    spec: DeviceSpec
    calibration: Calibration | None = None


def targets(texts: Sequence[str]) -> list[Target]:
    """Each of ``h200,l40s`` or ``calibration.json``; commas separate. Raises UsageError for what is neither."""
    words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    if not words:
        raise UsageError("--on: names no device; perfkit hardware list has those that are known")
    return [_target(word) for word in words]


def origin(evidence: Evidence, file: Path | None) -> Calibration | None:
    """The calibration in *file*, else the one that is kept of this machine if the run is of it. Raises UsageError for a *file* that is none."""
    if file is not None:
        return calibration.load(file)
    host = evidence.need("info").host
    if (host.get("hostname"), host.get("cpu")) != (platform.node(), detect.cpu_model()):
        return None
    return calibration.kept(calibration.fingerprint(nvidia.devices()))


def _target(word: str) -> Target:
    if word.endswith(".json") or Path(word).is_file():
        known = calibration.load(Path(word))
        return Target(asked=word, spec=_spec(known), calibration=known)
    try:
        return Target(asked=word, spec=catalog.find(word))
    except ValueError as error:
        raise UsageError(f"--on {word}: {error}") from None


def _spec(known: Calibration) -> DeviceSpec:
    """The catalogue's entry of the accelerator that was calibrated, so that like is compared with like, else what was measured of it; of a
    machine without one its processor.
    """
    devices = [device for device in known.devices if device.kind != "cpu"]
    if not devices:
        return known.device("cpu").as_spec()
    return catalog.match(devices[0].name) or devices[0].as_spec()
