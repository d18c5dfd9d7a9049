"""The folder of a history: result files, each written whole and durably under a name made of its content, and a lock for who opens it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS, LOCK = "results", "lock"
_SCRATCH = ".adding-"
#: A file that is still being written after so long is one whose writer was killed.
_ABANDONED_S = 3600.0
_STAMP = "%Y%m%dT%H%M%SZ"
DIGITS = 32


class Folder:
    """Methods raise OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = path / RESULTS

    def ensure(self) -> None:
        """Make it; one made here keeps itself out of git by a .gitignore of its own."""
        if not self.path.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / ".gitignore").write_text("*\n", encoding="utf-8")
        self.results.mkdir(exist_ok=True)
        for folder in (self.path.absolute().parent, self.path):
            _sync(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else is within this; a process that ends, however, is out."""
        with (self.path / LOCK).open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def names(self) -> list[str]:
        """The result files, oldest first (a name begins with when it was measured)."""
        return sorted(
            entry.name for entry in self.results.iterdir() if entry.suffix == ".json" and entry.name[0] != "."
        )

    def put(self, data: bytes, measured: datetime) -> str:
        """Keep *data*; its name. It is on the disk, whole, when this returns; the same content again changes nothing."""
        digest = digest_of(data)
        name = next((name for name in self.names() if digest_in(name) == digest), None)
        if name is None:
            name = f"{measured.astimezone(UTC).strftime(_STAMP)}-{digest}.json"
            scratch = self.results / f"{_SCRATCH}{os.getpid()}-{time.monotonic_ns()}"
            with scratch.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self.results / name)
        _sync(self.results)  # also of a file that was there: who put it may have been killed before this
        return name

    def tidy(self) -> None:
        """Remove what killed writers left half written."""
        for entry in self.results.glob(f"{_SCRATCH}*"):
            try:
                if time.time() - entry.stat().st_mtime > _ABANDONED_S:
                    entry.unlink()
            except FileNotFoundError:  # it has just become a result
                continue


def digest_of(data: bytes) -> str:
    """What two files have in common only if they are the same."""
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def digest_in(name: str) -> str:
    """The digest that *name* was given; of a file that somebody else put there anything."""
    return name.removesuffix(".json").rpartition("-")[2]


def measured_in(name: str, otherwise: datetime) -> datetime:
    """When that was measured by its *name*; *otherwise* where it does not tell."""
    try:
        return datetime.strptime(name.partition("-")[0], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return otherwise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
