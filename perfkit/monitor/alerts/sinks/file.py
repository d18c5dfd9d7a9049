"""A file of JSON lines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from . import Down

#: A local file takes any number; this only bounds what a rule gone wild can write.
LINES_PER_MINUTE = 6000.0


class File:
    """Appends one JSON line per alert, whole or not at all; the folder is made if it is not there."""

    durable = True
    per_minute = LINES_PER_MINUTE

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = f"file {self.path}"

    def send(self, message: dict[str, Any]) -> None:
        """Append. Raises Down where the disk does not take it; then nothing of it is left in the file."""
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = _is_torn(self.path)
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
            try:
                _append(fd, b"\n" + data if torn else data)
            finally:
                os.close(fd)
        except OSError as error:
            raise Down(error.strerror or type(error).__name__) from error


def _is_torn(path: Path) -> bool:
    """Whether a writer before was killed in the middle of a line."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            return file.read(1) not in (b"", b"\n")
    except FileNotFoundError:
        return False


def _append(fd: int, data: bytes) -> None:
    size, done = os.fstat(fd).st_size, 0
    try:
        while done < len(data):
            done += os.write(fd, data[done:])
    except OSError:
        # Our own beginning of a line is taken back, unless somebody else has written behind it.
        if done and os.fstat(fd).st_size == size + done:
            os.ftruncate(fd, size)
        raise
