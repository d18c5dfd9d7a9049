"""The folder that holds runs: which there are, which one a name means, and how to be rid of them.

Nothing outside ``<root>/runs`` is ever removed, and nothing that is still running unless forced.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RunError, RunNotFound, UsageError
from . import layout
from .reader import Run
from .status import outcome

if TYPE_CHECKING:
    from ..model.records import RunInfo

LATEST_WORD = "latest"
CANDIDATES_SHOWN = 5
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_AGE_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A run in the store. ``problem`` says why it cannot be read; then ``info`` is None."""

    id: str
    path: Path
    info: RunInfo | None
    problem: str | None = None

    @property
    def status(self) -> str:
        """Status now (runs.status), or "unreadable"."""
        return outcome(Run(self.path)).status if self.info is not None else "unreadable"

    @property
    def created(self) -> datetime:
        """When it was started; for an unreadable run, when its folder was last touched."""
        if self.info is not None:
            try:
                made = datetime.fromisoformat(self.info.created_utc)
                return made if made.tzinfo else made.replace(tzinfo=UTC)
            except ValueError:
                pass
        return datetime.fromtimestamp(self.path.stat().st_mtime, tz=UTC)

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        return folder_bytes(self.path)


@dataclass(frozen=True)
class Store:
    """Runs below ``<root>/runs``. The root need not exist: then there are none."""

    root: Path

    @property
    def folder(self) -> Path:
        """Where the runs lie."""
        return self.root / layout.RUNS

    def ensure(self) -> None:
        """Make the folder for runs; a root made here keeps itself out of git by a .gitignore of its own."""
        is_new = not self.root.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        if is_new:
            (self.root / ".gitignore").write_text("*\n", encoding="utf-8")

    def ids(self) -> list[str]:
        """Ids, oldest first (an id begins with its UTC time)."""
        try:
            with os.scandir(self.folder) as found:
                return sorted(e.name for e in found if e.name[0] != "." and e.is_dir(follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def entries(self) -> list[Entry]:
        """Every run, newest first."""
        made = [self.entry(name) for name in self.ids()]
        return sorted(made, key=lambda entry: (entry.created, entry.id), reverse=True)

    def entry(self, name: str) -> Entry:
        """The run with this very id, readable or not."""
        path = self.folder / name
        try:
            return Entry(id=name, path=path, info=Run(path).info)
        except RunError as error:
            return Entry(id=name, path=path, info=None, problem=str(error))

    def latest(self) -> Path:
        """What ``latest`` names; if that is gone, the newest run. Raises RunNotFound when there is none."""
        try:
            named = (self.root / layout.LATEST).read_text(encoding="utf-8").strip()
        except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
            named = ""
        ids = self.ids()
        if named in ids:
            return self.folder / named
        if not ids:
            raise RunNotFound(f"no runs in {self.root} yet; make one with: perfkit profile SCRIPT")
        return self.entries()[0].path

    def set_latest(self, run_id: str) -> None:
        """Make `latest` name this run."""
        scratch = self.root / f"{layout.LATEST}.{os.getpid()}"
        scratch.write_text(run_id + "\n", encoding="utf-8")
        scratch.replace(self.root / layout.LATEST)

    def resolve(self, name: str | None = None) -> Path:
        """Path of the run that *name* means: a path, an id, a unique prefix of one, or ``latest`` (also
        None).
        """
        if name is None or name == LATEST_WORD:
            return self.latest()
        ids = self.ids()
        if name in ids:
            return self.folder / name
        as_path = Path(name).expanduser()
        if as_path.name == layout.RUN_JSON:
            as_path = as_path.parent
        if (as_path / layout.RUN_JSON).is_file():
            return as_path.absolute()
        return self.folder / self._by_prefix(name, ids)

    def _by_prefix(self, name: str, ids: list[str]) -> str:
        matches = [run_id for run_id in ids if run_id.startswith(name)] if name else []
        # The six characters at the end are what people copy: they name a run as well.
        matches = matches or [run_id for run_id in ids if name and run_id.rsplit("-", 1)[-1].startswith(name)]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise RunNotFound(f"no run {name!r} in {self.root}; see: perfkit runs list")
        shown = ", ".join(matches[:CANDIDATES_SHOWN]) + (", …" if len(matches) > CANDIDATES_SHOWN else "")
        raise UsageError(f"{name!r} means {len(matches)} runs: {shown}; write a few more characters")

    def remove(self, path: Path, *, force: bool = False) -> None:
        """Delete a run of this store. Refuses one outside it, and one still running unless *force*."""
        self._refuse_outside(path)
        entry = self.entry(path.name)
        if entry.status == "running" and not force:
            raise UsageError(f"{path.name} is still running; wait for it, or say --force")
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise RunError(f"{path}: cannot be removed whole: {error}") from error

    def _refuse_outside(self, path: Path) -> None:
        if path.is_symlink() or path.resolve().parent != self.folder.resolve():
            raise UsageError(f"{path} does not lie in {self.folder}; remove it yourself if you mean to")

    def stale(self, *, keep: int | None = None, older_than: timedelta | None = None) -> list[Entry]:
        """Runs that a prune would remove, newest first: beyond the newest *keep*, and older than
        *older_than*.

        With both, a run must be both. Running ones are never among them; unreadable ones are.
        """
        entries = self.entries()
        beyond = entries if keep is None else entries[keep:]
        now = datetime.now(tz=UTC)
        old = [e for e in beyond if older_than is None or now - e.created > older_than]
        return [entry for entry in old if entry.status != "running"]


def parse_age(text: str) -> timedelta:
    """``7d``, ``12h``, ``90m``, ``2w`` as a duration. Raises UsageError."""
    matched = _AGE.fullmatch(text.strip().lower())
    if not matched:
        raise UsageError(f"{text!r} is not an age; write a number and s, m, h, d or w, such as 7d")
    try:
        return timedelta(seconds=float(matched[1]) * _AGE_UNITS[matched[2]])
    except OverflowError:
        raise UsageError(f"{text!r} is more time than there is") from None


def folder_bytes(path: Path) -> int:
    """Sum of the sizes of the files below *path*, links not followed; what vanishes meanwhile counts 0."""
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(Path(folder) / name).st_size
            except FileNotFoundError:
                continue
    return total
