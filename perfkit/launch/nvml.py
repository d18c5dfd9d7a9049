"""The device sampler: NVML from outside, only the devices that the script can see.

Lines of ``nvml.jsonl``; ``t`` is CLOCK_MONOTONIC in ns. A reading that a device does not have is absent::

    {"t", "d": [{"i": index as the script counts, "gpu": %, "mem": % of time the memory was read or written,
                 "used": bytes, "power": mW, "energy": mJ since the driver was loaded, "sm", "mc": MHz,
                 "why": bits of nvmlClocksEventReasons, "temp": degrees C}]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import CollectorError
from ..hardware.nvidia import Gpu, Nvml
from ..runs import layout
from .sampler import Sampler

# reading -> key of the line
_SINGLE = {
    "power_mw": "power",
    "energy_mj": "energy",
    "sm_clock_mhz": "sm",
    "memory_clock_mhz": "mc",
    "throttle": "why",
    "temperature_c": "temp",
}


class NvmlSampler(Sampler):
    """Samples the visible devices into nvml.jsonl of *run*."""

    name = "nvml"

    def __init__(self, run: Path, *, module: Any = None) -> None:
        super().__init__(run / layout.NVML_SAMPLES)
        self._module = module
        self._nvml: Nvml | None = None

    def open(self) -> None:
        """Connect to the driver; off with the reason when there is none, or no device may be used."""
        self._nvml = Nvml(module=self._module)
        if not self._nvml.gpus:
            self._nvml.close()
            raise CollectorError("no device is visible to the script (CUDA_VISIBLE_DEVICES)")

    def sample(self) -> dict[str, Any] | None:
        """One line with an entry per device."""
        assert self._nvml is not None
        return {"d": [self._device(self._nvml, gpu) for gpu in self._nvml.gpus]}

    def close(self) -> dict[str, Any] | None:
        """Disconnect."""
        if self._nvml is not None:
            self._nvml.close()
        return None

    def how(self) -> str:
        """For the report: how many devices, and what they do not tell."""
        gpus = self._nvml.gpus if self._nvml else []
        missing = sorted({name for gpu in gpus for name in gpu.unsupported})
        told = f"NVML, {len(gpus)} device{'s' if len(gpus) != 1 else ''}"
        return told + (f"; not supported here: {', '.join(missing)}" if missing else "")

    def _device(self, nvml: Nvml, gpu: Gpu) -> dict[str, Any]:
        line: dict[str, Any] = {"i": gpu.index}
        if (rates := nvml.read(gpu, "utilization")) is not None:
            line |= {"gpu": rates[0], "mem": rates[1]}
        if (memory := nvml.read(gpu, "memory")) is not None:
            line["used"] = memory[0]
        for reading, key in _SINGLE.items():
            if (value := nvml.read(gpu, reading)) is not None:
                line[key] = value
        return line
