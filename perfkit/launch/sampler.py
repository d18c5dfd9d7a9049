"""A thread of ours that samples something and appends JSON lines: cheap by construction, and never a
reason to fail.
"""

from __future__ import annotations

import json
import os
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from ..errors import CollectorError
from ..model.records import Collector, CollectorState

# A sampler may take this part of one core; where a sample costs more, samples become rarer.
OWN_SHARE = 0.01
# (from this age of the run in seconds, interval in seconds): long runs need fewer samples per second, not
# larger files.
INTERVALS = ((0.0, 0.1), (300.0, 0.2), (1200.0, 0.5), (3600.0, 1.0))
STOP_TIMEOUT_S = 2.0


class Sampler(ABC):
    """Appends what `sample` returns to *path* until stopped. `collector` says what became of it."""

    name: str

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"perfkit-{self.name}", daemon=True)
        self._state: CollectorState = "on"
        self._reason = ""
        self._samples = 0
        self._cost_s = 0.0
        self._rationed_s = 0.0  # cost of the last sample that has a ration of its own
        self._begun = time.monotonic()

    @abstractmethod
    def open(self) -> None:
        """Prepare; raise CollectorError with the reason when this cannot work here."""

    @abstractmethod
    def sample(self) -> dict[str, Any] | None:
        """One line, without its time; None for none."""

    @abstractmethod
    def how(self) -> str:
        """How it measures, for the report."""

    def close(self) -> dict[str, Any] | None:
        """Let go of what `open` took; may return a last line."""
        return None

    def start(self) -> None:
        """Begin sampling."""
        self._thread.start()

    def stop(self) -> Collector:
        """Take a last sample, stop, and say what became of it. Returns within STOP_TIMEOUT_S also when
        stuck.
        """
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_TIMEOUT_S)
        if self._thread.is_alive():
            return Collector(name=self.name, state="failed", reason="did not answer any more when it was stopped")
        return self.collector()

    def collector(self) -> Collector:
        """State and reason as they stand."""
        return Collector(name=self.name, state=self._state, reason=self._reason or self._told())

    def _told(self) -> str:
        age = max(time.monotonic() - self._begun, 1e-9)
        return f"{self.how()}; {self._samples} samples, own cost {100 * self._cost_s / age:.1f} % of a core"

    def _run(self) -> None:
        try:
            self.open()
        except CollectorError as error:
            self._state, self._reason = "off", str(error)
            return
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            self._fail(f"cannot write {self._path.name}: {error.strerror}")
            return
        try:
            self._loop(fd)
        except (CollectorError, OSError) as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            os.close(fd)

    def _loop(self, fd: int) -> None:
        while True:
            last = self._stop.is_set()
            before = time.thread_time()
            _append(fd, self.sample())
            if last:
                _append(fd, self.close())
            cost = time.thread_time() - before
            self._samples += 1
            self._cost_s += cost
            if last:
                return
            due = (cost - self._rationed_s) / OWN_SHARE
            self._stop.wait(max(interval_s(time.monotonic() - self._begun), due))

    def _fail(self, reason: str) -> None:
        self._state, self._reason = "failed", f"{reason} (after {self._samples} samples)"


def interval_s(age_s: float) -> float:
    """Seconds between samples of a run of this age."""
    return [interval for since, interval in INTERVALS if age_s >= since][-1]


def _append(fd: int, line: dict[str, Any] | None) -> None:
    if line is None:
        return
    raw = memoryview(json.dumps({"t": time.monotonic_ns(), **line}, separators=(",", ":")).encode() + b"\n")
    while raw:
        raw = raw[os.write(fd, raw) :]
