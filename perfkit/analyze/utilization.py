"""How busy processors, devices and storage were between two moments, and what that cost in energy."""

from __future__ import annotations

from typing import Any

from ..runs import layout
from ..runs.reader import Run
from .samples import Line, growth, integral, mean_within

# Bits of nvmlClocksEventReasons (nvml.h) that mean a device ran slower than it could; idle and application
# clocks do not.
THROTTLE = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal limit",
    0x40: "hardware thermal limit",
    0x80: "power brake",
}


def utilization(run: Run, start_ns: int, end_ns: int) -> dict[str, Any]:
    """Figures of the interval (CLOCK_MONOTONIC, normally the steady steps); null where not measured.

    ``cpu_percent`` is of one core (250 = two and a half cores busy), ``machine_percent`` of all that the
    process may use, ``others_cores`` what everybody else on the machine used. ``roles`` gives cores by
    role. The reasons for what is null are in ``unavailable``.
    """
    host, devices = run.jsonl(layout.HOST_SAMPLES), run.jsonl(layout.NVML_SAMPLES)
    made = _processors(run, host, start_ns, end_ns)
    made |= _storage(host, start_ns, end_ns)
    made["devices"] = [_device(devices, index, start_ns, end_ns) for index in _indices(devices)]
    busy = [device["gpu_percent"] for device in made["devices"] if device["gpu_percent"] is not None]
    made["gpu_percent"] = sum(busy) / len(busy) if busy else None
    made["unavailable"] = _reasons(run, made)
    return made


def energy(run: Run, start_ns: int, end_ns: int, steps: int) -> dict[str, Any]:
    """``{"joules_per_step", "gpu_joules_per_step", "cpu_joules_per_step", "watts", "how", "reason"}``.

    The devices' part comes from their energy counters, else from their power over time; the processors' part
    from RAPL, which counts the whole package, other people's work included.
    """
    host, devices = run.jsonl(layout.HOST_SAMPLES), run.jsonl(layout.NVML_SAMPLES)
    gpu, gpu_how = _device_joules(devices, start_ns, end_ns)
    cpu = growth(host, "joules", start_ns, end_ns)
    known = [part for part in (gpu, cpu) if part is not None]
    total = sum(known) if known else None
    seconds = (end_ns - start_ns) / 1e9
    how = "; ".join([*([gpu_how] if gpu is not None else []), *(["RAPL of the packages"] if cpu is not None else [])])
    return {
        "joules_per_step": _per(total, steps),
        "gpu_joules_per_step": _per(gpu, steps),
        "cpu_joules_per_step": _per(cpu, steps),
        "watts": total / seconds if total is not None and seconds > 0 else None,
        "how": how or None,
        "reason": None if known else _no_energy(run),
    }


def _processors(run: Run, host: list[dict[str, Any]], start_ns: int, end_ns: int) -> dict[str, Any]:
    wall_ns = end_ns - start_ns
    own, busy = growth(host, "cpu", start_ns, end_ns), growth(host, "busy", start_ns, end_ns)
    total = growth(host, "total", start_ns, end_ns)
    cores = own / wall_ns if own is not None else None
    usable = run.info.host.get("usable_cores")
    return {
        "cpu_percent": None if cores is None else 100 * cores,
        "cores_used": cores,
        "usable_cores": usable,
        "machine_percent": 100 * cores / usable if cores is not None and usable else None,
        "machine_busy_percent": 100 * busy / total if busy is not None and total else None,
        "others_cores": max(0.0, (busy - own) / wall_ns) if busy is not None and own is not None else None,
        "roles": _roles(host, start_ns, end_ns),
        "load": mean_within(host, "load", start_ns, end_ns),
        "processes": max((int(s["n"]) for s in host if "n" in s and start_ns <= s["t"] <= end_ns), default=None),
    }


def _roles(host: list[dict[str, Any]], start_ns: int, end_ns: int) -> dict[str, float]:
    """Role → cores busy. A process that lived for a part of the interval counts for that part."""
    counters: dict[tuple[int, str], list[Line]] = {}
    before = None
    for line in (line for line in host if "p" in line):
        for pid, role, cpu_ns, _rss, _high in line["p"]:
            # A new process began with nothing, some time after the sample before it.
            start: list[Line] = [{"t": before, "cpu": 0}] if before is not None else []
            counters.setdefault((pid, role), start).append({"t": line["t"], "cpu": cpu_ns})
        before = line["t"]
    cores: dict[str, float] = {}
    for (_pid, role), lines in counters.items():
        low, high = max(start_ns, lines[0]["t"]), min(end_ns, lines[-1]["t"])
        used = growth(lines, "cpu", low, high) if high > low else None
        if used is not None:
            cores[role] = cores.get(role, 0.0) + used / (end_ns - start_ns)
    return cores


def _storage(host: list[dict[str, Any]], start_ns: int, end_ns: int) -> dict[str, Any]:
    seconds = max((end_ns - start_ns) / 1e9, 1e-9)
    read, written = growth(host, "rd", start_ns, end_ns), growth(host, "wr", start_ns, end_ns)
    return {
        "read_bytes_per_s": None if read is None else max(0.0, read) / seconds,
        "write_bytes_per_s": None if written is None else max(0.0, written) / seconds,
    }


def _indices(lines: list[dict[str, Any]]) -> list[int]:
    return sorted({int(entry["i"]) for line in lines for entry in line.get("d", ())})


def _of_device(lines: list[dict[str, Any]], index: int) -> list[Line]:
    return [{**entry, "t": line["t"]} for line in lines for entry in line.get("d", ()) if entry["i"] == index]


def _device(lines: list[dict[str, Any]], index: int, start_ns: int, end_ns: int) -> dict[str, Any]:
    own = _of_device(lines, index)
    inside = [line for line in own if start_ns <= line["t"] <= end_ns]
    power = mean_within(own, "power", start_ns, end_ns)
    return {
        "index": index,
        "gpu_percent": mean_within(own, "gpu", start_ns, end_ns),
        "memory_percent": mean_within(own, "mem", start_ns, end_ns),
        "used_bytes": max((int(line["used"]) for line in inside if "used" in line), default=None),
        "power_w": None if power is None else power / 1000,
        "sm_clock_mhz": mean_within(own, "sm", start_ns, end_ns),
        "memory_clock_mhz": mean_within(own, "mc", start_ns, end_ns),
        "temperature_c": mean_within(own, "temp", start_ns, end_ns),
        "throttled": _throttled(inside),
    }


def _throttled(lines: list[Line]) -> dict[str, float]:
    """Reason → share of the samples in which it held the clocks down."""
    known = [int(line["why"]) for line in lines if "why" in line]
    shares = {name: sum(bool(bits & bit) for bits in known) / len(known) for bit, name in THROTTLE.items() if known}
    return {name: share for name, share in shares.items() if share > 0}


def _device_joules(lines: list[dict[str, Any]], start_ns: int, end_ns: int) -> tuple[float | None, str]:
    total, hows = 0.0, set()
    for index in _indices(lines):
        own = _of_device(lines, index)
        counted = growth(own, "energy", start_ns, end_ns)
        by_power = integral(own, "power", start_ns, end_ns) if counted is None else None
        if counted is None and by_power is None:
            return None, ""  # a sum over some of the devices would look like the whole
        hows.add("NVML's energy counter" if counted is not None else "NVML's power over time")
        total += (counted if counted is not None else by_power or 0.0) / 1000
    return (total, " and ".join(sorted(hows))) if hows else (None, "")


def _per(joules: float | None, steps: int) -> float | None:
    return joules / steps if joules is not None and steps > 0 else None


def _reasons(run: Run, made: dict[str, Any]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    if made["gpu_percent"] is None:
        reasons["gpu_percent"] = _collector(run, "nvml") or "no sample in the interval"
    host_keys = ("cpu_percent", "cores_used", "machine_percent", "machine_busy_percent", "read_bytes_per_s")
    for key in (*host_keys, "write_bytes_per_s", "others_cores", "load", "processes"):
        if made[key] is None:
            reasons[key] = _collector(run, "host") or "the interval is not covered by samples"
    return reasons


def _no_energy(run: Run) -> str:
    device = _collector(run, "nvml") or "the devices report neither energy nor power"
    processor = _collector(run, "rapl") or "no energy counter of the processor was sampled"
    return f"{device}; {processor}"


def _collector(run: Run, name: str) -> str | None:
    """Why a collector did not work; None when it did, or is not known."""
    for collector in run.info.collectors:
        if collector.name == name and collector.state != "on":
            return collector.reason
    return None
