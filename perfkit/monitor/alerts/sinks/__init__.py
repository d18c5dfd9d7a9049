"""Who is told: one kind of sink per file. `alerts.courier` keeps the order, the retries and what could not be delivered."""

from __future__ import annotations

from typing import Any, Protocol


class Sink(Protocol):
    """Takes one alert at a time, in its courier's thread."""

    #: For messages and for the name of its spool; it holds no secret.
    name: str
    #: Whether what it could not take is kept on disk for the next process.
    durable: bool
    #: At most so many a minute; what is above waits.
    per_minute: float

    def send(self, message: dict[str, Any]) -> None:
        """Deliver an alert (`alerts.message.payload`). Raises Refused where it will never be taken; any other exception means later."""


class Down(Exception):  # noqa: N818 - it reads as the fact it states
    """It could not be taken now. The text has no secret; *retry_after_s* is what the receiver asked for."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Refused(Exception):  # noqa: N818
    """This alert is not taken, now or later."""
