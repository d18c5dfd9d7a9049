"""Reads a run directory: also one that is still growing, was killed, or came from another machine.

Tolerates a torn tail (a process killed in the middle of a write) and refuses a newer schema.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NewerSchema, RunUnreadable
from ..model import marks
from ..model.records import Collector, Device, RunInfo
from . import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class RankRecording:
    """What one process that steps has recorded."""

    path: Path

    @cached_property
    def name(self) -> str:
        """Folder name, e.g. ``rank-00000`` or, for a restart, ``rank-00000.1``."""
        return self.path.name

    @cached_property
    def rank(self) -> int:
        """Rank number, from the folder's name."""
        return int(self.name[len(layout.RANK_PREFIX) :].split(".")[0])

    @cached_property
    def _words(self) -> NDArray[np.int64]:
        import numpy as np  # here, because the launcher reads facts and never marks

        path = self.path / layout.MARKS
        try:
            size = path.stat().st_size // marks.WORD_BYTES
            words = np.fromfile(path, dtype=np.int64, count=size)
        except FileNotFoundError:
            return np.zeros(0, dtype=np.int64)
        if words.size >= marks.HEADER_WORDS:
            if words[0] != marks.MAGIC:
                raise RunUnreadable(f"{path}: not a recording of perfkit (or of a machine with other byte order)")
            if words[1] > marks.VERSION:
                raise NewerSchema(f"{path}: written by a newer perfkit (marks version {words[1]}); upgrade perfkit")
        return words

    @property
    def pid(self) -> int | None:
        """Process id, None when not even the header was written."""
        return int(self._words[2]) if self._words.size >= marks.HEADER_WORDS else None

    @cached_property
    def marks(self) -> NDArray[np.int64]:
        """Marks in time order, shape (n, 4): time_ns, tag, a, b; see model.marks. A torn last mark is dropped."""
        import numpy as np

        body = self._words[marks.HEADER_WORDS :]
        whole = body.size // marks.MARK_WORDS * marks.MARK_WORDS
        rows = body[:whole].reshape(-1, marks.MARK_WORDS)
        return rows[np.argsort(rows[:, 0], kind="stable")]

    @cached_property
    def facts(self) -> list[dict[str, Any]]:
        """What the probes said in facts.jsonl, in order; each has a key ``fact``."""
        return list(read_jsonl(self.path / layout.FACTS))

    def facts_of(self, fact: str) -> list[dict[str, Any]]:
        """The facts of one kind."""
        return [line for line in self.facts if line.get("fact") == fact]

    @property
    def traces(self) -> list[Path]:
        """Exported trace windows, oldest first."""
        found = [p for p in self.path.glob(f"{layout.TRACE_PREFIX}*") if p.name.endswith(layout.TRACE_ENDINGS)]
        return sorted(found)


@dataclass(frozen=True)
class Run:
    """A run directory."""

    path: Path

    @cached_property
    def info(self) -> RunInfo:
        """run.json."""
        return read_info(self.path)

    @cached_property
    def ranks(self) -> list[RankRecording]:
        """Recordings of the processes that stepped, by rank and restart."""
        folders = [p for p in self.path.glob(f"{layout.RANK_PREFIX}*") if p.is_dir()]
        return sorted((RankRecording(p) for p in folders), key=lambda r: (r.rank, _restart(r.name)))

    def jsonl(self, name: str) -> list[dict[str, Any]]:
        """Lines of one of the run's JSONL files; empty when it does not exist."""
        return list(read_jsonl(self.path / name))


def _restart(name: str) -> int:
    return int(name.split(".")[1]) if "." in name else 0


def read_info(path: Path) -> RunInfo:
    """run.json of the run at *path*. Raises RunUnreadable or NewerSchema."""
    file = path / layout.RUN_JSON
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunUnreadable(f"{path}: no {layout.RUN_JSON} in it, so it is not a run") from None
    except (OSError, ValueError) as error:
        raise RunUnreadable(f"{file}: {error}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("schema_version"), int):
        raise RunUnreadable(f"{file}: not a run's description")
    if raw["schema_version"] > layout.SCHEMA_VERSION:
        raise NewerSchema(f"{file}: schema {raw['schema_version']} is newer than this perfkit's; upgrade perfkit")
    known = RunInfo.__dataclass_fields__
    kept = {key: value for key, value in raw.items() if key in known}
    try:
        kept["devices"] = [Device(**device) for device in kept.get("devices", [])]
        kept["collectors"] = [Collector(**collector) for collector in kept.get("collectors", [])]
        return RunInfo(**kept)
    except TypeError as error:
        raise RunUnreadable(f"{file}: {error}") from error


def write_info(path: Path, info: RunInfo) -> None:
    """Write run.json whole: a reader sees the old one or the new one, never half of one."""
    from dataclasses import asdict

    file = path / layout.RUN_JSON
    scratch = file.with_suffix(".tmp")
    scratch.write_text(json.dumps(asdict(info), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    scratch.replace(file)


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a JSONL file; a torn or damaged line is passed over."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value
