"""What the command reads from stdin, captured once so that every trial reads the same."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Stdin:
    """A file that is opened anew for each trial."""

    path: Path

    @classmethod
    def nothing(cls) -> Stdin:
        """Stdin that is at its end."""
        return cls(path=Path(os.devnull))

    @classmethod
    def capture(cls, folder: Path) -> Stdin:
        """Our own stdin read to its end into a file in *folder*, from where it stands now.

        A terminal is not read (a trial is not a dialogue), nor is /dev/null or a stdin that is closed.
        """
        try:
            source = os.dup(0)
            mode = os.fstat(source).st_mode
        except OSError:
            return cls.nothing()
        with os.fdopen(source, "rb") as given:
            if stat.S_ISCHR(mode):
                return cls.nothing()
            descriptor, name = tempfile.mkstemp(prefix="stdin-", dir=folder)
            with os.fdopen(descriptor, "wb") as kept:
                shutil.copyfileobj(given, kept)
        return cls(path=Path(name))

    def open(self) -> int:
        """A descriptor at its beginning."""
        return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)


__all__ = ["Stdin"]
