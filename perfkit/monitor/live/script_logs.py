"""What the script itself prints and logs, as series beside those that perfkit measures.

Nothing is put between the script and its output: where stdout or stderr is a regular file (``> train.log``, a batch system), that file is
read beside the script, and so are files named by ``--log-file``. A line counts from when it was seen; a script that writes to a file
without flushing is seen late (``python -u`` helps).
"""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .tail import Bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..logs.analysis import LogAnalysis
    from ..logs.records import LogRecord

# Lines of perfkit's own that reach the same file.
OWN = b"perfkit: "
# A line longer than this is data, and is given on in pieces.
LONGEST = 1 << 16
_EPOCHS = re.compile(rb"\bepoch\w*\s*[:=#]?\s*\[?\s*\d+\s*(?:/|of)\s*(\d+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Said:
    """Something that a log says, and between which two looks it came (CLOCK_MONOTONIC)."""

    since_ns: int
    at_ns: int
    #: Metrics by canonical name; empty for what is none.
    values: dict[str, float]
    #: The log's own numbers, where it has any.
    step: int | None = None
    epoch: int | None = None
    #: The text of an error or a traceback; "" for all else.
    error: str = ""


class Source(Protocol):
    """Bytes of one log, in order."""

    def read(self) -> bytes:
        """What is new; never waits."""


class ScriptLogs:
    """Reads sources at every tick, understands what they say when asked."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self._analyses = [self._analysis() for _ in self._sources]
        self._rests = [b"" for _ in self._sources]
        self._arrived: list[tuple[int, int, int, bytes]] = []
        self._looked_ns = self._since_ns = self._now_ns = time.monotonic_ns()
        self._said: list[Said] = []
        #: As the log says ("Epoch 3/20"); None where it does not.
        self.total_epochs: int | None = None

    def collect(self) -> None:
        """Keep what has come, with the time at which it was seen."""
        since, self._looked_ns = self._looked_ns, time.monotonic_ns()
        for number, source in enumerate(self._sources):
            if data := source.read():
                self._arrived.append((since, self._looked_ns, number, data))

    def take(self, *, last: bool = False) -> list[Said]:
        """What was said since the last call, in the order of its coming; at the *last* also what waited for its next line."""
        for since_ns, at_ns, number, data in self._arrived:
            self._since_ns, self._now_ns = since_ns, at_ns
            if whole := self._whole_lines(number, data):
                self._analyses[number].feed(whole)
        self._arrived.clear()
        if last:
            for number, analysis in enumerate(self._analyses):
                analysis.feed(self._own_out(self._rests[number]))
                analysis.finish()
        found, self._said = self._said, []
        return found

    def _whole_lines(self, number: int, data: bytes) -> bytes:
        """Whole lines but perfkit's own; the rest waits for its end."""
        data = self._rests[number] + data
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not end and len(data) > LONGEST:
            end = len(data)
        whole, self._rests[number] = data[:end], data[end:]
        for total in _EPOCHS.findall(whole):
            self.total_epochs = int(total) if 0 < int(total) < 10**6 else self.total_epochs
        return self._own_out(whole)

    @staticmethod
    def _own_out(whole: bytes) -> bytes:
        if OWN not in whole:
            return whole
        return b"".join(line for line in whole.splitlines(keepends=True) if not line.startswith(OWN))

    def _analysis(self) -> LogAnalysis:
        from ..logs.analysis import LogAnalysis

        return LogAnalysis(on_record=self._keep, now_ns=lambda: self._now_ns)

    def _keep(self, record: LogRecord) -> None:
        values = {name: float(value) for name, value in record.values.items() if isinstance(value, int | float)}
        wrong = record.level in ("error", "critical") or record.event == "traceback"
        if record.kind in ("train", "predict") and values:
            said = Said(
                since_ns=self._since_ns, at_ns=self._now_ns, values=values, step=record.step, epoch=record.epoch
            )
        elif wrong:
            said = Said(since_ns=self._since_ns, at_ns=self._now_ns, values={}, error=record.text)
        else:
            return
        self._said.append(said)


def own_files() -> list[Bytes]:
    """Standard output and error of this process, as far as they are regular files; one file twice counts once."""
    found: dict[tuple[int, int], Bytes] = {}
    for descriptor in (1, 2):
        try:
            about = os.fstat(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}")
            if stat.S_ISREG(about.st_mode) and path.exists():
                found.setdefault((about.st_dev, about.st_ino), Bytes(path, offset=about.st_size))
        except OSError:  # closed
            continue
    return list(found.values())
