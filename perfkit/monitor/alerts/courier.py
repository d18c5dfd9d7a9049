"""Delivers to one sink, in order, from a thread of its own: a sink that is slow or down holds up neither the caller nor other sinks."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .sinks import Down, Refused, Sink
from .spool import Spool

#: So many may come at once before the limit of a sink's rate holds them back.
BURST = 10.0


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How long to wait after the n-th failure in a row: exponential with full jitter, so that many runs do not come back at once.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. At least *first_s* is waited, so that a receiver
    that refuses at once is not called in a loop.
    """

    first_s: float = 0.5
    longest_s: float = 60.0

    def wait_s(self, failures: int, draw: Callable[[], float] = random.random) -> float:
        """Seconds."""
        most = min(self.longest_s, self.first_s * 2.0 ** min(failures, 30))
        return self.first_s + draw() * (most - self.first_s)


class Rate:
    """A token bucket: *per_minute* on the average, BURST at once."""

    def __init__(self, per_minute: float, now_s: float) -> None:
        self._per_s, self._tokens, self._at_s = per_minute / 60, BURST, now_s

    def wait_s(self, now_s: float) -> float:
        """Seconds until one more may go; 0 for now."""
        self._tokens = min(BURST, self._tokens + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._per_s

    def took(self) -> None:
        """One went."""
        self._tokens -= 1


class Courier:
    """The queue and the thread of one sink. `put` does not wait for the sink, and never raises."""

    def __init__(self, sink: Sink, spool: Spool, tell: Callable[[str], None], *, retry: Retry | None = None) -> None:
        self.sink = sink
        self.delivered = self.failures = self.refused = 0
        self._spool, self._tell, self._retry = spool, tell, retry or Retry()
        self._rate = Rate(sink.per_minute, time.monotonic())
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = self._is_closed = False
        #: Failures in a row; the next try is not before this time.
        self._in_a_row, self._not_before_s = 0, 0.0
        self._told_dropped = 0
        self._has_told_spool = False
        self._tell_spool()
        with self._condition:
            if len(spool):  # left by a process before
                self._start()

    @property
    def waiting(self) -> int:
        """Alerts that were not delivered yet."""
        return len(self._spool)

    @property
    def dropped(self) -> int:
        """Alerts given up because too many waited, of which the receiver does not know yet."""
        return self._spool.dropped

    @property
    def unsaved(self) -> int:
        """Of those that wait, the ones that are in memory alone."""
        return self._spool.unsaved

    @property
    def spool_failure(self) -> str | None:
        """Why what waits is in memory alone; None where it is on disk, or was never to be."""
        return self._spool.failure

    def put(self, message: dict[str, Any]) -> None:
        """One more alert."""
        with self._condition:
            self._spool.put(message)
            self._tell_spool()
            if not self._is_closing:
                self._start()
            self._condition.notify_all()

    def begin_close(self) -> None:
        """Let the thread come to its end, without waiting for it."""
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()

    def close(self, timeout_s: float) -> None:
        """One more try at what waits, *timeout_s* at most; the rest stays in the spool."""
        self.begin_close()
        if self._thread is not None:
            self._thread.join(max(0.0, timeout_s))
        with self._condition:
            self._is_closed = True
            self._spool.sync()
            self._spool.close()

    def _tell_spool(self) -> None:
        if self._spool.failure and not self._has_told_spool:
            self._has_told_spool = True
            self._tell(f"what {self.sink.name} cannot take is kept in memory only: {self._spool.failure}")

    # -- the thread

    def _start(self) -> None:
        if self._thread is None:
            # A daemon: where the sink hangs, the process ends all the same, and the spool has the alert.
            self._thread = threading.Thread(target=self._work, name=f"perfkit-alerts {self.sink.name}", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (message := self._next()) is not None:
            self._spool.sync()
            told_dropped = self._told_dropped
            is_gone = self._send({**message, "dropped_before": told_dropped} if told_dropped else message)
            with self._condition:
                if is_gone:
                    self._spool.done(told_dropped)
                else:
                    self._spool.back()
                    if self._is_closing:
                        return

    def _next(self) -> dict[str, Any] | None:
        """The next alert when its time has come; None when there are no more to wait for."""
        with self._condition:
            while not self._is_closing:
                wait_s: float | None = None
                if len(self._spool):
                    now_s = time.monotonic()
                    wait_s = max(self._not_before_s - now_s, self._rate.wait_s(now_s))
                    if wait_s <= 0:
                        break
                self._condition.wait(wait_s)
            self._told_dropped = self._spool.dropped
            return self._spool.take()

    def _send(self, message: dict[str, Any]) -> bool:
        """Whether this alert need not be sent again."""
        try:
            self.sink.send(message)
        except Refused as refused:
            self.refused += 1
            self._tell(f"{self.sink.name} does not take an alert ({refused}): {message.get('text', '')}")
            return True
        except Exception as error:  # a sink may be anybody's
            self._failed(error)
            return False
        self.delivered += 1
        self._rate.took()
        if (
            self._in_a_row == self.failures > 0
        ):  # of the first outage only: one that comes and goes would fill the screen
            self._tell(f"{self.sink.name} takes alerts again")
        self._in_a_row, self._not_before_s = 0, 0.0
        return True

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._in_a_row += 1
        wait_s = self._retry.wait_s(self._in_a_row)
        if isinstance(error, Down) and error.retry_after_s is not None:
            wait_s = max(wait_s, error.retry_after_s)
        self._not_before_s = time.monotonic() + wait_s
        if self.failures == 1 and not self._is_closed:
            # Of an exception that is not ours the text is not shown: it may hold an address with a password.
            reason = str(error) if isinstance(error, Down) else type(error).__name__
            self._tell(f"{self.sink.name} does not take alerts ({reason}); they are kept and tried again")
