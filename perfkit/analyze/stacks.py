"""Hot lines of the user's code, from the stacks that were sampled outside the timed steps."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runs import layout
from ..runs.reader import Run

_FRAME = re.compile(r"^(?P<function>.*) \((?P<file>.*):(?P<line>\d+)\)$")
_LIBRARY = re.compile(r"(^<)|([/\\](site|dist)-packages[/\\])|([/\\]lib[/\\]python3[.\d]*[/\\])|([/\\]Lib[/\\])")
_CONSOLE_SCRIPT = re.compile(r"[/\\](bin|Scripts)[/\\][^/\\.]+$")
_OWN = re.compile(r"[/\\]perfkit[/\\]((inside|runs|model|launch)[/\\]|(__init__|api)\.py$)")
_FETCH = re.compile(r"torch[/\\]utils[/\\]data[/\\]_utils[/\\]fetch\.py$")
_APPLY = re.compile(r"pandas[/\\]core[/\\]apply\.py$")
_FRAME_PY = re.compile(r"pandas[/\\]core[/\\]frame\.py$")
BY_ROW = ("DataFrame.iterrows", "DataFrame.itertuples", "iterrows", "itertuples")
# Below these frames a forked or spawned process runs code of its own; above them lies its parent's.
_FORKED = ("BaseProcess._bootstrap", "Process._bootstrap")

#: window, role, function, file, line
Place = tuple[str, str, str, str, int]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One distinct stack, outermost frame first, and how often it was seen."""

    window: str
    pid: int
    role: str  # main, loader worker, worker
    thread: str
    frames: tuple[tuple[str, str, int], ...]  # function, file, line
    count: int


def windows(run: Run) -> list[dict[str, Any]]:
    """Entries of stacks.json; ``end_ns`` of one that never closed is null."""
    try:
        index = json.loads((run.path / layout.STACKS_INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [window for window in index.get("windows", []) if isinstance(window, dict)]


def excluded(run: Run) -> list[tuple[int, int]]:
    """Intervals (CLOCK_MONOTONIC ns) that the headline leaves out; a window that never closed lasts to the
    end.
    """
    endless = 2**62
    return [(int(w["start_ns"]), int(w["end_ns"] or endless)) for w in windows(run)]


def hot_lines(run: Run, *, window: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
    """Lines of the user's code, most seen first, with shares of their role's samples in their window.

    Each is ``{"function", "file", "line", "role", "window", "share", "self_share", "import_share", "loading_share", "rows_share",
    "samples"}``.
    ``share`` counts a line wherever it was on the stack, ``self_share`` where it was the innermost line of the
    user's: what it calls in libraries is its own; ``import_share`` is the part of that in which modules were being
    imported, ``loading_share`` that in which a DataLoader made a batch, ``rows_share`` that in which pandas went through rows. Main threads only: others mostly wait. None of
    perfkit's own frames is counted.
    """
    counts: dict[Place, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    totals: dict[tuple[str, str], int] = defaultdict(int)
    found = [s for s in stacks(run) if s.thread == "MainThread" and window in {None, s.window}]
    # A launcher (torchrun's agent) runs nothing of the user's, and must not halve the shares.
    users = {stack.pid for stack in found if any(is_users(file) for _, file, _ in stack.frames)}
    for stack in (stack for stack in found if stack.pid in users):
        totals[stack.window, stack.role] += stack.count
        _count(stack, counts)
    lines = [_line(key, seen, totals) for key, seen in counts.items()]
    lines.sort(key=lambda each: (-each["self_share"], -each["share"], each["file"], each["line"]))
    return lines[:limit]


def stacks(run: Run) -> Iterator[Stack]:
    """Every distinct stack of every window."""
    for entry in windows(run):
        yield from parse(run.path / str(entry.get("file")), str(entry.get("name")))


def parse(path: Path, window: str) -> Iterator[Stack]:
    """Collapsed stacks: ``process N;process M;thread (T): NAME;function (file:line);… COUNT``."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if count.isdigit() and (made := _stack(stack, int(count), window)) is not None:
            yield made


def _stack(text: str, count: int, window: str) -> Stack | None:
    parts = text.split(";")
    processes = [part for part in parts if part.startswith("process ")]
    thread = next((part for part in parts if part.startswith("thread (")), None)
    if not processes or thread is None:
        return None
    frames = [frame for part in parts if (frame := _frame(part)) is not None]
    own, inherited = _own_part(frames)
    role = "main" if len(processes) == 1 else _role(own, inherited=inherited)
    number = processes[-1].split(" ")[1]
    return Stack(
        window=window,
        pid=int(number) if number.isdigit() else -1,
        role=role,
        thread=thread.partition("): ")[2] or "MainThread",
        frames=tuple(own),
        count=count,
    )


def _frame(part: str) -> tuple[str, str, int] | None:
    found = _FRAME.match(part)
    return (found["function"], found["file"], int(found["line"])) if found else None


def _own_part(frames: list[tuple[str, str, int]]) -> tuple[list[tuple[str, str, int]], bool]:
    """The frames of this process alone: a forked one carries its parent's below its own."""
    for index in range(len(frames) - 1, -1, -1):
        if frames[index][0] in _FORKED:
            return frames[index:], True
    return frames, False


def _role(frames: list[tuple[str, str, int]], *, inherited: bool) -> str:
    if any(file.replace("\\", "/").endswith("torch/utils/data/_utils/worker.py") for _, file, _ in frames):
        return "loader worker"
    # Under a launcher (a shell, torchrun) the script itself is a child process.
    return "worker" if inherited else "main"


def _count(stack: Stack, counts: dict[Place, list[int]]) -> None:
    mine = [frame for frame in stack.frames if is_users(frame[1])]
    for frame in set(mine):
        counts[(stack.window, stack.role, *frame)][0] += stack.count
    if mine:
        innermost = counts[(stack.window, stack.role, *mine[-1])]
        innermost[1] += stack.count
        innermost[2] += stack.count * _is_importing(stack)
        innermost[3] += stack.count * _is_loading(stack)
        innermost[4] += stack.count * _is_by_row(stack)


def _is_importing(stack: Stack) -> bool:
    """Whether modules were being imported below the innermost line of the user's."""
    for _, file, _ in reversed(stack.frames):
        if is_users(file):
            return False
        if file.startswith("<frozen importlib"):
            return True
    return False


def _is_loading(stack: Stack) -> bool:
    """Whether a DataLoader was making a batch, in this process or for another."""
    return any(_FETCH.search(file) for _, file, _ in stack.frames)


def _is_by_row(stack: Stack) -> bool:
    """Whether pandas was going through a table row by row."""
    return any(_APPLY.search(file) or (_FRAME_PY.search(file) and name in BY_ROW) for name, file, _ in stack.frames)


def is_users(file: str) -> bool:
    """Whether a file is the user's own: no library, no standard library, and not perfkit."""
    return not (_LIBRARY.search(file) or _OWN.search(file) or _CONSOLE_SCRIPT.search(file))


def _line(key: Place, seen: list[int], totals: dict[tuple[str, str], int]) -> dict[str, Any]:
    window, role, function, file, line = key
    total = totals[window, role]
    return {
        "function": function,
        "file": file,
        "line": line,
        "role": role,
        "window": window,
        "share": seen[0] / total,
        "self_share": seen[1] / total,
        "import_share": seen[2] / total,
        "loading_share": seen[3] / total,
        "rows_share": seen[4] / total,
        "samples": seen[0],
    }
