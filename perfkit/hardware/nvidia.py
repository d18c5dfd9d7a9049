"""NVIDIA devices through NVML: which of them the script can see, what they are, and what can be read from
each.

One reading that a device does not support must not lose the others, so every reading is asked for on its
own and remembered as unsupported by itself. The module is `pynvml` of the package nvidia-ml-py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import CollectorError
from ..model.records import Device

Handle = Any
#: Seen in containers without devices, beside indices and identifiers.
_NONE = {"", "-1", "NoDevFiles", "none", "void"}


@dataclass
class Gpu:
    """A visible device. `unsupported` says which readings it does not have, and why."""

    index: int  # as the script counts them
    handle: Handle
    mig: bool = False
    unsupported: dict[str, str] = field(default_factory=dict)


class Nvml:
    """An open connection to the driver. Raises CollectorError when there is no driver or no module."""

    def __init__(self, environ: Mapping[str, str] = os.environ, module: Any = None) -> None:
        self.api = module if module is not None else _module()
        try:
            self.api.nvmlInit()
        except self.api.NVMLError as error:
            raise CollectorError(f"no NVIDIA driver: {error}") from None
        try:
            self.gpus = self._visible(environ.get("CUDA_VISIBLE_DEVICES"))
        except self.api.NVMLError as error:
            self.close()
            raise CollectorError(f"the NVIDIA driver lists no devices: {error}") from None

    def close(self) -> None:
        """Disconnect."""
        try:
            self.api.nvmlShutdown()
        except self.api.NVMLError:
            return

    def read(self, gpu: Gpu, name: str) -> Any:
        """One reading of READINGS; None when it cannot be had now, or ever (then `gpu.unsupported` says
        why).
        """
        if name in gpu.unsupported:
            return None
        try:
            return READINGS[name](self.api, gpu.handle)
        except AttributeError:
            gpu.unsupported[name] = "this version of nvidia-ml-py does not offer it"
        except self.api.NVMLError as error:
            if not self._transient(error):
                gpu.unsupported[name] = str(error)
        return None

    def _transient(self, error: Exception) -> bool:
        lost = {getattr(self.api, name, None) for name in ("NVML_ERROR_TIMEOUT", "NVML_ERROR_UNKNOWN")}
        return getattr(error, "value", None) in lost - {None}

    # -- visibility
    # --------------------------------------------------------------------------------------------

    def _visible(self, setting: str | None) -> list[Gpu]:
        """The devices of CUDA_VISIBLE_DEVICES in its order: indices, or identifiers, which may be shortened.

        As for CUDA, the first entry that names no device ends the list.
        """
        physical = [self.api.nvmlDeviceGetHandleByIndex(i) for i in range(self.api.nvmlDeviceGetCount())]
        if setting is None:
            return [Gpu(index=i, handle=handle) for i, handle in enumerate(physical)]
        found: list[Gpu] = []
        for word in (part.strip() for part in setting.split(",")):
            named = self._named(word, physical)
            if named is None:
                break
            found.append(Gpu(index=len(found), handle=named[0], mig=named[1]))
        return found

    def _named(self, word: str, physical: list[Handle]) -> tuple[Handle, bool] | None:
        if word in _NONE:
            return None
        if word.isdigit():
            return (physical[int(word)], False) if int(word) < len(physical) else None
        if word.startswith("MIG-"):
            return next(((h, True) for h in self._instances(physical) if self._uuid(h).startswith(word)), None)
        return next(((h, False) for h in physical if self._uuid(h).startswith(word)), None)

    def _instances(self, physical: list[Handle]) -> list[Handle]:
        """The MIG instances of every device that is divided."""
        instances: list[Handle] = []
        for handle in physical:
            try:
                count = self.api.nvmlDeviceGetMaxMigDeviceCount(handle)
            except (self.api.NVMLError, AttributeError):
                continue
            for index in range(count):
                try:
                    instances.append(self.api.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))
                except self.api.NVMLError:
                    continue
        return instances

    def _uuid(self, handle: Handle) -> str:
        try:
            return _text(self.api.nvmlDeviceGetUUID(handle))
        except self.api.NVMLError:
            return ""

    # -- facts
    # -------------------------------------------------------------------------------------------------

    def device(self, gpu: Gpu) -> Device:
        """What a device is."""
        memory = self.read(gpu, "memory")
        return Device(
            name=_text(self.read(gpu, "name") or "NVIDIA GPU"),
            kind="cuda",
            index=gpu.index,
            memory_bytes=memory[1] if memory else None,
            uuid=self._uuid(gpu.handle) or None,
            details=self._details(gpu),
        )

    def _details(self, gpu: Gpu) -> dict[str, Any]:
        names = (
            "capability", "cuda_cores", "memory_bus_bits", "power_limit_mw", "max_sm_clock_mhz", "max_memory_clock_mhz",
            "persistence", "ecc",
        )  # fmt: skip
        details = {name: self.read(gpu, name) for name in names}
        details["driver"] = self._driver()
        details["mig"] = gpu.mig
        return {key: value for key, value in details.items() if value is not None}

    def _driver(self) -> str | None:
        try:
            return _text(self.api.nvmlSystemGetDriverVersion())
        except self.api.NVMLError:
            return None


def devices(environ: Mapping[str, str] = os.environ) -> list[Device]:
    """The visible NVIDIA devices; none when there is no driver (`Nvml` says why)."""
    try:
        nvml = Nvml(environ)
    except CollectorError:
        return []
    found = [nvml.device(gpu) for gpu in nvml.gpus]
    nvml.close()
    return found


def _utilisation(api: Any, handle: Handle) -> tuple[int, int]:
    rates = api.nvmlDeviceGetUtilizationRates(handle)
    return int(rates.gpu), int(rates.memory)


def _memory(api: Any, handle: Handle) -> tuple[int, int]:
    memory = api.nvmlDeviceGetMemoryInfo(handle)
    return int(memory.used), int(memory.total)


def _throttle(api: Any, handle: Handle) -> int:
    """Bits of nvmlClocksEventReasons; older drivers and modules have the older name."""
    newer = getattr(api, "nvmlDeviceGetCurrentClocksEventReasons", None)
    if newer is not None:
        try:
            return int(newer(handle))
        except api.NVMLError:
            pass
    return int(api.nvmlDeviceGetCurrentClocksThrottleReasons(handle))


#: name -> how it is read. Units are in the names of the samples (launch.nvml) and of Device.details.
READINGS: dict[str, Callable[[Any, Handle], Any]] = {
    "name": lambda api, h: api.nvmlDeviceGetName(h),
    "utilization": _utilisation,
    "memory": _memory,
    "power_mw": lambda api, h: int(api.nvmlDeviceGetPowerUsage(h)),
    "energy_mj": lambda api, h: int(api.nvmlDeviceGetTotalEnergyConsumption(h)),
    "sm_clock_mhz": lambda api, h: int(api.nvmlDeviceGetClockInfo(h, api.NVML_CLOCK_SM)),
    "memory_clock_mhz": lambda api, h: int(api.nvmlDeviceGetClockInfo(h, api.NVML_CLOCK_MEM)),
    "throttle": _throttle,
    "temperature_c": lambda api, h: int(api.nvmlDeviceGetTemperature(h, api.NVML_TEMPERATURE_GPU)),
    "capability": lambda api, h: list(api.nvmlDeviceGetCudaComputeCapability(h)),
    "power_limit_mw": lambda api, h: int(api.nvmlDeviceGetEnforcedPowerLimit(h)),
    "max_sm_clock_mhz": lambda api, h: int(api.nvmlDeviceGetMaxClockInfo(h, api.NVML_CLOCK_SM)),
    "max_memory_clock_mhz": lambda api, h: int(api.nvmlDeviceGetMaxClockInfo(h, api.NVML_CLOCK_MEM)),
    "cuda_cores": lambda api, h: int(api.nvmlDeviceGetNumGpuCores(h)),
    "memory_bus_bits": lambda api, h: int(api.nvmlDeviceGetMemoryBusWidth(h)),
    "persistence": lambda api, h: bool(api.nvmlDeviceGetPersistenceMode(h)),
    "ecc": lambda api, h: bool(api.nvmlDeviceGetEccMode(h)[0]),
}


def _module() -> Any:
    try:
        import pynvml
    except ImportError:
        raise CollectorError("the module pynvml is missing; install it with: pip install nvidia-ml-py") from None
    return pynvml


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
