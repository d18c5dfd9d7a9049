"""Which Python runs the script, and why.

`--python` > VIRTUAL_ENV > CONDA_PREFIX > perfkit's own, unless that is the private environment of a pipx or
uv tool: then `./.venv`, else PATH's. The choice is printed, so each comes with its reason.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import CommandNotFound

# Files that these installers leave in the prefix of an environment that holds one tool:
# https://pipx.pypa.io (pipx_metadata.json), https://docs.astral.sh/uv/concepts/tools/ (uv-receipt.toml).
TOOL_MARKERS = ("pipx_metadata.json", "uv-receipt.toml")
_NAMES = ("bin/python", "bin/python3", "python.exe", "Scripts/python.exe")


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python and why it was taken."""

    path: str
    reason: str

    @property
    def is_own(self) -> bool:
        """Whether it is the Python that perfkit itself runs in, under whichever of its names."""
        return os.path.dirname(self.path) == os.path.dirname(sys.executable)  # noqa: PTH120 - links count


def choose(
    wanted: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
    own_prefix: Path | None = None,
    own_executable: str | None = None,
) -> Interpreter:
    """The Python to run scripts with. Raises CommandNotFound when the one asked for, or any at all, is
    missing.
    """
    if wanted is not None:
        return Interpreter(path=_wanted(wanted, environ), reason="--python")
    own = _own(own_prefix or Path(sys.prefix), own_executable or sys.executable)
    for found in _candidates(environ, cwd or Path.cwd(), own):
        return found
    raise CommandNotFound("no Python found to run the script with; name one with --python")


def _wanted(wanted: str, environ: Mapping[str, str]) -> str:
    if Path(wanted).is_dir() and (inside := _python_in(Path(wanted))):
        return inside
    found = shutil.which(wanted, path=environ.get("PATH"))
    if found is None:
        raise CommandNotFound(f"--python {wanted}: no such program; give the path of a Python or of an environment")
    return found


def _candidates(environ: Mapping[str, str], cwd: Path, own: Interpreter | None) -> Iterator[Interpreter]:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        prefix = environ.get(name)
        if prefix and (python := _python_in(Path(prefix))):
            yield Interpreter(path=python, reason=name)
    if own is not None:
        yield own
    if python := _python_in(cwd / ".venv"):
        yield Interpreter(path=python, reason="./.venv (perfkit itself is installed as a tool)")
    for name in ("python3", "python"):
        if python := shutil.which(name, path=environ.get("PATH")):
            yield Interpreter(path=python, reason="first on PATH (perfkit itself is installed as a tool)")


def _own(prefix: Path, executable: str) -> Interpreter | None:
    if not executable or any((prefix / marker).exists() for marker in TOOL_MARKERS):
        return None
    return Interpreter(path=executable, reason="the Python that perfkit is installed in")


def _python_in(prefix: Path) -> str | None:
    for name in _NAMES:
        candidate = prefix / name
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    return None
