"""What a processor can do at most, from its instruction sets: cores × clock × operations per clock (processors.toml). A theoretical limit,
to hold measured figures against: clocks sink under wide instructions, and no table says by how much.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

CPUS = Path("/sys/devices/system/cpu")
#: No processor that is sold clocks higher (Core i9-14900KS: 6.2 GHz). Where the system tells no clock, what would need more than this
#: cannot be.
MOST_HZ = 6.5e9


@dataclass(frozen=True, kw_only=True)
class InstructionSet:
    """What a core with it does in a clock."""

    name: str
    #: Format → operations, of the widest cores that have it, and of others.
    flop_per_cycle: dict[str, float]
    source: str
    narrow: dict[str, float] | None = None
    narrow_on: str = ""


@dataclass(frozen=True, kw_only=True)
class ProcessorLimit:
    """The most that the cores together can do."""

    cores: float
    #: None where the system does not tell its highest clock.
    clock_hz: float | None
    #: Format → operations per clock and core, and the instruction set that does them.
    flop_per_cycle: dict[str, float]
    sets: dict[str, str]

    def peak(self, dtype: str, *, cores: float | None = None) -> float | None:
        """FLOP/s in *dtype* of so many *cores* (default: all of them); None without a clock, or for a format that no set here has."""
        rate = self.flop_per_cycle.get(dtype)
        return rate * self.clock_hz * (cores or self.cores) if rate and self.clock_hz else None

    def surely(self, dtype: str, *, cores: float | None = None) -> float | None:
        """What it cannot exceed even where the clock is not told. A format that no set has is computed in fp32."""
        rate = self.flop_per_cycle.get(dtype) or self.flop_per_cycle.get("fp32")
        return rate * (self.clock_hz or MOST_HZ) * (cores or self.cores) if rate else None


def limit_of(host: Mapping[str, Any], *, cpus: Path = CPUS) -> ProcessorLimit | None:
    """Of the processor whose facts (`detect.host_facts`) are given; None where its instruction sets are not listed."""
    known = [found for found in instruction_sets() if found.name in (host.get("instruction_sets") or [])]
    rates: dict[str, float] = {}
    sets: dict[str, str] = {}
    for found in known:
        for dtype, rate in found.flop_per_cycle.items():
            if rate > rates.get(dtype, 0.0):
                rates[dtype], sets[dtype] = rate, found.name
    if not rates:
        return None
    return ProcessorLimit(cores=_cores(host), clock_hz=highest_clock_hz(cpus), flop_per_cycle=rates, sets=sets)


def _cores(host: Mapping[str, Any]) -> float:
    """Threads of one core share its units; a virtual machine may call cores what are threads, and the other way round."""
    usable = float(host.get("usable_cores") or 1)
    physical = None if host.get("virtual") else host.get("physical_cores")
    return min(usable, float(physical)) if physical else usable


def highest_clock_hz(cpus: Path = CPUS) -> float | None:
    """The highest clock that the system would set on any core; None where it does not say (virtual machines seldom do)."""
    told = []
    for file in cpus.glob("cpu[0-9]*/cpufreq/cpuinfo_max_freq"):
        try:
            told.append(float(file.read_text(encoding="ascii")) * 1e3)
        except (OSError, ValueError):
            continue
    return max(told, default=None)


@cache
def instruction_sets() -> tuple[InstructionSet, ...]:
    """Those that are listed."""
    text = Path(__file__).with_name("processors.toml").read_text(encoding="utf-8")
    return tuple(InstructionSet(**entry) for entry in tomllib.loads(text)["set"])
