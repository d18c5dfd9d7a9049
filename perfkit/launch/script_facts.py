"""Static facts about the script and the modules of its own that it imports, read from their source after the run.

Only names, line numbers and the lines that a finding may quote are kept, with secrets masked.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model.records import Collector
from ..runs import layout
from . import privacy
from .habits import habits
from .habits.source import Source, follow_calls
from .request import Request

# The largest public training repositories hold fewer files of their own than that on the way of an import.
MOST_FILES, MOST_BYTES = 200, 2 << 20
LONGEST_CODE = 120
NOT_OURS = frozenset(("site-packages", "dist-packages", "node_modules", "__pycache__"))
_NAMED_STRING = re.compile(r"""([A-Za-z_]\w*)(["']?\]?\s*[=:,]\s*)(["'])(.*?)\3""")
_STRING_OR_SPACE = re.compile(r"""('[^']*'|"[^"]*"|\s+)""")


@dataclass(frozen=True)
class Unread:
    """Why a file's source says nothing."""

    name: str
    reason: str


def record(request: Request, run: Path, since_ns: int) -> list[Collector]:
    """Read the source that *request* ran and write script.json into *run*. Files changed after *since_ns* (wall clock) are left
    out: they are not what ran.
    """
    script = script_of(request)
    if script is None:
        return [Collector(name="script facts", state="off", reason="the command names no Python file")]
    try:
        found = gather(script, since_ns)
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        (run / layout.SCRIPT_FACTS).write_text(text, encoding="utf-8")
    except Exception as error:  # whatever a source looks like must not cost the run
        return [Collector(name="script facts", state="failed", reason=f"{type(error).__name__}: {error}")]
    return []


def script_of(request: Request, folder: Path | None = None) -> Path | None:
    """The file that is run: SCRIPT, the module's below the working directory, or the first Python file of a command."""
    folder = folder or Path.cwd()
    if request.kind == "module":
        stem = folder.joinpath(*request.target.split("."))
        candidates = [stem.with_suffix(".py"), stem / "__main__.py"]
    elif request.kind == "script":
        candidates = [folder / request.target]
    else:
        candidates = [folder / word for word in request.args if word.endswith(".py")]
    return next((path.resolve() for path in candidates if path.is_file()), None)


def gather(script: Path, since_ns: int) -> dict[str, Any]:
    """The contents of script.json: script, files (read), digest (of their source), unread [{file, reason}], facts."""
    read = [*_local_files(script, since_ns)]
    sources = [source for source in read if isinstance(source, Source)]
    follow_calls(sources)
    facts = [row for source in sources for row in _rows(source)]
    unread = [{"file": one.name, "reason": one.reason} for one in read if isinstance(one, Unread)]
    files = [source.name for source in sources]
    told = {"version": 1, "script": script.name, "files": files, "digest": _digest(sources)}
    return {**told, "unread": unread, "facts": facts}


def _digest(sources: list[Source]) -> str | None:
    """Tells two states of the source apart without keeping it."""
    if not sources:
        return None
    whole = json.dumps(sorted((source.name, source.text) for source in sources))
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _local_files(script: Path, since_ns: int) -> Iterator[Source | Unread]:
    """The script, and what it imports from its own folder tree or, where it lies below that, from the working directory's;
    nearest first.
    """
    here = Path.cwd().resolve()
    roots, bytes_left = [script.parent, *([here] if script.is_relative_to(here) else [])], MOST_BYTES
    waiting, seen = [script], {script}
    while waiting and len(seen) <= MOST_FILES:
        path = waiting.pop(0)
        bytes_left -= path.stat().st_size
        if bytes_left < 0:
            yield Unread(_name(path, roots), "more source than is read")
            continue
        source = _read(path, _name(path, roots), since_ns)
        yield source
        if isinstance(source, Source):
            fresh = [found for found in _imports(source, path, roots) if found not in seen]
            waiting += fresh
            seen.update(fresh)


def _name(path: Path, roots: list[Path]) -> str:
    return next(path.relative_to(root).as_posix() for root in roots if path.is_relative_to(root))


def _read(path: Path, name: str, since_ns: int) -> Source | Unread:
    if path.stat().st_mtime_ns > since_ns:
        return Unread(name, "changed after the run began")
    try:
        return Source(name, path.read_text(encoding="utf-8-sig"))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:  # bad encoding is a ValueError
        return Unread(name, f"{type(error).__name__}: {error}"[:LONGEST_CODE])


def _imports(source: Source, path: Path, roots: list[Path]) -> Iterator[Path]:
    """Files of the modules that a file imports, where they lie below one of *roots*."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module(roots, alias.name.split("."), roots)
        elif isinstance(node, ast.ImportFrom):
            bases = [path.parents[node.level - 1]] if 0 < node.level <= len(path.parents) else roots
            words = node.module.split(".") if node.module else []
            yield from _module(bases, words, roots)
            for alias in node.names:
                yield from _module(bases, [*words, alias.name], roots)


def _module(bases: list[Path], words: list[str], roots: list[Path]) -> Iterator[Path]:
    for base in bases:
        stem = base.joinpath(*words)
        found = [path.resolve() for path in (stem / "__init__.py", stem.with_suffix(".py")) if path.is_file()]
        if found and any(found[0].is_relative_to(root) for root in roots) and NOT_OURS.isdisjoint(found[0].parts):
            yield found[0]
            return


def _rows(source: Source) -> Iterator[dict[str, Any]]:
    for habit in habits(source):
        line = source.lines[habit.line - 1].strip()
        yield {
            "fact": habit.fact,
            "file": source.name,
            "line": habit.line,
            "code": masked(line)[:LONGEST_CODE],
            "function": habit.function,
            "in_loop": habit.in_loop,
            "guarded": habit.guarded,
        }


def masked(code: str) -> str:
    """A line of code without credentials: those told by their shape, and strings that a secret's name is given to."""
    named = _NAMED_STRING.sub(_masked_string, code)
    # Word by word: across words "token = x" would read like a header's "token x".
    return "".join(privacy.mask_text(part) for part in _STRING_OR_SPACE.split(named))


def _masked_string(found: re.Match[str]) -> str:
    name, between, quote, _ = found.groups()
    secret = name.lower() == "key" or privacy.is_secret_name(name)
    return f"{name}{between}{quote}{privacy.MASK}{quote}" if secret else found.group()
