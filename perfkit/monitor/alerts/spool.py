"""What a sink has not had yet, in order; on disk, so that a killed process's alerts are delivered by the next one.

One file per sink, append-only while anything is in it, one JSON line per thing: ``{"id": …, "alert": {…}}`` for an alert, ``{"done": id}``
when it is delivered, ``{"dropped": n}`` when so many were given up because of the bound. It is emptied when all is delivered. A line that
cannot be read (torn by a kill) is passed over. A process that holds the spool holds a lock on it; another one keeps its own in memory.

An alert is in the page cache when `put` returns, which survives the end of the process; `sync` is for a machine that stops.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Alerts that are kept for a sink that is down: a week of one every ten minutes, and about 1 MB.
MOST_WAITING = 1000
#: With more than this of delivered alerts in it, the file is written anew.
LARGEST_BYTES = 4 * 1024 * 1024


@dataclass
class Entry:
    """An alert that waits."""

    message: dict[str, Any]
    #: Whether it is in the file.
    is_saved: bool = False


class Spool:
    """The queue of one sink. It never raises: ``failure`` says why the disk does not keep it; then memory does. Not thread-safe."""

    def __init__(self, path: Path | None, *, most: int = MOST_WAITING, largest_bytes: int = LARGEST_BYTES) -> None:
        self.path = path
        self.failure: str | None = None
        #: Given up because of the bound, in this process and in those before it, and not yet said to the receiver.
        self.dropped = 0
        self._most, self._largest_bytes = most, largest_bytes
        self._waiting: deque[Entry] = deque()
        self._is_sending = self._is_dirty = False
        #: Size of the file at which it is written anew.
        self._compact_bytes = largest_bytes
        self._fd = -1
        if path is not None:
            self._open(path)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def unsaved(self) -> int:
        """Alerts that wait in memory alone."""
        return sum(not entry.is_saved for entry in self._waiting)

    def put(self, message: dict[str, Any]) -> None:
        """One more alert; of too many the oldest that is not on its way is given up, and counted."""
        self._waiting.append(Entry(message))
        if len(self._waiting) > self._most:
            gone = self._waiting[self._is_sending].message
            del self._waiting[self._is_sending]
            self.dropped += 1
            self._write([{"done": gone["id"]}, {"dropped": 1}])
        self._save()
        self._compact()

    def take(self) -> dict[str, Any] | None:
        """The oldest alert, which is on its way from now on; None if there is none."""
        self._is_sending = bool(self._waiting)
        return self._waiting[0].message if self._waiting else None

    def back(self) -> None:
        """What was taken could not be delivered."""
        self._is_sending = False

    def done(self, told_dropped: int = 0) -> None:
        """What was taken is delivered, or refused for good; with it the receiver was told of so many dropped ones."""
        self._is_sending = False
        gone = self._waiting.popleft()
        self.dropped -= told_dropped
        if not self._waiting and not self.dropped:
            self._empty()
            return
        self._write([{"done": gone.message["id"]}, *([{"dropped": -told_dropped}] if told_dropped else [])])
        self._save()
        self._compact()

    def sync(self) -> None:
        """Have the disk itself hold it."""
        fd = self._fd  # the one thing here that may be called without the queue's lock: the disk may take its time
        if fd >= 0 and self._is_dirty:
            self._is_dirty = False
            with contextlib.suppress(OSError):
                getattr(os, "fdatasync", os.fsync)(fd)

    def close(self) -> None:
        """Let go of the file; what waits stays in it."""
        if self._fd >= 0:
            _held.discard((os.getpid(), str(self.path)))
            os.close(self._fd)
            self._fd = -1

    # -- the file

    def _open(self, path: Path) -> None:
        mine = (os.getpid(), str(path))
        if mine in _held:
            self.failure = "this process has it open already"
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
            if not _locked(self._fd):
                self.failure = "another process has it open"
                self.close()
                return
            _held.add(mine)
            self._load()
        except OSError as error:
            self.failure = error.strerror or type(error).__name__
            self.close()

    def _load(self) -> None:
        # Through this very descriptor: closing another one of the same file would give up the lock.
        with os.fdopen(self._fd, "rb", closefd=False) as file:
            file.seek(0)
            data = file.read()
        waiting: dict[str, Entry] = {}
        for raw in data.splitlines():
            try:
                line = json.loads(raw)
                if "alert" in line:
                    waiting.setdefault(str(line["id"]), Entry({**line["alert"], "id": str(line["id"])}, is_saved=True))
                elif "done" in line:
                    waiting.pop(str(line["done"]), None)
                else:
                    self.dropped = max(0, self.dropped + int(line["dropped"]))
            except (ValueError, KeyError, TypeError):
                continue  # torn by a kill
        self._waiting.extend(waiting.values())
        if data and not data.endswith(b"\n"):
            os.write(self._fd, b"\n")
        if data and not waiting and not self.dropped:
            self._empty()

    def _save(self) -> None:
        """Bring into the file what is not in it yet: usually the newest, more after a time in which the disk was full."""
        unsaved = [entry for entry in self._waiting if not entry.is_saved]
        if unsaved and self._write([{"id": entry.message["id"], "alert": entry.message} for entry in unsaved]):
            for entry in unsaved:
                entry.is_saved = True

    def _write(self, lines: list[dict[str, Any]]) -> bool:
        """Append *lines*, all or none of them."""
        if self._fd < 0:
            return False
        data = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        size, written = 0, 0
        try:
            size = os.fstat(self._fd).st_size
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            self.failure = error.strerror or type(error).__name__
            if written:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, size)
            return False
        self.failure, self._is_dirty = None, True
        return True

    def _empty(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)

    def _compact(self) -> None:
        """Write the file anew, without what was delivered, where it has grown large."""
        if self.path is None or self._fd < 0 or os.fstat(self._fd).st_size <= self._compact_bytes:
            return
        lines = [{"id": entry.message["id"], "alert": entry.message} for entry in self._waiting]
        lines += [{"dropped": self.dropped}] if self.dropped else []
        data = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        # However much waits, it is written anew only when as much again has come.
        self._compact_bytes = max(self._largest_bytes, 2 * len(data))
        new = self.path.with_name(f"{self.path.name}.new")
        try:
            self._replace(new, data)
        except OSError:  # the old file is whole and goes on
            new.unlink(missing_ok=True)

    def _replace(self, new: Path, data: bytes) -> None:
        fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _locked(fd)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
            new.replace(self.path or new)
        except OSError:
            os.close(fd)
            raise
        os.close(self._fd)
        self._fd = fd
        for entry in self._waiting:
            entry.is_saved = True


#: Spools that this process has open: its own locks do not keep it out of them.
_held: set[tuple[int, str]] = set()


def _locked(fd: int) -> bool:
    """Whether this process now holds the file. A lock of this kind is not inherited: a worker that outlives a killed process has none.

    Where there are no locks (Windows, some network disks) the file is taken as held.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True
