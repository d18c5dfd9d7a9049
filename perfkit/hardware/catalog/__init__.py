"""What accelerators can do at most, from their makers' documents: one TOML file per family, a source per number.

All peaks are dense: a figure "with sparsity" is twice what an ordinary program can reach. A device that is not listed,
or of which a program has only a part (MIG), has no entry: a guess would look like a fact.

The makers' documents themselves could not be opened when this was written. The figures are what pages that quote them agree on,
16-bit peaks checked against multiprocessors times clock; a document that says otherwise is right.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

# Makers' and product lines' words around the name that tells.
_VENDOR = re.compile(r"\b(NVIDIA|Tesla|AMD|Graphics|Radeon(?= Instinct))\b|\((?:R|TM)\)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class DeviceSpec:
    """One device's limits; what its maker does not publish is None or absent."""

    name: str
    #: Format → operations per second, dense: fp64, fp32, tf32, bf16, fp16, fp8, int8; fp64_matrix and fp32_matrix where
    #: matrix units are faster.
    peak_flops: dict[str, float]
    #: Bytes per second from and to the device's memory.
    bandwidth: float
    memory_bytes: int | None = None
    multiprocessors: int | None = None
    boost_mhz: float | None = None
    power_w: float | None = None
    capability: str | None = None
    #: Key → where its number is from; ``default`` for the others.
    source: dict[str, str] = field(default_factory=dict)

    def matrix_peak(self, dtype: str) -> float | None:
        """Peak of matrix products in *dtype*."""
        return self.peak_flops.get(f"{dtype}_matrix") or self.peak_flops.get(dtype)


def match(name: str) -> DeviceSpec | None:
    """The device that a driver calls *name*, such as ``NVIDIA H100 80GB HBM3``; None if it is not listed."""
    return _by_name().get(_normal(name))


def devices() -> list[DeviceSpec]:
    """Every device listed."""
    return list({spec.name: spec for spec in _by_name().values()}.values())


def _normal(name: str) -> str:
    return " ".join(_VENDOR.sub(" ", name).split()).lower()


@cache
def _by_name() -> dict[str, DeviceSpec]:
    found: dict[str, DeviceSpec] = {}
    for file in sorted(resources.files(__name__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            for entry in tomllib.loads(file.read_text(encoding="utf-8"))["device"]:
                found |= dict.fromkeys(map(_normal, entry.pop("names")), _spec(entry))
    return found


def _spec(entry: dict[str, object]) -> DeviceSpec:
    values = dict(entry)
    peaks = {dtype: float(round(float(value) * 1e12)) for dtype, value in values.pop("peaks").items()}  # type: ignore[attr-defined]
    bandwidth = float(values.pop("bandwidth")) * 1e9  # type: ignore[arg-type]
    return DeviceSpec(peak_flops=peaks, bandwidth=bandwidth, **values)  # type: ignore[arg-type]
