"""What a command prints goes where it went before, and a copy of it to us.

The command gets what it had: a terminal of the same size and settings where ours is one (so that colours, progress bars and line buffering
stay), else a pipe; stdout and stderr that are one stay one, so that their order stays. Between stands a process of its own
(`tee_process`), which goes on when perfkit is killed: a command never loses its output to us. The copy is taken without waiting: where we
do not read for long, parts of the copy are lost, nothing of the output.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_PROCESS = Path(__file__).with_name("tee_process.py")
_COPY_BYTES = 1 << 20  # of the pipe to us, where the system lets it be so large
F_SETPIPE_SZ = 1031  # linux/fcntl.h
# What the command's end leaves in the pipes is carried within this time; a daemon that it left behind may hold them open for ever.
DRAIN_S = 2.0


class Copy:
    """Reads one stream's copy; never waits."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    def read(self, most: int = 1 << 20) -> bytes:
        """What has come since; empty where nothing has, or no more will."""
        parts: list[bytes] = []
        while sum(map(len, parts)) < most:
            try:
                data = os.read(self._descriptor, 65536)
            except (BlockingIOError, OSError):
                break
            if not data:
                break
            parts.append(data)
        return b"".join(parts)

    def close(self) -> None:
        """No more."""
        with suppress(OSError):
            os.close(self._descriptor)


class Tee:
    """Stands between a command and our stdout and stderr. Make it, start the command with `outputs`, then call `started`.

    Raises OSError where it cannot be made.
    """

    def __init__(self) -> None:
        #: For `Child.start`: the descriptors of the command's stdout and stderr.
        self.outputs: dict[str, int] = {}
        self.copies: list[Copy] = []
        words, passed, theirs = [], [], []
        seen: dict[tuple[int, int, int], int] = {}
        for name, descriptor in (("stdout", 1), ("stderr", 2)):
            about = os.fstat(descriptor)
            same = (about.st_dev, about.st_ino, about.st_rdev)
            if same not in seen:
                read, write = _like(descriptor)
                ours, copy = os.pipe()
                _enlarge(copy)
                self.copies.append(Copy(ours))
                seen[same] = write
                words.append(f"{read}:{descriptor}:{copy}")
                passed += [read, copy]
                theirs.append(write)
            self.outputs[name] = seen[same]
        self._theirs = theirs
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_PROCESS), *words], pass_fds=passed, stdin=subprocess.DEVNULL
        )
        for descriptor in passed:
            os.close(descriptor)

    def started(self) -> None:
        """The command has its descriptors: ours of them are closed, so that its end is seen."""
        for descriptor in self._theirs:
            os.close(descriptor)
        self._theirs = []

    def finish(self) -> None:
        """Wait until everything has been carried, for DRAIN_S at most."""
        self.started()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(DRAIN_S)


def _like(descriptor: int) -> tuple[int, int]:
    """(to read from, to write to): a terminal like that of *descriptor*, or a pipe."""
    if not os.isatty(descriptor):
        return os.pipe()
    import fcntl
    import termios

    master, slave = os.openpty()
    settings = termios.tcgetattr(descriptor)
    settings[1] &= ~termios.OPOST  # the real terminal does that once
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    size = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
    return master, slave


def _enlarge(pipe: int) -> None:
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, F_SETPIPE_SZ, _COPY_BYTES)
