"""A POST of the alert as JSON to an address."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from time import time
from typing import IO, Any
from urllib.parse import urlsplit

from ....errors import UsageError
from . import Down, Refused

TIMEOUT_S = 10.0
#: Chat services take about one a second, and people far fewer.
POSTS_PER_MINUTE = 60.0
#: Answers that mean "this very text, never": everything else of the 400s may be mended at the receiver (a token, an address).
_NEVER = frozenset((400, 413, 415, 422))
_LONGEST_WAIT_S = 3600.0


class Webhook:
    """POSTs to *url* with *headers*. Both may hold secrets, so neither is ever shown: `name` has the host alone."""

    durable = True
    per_minute = POSTS_PER_MINUTE

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._headers = {"Content-Type": "application/json", "User-Agent": "perfkit", **(headers or {})}
        host = _host(url)
        if not timeout_s > 0:
            raise UsageError(f"webhook {host}: a timeout of {timeout_s} s; give seconds above 0")
        for header, value in self._headers.items():
            if not f"{header}{value}".isprintable() or not header or ":" in header:
                raise UsageError(f"webhook {host}: a header is not one line of text; mend it")
        # Without the address two hooks at one host would share a spool. Of a secret it tells nothing that can be used.
        digest = hashlib.sha256(urlsplit(url)._replace(netloc=host).geturl().encode()).hexdigest()[:6]
        self.name = f"webhook {host} ({digest})"
        self._opener = urllib.request.build_opener(_NoRedirect)

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def send(self, message: dict[str, Any]) -> None:
        """POST. Raises Down or Refused, whose texts name neither the address nor what was sent."""
        data = json.dumps(message).encode()
        headers = {**self._headers, "X-Perfkit-Alert-Id": str(message["id"])}
        request = urllib.request.Request(self._url, data=data, headers=headers, method="POST")  # noqa: S310 - http(s) only
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            with error:
                raise _said(error) from None
        except urllib.error.URLError as error:
            raise Down(_why(error.reason)) from None
        except (OSError, HTTPException, ValueError) as error:
            raise Down(_why(error)) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without the alert, and count as delivered."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(
            "webhook: the address is no http:// or https:// URL (it is not shown, it may hold a secret); mend it"
        )
    return f"{host}:{port}" if port else host


def _said(error: urllib.error.HTTPError) -> Exception:
    if error.code in _NEVER:
        return Refused(f"HTTP {error.code}")
    if 300 <= error.code < 400:
        return Down(f"HTTP {error.code}, a redirect: give the address that it leads to")
    return Down(f"HTTP {error.code}", retry_after_s=_retry_after_s(error.headers.get("Retry-After")))


def _retry_after_s(text: str | None) -> float | None:
    """Seconds that the receiver asked for: RFC 9110, section 10.2.3 (a number, or a date)."""
    if not text:
        return None
    try:
        seconds = float(text) if text.strip().isdigit() else parsedate_to_datetime(text).timestamp() - time()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)


def _why(reason: object) -> str:
    """The kind of a failure in words that hold nothing of the request."""
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__
