"""Where logs come from: files (plain, gzip, event files), standard input, and files that are still written to."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ...errors import UsageError
from ..names import canonical
from . import tfevents
from .analysis import LogAnalysis, Source

STDIN = "-"
CHUNK = 1 << 18
_GZIP = b"\x1f\x8b"
#: Bytes from the beginning of a followed file by which a truncated and rewritten one is told from the one that was read.
HEAD = 256


def check(paths: Iterable[str]) -> None:
    """Raises UsageError for what cannot be meant: nothing there, or a folder."""
    for path in paths:
        if path == STDIN:
            continue
        if not Path(path).exists():
            raise UsageError(f"{path}: no such file; name the log's file, or - for standard input")
        if Path(path).is_dir():
            raise UsageError(f"{path}: is a folder; name the files in it, such as {path.rstrip('/')}/*.log")


def read(analysis: LogAnalysis, paths: Iterable[str]) -> None:
    """Read each of *paths* into *analysis*. What cannot be read is told in its `Source`, and the others are read all the same."""
    for path in paths:
        read_one(analysis, path)


def read_one(analysis: LogAnalysis, path: str) -> None:
    """Read one file, or standard input."""
    latest = datetime.now(UTC) if path == STDIN else _written(path)
    source = analysis.source("stdin" if path == STDIN else path, latest=latest)
    try:
        if path == STDIN:
            _text(analysis, sys.stdin.buffer)
        else:
            with Path(path).open("rb") as file:
                _file(analysis, source, file, path)
    except OSError as error:
        source.state, source.reason = "failed" if not source.bytes else "partial", error.strerror or str(error)
    analysis.finish()
    if source not in analysis.sources:
        analysis.sources.append(source)


def _written(path: str) -> datetime:
    try:
        return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC)
    except OSError:
        return datetime.now(UTC)


def _file(analysis: LogAnalysis, source: Source, file: IO[bytes], path: str) -> None:
    head = file.read(12) if file.seekable() else b""
    if file.seekable():
        file.seek(0)
    if head[:2] == _GZIP:
        source.kind = "gzip"
        _gzip(analysis, source, file)
    elif tfevents.is_event_file(path, head):
        source.kind = "tfevents"
        _events(analysis, source, file, path)
    else:
        _text(analysis, file)


def _text(analysis: LogAnalysis, file: IO[bytes]) -> None:
    while data := file.read(CHUNK):
        analysis.feed(data)


def _gzip(analysis: LogAnalysis, source: Source, file: IO[bytes]) -> None:
    try:
        with gzip.GzipFile(fileobj=file) as inner:
            while data := inner.read(CHUNK):
                analysis.feed(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        source.state, source.reason = "partial", f"the gzip stream is damaged ({error})"


def _events(analysis: LogAnalysis, source: Source, file: IO[bytes], path: str) -> None:
    damage, split = tfevents.Damage(), tfevents.split_of(path)
    for scalar in tfevents.scalars(file, damage):
        name, by_epoch = tfevents.name_of(scalar.tag)
        place = {"step": None, "epoch": scalar.step} if by_epoch else {"step": scalar.step, "epoch": None}
        analysis.add({canonical(name, split): scalar.value}, time_ns=scalar.time_ns or None, **place)
    source.lines, source.bytes = damage.frames, file.tell()
    if damage.reason:
        source.state, source.reason = "partial", f"{damage.reason}; what came before it was read"


@dataclass
class News:
    """What a look at a followed file brought."""

    data: bytes = b""
    #: Whether the file began anew before *data*: it was renamed and made again, or cut to nothing.
    restarted: bool = False


class Tail:
    """Follows a file through rotation: renamed and made again, or copied and truncated. Each `look` returns at once.

    What was written to the old file until it is found to be gone is read before the new one is begun.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._inode = (0, 0)
        self._offset = 0
        self._head = b""
        self._restarted = False
        self.rotations = 0

    def look(self, most: int = CHUNK) -> News:
        """At most *most* bytes that are new; empty while there are none, or no file."""
        news = News(restarted=self._restarted)
        self._restarted = False
        if self._file is None and not self._open():
            return news
        if self._truncated():
            self._begin_anew()
            news.restarted = True
        news.data = self._take(most)
        if not news.data and self._replaced():
            self._reopen()
        return news

    def close(self) -> None:
        """No more looks."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _open(self) -> bool:
        try:
            self._file = self.path.open("rb")
        except OSError:
            return False
        about = os.fstat(self._file.fileno())
        self._inode, self._offset, self._head = (about.st_dev, about.st_ino), 0, b""
        return True

    def _take(self, most: int) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(self._offset)
        data = self._file.read(most)
        if len(self._head) < HEAD:
            self._head += data[: HEAD - len(self._head)]
        self._offset += len(data)
        return data

    def _truncated(self) -> bool:
        """Shorter than what was read; or as long again, but with another beginning."""
        if self._file is None:
            return False
        if os.fstat(self._file.fileno()).st_size < self._offset:
            return True
        self._file.seek(0)
        return bool(self._head) and self._file.read(len(self._head)) != self._head

    def _begin_anew(self) -> None:
        self._offset, self._head = 0, b""
        self.rotations += 1

    def _replaced(self) -> bool:
        try:
            about = self.path.stat()
        except OSError:  # between the rename and the new file
            return False
        return (about.st_dev, about.st_ino) != self._inode

    def _reopen(self) -> None:
        self.close()
        self.rotations += 1
        self._restarted = self._open()


def follow(analysis: LogAnalysis, path: str, tail: Tail) -> Iterator[int]:
    """Endless: feeds what is new of *path* as its own source, and yields how many bytes a look brought (0: time to sleep)."""
    source = analysis.source(path, latest=_written(path))
    while True:
        news = tail.look()
        if news.restarted and source.bytes:
            analysis.rotated()
        if news.data:
            analysis.feed(news.data)
        yield len(news.data)
