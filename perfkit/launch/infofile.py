"""run.json while the run goes on: always whole on disk, and never a reason to fail."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..model.records import RunInfo
from ..runs import layout
from ..runs.reader import write_info
from . import command, privacy, rundir
from .request import Request


def first_info(request: Request, run: Path, **known: Any) -> RunInfo:
    """What is known of a run as it begins, secrets masked; *known* are the fields that only the caller can tell, or knows better."""
    told: dict[str, Any] = {
        "schema_version": layout.SCHEMA_VERSION,
        "id": run.name,
        "command": privacy.mask_command(command.typed(request)),
        "script": privacy.mask_text(request.target),
        "status": "running",
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": privacy.recorded_environment(os.environ),
    }
    return RunInfo(**{**told, **known})


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
