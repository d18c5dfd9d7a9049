"""Joins a Python traceback, which is many lines, into one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .records import MAX_TEXT

START = "Traceback (most recent call last):"
_LAST = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:: ?(.*))?$", re.DOTALL)
_CHAIN = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
#: What is kept of one; a deep recursion's is longer, and its middle says nothing.
MAX_LINES = 100


@dataclass
class Traceback:
    """One, joined. ``exception`` is "" where it was torn before it named one."""

    line: int
    exception: str = ""
    message: str = ""
    #: Its lines, at most `MAX_LINES`; ``length`` is how many there were.
    lines: list[str] = field(default_factory=list)
    length: int = 0
    #: Exceptions that led to it, oldest first.
    causes: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        """Its innermost place, ``train.py:12``; "" if it has none."""
        for text in reversed(self.lines):
            found = re.match(r'\s*[|+]?\s*File "([^"]+)", line (\d+)', text)
            if found:
                return f"{found[1].rpartition('/')[2]}:{found[2]}"
        return ""


class Joiner:
    """Takes lines; ``open`` while it is in a traceback."""

    def __init__(self) -> None:
        self._open: Traceback | None = None
        self._prefix = ""
        self._ended = False
        self._blank = False
        self._chained = False

    @property
    def open(self) -> bool:
        """Whether the next line may belong to a traceback."""
        return self._open is not None

    def begin(self, text: str, line: int) -> None:
        """*text* holds `START`; what stands before it (a rank, a stamp) is taken off the lines below too."""
        self._prefix = text[: text.find(START)]
        self._open = Traceback(line=line)
        self._ended = self._blank = self._chained = False
        self._keep(START)

    def take(self, text: str) -> tuple[bool, Traceback | None]:
        """Whether *text* belongs to the traceback, and the traceback where it is now over."""
        trace = self._open
        if trace is None:
            return False, None
        body = text[len(self._prefix) :] if self._prefix and text.startswith(self._prefix) else text
        if self._ended:
            return self._behind(body)
        if not body.strip() or body[0] in " \t|+":
            self._keep(body)
            return True, None
        last = _LAST.match(body)
        if last:
            trace.exception, trace.message = last[1].rpartition(".")[2], (last[2] or "")[:MAX_TEXT]
            self._ended = True
            self._keep(body)
            return True, None
        return False, self.close()

    def _behind(self, body: str) -> tuple[bool, Traceback | None]:
        """A line behind the exception's: a chain goes on with an empty line and a sentence; else it was the end."""
        trace = self._open
        if trace is None:
            return False, None
        text = body.strip()
        if text in _CHAIN:
            trace.causes.append(f"{trace.exception}: {trace.message}"[:MAX_TEXT])
            del trace.causes[:-10]
            self._chained = True
        elif text.startswith(START) and self._chained:
            trace.exception = trace.message = ""
            self._ended = self._chained = self._blank = False
        elif not text and (self._chained or not self._blank):
            self._blank = True
            return True, None
        elif text and body[0] in " \t" and not self._blank:  # the message goes on
            trace.message = f"{trace.message} {text}"[:MAX_TEXT]
        else:
            return False, self.close()
        self._keep(body)
        return True, None

    def close(self) -> Traceback | None:
        """The traceback as far as it came."""
        done, self._open = self._open, None
        return done

    def _keep(self, text: str) -> None:
        trace = self._open
        if trace is None:
            return
        trace.length += 1
        trace.lines.append(text[:500])
        if len(trace.lines) > MAX_LINES:  # the first and the newest frames
            del trace.lines[MAX_LINES // 2]
