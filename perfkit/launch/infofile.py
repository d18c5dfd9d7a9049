"""run.json while the run goes on: always whole on disk, and never a reason to fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..model.records import RunInfo
from ..runs.reader import write_info
from . import rundir


class InfoFile:
    """The run's description. The first write may raise OSError; a later one that fails is kept in
    `failure`.
    """

    def __init__(self, run: Path, info: RunInfo) -> None:
        self._run = run
        self.info = info
        self.failure: str | None = None
        write_info(run, info)

    def update(self, **changes: Any) -> None:
        """Change fields and write the file anew; on a full disk, in the blocks reserved for that."""
        self.info = replace(self.info, **changes)
        try:
            write_info(self._run, self.info)
        except OSError as error:
            self.failure = f"{self._run}: {error.strerror or error}"
            self._write_in_reserve()

    def _write_in_reserve(self) -> None:
        try:
            (self._run / "run.tmp").unlink(missing_ok=True)
            rundir.free_reserve(self._run)
            write_info(self._run, self.info)
        except OSError as error:
            self.failure = f"{self._run}: {error.strerror or error}; run.json is not up to date"
