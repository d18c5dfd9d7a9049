"""One run of py-spy on a process tree: started, asked to finish, read, and never left behind.

py-spy writes command lines into its output, and with them whatever secrets a person typed. So it writes into
memory, and only what has been cleaned reaches the disk.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .privacy import mask_text

PR_SET_PDEATHSIG = 1  # linux/prctl.h: the signal this process gets when its parent dies
# `process 123:"<command line>"` before the frames; the command line may hold anything, even the quote and
# newlines.
_PROCESS = re.compile(r'process (\d+):".*?";(?=process \d+:"|thread \()', re.DOTALL)
_COUNTS = re.compile(r"Samples: (\d+) Errors: (\d+)")


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What a finished py-spy left. `failure` is None when it worked."""

    text: str  # collapsed stacks: process N;thread (T): NAME;frame;…;frame COUNT
    samples: int
    errors: int
    failure: str | None
    #: It was asked to end before it had begun to sample.
    interrupted_early: bool = False


def find() -> str | None:
    """The py-spy that was installed with perfkit, else the one on PATH."""
    beside = Path(sysconfig.get_path("scripts")) / ("py-spy.exe" if os.name == "nt" else "py-spy")
    return str(beside) if beside.is_file() else shutil.which("py-spy")


class PySpy:
    """py-spy at work on the tree under *pid*, for *duration_s* at most."""

    def __init__(self, program: str, pid: int, *, rate_hz: int, duration_s: float) -> None:
        self.started_ns = time.monotonic_ns()
        self._interrupted = self._killed = False
        self._output = scratch("perfkit-stacks")
        self._messages = scratch("perfkit-py-spy")
        out = self._output.fileno()
        argv = [
            program,
            "record",
            "--nonblocking",
            "--idle",
            "--subprocesses",
            "--threads",
            "--full-filenames",
        ]
        argv += ["--format", "raw", "--rate", str(rate_hz), "--duration", str(max(1, round(duration_s)))]
        argv += ["--output", f"/dev/fd/{out}", "--pid", str(pid)]
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=self._messages,
            stderr=subprocess.STDOUT,
            pass_fds=(out,),
            process_group=0,  # Ctrl-C is for the script; we stop this one ourselves
            preexec_fn=tied_to_us(),
        )

    def ended(self) -> bool:
        """Whether it has finished by itself or after `interrupt`."""
        return self._process.poll() is not None

    def interrupt(self) -> None:
        """Ask it to stop sampling and write what it has."""
        if not self._interrupted and not self.ended():
            self._interrupted = True
            self._process.send_signal(signal.SIGINT)

    def wait(self, timeout_s: float) -> None:
        """Wait at most *timeout_s* for the end, and kill it then."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._killed = True
            self._process.kill()
            self._process.wait()

    def result(self, timeout_s: float = 0.0) -> Sampled:
        """What it left, once it has ended (at the latest after *timeout_s*)."""
        self.wait(timeout_s)
        code = None if self._killed else self._process.returncode
        text, said = clean(content(self._output)), content(self._messages)
        counts = _COUNTS.search(said)
        return Sampled(
            text=text,
            samples=int(counts.group(1)) if counts else 0,
            errors=int(counts.group(2)) if counts else 0,
            failure=None if code == 0 else failure(code, said),
            interrupted_early=code == -signal.SIGINT,
        )


def clean(raw: str) -> str:
    """Collapsed stacks without command lines, and with anything that looks like a credential masked."""
    return mask_text(_PROCESS.sub(r"process \1;", raw))


def failure(code: int | None, said: str) -> str:
    """Why py-spy did not work, from its exit code (None: it did not end) and what it said."""
    if code is None:
        return "py-spy did not finish in time"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if "ermission denied" in said or "Operation not permitted" in said:
        said_first = _first_error(lines)
        return f"not permitted to read the script's memory ({said_first}); it needs CAP_SYS_PTRACE here"
    return f"py-spy: {_first_error(lines)}" if lines else f"py-spy ended with {code} and said nothing"


def _first_error(lines: list[str]) -> str:
    wrong = [line for line in lines if line.lower().startswith("error")] or lines
    return mask_text(wrong[0].removeprefix("Error: "))[:200] if wrong else "no message"


def scratch(name: str) -> BinaryIO:
    """A file without a name: in memory where the system has such, else unlinked at once."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create(name), "w+b")
    return tempfile.TemporaryFile()


def content(file: BinaryIO) -> str:
    """Everything in *file*, which is closed then."""
    file.seek(0)
    with file:
        return file.read().decode("utf-8", "replace")


def tied_to_us() -> Callable[[], None] | None:
    """Between fork and exec: die with us, and receive the signals that we hold back."""
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()
    nothing: set[signal.Signals] = set()

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, nothing)
        if os.getppid() != parent:  # we died in between
            os._exit(1)

    return prepare
