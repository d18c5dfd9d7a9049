"""What this machine's devices can do at most beside what they reach, on a terminal; and the catalogue."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from . import columns, units
from .layout import Line, Page, clean, flow
from .units import share, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..hardware.catalog import DeviceSpec

Row = dict[str, Any]

MAX_WIDTH, MIN_WIDTH = 100, 60
UNKNOWN = "–"
NAMES = {
    "bandwidth": "memory", "h2d_pinned": "host → device, pinned", "h2d_pageable": "host → device, pageable",
    "launch_s": "start of a kernel",
}  # fmt: skip
#: Listed of accelerators, but never measured: they are in the document, and not among what is read at a glance.
UNMEASURED = {"fp4", "int8", "fp64"}
HEADINGS = ("", "at most", "measured", "of it", "")
#: Of the peaks that a list has room for; bf16 is as fast as fp16 wherever there is any.
LISTED = {"fp32": "fp32", "tf32": "tf32", "fp16": "16 bit", "fp8": "fp8"}
#: Reasons are told once each, and no more than so many.
MOST_REASONS = 4
RECALIBRATE = "perfkit hardware calibrate"


def show(document: Row, stream: IO[str], *, color: bool | None = None, width: int | None = None) -> None:
    """Print it to *stream*."""
    from .terminal import put_out

    put_out(lambda width: render(document, width=width), stream, color=color, width=width)


def render(document: Row, *, width: int = MAX_WIDTH) -> list[Line]:
    """The page as styled lines."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    host = document["host"]
    page.rule("perfkit hardware", f"{clean(host['cpu'])}, {_cores(host['usable_cores'])}, {size(host['memory_bytes'])}")
    tables = [(device, _rows(device)) for device in document["devices"]]
    widths = columns.widths([HEADINGS, *(row for _, rows in tables for row, _ in rows)], page.width)
    for device, rows in tables:
        page.add((_title(device), "bold"), (f"  {_listed(device['listed'])}", "dim"))
        page.add((columns.line(HEADINGS, widths).rstrip(), "dim"))
        for cells, style in rows:
            page.add((columns.line(cells, widths).rstrip(), style))
        page.blank()
    _around(document, page)
    _reasons(document, page)
    page.add(("next    ", "bold"), (_next(document), ""))
    return page.lines


def _cores(count: float) -> str:
    return f"{count:g} core{'s' * (count != 1)}"


def _title(device: Row) -> str:
    count = f"{device['count']} × " if device["count"] > 1 else ""
    memory = f", {size(device['memory_bytes'])}" if device["memory_bytes"] else ""
    return count + clean(device["name"]) + (memory if device["kind"] != "cpu" else "")


def _listed(listed: Row | None) -> str:
    if listed is None:
        return "not listed"
    if "sets" in listed:  # a processor
        clock = f" at {listed['clock_hz'] / 1e9:.2f} GHz" if listed["clock_hz"] else ", clock not told"
        return ", ".join(dict.fromkeys(listed["sets"].values())) + clock
    return "estimated from its clocks and units" if listed["estimated"] else f"listed as {clean(listed['name'])}"


def _rows(device: Row) -> list[tuple[tuple[str, ...], str]]:
    """Cells and style of each figure that a person wants to see."""
    accelerator = device["kind"] != "cpu"
    shown = [
        row for row in device["figures"] if not (accelerator and row["name"] in UNMEASURED and row["measured"] is None)
    ]
    return [(_cells(row), "yellow" if "suspect" in row else "") for row in shown]


def _cells(row: Row) -> tuple[str, ...]:
    return (
        f"  {NAMES.get(row['name'], row['name'])}",
        _rate(row["at_most"], row["unit"]),
        _rate(row["measured"], row["unit"]),
        share(row["share"]) if "share" in row else "",
        _remark(row),
    )


def _rate(value: float | None, unit: str) -> str:
    """``66.9 TFLOP/s``, ``3.35 TB/s``, ``4.6 µs``."""
    if value is None:
        return UNKNOWN
    return units.seconds(value) if unit == "s" else units.count(value) + unit


def _remark(row: Row) -> str:
    if "suspect" in row:
        return "cannot be: above what it can do"
    return f"one thread {_rate(row['one_thread'], row['unit'])}" if "one_thread" in row else ""


def _around(document: Row, page: Page) -> None:
    """The host's own speed, a loader's and the disk's; and when all of it was measured."""
    calibration = document["calibration"]
    if calibration is None:
        return
    speed, loader, disk = document["host_speed"], document["loader"], document["disk"]
    told = [
        f"a loop of {_rate(speed['interpreter_s'], 's')}",
        f"a small operator of torch {_rate(speed['dispatch_s'], 's')}",
    ]
    if speed["crowded"]:
        told.append(f"beside busy cores {speed['crowded']['interpreter']:.2g}× as long")
    page.add(("Python  ", "bold"), (", ".join(told), ""))
    page.add(
        ("loader  ", "bold"),
        (f"{loader['what'] or 'a sample'} decoded in {_rate(loader['decode_s'], 's')} on a core", ""),
    )
    page.add(("disk    ", "bold"), (f"{_rate(disk['read_bytes_per_s'], 'B/s')} read", ""))
    busy = "" if calibration["host"].get("quiet", True) else "; others were at work, so it can do more"
    page.add(("measured ", "dim"), (f"{clean(calibration['measured'][:16].replace('T', ' '))} UTC{busy}", "dim"))


def _reasons(document: Row, page: Page) -> None:
    """Why figures are missing, each reason once. That a table lacks a figure is no news."""
    why = document["unavailable"]
    told = dict.fromkeys(
        reason
        for path, reason in why.items()
        if path.endswith((".measured", ".decode_s", ".dispatch_s", "_per_s", ".listed"))
    )
    for reason in list(told)[:MOST_REASONS]:
        page.paragraph(clean(reason), lead="–", indent=2, style="dim")


def _next(document: Row) -> str:
    return "perfkit profile SCRIPT" if document["calibration"] else RECALIBRATE


# --- the catalogue


def show_catalogue(
    specs: Sequence[DeviceSpec], stream: IO[str], *, color: bool | None = None, width: int | None = None
) -> None:
    """Print the catalogue to *stream*, a line each."""
    from .terminal import put_out

    put_out(lambda width: catalogue(specs, width=width), stream, color=color, width=width)


def catalogue(specs: Sequence[DeviceSpec], *, width: int = MAX_WIDTH) -> list[Line]:
    """Every entry: memory, bandwidth, dense peaks in TFLOP/s, power, and what it may be called."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    head = ("device", "memory", "bandwidth", *LISTED.values(), "power", "short")
    rows = [
        (
            spec.name,
            size(spec.memory_bytes) if spec.memory_bytes else UNKNOWN,
            _rate(spec.bandwidth, "B/s"),
            *(_tera(spec.matrix_peak(dtype)) for dtype in LISTED),
            f"{spec.power_w:g} W" if spec.power_w else UNKNOWN,
            spec.short[0] if spec.short else "",
        )
        for spec in specs
    ]
    widths = columns.widths([head, *rows], page.width)
    page.add((columns.line(head, widths).rstrip(), "bold"))
    for row in rows:
        page.add((columns.line(row, widths).rstrip(), ""))
    page.add((f"{len(rows)} devices; peaks are dense, in TFLOP/s", "dim"))
    page.add(("next    ", "bold"), ("perfkit hardware list DEVICE, for every figure with its source", ""))
    return page.lines


def _tera(value: float | None) -> str:
    return units.digits(value / 1e12, 3) if value else UNKNOWN


def show_entry(spec: DeviceSpec, stream: IO[str], *, color: bool | None = None, width: int | None = None) -> None:
    """Print one entry to *stream*: every figure with its source."""
    from .terminal import put_out

    put_out(lambda width: entry(spec, width=width), stream, color=color, width=width)


def entry(spec: DeviceSpec, *, width: int = MAX_WIDTH) -> list[Line]:
    """Every figure of an entry, those of one source together."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    page.rule(clean(spec.name), ", ".join(spec.short))
    by_source: dict[str, list[str]] = {}
    for key, text in _figures_of(spec):
        source = (
            spec.source.get(key) or spec.source.get("peaks" if key in spec.peak_flops else "") or spec.source["default"]
        )
        by_source.setdefault(source, []).append(text)
    for source, figures in by_source.items():
        for pieces in flow([[(text, "")] for text in figures], page.width, " · "):
            page.add(*pieces)
        page.paragraph(clean(source), indent=4, style="dim")
    page.add(("next    ", "bold"), ("perfkit hardware", ""))
    return page.lines


def _figures_of(spec: DeviceSpec) -> list[tuple[str, str]]:
    found = [
        (dtype, f"{dtype} {_rate(peak, 'FLOP/s' if dtype != 'int8' else 'OP/s')}")
        for dtype, peak in spec.peak_flops.items()
    ]
    found.append(("bandwidth", f"bandwidth {_rate(spec.bandwidth, 'B/s')}"))
    found += [(key, f"{name} {size(value)}") for key, name, value in _sizes(spec) if value]
    more = {
        "multiprocessors": ("multiprocessors", ""),
        "boost_mhz": ("clock", " MHz"),
        "plain_boost_mhz": ("clock without matrix units", " MHz"),
        "power_w": ("power", " W"),
    }
    found += [(key, f"{name} {getattr(spec, key):g}{unit}") for key, (name, unit) in more.items() if getattr(spec, key)]
    return found


def _sizes(spec: DeviceSpec) -> tuple[tuple[str, str, int | None], ...]:
    return ("memory_bytes", "memory", spec.memory_bytes), ("l2_bytes", "second-level cache", spec.l2_bytes)
