"""What a time depends on besides the code: the machine that it was measured on, and the versions of what computed. Times of unlike machines are not
compared, and another version is said.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..hardware import detect, nvidia
from ..hardware.measure import THREAD_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = dict[str, Any]

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_MODULES = ("numpy", "torch", "tensorflow", "keras", "jax", "sklearn")


def machine(environ: Mapping[str, str] = os.environ) -> Row:
    """What a machine is, flat: processor, cores that may be used, memory in GiB, threads, devices. Not its name: two of a kind compare."""
    facts = detect.host_facts()
    found = {key: facts[key] for key in ("cpu", "physical_cores", "usable_cores", "machine", "virtual")}
    found["instruction_sets"] = " ".join(facts["instruction_sets"])
    found["memory_gib"] = round(facts["memory_bytes"] / 2**30)
    found["governor"] = _governor()
    found["threads"] = " ".join(f"{name}={environ[name]}" for name in THREAD_VARIABLES if environ.get(name)) or None
    found["gpus"] = "; ".join(_gpu(device) for device in nvidia.devices(environ)) or None
    return found


def _governor() -> str | None:
    try:
        return _GOVERNOR.read_text(encoding="utf-8").strip()
    except OSError:  # a virtual machine
        return None


def _gpu(device: Any) -> str:
    told = {key: device.details.get(key) for key in ("driver", "power_limit_mw", "max_sm_clock_mhz", "mig")}
    return ", ".join([device.name, *(f"{key} {value}" for key, value in told.items() if value is not None)])


def software() -> dict[str, str]:
    """Versions of Python and of the libraries that this process has imported."""
    loaded = {name: getattr(sys.modules.get(name), "__version__", None) for name in _MODULES}
    return {"python": platform.python_version(), **{name: str(known) for name, known in loaded.items() if known}}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What two fingerprints differ in, a line each: ``cpu: AMD EPYC / Intel Xeon``."""
    names = [*one, *(name for name in other if name not in one)]
    return [f"{name}: {_said(one, name)} / {_said(other, name)}" for name in names if one.get(name) != other.get(name)]


def _said(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    return "not told" if value is None else str(value)
