"""The two sides of a comparison: a folder with the sources of each, and the environment that its benchmarks run in."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import PerfkitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_GIT_TIMEOUT_S = 120.0
#: Where projects keep their packages: in the folder itself, or in src.
SOURCES = ("", "src")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One revision."""

    #: base or head.
    name: str
    #: What a person calls it: the revision, or "the working tree".
    label: str
    #: Full hash; None of a working tree with changes.
    revision: str | None
    folder: Path
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def sides(base: str, head: str | None, *, setup: str | None, say: Callable[[str], None]) -> Iterator[tuple[Side, Side]]:
    """The revision *base* in a worktree of its own, and *head* likewise, or the working tree as it stands.

    *setup* is a shell command that is run in both, each with a virtual environment of its own that sees the packages of this one.
    Without it both use this interpreter, with their own sources first on the path. Raises UsageError outside a repository and
    for a revision that is not there, PerfkitError when *setup* fails.
    """
    top = Path(_git(Path.cwd(), "rev-parse", "--show-toplevel"))
    with tempfile.TemporaryDirectory(prefix="perfkit-bench-") as place:
        made: list[Path] = []
        try:
            old = _checked_out(top, base, Path(place, "base"), made)
            if head is not None:
                new = _checked_out(top, head, Path(place, "head"), made)
            else:
                changed = bool(_git(top, "status", "--porcelain", "--untracked-files=no"))
                own = None if changed else _git(top, "rev-parse", "HEAD")
                new = Side(name="head", label="the working tree", revision=own, folder=top)
            yield (_ready(old, Path(place), setup, say), _ready(new, Path(place), setup, say))
        finally:
            for folder in made:
                _git(top, "worktree", "remove", "--force", str(folder))


def _checked_out(top: Path, revision: str, folder: Path, made: list[Path]) -> Side:
    found = _git(
        top, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", what=f"no revision {revision!r} here"
    )
    _git(top, "worktree", "add", "--detach", "--quiet", str(folder), found)
    made.append(folder)
    return Side(name=folder.name, label=revision, revision=found, folder=folder)


def _ready(side: Side, place: Path, setup: str | None, say: Callable[[str], None]) -> Side:
    paths = [str(side.folder / part) for part in SOURCES if (side.folder / part).is_dir()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, *_given("PYTHONPATH")])}
    if setup is None:
        return Side(**{**vars(side), "environment": environment})
    say(f"{side.name}: {setup}")
    own = place / f"{side.name}-env"
    _run([sys.executable, "-m", "venv", str(own)], side.folder, environment)
    _see_ours(own)
    environment |= {"VIRTUAL_ENV": str(own), "PATH": os.pathsep.join([str(own / "bin"), os.environ.get("PATH", "")])}
    _run(["/bin/sh", "-c", setup], side.folder, environment)
    return Side(**{**vars(side), "environment": environment, "python": str(own / "bin" / "python")})


def _see_ours(own: Path) -> None:
    """Let the environment *own* see the packages of this one, after its own. (``--system-site-packages`` shows those of the Python that this
    environment was made from.)
    """
    (packages,) = own.glob("lib/python*/site-packages")
    lines = [f"import site; site.addsitedir({folder!r})" for folder in site.getsitepackages()]
    (packages / "perfkit-outer.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _given(name: str) -> list[str]:
    return [os.environ[name]] if os.environ.get(name) else []


def _run(words: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(words, cwd=folder, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise PerfkitError(f"{' '.join(words)}: exit code {done.returncode}: {last_line(done.stderr or done.stdout)}")


def _git(folder: Path, *words: str, what: str | None = None) -> str:
    """What git says. Raises UsageError (*what*, else its own words) when it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=False, timeout=_GIT_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"git {words[0]}: {error}") from None
    if done.returncode:
        raise UsageError(what or f"git {words[0]}: {last_line(done.stderr)}")
    return done.stdout.strip()


def last_line(text: str) -> str:
    """The last line of what a program said that is not blank."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
