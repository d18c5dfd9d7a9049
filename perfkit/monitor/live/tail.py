"""What has been added to a growing file since it was last looked at. Nothing here waits, and a file that is not there is empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...model import marks
from ...runs.reader import Run

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADER_BYTES = marks.HEADER_WORDS * marks.WORD_BYTES
_MARK_BYTES = marks.MARK_WORDS * marks.WORD_BYTES


class Lines:
    """New whole lines of a JSONL file, as objects; what cannot be read is passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        """In the order in which they were written."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [found for line in whole.splitlines() if (found := _object(line)) is not None]


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


class RankMarks:
    """New marks of the process that steps: of rank 0, or the lowest there is; after a restart, of its newest recording."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._folder: Path | None = None
        self._offset = _HEADER_BYTES
        #: How often another recording was begun since the first.
        self.restarts = 0
        #: When any rank last wrote (CLOCK_REALTIME, ns); 0 before.
        self.last_write_ns = 0

    def read(self) -> NDArray[np.int64]:
        """Shape (n, 4), in the order of the file (`model.marks`); a torn last mark is left for later."""
        self._look()
        if self._folder is None:
            return np.zeros((0, marks.MARK_WORDS), dtype=np.int64)
        try:
            with (self._folder / "marks.bin").open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            data = b""
        whole = len(data) // _MARK_BYTES * _MARK_BYTES
        self._offset += whole
        return np.frombuffer(data[:whole], dtype=np.int64).reshape(-1, marks.MARK_WORDS)

    def _look(self) -> None:
        """Which folder is the one, and when the ranks last wrote."""
        ranks = Run(self._run).ranks
        for rank in ranks:
            try:
                self.last_write_ns = max(self.last_write_ns, (rank.path / "marks.bin").stat().st_mtime_ns)
            except OSError:
                continue
        if not ranks:
            return
        lowest = ranks[0].rank
        newest = [rank.path for rank in ranks if rank.rank == lowest][-1]
        if newest != self._folder:
            self.restarts += self._folder is not None
            self._folder, self._offset = newest, _HEADER_BYTES


class Bytes:
    """New bytes of a file that is appended to, also after it was cut or replaced (rotated): then from its new beginning."""

    def __init__(self, path: Path, *, offset: int | None = None) -> None:
        self.path = path
        self._inode, size = _identity(path)
        self._offset = size if offset is None else offset

    def read(self, most: int = 1 << 20) -> bytes:
        """At most so many; empty where there is nothing new, or no file."""
        inode, size = _identity(self.path)
        if inode != self._inode or size < self._offset:
            self._inode, self._offset = inode, 0
        if size == self._offset:
            return b""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(most)
        except OSError:
            return b""
        self._offset += len(data)
        return data


def _identity(path: Path) -> tuple[int, int]:
    """Inode and size; (0, 0) for a file that is not there."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_ino, found.st_size
