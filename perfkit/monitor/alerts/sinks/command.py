"""A program of the user's own, with the alert as JSON on its standard input."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ....errors import UsageError
from . import Down

TIMEOUT_S = 30.0
#: A program is started for each; more of them would take the cores that the training needs.
STARTS_PER_MINUTE = 30.0


class Command:
    """Runs *argv* (no shell) for each alert; a program that fails, or takes longer than *timeout_s*, is run again later."""

    durable = True
    per_minute = STARTS_PER_MINUTE

    def __init__(self, argv: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> None:
        if not argv or not all(isinstance(word, str) and "\0" not in word for word in argv) or not argv[0]:
            raise UsageError("alert command: give the program and its arguments as a list of strings")
        if not timeout_s > 0:
            raise UsageError(f"alert command {argv[0]}: a timeout of {timeout_s} s; give seconds above 0")
        if shutil.which(argv[0]) is None:
            raise UsageError(f"alert command {argv[0]}: there is no such program; mend the name or its path")
        self._argv, self._timeout_s = list(argv), timeout_s
        self.name = f"command {Path(argv[0]).name}"  # the arguments may hold a secret

    def send(self, message: dict[str, Any]) -> None:
        """Run the program. Raises Down where it did not end with 0."""
        try:
            done = subprocess.run(
                self._argv, input=json.dumps(message).encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                timeout=self._timeout_s, check=False, start_new_session=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Down(f"it did not end within {self._timeout_s:g} s") from None
        except OSError as error:
            raise Down(error.strerror or type(error).__name__) from None
        if done.returncode:
            raise Down(f"exit code {done.returncode}")
