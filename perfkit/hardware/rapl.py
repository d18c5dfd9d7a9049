"""Energy of the processor packages, where the kernel offers it and lets us read it (powercap, "RAPL")."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CollectorError

POWERCAP = Path("/sys/class/powercap")


@dataclass
class Rapl:
    """The packages' counters as one that only grows. Raises CollectorError with the reason when there are
    none.
    """

    root: Path = POWERCAP
    _zones: list[Path] = field(default_factory=list)
    _last: dict[Path, int] = field(default_factory=dict)
    _range: dict[Path, int] = field(default_factory=dict)
    _joules: float = 0.0

    def __post_init__(self) -> None:
        # Packages are intel-rapl:N (AMD's driver has the same name); intel-rapl:N:M are parts of them.
        self._zones = sorted(p for p in self.root.glob("intel-rapl:*") if p.name.count(":") == 1)
        if not self._zones:
            raise CollectorError(f"no energy counter of the processor in {self.root} (a virtual machine, or no driver)")
        try:
            for zone in self._zones:
                self._last[zone] = _number(zone / "energy_uj")
                self._range[zone] = _number(zone / "max_energy_range_uj")
        except PermissionError:
            where = f"{self._zones[0]}/energy_uj"
            raise CollectorError(f"{where} is readable by root only; allow it with: chmod a+r {where}") from None
        except (OSError, ValueError) as error:
            raise CollectorError(f"the processor's energy counter cannot be read: {error}") from None

    def joules(self) -> float:
        """Joules of all packages since this object was made. The counters wrap around; call it once a
        minute at least.
        """
        for zone in self._zones:
            now = _number(zone / "energy_uj")
            self._joules += ((now - self._last[zone]) % (self._range[zone] + 1)) / 1e6
            self._last[zone] = now
        return self._joules


def _number(file: Path) -> int:
    return int(file.read_text(encoding="ascii"))
