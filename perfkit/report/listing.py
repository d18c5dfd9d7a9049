"""Views of the store: the list of runs, and what one run consists of."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from ..runs.status import outcome
from .layout import clean, to_ascii, width_of
from .units import seconds, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runs.reader import Run
    from ..runs.store import Entry

# An id that takes more of the line leaves too little for the command.
MAX_ID_SHARE = 0.45
STATUS_STYLES = {
    "finished": "green",
    "failed": "red",
    "killed": "red",
    "running": "yellow",
    "unreadable": "red",
}


def rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Entries as plain data, for JSON."""
    return [
        {
            "id": entry.id,
            "path": str(entry.path),
            "status": entry.status,
            "created_utc": entry.created.astimezone(UTC).isoformat(timespec="seconds"),
            "command": list(entry.info.command) if entry.info else None,
            "exit_code": entry.info.exit_code if entry.info else None,
            "size_bytes": entry.size_bytes,
            "problem": entry.problem,
        }
        for entry in entries
    ]


def show(entries: Sequence[Entry], stream: IO[str], *, color: bool | None = None) -> None:
    """One line per run: id, age, status, size, command, cut at the terminal's width. Of an id its last six
    characters where the command would have no room beside it; every verb takes them.
    """
    from .terminal import make_console, speaks_unicode

    console = make_console(stream, color=color)
    ascii_only = not speaks_unicode(stream)
    names = [entry.id for entry in entries]
    widest = max(map(width_of, names))
    if widest > MAX_ID_SHARE * console.width:
        names, widest = [name[-6:] for name in names], 6
    for entry, name in zip(entries, names, strict=True):
        console.print(_line(entry, name.ljust(widest), console.width, ascii_only=ascii_only), soft_wrap=True)


def _line(entry: Entry, name: str, width: int, *, ascii_only: bool) -> Any:
    from .layout import Line, cut

    status = entry.status
    said = entry.problem or " ".join(entry.info.command if entry.info else [])
    pieces = (
        (f"{clean(name)}  ", "bold"),
        (f"{age(entry.created):>8}  ", "dim"),
        (f"{status:10}", STATUS_STYLES.get(status, "")),
        (f"{size(entry.size_bytes):>9}  ", "dim"),
        (clean(said), ""),
    )
    kept = cut(pieces, width)
    return Line(tuple((to_ascii(text), style) for text, style in kept) if ascii_only else kept).text()


def age(created: datetime) -> str:
    """``3 min``, ``2 d``: how long ago, in one unit."""
    passed = max(0.0, (datetime.now(tz=UTC) - created).total_seconds())
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if passed >= length:
            return f"{passed / length:.0f} {unit}"
    return f"{passed:.0f} s"


def describe(run: Run) -> dict[str, Any]:
    """What *run* consists of, as plain data."""
    info, state = run.info, outcome(run)
    files = sorted(path for path in run.path.rglob("*") if path.is_file())
    listed = [{"name": str(path.relative_to(run.path)), "bytes": path.stat().st_size} for path in files]
    return {
        **asdict(info),
        "status": state.status,
        "note": state.note,
        "path": str(run.path),
        "files": listed,
    }


def description_lines(described: dict[str, Any]) -> list[str]:
    """The description for people."""
    started, ended = described["started_monotonic_ns"], described["ended_monotonic_ns"]
    note = f" ({described['note']})" if described["note"] else ""
    code = "" if described["exit_code"] is None else f", exit code {described['exit_code']}"
    lines = [
        f"run         {clean(described['id'])}",
        f"path        {clean(described['path'])}",
        f"command     {clean(' '.join(described['command']))}",
        f"status      {described['status']}{code}{note}",
        f"started     {clean(described['created_utc'])}",
    ]
    if started is not None and ended is not None:
        lines.append(f"took        {seconds((ended - started) / 1e9)}")
    lines += [f"collector   {c['name']}: {c['state']}, {clean(c['reason'])}" for c in described["collectors"]]
    return lines + [f"file        {clean(file['name'])} ({size(file['bytes'])})" for file in described["files"]]
