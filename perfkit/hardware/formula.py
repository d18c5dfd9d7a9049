"""What a device can do at most where the catalogue does not list it: estimated from the device's own properties, and labelled so.

Peak = multiprocessors × operations per clock of its compute capability × highest clock; bandwidth = bus width × memory clock, two transfers
per clock. With the clocks that makers rate their devices at this meets the catalogue's 16-bit peaks to 1 % and its bandwidths to 3 %. A
driver tells the highest clock that it would ever set: 8 % more than that on an H100, a fifth to a quarter more on GeForce and RTX cards. So the
estimate is an upper limit, never below what the device can do. Devices whose maker holds them back (H20, L40, A10G) do less than it
says; they are in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.records import Device
from .catalog import DeviceSpec, match

#: Compute capability → format → dense operations per clock and multiprocessor: the architecture whitepapers of V100, Turing, A100, GA102,
#: Ada, H100 and RTX Blackwell; of 10.0 what the published peaks of the B200 come to.
PER_CLOCK: dict[str, dict[str, int]] = {
    "7.0": {"fp64": 64, "fp32": 128, "fp16": 1024},
    "7.5": {"fp32": 128, "fp16": 1024, "int8": 2048},
    "8.0": {"fp64": 64, "fp64_matrix": 128, "fp32": 128, "tf32": 1024, "bf16": 2048, "fp16": 2048, "int8": 4096},
    "8.6": {"fp32": 256, "tf32": 512, "bf16": 1024, "fp16": 1024, "int8": 2048},
    "8.9": {"fp32": 256, "tf32": 512, "bf16": 1024, "fp16": 1024, "fp8": 2048, "int8": 2048},
    "9.0": {
        "fp64": 128, "fp64_matrix": 256, "fp32": 256, "tf32": 2048, "bf16": 4096, "fp16": 4096, "fp8": 8192, "int8": 8192,
    },
    "10.0": {"fp64": 128, "fp32": 256, "tf32": 4096, "bf16": 8192, "fp16": 8192, "fp8": 16384, "fp4": 32768, "int8": 16384},
    "12.0": {"fp32": 256, "tf32": 512, "bf16": 1024, "fp16": 1024, "fp8": 2048, "fp4": 4096, "int8": 2048},
}  # fmt: skip
#: Cores per multiprocessor: drivers count cores.
CORES = {"7.0": 64, "7.5": 64, "8.0": 64, "8.6": 128, "8.9": 128, "9.0": 128, "10.0": 128, "12.0": 128}
#: GeForce cards add up in fp32 at half of the rate.
HALVED = {"tf32", "bf16", "fp16", "fp8"}
SOURCE = "formula: multiprocessors × operations per clock (capability {capability}) × highest clock; bus width × memory clock"


def spec_of(device: Device) -> DeviceSpec | None:
    """The catalogue's entry of *device*, else an estimate from what was recorded of it; None where neither can be had."""
    listed = match(device.name)
    if listed is None:
        return estimate(device)
    counted = multiprocessors(device.details)
    # A part of a device may have the name of the whole: AMD's partitions.
    return None if counted and listed.multiprocessors and counted != listed.multiprocessors else listed


def estimate(device: Device) -> DeviceSpec | None:
    """From compute capability, multiprocessors, clocks and bus width; None where one is not told, or of a part of a device."""
    details = device.details
    kind, units = capability(details), multiprocessors(details)
    clock, memory_clock, bits = (
        details.get(key) for key in ("max_sm_clock_mhz", "max_memory_clock_mhz", "memory_bus_bits")
    )
    if kind not in PER_CLOCK or not (units and clock and memory_clock and bits) or details.get("mig"):
        return None
    geforce = "geforce" in device.name.lower()
    per_clock = {dtype: rate / 2 if geforce and dtype in HALVED else rate for dtype, rate in PER_CLOCK[kind].items()}
    return DeviceSpec(
        name=device.name,
        peak_flops={dtype: units * rate * clock * 1e6 for dtype, rate in per_clock.items()},
        bandwidth=bits / 8 * 2 * memory_clock * 1e6,
        memory_bytes=device.memory_bytes,
        multiprocessors=units,
        boost_mhz=clock,
        power_w=details["power_limit_mw"] / 1000 if details.get("power_limit_mw") else None,
        capability=kind,
        source={"default": SOURCE.format(capability=kind), "memory_bytes": "the driver", "power_w": "the driver"},
        estimated=True,
    )


def capability(details: Mapping[str, Any]) -> str:
    """``8.9``, from a pair of numbers or from a text; empty where it is not told."""
    told = details.get("capability") or ""
    return told if isinstance(told, str) else ".".join(str(part) for part in told)


def multiprocessors(details: Mapping[str, Any]) -> int | None:
    """Counted by the framework, else from the driver's number of cores."""
    told, cores, each = details.get("multiprocessors"), details.get("cuda_cores"), CORES.get(capability(details))
    if told:
        return int(told)
    return int(cores) // each if cores and each else None
