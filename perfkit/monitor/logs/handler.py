"""A `logging` handler: what a program logs is analysed as it is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import tzinfo

from .analysis import LogAnalysis
from .records import LogRecord


class MonitorHandler(logging.Handler):
    """``logging.getLogger().addHandler(MonitorHandler())``; then ``handler.analysis.history`` and ``.facts``.

    A record's own time and level are used, whatever the formats of other handlers. It raises nothing into the program: what cannot be
    formatted goes to `logging.Handler.handleError`.
    """

    def __init__(
        self,
        level: int = logging.NOTSET,
        *,
        on_record: Callable[[LogRecord], None] | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        super().__init__(level)
        self._now_ns = 0
        self.analysis = LogAnalysis(zone=zone, on_record=on_record, now_ns=lambda: self._now_ns)
        self.analysis.source("logging")

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record; its traceback is joined to it."""
        try:
            self._now_ns = int(record.created * 1e9)
            level = record.levelname if record.levelno >= logging.WARNING else "INFO"
            self.analysis.line(f"{level} {record.getMessage()}")
            if record.exc_info and record.exc_info[0] is not None:
                self.analysis.line(logging.Formatter().formatException(record.exc_info))
                self.analysis.settle()
        except Exception:
            self.handleError(record)
