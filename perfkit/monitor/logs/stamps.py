"""Time stamps at the beginning of a line, to UTC nanoseconds.

Understood: ISO 8601 (``2026-01-02T03:04:05.678Z``), logging's ``2026-01-02 03:04:05,678``, glog and absl (``I0102 03:04:05.678901``),
syslog (``Jan  2 03:04:05 host program[7]:``), seconds or milliseconds since 1970, and ``[03:04:05]``. A stamp without a zone is read
in *zone*; one without a year or a day belongs to the last one that is not after *latest* (when the log was last written). What was
assumed is told by `Stamps.assumed`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

_LEVELS = "DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL|TRACE|NOTICE|SUCCESS"
_ISO = re.compile(
    r"[\[(]?(\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)?(?:\s?(Z|UTC|[+-]\d\d:?\d\d)(?![\w:]))?[\])]?"
)
_LEVEL_FIRST = re.compile(rf"\[?({_LEVELS})\]?[\s:|\-]+(?=[\[(]?\d{{4}}[-/])")
_GLOG = re.compile(
    r"(?:\[rank\d+\]:)?\[?([IWEFCDV])(\d\d)(\d\d) (\d\d):(\d\d):(\d{2,12})\.(\d{1,9})\s+(?:\d+ )?(?=\S+:\d+\])"
)
_SYSLOG = re.compile(
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}(\d{1,2}) (\d\d:\d\d:\d\d) (?:[\w.\-]+ [\w./\-]+(?:\[\d+\])?: )?"
)
_EPOCH = re.compile(r"[\[(]?([12]\d{9})(?:(\d{3})|[.](\d{1,9})\d*)?[\])]?(?=[\s:|;]|$)")
_CLOCK = re.compile(r"(?:\[(\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\]|(\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?=[\s|\]]))")
_MONTHS = {
    m: n for n, m in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}
_GLOG_LEVELS = {"I": "INFO", "W": "WARNING", "E": "ERROR", "F": "FATAL", "C": "CRITICAL", "D": "DEBUG", "V": "DEBUG"}
#: How far into a line an ISO stamp is looked for (behind a level or the name of a rank).
_REACH = 40
# First character of a line → what its stamp may be: g glog's, m a month's.
_WAYS = (
    dict.fromkeys("0123456789[(", "number")
    | dict.fromkeys("IWEFCDV", "g")
    | dict.fromkeys("JMASON", "m")
    | {"F": "gm", "D": "gm"}
)
_HALF_DAY_S = 43_200
#: Stamps outside of these years are none (and would not fit into 64 bits of nanoseconds).
FIRST_YEAR, LAST_YEAR = "1971", "2199"


class Stamps:
    """Reads stamps; remembers the last second, which most lines share with the one above."""

    def __init__(self, zone: tzinfo | None = None, latest: datetime | None = None) -> None:
        self.zone = zone
        self.assumed: set[str] = set()
        self._latest = latest or datetime.now(UTC)
        self._last_text, self._last_s = "", 0
        self._day: datetime | None = None
        self._clock_s = -1

    def latest(self, moment: datetime) -> None:
        """The next lines were last written at *moment*."""
        self._latest, self._day, self._clock_s, self._last_text = moment, None, -1, ""

    def take(self, text: str) -> tuple[int | None, str]:
        """The time (UTC ns) that *text* begins with, if any, and the rest; the level of a glog line is put before it."""
        way = _WAYS.get(text[:1])
        if way is not None:
            found = None
            if way == "number":
                found = self._numeric(text)
            elif "g" in way and text[1:5].isdigit():
                found = self._glog(text)
            elif "m" in way and text[3:4] == " " and (month := _SYSLOG.match(text)):
                found = self._syslog(month), text[month.end() :]
            if found is not None:
                return found
        at = text.find("20", 0, _REACH)
        if at > 0 and text[at + 4 : at + 5] in ("-", "/"):
            return self._later(text, at)
        return None, text

    def read(self, text: str) -> int | None:
        """The time that the whole of *text* is, as in a JSON field; None if it is none."""
        found, rest = self.take(text.strip())
        return found if not rest.strip() else None

    def _numeric(self, text: str) -> tuple[int | None, str] | None:
        iso = _ISO.match(text)
        if iso:
            return self._found(self._iso(iso), text[iso.end() :])
        epoch = _EPOCH.match(text)
        if epoch:
            fraction = epoch[2] or epoch[3] or ""
            return int(epoch[1]) * 10**9 + _nanoseconds(fraction), text[epoch.end() :]
        clock = _CLOCK.match(text) if ":" in text[2:5] else None
        if clock:
            return self._found(self._time_of_day(clock[1] or clock[3], clock[2] or clock[4] or ""), text[clock.end() :])
        return self._glog(text) if first_glog(text) else None

    @staticmethod
    def _found(time_ns: int | None, rest: str) -> tuple[int, str] | None:
        """None for what only looked like a stamp: its text stays."""
        return None if time_ns is None else (time_ns, rest)

    def _later(self, text: str, at: int) -> tuple[int | None, str]:
        level = _LEVEL_FIRST.match(text)
        start = at - 1 if text[at - 1] in "[(" else at
        iso = _ISO.match(text, level.end() if level else start)
        when = self._iso(iso) if iso else None
        if iso is None or when is None:
            return None, text
        return when, text[: iso.start()] + text[iso.end() :].lstrip(" ")

    def _iso(self, found: re.Match[str]) -> int | None:
        second, fraction, zone = found.groups()
        whole = second if zone is None else second + zone
        if whole != self._last_text:
            if not FIRST_YEAR <= second[:4] <= LAST_YEAR:
                return None
            try:
                moment = datetime.fromisoformat(second.replace("/", "-"))
            except ValueError:
                return None
            self._last_text, self._last_s = whole, self._seconds(moment, zone)
        return self._last_s * 10**9 + _nanoseconds(fraction or "")

    def _seconds(self, moment: datetime, zone: str | None) -> int:
        if zone is None:
            self.assumed.add("zone")
            moment = moment.replace(tzinfo=self.zone) if self.zone else moment.astimezone()
        else:
            moment = moment.replace(tzinfo=UTC) if zone in ("Z", "UTC") else datetime.fromisoformat(f"{moment}{zone}")
        return round(moment.timestamp())

    def _glog(self, text: str) -> tuple[int | None, str] | None:
        found = _GLOG.match(text)
        if not found:
            return None
        level, month, day, hour, minute, second, fraction = found.groups()
        rest = f"{_GLOG_LEVELS[level]} {text[found.end() :]}"
        if len(second) > 2:  # absl before its initialisation: seconds since 1970 in the place of the time
            return int(second) * 10**9 + _nanoseconds(fraction), rest
        return self._dated(int(month), int(day), f"{hour}:{minute}:{second}", fraction), rest

    def _syslog(self, found: re.Match[str]) -> int | None:
        return self._dated(_MONTHS[found[1]], int(found[2]), found[3], "")

    def _dated(self, month: int, day: int, clock: str, fraction: str) -> int | None:
        self.assumed |= {"year", "zone"}
        for year in (self._latest.year, self._latest.year - 1):
            try:
                moment = datetime.fromisoformat(f"{year:04}-{month:02}-{day:02} {clock}")
            except ValueError:
                continue
            found = self._seconds(moment, None)
            if found <= self._latest.timestamp() + 86_400:
                return found * 10**9 + _nanoseconds(fraction)
        return None

    def _time_of_day(self, clock: str, fraction: str) -> int | None:
        hour, minute, second = (int(part) for part in clock.split(":"))
        if hour > 23 or minute > 59 or second > 59:
            return None
        self.assumed |= {"day", "zone"}
        if self._day is None:
            self._day = self._latest.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        seconds = hour * 3600 + minute * 60 + second
        if seconds < self._clock_s - _HALF_DAY_S:  # past midnight
            self._day += timedelta(days=1)
        self._clock_s = seconds
        return round(self._day.timestamp() + seconds) * 10**9 + _nanoseconds(fraction)


def first_glog(text: str) -> bool:
    """Whether a bracketed line may be glog's: ``[rank0]:[W1127 …`` or ``[W1127 …``."""
    return text.startswith("[rank") or (text[1:2] in "IWEFCDV" and text[2:6].isdigit())


def _nanoseconds(fraction: str) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0
