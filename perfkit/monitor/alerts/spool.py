"""What a sink has not had yet, in order; on disk, so that a killed process's alerts are delivered by the next one.

One file per sink and process, append-only while anything is in it, one JSON line per thing: ``{"id": …, "alert": {…}}`` for an alert,
``{"done": id}`` when it is delivered, ``{"dropped": n}`` when so many were given up because of the bound. It is emptied when all is
delivered. A line that cannot be read (torn by a kill) is passed over. A process takes over the files that nobody has any more.

An alert is in the page cache when `put` returns, which survives the end of the process; `sync` is for a machine that stops.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .spoolfile import Busy, SpoolFile, candidates, first_free

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
        self._is_sending = False
        #: Size of the file at which it is written anew.
        self._compact_bytes = largest_bytes
        self._file: SpoolFile | None = None
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
        """Have the disk itself hold it. The one method that may be called beside the others: a disk may take its time."""
        file = self._file
        if file is not None:
            file.sync()

    def close(self) -> None:
        """Let go of the file; what waits stays in it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    # -- the file

    def _open(self, path: Path) -> None:
        try:
            self._file = first_free(path)
            self._load(self._file.lines())
            for orphan in candidates(path):
                if orphan.exists() and orphan != self._file.path:
                    self._adopt(orphan)
            if not self._waiting and not self.dropped:
                self._file.empty()
        except OSError as error:
            self.failure = error.strerror or type(error).__name__
            self.close()

    def _adopt(self, path: Path) -> None:
        """Take over what a process left that is no more: first into our file, then out of its own."""
        try:
            other = SpoolFile(path)
        except Busy:
            return
        try:
            dropped = self.dropped
            self._load(other.lines(), is_saved=False)
            self._save()
            if not self.unsaved and (dropped == self.dropped or self._write([{"dropped": self.dropped - dropped}])):
                other.empty()
        finally:
            other.close()

    def _load(self, lines: Iterable[bytes], *, is_saved: bool = True) -> None:
        known = {entry.message["id"] for entry in self._waiting}
        waiting: dict[str, Entry] = {}
        for raw in lines:
            try:
                line = json.loads(raw)
                if "alert" in line:
                    waiting.setdefault(str(line["id"]), Entry({**line["alert"], "id": str(line["id"])}, is_saved))
                elif "done" in line:
                    waiting.pop(str(line["done"]), None)
                else:
                    self.dropped = max(0, self.dropped + int(line["dropped"]))
            except (ValueError, KeyError, TypeError):
                continue  # torn by a kill
        self._waiting.extend(entry for identity, entry in waiting.items() if identity not in known)

    def _save(self) -> None:
        """Bring into the file what is not in it yet: usually the newest, more after a time in which the disk was full."""
        unsaved = [entry for entry in self._waiting if not entry.is_saved]
        if unsaved and self._write([{"id": entry.message["id"], "alert": entry.message} for entry in unsaved]):
            for entry in unsaved:
                entry.is_saved = True

    def _write(self, lines: list[dict[str, Any]]) -> bool:
        """Append *lines*, all or none of them."""
        if self._file is None:
            return False
        try:
            self._file.append(_joined(lines))
        except OSError as error:
            self.failure = error.strerror or type(error).__name__
            return False
        self.failure = None
        return True

    def _empty(self) -> None:
        if self._file is not None:
            self._file.empty()

    def _compact(self) -> None:
        """Write the file anew, without what was delivered, where it has grown large."""
        try:
            if self._file is None or self._file.size <= self._compact_bytes:
                return
            lines = [{"id": entry.message["id"], "alert": entry.message} for entry in self._waiting]
            data = _joined([*lines, *([{"dropped": self.dropped}] if self.dropped else [])])
            # However much waits, it is written anew only when as much again has come.
            self._compact_bytes = max(self._largest_bytes, 2 * len(data))
            self._file.replace(data)
        except OSError:  # the old file is whole and goes on
            return
        for entry in self._waiting:
            entry.is_saved = True


def _joined(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
