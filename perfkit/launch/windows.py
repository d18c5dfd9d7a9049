"""What a growing run tells its supervisor: who steps, and whether a trace window is open."""

from __future__ import annotations

import os
import time
from array import array
from pathlib import Path

from ..model import marks
from ..runs import layout
from ..runs.reader import read_jsonl

# A trace window is a few steps long; its marks lie well within this many bytes of the end.
_TAIL_BYTES = 256 * 1024


def rank_folders(run: Path) -> list[Path]:
    """Folders of the processes that step."""
    try:
        names = sorted(entry.name for entry in os.scandir(run) if entry.name.startswith(layout.RANK_PREFIX))
    except OSError:
        return []
    return [run / name for name in names]


def last_trace(run: Path) -> tuple[str | None, float]:
    """State of the window that a rank noted last (closed, failed, barred, cut short), and its age in
    seconds.
    """
    facts = (line for rank in rank_folders(run) for line in read_jsonl(rank / layout.FACTS))
    notes = [line for line in facts if line.get("fact") == "window"]
    if not notes:
        return None, 0.0
    last = max(notes, key=lambda note: int(note.get("t", 0)))
    return str(last.get("state")), (time.monotonic_ns() - int(last.get("t", 0))) / 1e9


def trace_is_open(run: Path) -> bool:
    """Whether a rank has a trace window open at this moment, by its marks."""
    return any(_open_in(rank / layout.MARKS) for rank in rank_folders(run))


def _open_in(path: Path) -> bool:
    for kind in reversed(_tail_kinds(path)):
        if kind == marks.WINDOW_STOP_EXIT:
            return False
        if kind in {marks.WINDOW_START_ENTER, marks.WINDOW_START_EXIT, marks.WINDOW_STOP_ENTER}:
            return True
    return False


def _tail_kinds(path: Path) -> list[int]:
    """Kinds of the last marks, oldest first."""
    mark_bytes = marks.MARK_WORDS * marks.WORD_BYTES
    header_bytes = marks.HEADER_WORDS * marks.WORD_BYTES
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            count = min(_TAIL_BYTES, max(0, size - header_bytes)) // mark_bytes
            whole = (size - header_bytes) // mark_bytes
            file.seek(header_bytes + (whole - count) * mark_bytes)
            words = array("q", file.read(count * mark_bytes))
    except (OSError, ValueError):
        return []
    return [word & 0xFF for word in words[1 :: marks.MARK_WORDS]]
