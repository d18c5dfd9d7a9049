"""What every thread of a process is doing now: one `py-spy dump`, waited for by nobody, cleaned before it is written."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import pyspy
from .privacy import mask_text

# A dump takes some tenths of a second; of a large process that is being swapped longer.
TIMEOUT_S = 20.0
# `Process 123: <command line>`; the command line may hold anything, even newlines, and ends where the version stands.
_COMMAND = re.compile(r"^Process (\d+):.*?(?=^Python v|\Z)", re.DOTALL | re.MULTILINE)
_THREAD = re.compile(r"^Thread \S+ \((\w[\w+]*)\)(?:: \"(.*)\")?$")
_FRAME = re.compile(r"^    (\S.*)$")


@dataclass(frozen=True, kw_only=True)
class Dump:
    """What a finished dump says."""

    text: str
    #: Innermost frames of the main thread, as ``function (file:line)``; empty where there is none to see.
    frames: tuple[str, ...]
    #: Why there is none; "" where there is one.
    failure: str = ""


class StackDump:
    """A py-spy at work on *pid* and its children. `poll` it until it gives something. Raises OSError when it cannot be started."""

    def __init__(self, program: str, pid: int) -> None:
        self._output, self._messages = pyspy.scratch("perfkit-dump"), pyspy.scratch("perfkit-dump-said")
        self._deadline = time.monotonic() + TIMEOUT_S
        self._process = subprocess.Popen(
            [program, "dump", "--subprocesses", "--full-filenames", "--pid", str(pid)],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._messages,
            process_group=0,
            preexec_fn=pyspy.tied_to_us(),
        )

    def poll(self) -> Dump | None:
        """What came of it; None while it is at work."""
        code = self._process.poll()
        if code is None and time.monotonic() < self._deadline:
            return None
        if code is None:
            self.stop()
        text, said = clean(pyspy.content(self._output)), pyspy.content(self._messages)
        failure = "" if code == 0 else pyspy.failure(code, said)
        return Dump(text=text, frames=main_frames(text), failure=failure)

    def stop(self) -> None:
        """End it, wherever it is."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


def clean(raw: str) -> str:
    """A dump without command lines, and with anything that looks like a credential masked."""
    return mask_text(_COMMAND.sub(r"Process \1\n", raw))


def main_frames(text: str, most: int = 6) -> tuple[str, ...]:
    """The innermost frames of the first process's main thread, files by their names alone."""
    frames: list[str] = []
    inside = False
    for line in text.splitlines():
        thread = _THREAD.match(line)
        if thread:
            if inside and frames:
                break
            inside = thread[2] in (None, "MainThread")
            frames = []
        elif inside and (frame := _FRAME.match(line)):
            frames.append(_short(frame[1]))
    return tuple(frames[:most]) if inside else ()


def _short(frame: str) -> str:
    """``wait (/usr/lib/python3.11/threading.py:320)`` as ``wait (threading.py:320)``."""
    name, opened, place = frame.partition(" (")
    return f"{name}{opened}{Path(place).name}"
