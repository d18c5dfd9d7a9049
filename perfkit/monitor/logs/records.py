"""What the analysis of logs hands out: one frozen record per thing that a line says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

#: "param": settings and the model's facts. "train": metrics while the model is fitted or evaluated. "predict": requests and their
#: latency. "runtime": warnings, errors, tracebacks, checkpoints, devices: what happened to the process.
RecordKind = Literal["param", "train", "predict", "runtime"]
#: What a line was taken for. "blank" lines (empty, rulers) count neither as understood nor as not understood.
LineClass = Literal["metric", "param", "predict", "runtime", "progress", "duplicate", "blank", "unknown"]
LINE_CLASSES: tuple[LineClass, ...] = (
    "metric", "param", "predict", "runtime", "progress", "duplicate", "blank", "unknown",
)  # fmt: skip

#: Longest text that a record keeps; the rest of a line is found again by its number.
MAX_TEXT = 500


@dataclass(frozen=True, kw_only=True)
class LogRecord:
    """What one line (or one joined traceback) says."""

    kind: RecordKind
    #: UTC, from the line's own time stamp or the last one above it; None where the log has none.
    time_ns: int | None
    #: Of the line in its source, from 1: the way back to what was written.
    line: int
    source: str
    #: Of the template that the line is an instance of (`templates`); the same text with other numbers has the same.
    template: int
    #: Metrics by canonical name; parameters by their own name.
    values: dict[str, float | str] = field(default_factory=dict)
    text: str = ""
    step: int | None = None
    epoch: int | None = None
    #: "debug", "info", "warning", "error" or "critical".
    level: str = "info"
    #: Of a runtime record what happened: "traceback", "checkpoint", "device" …; "" where only the level is known.
    event: str = ""
