"""Which revision ran, and whether it had been changed. Reads only; takes no lock; gives up after two
seconds.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from .privacy import mask_url

_TIMEOUT_S = 2.0


def revision(folder: Path) -> dict[str, Any]:
    """``{"revision", "branch", "dirty", "remote"}`` of the repository around *folder*; empty outside of
    one.
    """
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return {}
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    remote = _git(folder, "config", "--get", "remote.origin.url")
    return {
        "revision": head,
        "branch": _git(folder, "symbolic-ref", "--short", "-q", "HEAD"),
        "dirty": bool(status) if status is not None else None,
        "remote": mask_url(remote) if remote else None,
    }


def _git(folder: Path, *words: str) -> str | None:
    # A repository's own configuration could name a program to run as file system monitor.
    argv = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *words]
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            argv, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
