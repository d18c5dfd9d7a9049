"""The order of commits, where a repository is at hand: dates tie, and clocks of people who commit are wrong."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_GIT_TIMEOUT_S = 120.0
#: Anything else is no commit, and what git is given must not be taken for an option.
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def known(commits: Iterable[str], folder: Path) -> dict[str, datetime]:
    """Those of *commits* (full hashes) that the repository around *folder* has, parents first, with when they were made.

    Empty outside of a repository, and without git.
    """
    wanted = {commit for commit in commits if _HASH.fullmatch(commit)}
    if not wanted:  # of none git would tell about HEAD
        return {}
    argv = [
        "git",
        "-C",
        str(folder),
        "rev-list",
        "--topo-order",
        "--reverse",
        "--timestamp",
        "--ignore-missing",
        "--stdin",
    ]
    try:
        done = subprocess.run(
            argv, input="\n".join(wanted) + "\n", capture_output=True, text=True, check=False, timeout=_GIT_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if done.returncode:
        return {}
    lines = (line.split() for line in done.stdout.splitlines())
    return {commit: datetime.fromtimestamp(int(seconds), tz=UTC) for seconds, commit in lines if commit in wanted}
