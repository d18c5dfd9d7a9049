"""A line on stderr."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from ..message import printable

#: A terminal scrolls; more than this would hide what the script itself prints.
LINES_PER_MINUTE = 60.0
_COLOURS = {"critical": "31", "warning": "33", "info": "36"}


class Stderr:
    """One line per alert, coloured on a terminal only (and not where NO_COLOR is set)."""

    name = "stderr"
    durable = False  # the next process has another stderr
    per_minute = LINES_PER_MINUTE

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def send(self, message: dict[str, Any]) -> None:
        """Write the line, at once."""
        stream = self._stream or sys.stderr
        text = f"perfkit: {printable(str(message['text']))}"
        if stream.isatty() and not os.environ.get("NO_COLOR"):
            colour = "32" if message["state"] in ("resolved", "ok") else _COLOURS.get(message["severity"], "0")
            text = f"\x1b[{colour}m{text}\x1b[0m"
        stream.write(text + "\n")
        stream.flush()
