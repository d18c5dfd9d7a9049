"""Which measured figures cannot be: above what the catalogue or the instruction set says is the most.

A clock that did not tick right, a product that a library did not compute, a table that is wrong: whichever it is, the figure is not to be used
unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..model.records import Device
from .catalog import DeviceSpec
from .formula import spec_of
from .processors import ProcessorLimit, limit_of

#: Above the most by less than this is rounding: of a table's figures, of clocks that boost by a bin.
MEASUREMENT_ERROR = 0.05

Row = dict[str, Any]


def suspects(devices: Sequence[Row], host: Mapping[str, Any], known: Iterable[Device]) -> dict[str, str]:
    """Path in the calibration → what the figure exceeds. *known*: the accelerators with what drivers tell of them."""
    details = {device.name: device for device in known}
    found: dict[str, str] = {}
    for number, row in enumerate(devices):
        path = f"devices[{number}]"
        if row["kind"] == "cpu":
            found |= _processor(row, limit_of(host), path)
        elif row["name"] in details:
            found |= _accelerator(row, details[row["name"]], path)
    return found


def _accelerator(row: Row, device: Device, path: str) -> dict[str, str]:
    spec = spec_of(device)
    if spec is None:
        return {}
    headroom = _headroom(spec, device)
    most = {f"flops.{dtype}": (spec.matrix_peak(dtype) or 0) * headroom for dtype in row["flops"]}
    figures = {f"flops.{dtype}": value for dtype, value in row["flops"].items()}
    above = {
        **_above(figures, most, spec.name),
        **_above({"bandwidth": row["bandwidth"]}, {"bandwidth": spec.bandwidth}, spec.name),
    }
    return {f"{path}.{name}": why for name, why in above.items()}


def _headroom(spec: DeviceSpec, device: Device) -> float:
    """Peaks are of the clock that the maker rates; many cards may go above it, and the driver tells how far."""
    highest = device.details.get("max_sm_clock_mhz")
    return max(1.0, highest / spec.boost_mhz) if highest and spec.boost_mhz else 1.0


def _processor(row: Row, limit: ProcessorLimit | None, path: str) -> dict[str, str]:
    if limit is None:
        return {}
    found: dict[str, str] = {}
    for prefix, cores, flops in (("", limit.cores, row["flops"]), ("one_thread.", 1.0, row["one_thread"]["flops"])):
        most = {f"{prefix}flops.{dtype}": limit.surely(dtype, cores=cores) or 0 for dtype in flops}
        figures = {f"{prefix}flops.{dtype}": value for dtype, value in flops.items()}
        found |= _above(figures, most, "its instruction sets")
    return {f"{path}.{name}": why for name, why in found.items()}


def _above(figures: Mapping[str, float | None], most: Mapping[str, float], of: str) -> dict[str, str]:
    return {
        name: f"{value:.4g} per second, above the {most[name]:.4g} that {of} can do"
        for name, value in figures.items()
        if value and most[name] and value > most[name] * (1 + MEASUREMENT_ERROR)
    }
