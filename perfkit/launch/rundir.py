"""The run's directory: made before anything starts, so that what cannot be recorded is known at once."""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path

from ..runs import layout

_NAME_LENGTH = 40
_GITIGNORE = "# made by perfkit: recordings are not sources\n*\n"
# Freed when the disk is full at the end, so that run.json can still say how the run ended.
RESERVE = ".reserve"
_RESERVE_BYTES = 32 * 1024


def make(root: Path, name: str) -> Path:
    """Make `<root>/runs/<UTC>-<name>-<id6>/` and name it in `<root>/latest`. Raises OSError when that
    cannot be.
    """
    root = root.absolute()
    _make_root(root)
    run = _make_run(root / layout.RUNS, _clean(name))
    (run / layout.CONTROL).mkdir()
    (run / RESERVE).write_bytes(os.urandom(_RESERVE_BYTES))
    point_latest(root, run.name)
    return run


def make_tune(root: Path, name: str) -> Path:
    """Make `<root>/tunes/<UTC>-<name>-<id6>/`, a root of its own for the runs of one tune. Raises OSError."""
    root = root.absolute()
    _make_root(root)
    return _make_run(root / layout.TUNES, _clean(name))


def free_reserve(run: Path) -> None:
    """Give the reserved blocks back."""
    (run / RESERVE).unlink(missing_ok=True)


def point_latest(root: Path, run_id: str) -> None:
    """Make *run_id* the newest run, atomically."""
    scratch = root / f".{layout.LATEST}.{os.getpid()}"
    scratch.write_text(run_id + "\n", encoding="utf-8")
    scratch.replace(root / layout.LATEST)


def _make_root(root: Path) -> None:
    if root.is_dir():
        return
    root.mkdir(parents=True)
    (root / ".gitignore").write_text(_GITIGNORE, encoding="utf-8")


def _make_run(runs: Path, name: str) -> Path:
    runs.mkdir(exist_ok=True)
    while True:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        run = runs / f"{stamp}-{name}-{secrets.token_hex(3)}"
        try:
            run.mkdir()
        except FileExistsError:
            continue
        return run


def _clean(name: str) -> str:
    cleaned = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.")
    return cleaned[:_NAME_LENGTH].rstrip("-.") or "run"
