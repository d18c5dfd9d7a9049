"""What this machine is: processors, memory, system. Facts only, each from where the system says it."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from ..model.records import Device
from . import cgroup

# Instruction sets that decide which CPU kernels a framework has: cpuinfo's name -> ours.
_SETS = {
    "avx2": "avx2", "avx512f": "avx512", "avx512_vnni": "avx512_vnni", "avx512_bf16": "avx512_bf16",
    "avx512_fp16": "avx512_fp16", "amx_tile": "amx", "amx_bf16": "amx_bf16", "amx_int8": "amx_int8",
    "asimd": "neon", "sve": "sve", "sve2": "sve2", "bf16": "bf16", "i8mm": "i8mm",
}  # fmt: skip


def host_facts() -> dict[str, Any]:
    """Facts of the host for run.json; a fact that cannot be had is null."""
    limits = cgroup.limits()
    return {
        "hostname": platform.node(),
        "os": f"{platform.system()} {platform.release()}",
        "distribution": _distribution(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "instruction_sets": instruction_sets(),
        "physical_cores": physical_cores(),
        "logical_cores": os.cpu_count(),
        "allowed_cores": allowed_cores(),
        "cgroup_cores": limits.cpus,
        "usable_cores": usable_cores(limits),
        "memory_bytes": memory_bytes(),
        "cgroup_memory_bytes": limits.memory_bytes,
        "cgroup_version": limits.version,
        "container": container(),
        "virtual": "hypervisor" in _cpuinfo_flags(),
        "clock_source": clock_source(),
    }


def cpu_device(facts: dict[str, Any]) -> Device:
    """The host's processors as a device."""
    return Device(
        name=str(facts["cpu"]),
        kind="cpu",
        memory_bytes=facts["memory_bytes"],
        details={key: facts[key] for key in ("physical_cores", "logical_cores", "usable_cores", "instruction_sets")},
    )


def cpu_model() -> str:
    """Model name, e.g. ``AMD EPYC 7763 64-Core Processor``."""
    text = _read("/proc/cpuinfo")
    for key in ("model name", "Model", "Hardware", "cpu model"):
        if found := re.search(rf"^{key}\s*:\s*(.+)$", text, re.MULTILINE):
            return found.group(1).strip()
    return platform.processor() or platform.machine()


def instruction_sets() -> list[str]:
    """Those that matter for numerical kernels, as the kernel lists them."""
    flags = _cpuinfo_flags()
    return [ours for theirs, ours in _SETS.items() if theirs in flags]


def physical_cores() -> int | None:
    """Cores without counting hyper-threads; None when the system does not say."""
    import psutil

    count: int | None = psutil.cpu_count(logical=False)
    return count


def allowed_cores() -> int:
    """Logical processors that this process may run on (affinity)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_cores(limits: cgroup.Limits | None = None) -> float:
    """Processors' worth of time that this process can get: affinity and control group together."""
    quota = (limits or cgroup.limits()).cpus
    return min(float(allowed_cores()), quota) if quota else float(allowed_cores())


def memory_bytes() -> int:
    """Physical memory."""
    import psutil

    return int(psutil.virtual_memory().total)


def container() -> str | None:
    """Which container we are in, as far as it can be told; None for none."""
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if Path("/.dockerenv").exists():
        return "docker"
    if Path("/run/.containerenv").exists():
        return "podman"
    if os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER"):
        return "apptainer"
    named = re.search(r"(docker|kubepods|lxc|containerd|libpod)", _read("/proc/1/cgroup"))
    return named.group(1) if named else None


def clock_source() -> str | None:
    """What the kernel takes its time from; ``tsc`` and ``kvm-clock`` are cheap to read, ``hpet`` is not."""
    return _read("/sys/devices/system/clocksource/clocksource0/current_clocksource").strip() or None


def _distribution() -> str | None:
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', _read("/etc/os-release"), re.MULTILINE)
    return found.group(1) if found else (platform.mac_ver()[0] or None if sys.platform == "darwin" else None)


def _cpuinfo_flags() -> frozenset[str]:
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return frozenset(found.group(1).split()) if found else frozenset()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
