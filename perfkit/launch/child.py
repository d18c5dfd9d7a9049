r"""One process: started faithfully, signals passed on exactly once, its end reported exactly.

The child stays in our process group, so that it owns the terminal as it would without us. That decides about
signals: what the terminal sends (Ctrl-C, Ctrl-\; the kernel marks it SI_KERNEL) has reached the child
already, and so has what went to the whole group (`canary`), while what a process sends to us alone is
passed on. We block those signals and collect them (`signals`), so that none of them can interrupt us
in the middle of a write. The child gets the mask and the dispositions that we were started with.

A child *apart* (a trial) has a session and streams of its own: no terminal reaches it, and what asks us to stop ends it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import procfs
from .canary import Canary
from .signals import Received, collect

FORWARDED = frozenset(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)
COLLECTED = FORWARDED | {signal.SIGCHLD}
STOPPING = FORWARDED - {getattr(signal, name, None) for name in ("SIGUSR1", "SIGUSR2")}
PR_SET_PTRACER = 0x59616D61  # linux/prctl.h ("Yama"): who may trace this process where ptrace_scope is 1
TICK_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a process ended."""

    exit_code: int  # its own, or 128 + n
    signal: int | None
    ended_monotonic_ns: int
    max_rss_bytes: int  # of the largest process among it and the children it waited for
    cpu_ns: int


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Descriptors of a child that runs apart."""

    stdin: int
    stdout: int
    stderr: int


class Child:
    """The supervised process. Use as: ``Child.start(...)`` in the main thread before any other starts,
    ``wait``.
    """

    def __init__(self, process: subprocess.Popen[bytes], mask: set[signal.Signals], canary: Canary | None) -> None:
        self._process = process
        self._canary = canary
        self._mask = mask
        self.pid = process.pid
        self.started_monotonic_ns = time.monotonic_ns()
        #: The signal that asked us to stop, of a child apart.
        self.interrupted: int | None = None

    @classmethod
    def start(
        cls,
        argv: list[str],
        environ: Mapping[str, str],
        *,
        apart: Streams | None = None,
        outputs: Mapping[str, int] | None = None,
    ) -> Child:
        """Execute *argv* here and now. *outputs* are descriptors in the place of ours (``stdout``, ``stderr``). Raises OSError when it cannot
        be executed.
        """
        mask = {signal.Signals(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, COLLECTED)}
        # A parent that ignores SIGCHLD leaves that to us, and the kernel would reap our child unseen.
        ignored = signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
        if ignored:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        prepare = _preparation(mask, ignore_sigchld=ignored)
        canary = Canary(FORWARDED) if apart is None else None
        settings: dict[str, Any] = dict(outputs or {}) if apart is None else {**vars(apart), "start_new_session": True}
        try:
            # preexec_fn is safe here: no thread has been started yet.
            process = subprocess.Popen(argv, env=dict(environ), close_fds=False, preexec_fn=prepare, **settings)
        except BaseException:
            if canary is not None:
                canary.stop()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            raise
        return cls(process, mask, canary)

    def wait(self, tick: Callable[[], None] = lambda: None, *, tick_s: float = TICK_S) -> Ended:
        """Wait for the end, passing signals on and calling *tick* about every *tick_s* seconds."""
        woken: Received | None = None
        while True:
            ended = self._reap()
            if ended is not None:
                return ended
            if woken is None or woken.number == signal.SIGCHLD:  # time has passed, or a sampler has ended
                tick()
            else:
                self._pass_on(woken)
            woken = collect(COLLECTED, tick_s)

    def release(self) -> None:
        """Drop the signals that came while we were finishing, and receive them as before."""
        if self._canary is not None:
            self._canary.stop()
        while collect(COLLECTED, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def kill(self) -> None:
        """End it and its process group at once."""
        if self._process.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)

    def has_stopped(self) -> bool:
        """Whether it is stopped (SIGSTOP), and not ended."""
        found = procfs.read_stat(self.pid)
        return found is not None and found.state == "T"

    def resume(self) -> None:
        """Continue it and its process group."""
        if self._process.returncode is None:
            os.killpg(self.pid, signal.SIGCONT)

    def _pass_on(self, received: Received) -> None:
        if self._canary is None:
            self._stop_or_pass_on(received.number)
            return
        if received.from_terminal or self._canary.heard(received.number):
            return
        os.kill(self.pid, received.number)  # not reaped yet, so the number is still its own

    def _stop_or_pass_on(self, number: int) -> None:
        if number in STOPPING:
            self.interrupted = number
            self.kill()
        else:
            os.kill(self.pid, number)

    def _reap(self) -> Ended | None:
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code
        return Ended(
            exit_code=code if code >= 0 else 128 - code,
            signal=-code if code < 0 else None,
            ended_monotonic_ns=time.monotonic_ns(),
            max_rss_bytes=usage.ru_maxrss * 1024,
            cpu_ns=int((usage.ru_utime + usage.ru_stime) * 1e9),
        )


def _preparation(mask: set[signal.Signals], *, ignore_sigchld: bool) -> Callable[[], None]:
    """What the child does between fork and exec: our original mask, and leave to be traced by us."""
    allow = allow_tracing_by(os.getpid())

    def prepare() -> None:
        allow()
        if ignore_sigchld:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return prepare


def allow_tracing_by(pid: int) -> Callable[[], None]:
    """To be called between fork and exec: *pid* and what it starts may read the new process where Yama
    restricts.
    """
    prctl = _prctl()

    def allow() -> None:
        if prctl is not None:
            prctl(PR_SET_PTRACER, ctypes.c_ulong(pid), 0, 0, 0)

    return allow


def _prctl() -> Callable[..., int] | None:
    """Found before the fork, because nothing may be loaded after it."""
    try:
        found: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return None
    return found
