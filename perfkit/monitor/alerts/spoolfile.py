"""A file that one process at a time has, appended to in whole lines. Methods raise OSError where they do not say otherwise."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

#: Files of one sink in one folder: as many runs at once can have one each.
MOST_FILES = 64
_FLAGS = os.O_RDWR | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
#: Files that this process has: its own locks do not keep it out of them, and opening one a second time and closing that would free it.
_held: set[tuple[int, str]] = set()


class Busy(OSError):  # noqa: N818 - it reads as the fact it states
    """Somebody else has the file."""


class SpoolFile:
    """An open file. Raises Busy where another process, or this one, has it already."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key = (os.getpid(), str(path.absolute()))
        if self._key in _held:
            raise Busy(errno.EBUSY, "this process has it open already")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, _FLAGS | os.O_CREAT, 0o600)
        if not _locked(self._fd):
            os.close(self._fd)
            raise Busy(errno.EBUSY, "another process has it open")
        _held.add(self._key)
        self._is_dirty = False

    @property
    def size(self) -> int:
        """Bytes."""
        return os.fstat(self._fd).st_size

    def lines(self) -> list[bytes]:
        """What is in it; behind a torn last line a new one is begun."""
        # Through this very descriptor: closing another one of the same file would give up the lock.
        with os.fdopen(self._fd, "rb", closefd=False) as file:
            file.seek(0)
            data = file.read()
        if data and not data.endswith(b"\n"):
            os.write(self._fd, b"\n")
        return data.splitlines()

    def append(self, data: bytes) -> None:
        """*data* at the end: all of it, or (raising) nothing."""
        size, written = self.size, 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            if written:
                os.ftruncate(self._fd, size)
            raise
        self._is_dirty = True

    def empty(self) -> None:
        """Nothing is in it from now on; that it could not be emptied is no harm, the same is then delivered again."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)

    def replace(self, data: bytes) -> None:
        """*data* in place of all that is in it; whole at every moment."""
        new = self.path.with_name(f"{self.path.name}.new")
        fd = os.open(new, _FLAGS | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _locked(fd)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
            new.replace(self.path)
        except OSError:
            os.close(fd)
            new.unlink(missing_ok=True)
            raise
        old, self._fd = self._fd, fd
        os.close(old)

    def sync(self) -> None:
        """Have the disk itself hold it. May be called beside the other methods, it takes its time; never raises."""
        fd = self._fd
        if self._is_dirty and fd >= 0:
            self._is_dirty = False
            with contextlib.suppress(OSError):
                getattr(os, "fdatasync", os.fsync)(fd)

    def close(self) -> None:
        """Let others have it."""
        if self._fd >= 0:
            _held.discard(self._key)
            os.close(self._fd)
            self._fd = -1


def first_free(path: Path) -> SpoolFile:
    """*path*, or where somebody has it the first of ``name-2``, ``name-3`` … that nobody has."""
    for candidate in candidates(path):
        try:
            return SpoolFile(candidate)
        except Busy:
            continue
    raise Busy(errno.EBUSY, f"other processes have all {MOST_FILES} of them")


def candidates(path: Path) -> Iterator[Path]:
    """The files of one sink."""
    yield path
    for number in range(2, MOST_FILES + 1):
        yield path.with_stem(f"{path.stem}-{number}")


def _locked(fd: int) -> bool:
    """Whether this process now has the file. A lock of this kind is not inherited: a worker that outlives a killed process has none.

    Where there are no locks (Windows, some network disks) the file is taken as ours.
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
