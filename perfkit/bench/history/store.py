"""A history on the disk. The files are what counts, the index follows from them: a result is acknowledged when both have it, and whoever opens the
history makes the index anew where it is missing or broken, and adds what a killed writer left out of it.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import MissingDependency, PerfkitError, UsageError
from . import reading
from .folder import Folder, digest_of, measured_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .index import Index

#: Where a history lies if nobody says otherwise, and its index in there.
PLACE, INDEX = ".perfkit-bench", "index.sqlite"
_BESIDE = ("", "-wal", "-shm")


class History:
    """An open history, as `opened` gives it."""

    def __init__(self, folder: Folder, index: Index) -> None:
        self._folder = folder
        self.index = index
        #: What was found and mended, or cannot be read, upon opening: lines for a person.
        self.notes: list[str] = []

    def add(self, path: Path) -> bool:
        """Keep a result file. It is durable when this returns; False where its content was there already.

        Raises UsageError for what is no result, PerfkitError where it cannot be kept.
        """
        try:
            data, touched = path.read_bytes(), datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        return self.keep(data, str(path), touched)

    def keep(self, data: bytes, name: str, otherwise: datetime) -> bool:
        """The same with what a file called *name* holds; *otherwise* is when it was measured where it does not tell."""
        measured = reading.read(data, name, otherwise).measured
        try:
            kept = self._folder.put(data, measured)
        except OSError as error:
            raise PerfkitError(f"{self._folder.results}: {name} cannot be kept: {error.strerror}") from None
        # From now on its time is that in its name: the index says the same however often it is made.
        return self.index.add(kept, digest_of(data), reading.read(data, name, measured_in(kept, measured)))

    def catch_up(self, *, owned: bool) -> None:
        """Index what only the files have. Where the index is *owned* by this folder, what the files no longer have is dropped."""
        known = self.index.names()  # before the files are listed: whoever adds a result writes the file first
        here = self._folder.names()
        if owned and (gone := sorted(known.keys() - set(here))):
            self.index.forget(gone)
        added = sum(self._index_file(name) for name in here if name not in known)
        if added:
            self.notes.append(f"{added} result{'s' * (added != 1)} put into the index from the files")

    def _index_file(self, name: str) -> bool:
        path = self._folder.results / name
        try:
            data = path.read_bytes()
            otherwise = measured_in(name, datetime.fromtimestamp(path.stat().st_mtime, tz=UTC))
            return self.index.add(name, digest_of(data), reading.read(data, str(path), otherwise))
        except OSError as error:
            self.notes.append(f"{path}: cannot be read: {error.strerror}")
        except UsageError as error:
            self.notes.append(str(error))
        return False


@contextmanager
def opened(place: str | None = None, *, make: bool = False) -> Iterator[History]:
    """The history at *place*, a folder or the address of a database (its files are in the default folder then), made if *make*.

    Raises UsageError where there is none, MissingDependency without SQLAlchemy, PerfkitError where it cannot be used.
    """
    url = place if place is not None and "://" in place else None
    folder = Folder(Path(place) if place is not None and url is None else Path(PLACE))
    if not make and not folder.results.is_dir():
        raise UsageError(f"no history in {folder.path} yet; begin one with: perfkit bench history --add FILE")
    try:
        folder.ensure()
        history = History(folder, _index(url or _url(folder)))
    except OSError as error:
        raise _unusable(folder, error) from error
    with closing(history.index):
        try:
            with folder.locked():
                folder.tidy()
                _prepare(history, folder, owned=url is None)
                history.catch_up(owned=url is None)
        except OSError as error:
            raise _unusable(folder, error) from error
        yield history


def _unusable(folder: Folder, error: OSError) -> PerfkitError:
    return PerfkitError(f"{folder.path}: cannot be used as a history: {error.strerror}")


def _url(folder: Folder) -> str:
    return f"sqlite:///{(folder.path / INDEX).absolute()}"


def _prepare(history: History, folder: Folder, *, owned: bool) -> None:
    """Have the tables; where the index is *owned* by this folder and broken, in a new file. Nobody else may be opening it."""
    from .index import Broken

    try:
        history.index.prepare()
    except Broken as fault:
        if not owned:
            raise
        history.index.close()
        for ending in _BESIDE:
            (folder.path / (INDEX + ending)).unlink(missing_ok=True)
        history.index.prepare()
        history.notes.append(f"the index was broken ({fault}) and is made again")


def _index(url: str) -> Index:
    try:
        from .index import Index
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sqlalchemy":
            raise
        raise MissingDependency("perfkit bench history needs SQLAlchemy; pip install perfkit[bench]") from None
    return Index(url)
