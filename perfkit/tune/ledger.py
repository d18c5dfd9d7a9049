"""tune.json: all that was measured and decided, written whole after every process, so that nothing is measured twice.

A tune that was interrupted goes on from it: a process that it holds is not run again. It lies in a folder of its own with the
runs it was made of (``<root>/tunes/<id>/``, see runs.layout).
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NewerSchema, RunError, RunUnreadable
from ..launch.command import typed
from ..launch.privacy import mask_command
from ..runs import layout
from .trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..launch.request import Request
    from .candidates import Candidate

Row = dict[str, Any]
SCHEMA_VERSION = 1


@dataclass
class Ledger:
    """The ledger of one tune. `document` is what a reader gets; `processes` is what it rests on."""

    path: Path
    #: Digest of what makes another tune another one: command, script's text, what was asked of the search.
    key: str
    #: How to go on without being told again: kind, target, args, folder, python, options, asked. None where the command holds a secret.
    resume: Row | None = None
    baseline_run: str | None = None
    #: What the screening said, as `screen.Screening.row`; None before it, and where there is none.
    screening: Row | None = None
    #: Whether it came to its end; None of it is run again then.
    finished: bool = False
    processes: list[Row] = field(default_factory=list)
    document: Row = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The file itself."""
        return self.path / layout.TUNE_JSON

    def write(self) -> None:
        """Write it whole: a reader sees the old one or the new one. Raises RunError when it cannot be."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "id": self.path.name,
            **self.document,
            "finished": self.finished,
            "key": self.key,
            "resume": self.resume,
            "baseline_run": self.baseline_run,
            "screening": self.screening,
            "processes": self.processes,
        }
        scratch = self.file.with_suffix(".tmp")
        try:
            scratch.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            scratch.replace(self.file)
        except OSError as error:
            raise RunError(f"{self.file}: cannot be written: {error.strerror}") from error

    def remembering(self, runner: Callable[[str, Candidate | None, int], Trial]) -> Callable[..., Trial]:
        """*runner*, except for what has been measured already; what it measures is written down at once."""

        def run(arm: str, candidate: Candidate | None, number: int) -> Trial:
            known = self.measured(number)
            if arm in known:
                return Trial.from_row(known[arm])
            found = runner(arm, candidate, number)
            self.add([found])
            return found

        return run

    def measured(self, number: int) -> dict[str, Row]:
        """Arm → process of the round *number*."""
        return {row["arm"]: row for row in self.processes if row["round"] == number}

    def add(self, trials: Iterable[Trial]) -> None:
        """Write down what was measured."""
        self.processes += [found.row() for found in trials]
        self.write()


def identity(request: Request, asked: Row) -> tuple[str, Row | None]:
    """(key, resume) of a tune of *request*: what a ledger has of it. A command that holds a secret leaves its digest only."""
    whole = {
        "kind": request.kind,
        "target": request.target,
        "args": list(request.args),
        "folder": str(Path.cwd()),
        "python": request.python,
        "options": dict(request.options),
        "asked": asked,
    }
    text = json.dumps([whole, _digest(request)], sort_keys=True)
    words = typed(request)
    return hashlib.sha256(text.encode()).hexdigest(), whole if mask_command(words) == words else None


def _digest(request: Request) -> str | None:
    if request.kind != "script":
        return None
    try:
        return hashlib.sha256(Path(request.target).read_bytes()).hexdigest()
    except OSError:
        return None


def read(path: Path) -> Ledger:
    """The ledger in the folder *path*. Raises RunUnreadable or NewerSchema."""
    file = path / layout.TUNE_JSON
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        if raw["schema_version"] > SCHEMA_VERSION:
            raise NewerSchema(f"{file}: schema {raw['schema_version']} is newer than this perfkit's; upgrade perfkit")
        own = {name: raw.pop(name) for name in ("key", "resume", "baseline_run", "finished", "processes")}
    except FileNotFoundError:
        raise RunUnreadable(f"{path}: no {layout.TUNE_JSON} in it, so it is not a tune") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunUnreadable(f"{file}: {error!r}") from error
    own["screening"] = raw.pop("screening", None)
    return Ledger(path=path, document={k: v for k, v in raw.items() if k not in ("schema_version", "id")}, **own)


def unfinished(root: Path, key: str | None = None) -> Ledger | None:
    """The newest tune below *root* that was interrupted, of this *key* where one is given; None without."""
    folder = root / layout.TUNES
    names = (
        sorted((entry.name for entry in os.scandir(folder) if entry.is_dir()), reverse=True) if folder.is_dir() else []
    )
    for name in names:
        try:
            found = read(folder / name)
        except (RunUnreadable, NewerSchema):
            continue
        if not found.finished and (key is None or found.key == key):
            return found
    return None
