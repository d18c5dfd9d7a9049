"""The history of a model: every metric as a series over one axis, and what happened beside it.

A series keeps, for each value, the step, the epoch and the time at which it was known, so that quality and performance can be
drawn and judged on the same axis. Names are canonical (`monitor.names`); reading also understands what people call them.
"""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..model.monitoring import Event, Point
from .names import canonical, close_to

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

UNKNOWN = -1  # of a step or an epoch


class Series:
    """One metric over time. Arrays have shape (n,), in the order in which the values came, and are copies."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._values, self._steps, self._epochs, self._times = array("d"), array("q"), array("q"), array("q")

    def append(self, value: float, *, step: int | None, epoch: int | None, time_ns: int) -> None:
        """One more value."""
        self._values.append(value)
        self._steps.append(UNKNOWN if step is None else step)
        self._epochs.append(UNKNOWN if epoch is None else epoch)
        self._times.append(time_ns)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def values(self) -> NDArray[np.float64]:
        """float64."""
        import numpy as np

        return np.array(self._values, dtype=np.float64)

    @property
    def steps(self) -> NDArray[np.int64]:
        """int64; UNKNOWN (-1) where a value belongs to no step."""
        import numpy as np

        return np.array(self._steps, dtype=np.int64)

    @property
    def epochs(self) -> NDArray[np.int64]:
        """int64; UNKNOWN (-1) where a value belongs to no epoch."""
        import numpy as np

        return np.array(self._epochs, dtype=np.int64)

    @property
    def times_ns(self) -> NDArray[np.int64]:
        """UTC, int64."""
        import numpy as np

        return np.array(self._times, dtype=np.int64)

    def __repr__(self) -> str:
        last = f", last {self._values[-1]:.6g}" if len(self) else ""
        return f"<Series {self.name}: {len(self)} values{last}>"


class History(Mapping[str, "NDArray[np.float64]"]):
    """Series by name. ``history["val/loss"]`` is the array of its values; ``history["val_loss"]`` is the same."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self.events: list[Event] = []

    # -- writing

    def add(
        self,
        values: Mapping[str, float],
        *,
        split: str = "train",
        step: int | None = None,
        epoch: int | None = None,
        time_ns: int | None = None,
    ) -> Point:
        """Add values that are known now; *split* is that of names without one. Returns them under their canonical names."""
        now = time.time_ns() if time_ns is None else time_ns
        named = {canonical(name, split): float(value) for name, value in values.items()}
        point = Point(values=named, time_ns=now, monotonic_ns=time.monotonic_ns(), step=step, epoch=epoch)
        self.add_point(point)
        return point

    def add_point(self, point: Point) -> None:
        """Add a point whose names are canonical."""
        for name, value in point.values.items():
            series = self._series.get(name)
            if series is None:
                series = self._series[name] = Series(name)
            series.append(value, step=point.step, epoch=point.epoch, time_ns=point.time_ns)

    # -- reading

    def series(self, name: str) -> Series:
        """The series that *name* means. Raises KeyError that names close matches."""
        for known in (name, canonical(name), canonical(name, "val")):
            if known in self._series:
                return self._series[known]
        near = close_to(canonical(name), self._series)
        hint = (
            f"did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"there are: {', '.join(self._series) or 'none yet'}"
        )
        raise KeyError(f"no metric {name!r}; {hint}")

    def last(self, name: str) -> float:
        """The newest value of a series. Raises KeyError."""
        return float(self.series(name).values[-1])

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self.series(name).values

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._series or canonical(name) in self._series)

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def to_frame(self) -> pl.DataFrame:
        """One row per value: name, value, step, epoch (null where unknown), time_ns (UTC)."""
        import polars as pl

        frames = [
            pl.DataFrame({
                "name": [s.name] * len(s), "value": s.values, "step": s.steps, "epoch": s.epochs, "time_ns": s.times_ns,
            })
            for s in self._series.values()
        ]  # fmt: skip
        if not frames:
            schema = {"name": pl.String, "value": pl.Float64, "step": pl.Int64, "epoch": pl.Int64, "time_ns": pl.Int64}
            return pl.DataFrame(schema=schema)
        return pl.concat(frames).with_columns(
            pl.when(pl.col(axis) != UNKNOWN).then(pl.col(axis)).alias(axis) for axis in ("step", "epoch")
        )

    def to_json(self) -> str:
        """The series as JSON: name → {values, steps, epochs, times_ns}. What is not finite becomes null."""
        return json.dumps({
            s.name: {
                "values": [v if v - v == 0 else None for v in s.values.tolist()], "steps": s.steps.tolist(),
                "epochs": s.epochs.tolist(), "times_ns": s.times_ns.tolist(),
            }
            for s in self._series.values()
        })  # fmt: skip

    def __repr__(self) -> str:
        return f"<History: {', '.join(f'{s.name} ({len(s)})' for s in self._series.values()) or 'empty'}>"
