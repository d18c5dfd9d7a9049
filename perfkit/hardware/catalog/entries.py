"""The entries of the catalogue, and which of them a driver's name means."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

# Makers' and product lines' words around the name that tells.
_VENDOR = re.compile(r"\b(NVIDIA|Tesla|AMD|Graphics|Radeon(?= Instinct))\b|\((?:R|TM)\)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class DeviceSpec:
    """One device's limits; what its maker does not publish is None or absent."""

    name: str
    #: Format → operations per second, dense: fp64, fp32, tf32, bf16, fp16, fp8, fp4, int8; fp64_matrix and fp32_matrix where
    #: matrix units are faster.
    peak_flops: dict[str, float]
    #: Bytes per second from and to the device's memory.
    bandwidth: float
    memory_bytes: int | None = None
    #: The cache that all multiprocessors share.
    l2_bytes: int | None = None
    multiprocessors: int | None = None
    #: The clock that the 16-bit peak is of, and that of other work where it is a higher one.
    boost_mhz: float | None = None
    plain_boost_mhz: float | None = None
    power_w: float | None = None
    #: NVIDIA: compute capability; AMD: the name of the instruction set.
    capability: str | None = None
    #: Key → where its number is from; ``default`` for the others.
    source: dict[str, str] = field(default_factory=dict)
    #: What a person may call it (`find`).
    short: tuple[str, ...] = ()
    #: Not from a document but computed from the device's own properties.
    estimated: bool = False

    def matrix_peak(self, dtype: str) -> float | None:
        """Peak of matrix products in *dtype*."""
        return self.peak_flops.get(f"{dtype}_matrix") or self.peak_flops.get(dtype)


def match(name: str) -> DeviceSpec | None:
    """The device that a driver calls *name*, such as ``NVIDIA H100 80GB HBM3``; None if it is not listed."""
    return names().get(plain(name))


def devices() -> list[DeviceSpec]:
    """Every device listed."""
    return list({spec.name: spec for spec in names().values()}.values())


def plain(name: str) -> str:
    """*name* as a driver gives it without its maker's words, in small letters."""
    return " ".join(_VENDOR.sub(" ", name).split()).lower()


@cache
def names() -> dict[str, DeviceSpec]:
    """Drivers' names, plain → entry."""
    found: dict[str, DeviceSpec] = {}
    for file in sorted(Path(__file__).parent.glob("*.toml")):
        for entry in tomllib.loads(file.read_text(encoding="utf-8"))["device"]:
            found |= dict.fromkeys(map(plain, entry.pop("names")), _spec(entry))
    return found


def _spec(entry: dict[str, object]) -> DeviceSpec:
    values = dict(entry)
    peaks = {dtype: float(round(float(value) * 1e12)) for dtype, value in values.pop("peaks").items()}  # type: ignore[attr-defined]
    bandwidth = float(values.pop("bandwidth")) * 1e9  # type: ignore[arg-type]
    short: tuple[str, ...] = tuple(values.pop("short", ()))  # type: ignore[arg-type]
    return DeviceSpec(peak_flops=peaks, bandwidth=bandwidth, short=short, **values)  # type: ignore[arg-type]
