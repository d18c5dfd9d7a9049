"""Lines in, series and records out: the analysis of one or more logs, as they come, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from ...model.monitoring import Point
from ..history import UNKNOWN, History
from ..names import canonical, metric_of
from . import params
from .clean import CONTROL, plain
from .drain import Drain
from .facts import Facts
from .folds import Fold
from .lines import Lines
from .plans import HEADING, TRACEBACK, Plan, Value, plan_of
from .records import LINE_CLASSES, MAX_TEXT, LineClass, LogRecord, RecordKind
from .shapes import NUMBER, PLACE, masked, number, whole
from .stamps import Stamps
from .table import Table
from .tracebacks import Joiner, Traceback

#: Shapes that are remembered; the oldest are worked out again when they come back.
MAX_PLANS = 8192
MAX_SERIES = 1000
#: Characters of a line that are looked at for meaning; what is longer is data.
MAX_READ = 16_384
#: Share of a file's bytes that are no UTF-8 from which it is no text.
BINARY_SHARE = 0.1
_DIRTY = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")
# The least number since 1970 that is taken for seconds, milliseconds … → nanoseconds in one (from 1973 on).
_SCALES = ((10**8, 10**9), (10**11, 10**6), (10**14, 10**3), (10**17, 1))
_split = NUMBER.split
_KINDS: dict[str, RecordKind] = {"metric": "train", "progress": "train", "param": "param", "predict": "predict"}


@dataclass
class Source:
    """One file, stream or process."""

    name: str
    lines: int = 0
    redraws: int = 0
    bytes: int = 0
    #: "read", "partial" or "failed", and why.
    state: str = "read"
    reason: str = ""
    kind: str = "text"
    #: Whether it does not look like text.
    binary: bool = False


@dataclass
class Pending:
    """The newest state of a progress bar that may yet be drawn over."""

    plan: Plan
    numbers: list[str]
    time_ns: int | None
    at: int
    total: int
    percent: int
    line: int
    text: str


class LogAnalysis:
    """Feed it bytes (`feed`) or lines (`line`), then read `history`, `facts` and, with `document.compose`, everything as one document.

    ``zone`` is that of time stamps without one (the machine's own where it is None). ``on_record`` is called with each LogRecord.
    With ``live`` a line without a time stamp has the time at which it came (``now_ns`` gives it).
    """

    def __init__(
        self,
        *,
        zone: tzinfo | None = None,
        on_record: Callable[[LogRecord], None] | None = None,
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        self.facts = Facts()
        self.templates = Drain()
        self.sources: list[Source] = []
        self.counts: dict[LineClass, int] = dict.fromkeys(LINE_CLASSES, 0)
        self.series: dict[str, Fold] = {}
        self.series_lost = self.missing = self.plans_made = 0
        self.undecodable = self.cut_lines = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.last_epoch: int | None = None
        self.last_step: int | None = None
        self.reasons: dict[str, int] = {}
        self.stamps = Stamps(zone)
        self._on_record, self._now_ns = on_record, now_ns
        self._plans: dict[str, Plan] = {}
        self._joiner, self._tracing = Joiner(), False
        self._open = False
        self._lines = Lines()
        self._source = Source("")
        self._dirty = self._was_dirty = False
        self._begin("")

    # -- in

    def source(self, name: str, *, latest: datetime | None = None) -> Source:
        """What is fed from now on is *name*'s, last written at *latest*."""
        self.finish()
        self._begin(name)
        if latest is not None:
            self.stamps.latest(latest)
        return self._source

    def feed(self, data: bytes) -> None:
        """Bytes as they come, cut anywhere."""
        if not data:
            return
        if not self._open:
            self._opened()
        self._source.bytes += len(data)
        self._dirty = self._was_dirty or bool(_DIRTY.search(data))
        for text in self._lines.feed(data):
            self._take(text)
        self._was_dirty = self._dirty and bool(CONTROL.search(self._lines.rest))

    def line(self, text: str) -> None:
        """One line of text."""
        if not self._open:
            self._opened()
        self._dirty = True
        for part in text.split("\n"):
            self._take(part)

    def finish(self) -> None:
        """The source has ended: what was held back is taken. May be called again."""
        if not self._open:
            return
        self.rotated()
        self.settle()
        if self._lost_here > BINARY_SHARE * self._source.bytes:
            self._source.binary = True
            self._source.state, self._source.reason = "partial", "it does not look like text"
        self._open = False

    def rotated(self) -> None:
        """The file of this source was begun anew; the run that writes it goes on, and so do its epoch and step."""
        self._dirty = True
        for text in self._lines.close():
            self._take(text)
        self._lost_here += self._lines.undecodable
        self.undecodable += self._lines.undecodable
        self.cut_lines += self._lines.cut_lines
        self._lines = Lines()

    def settle(self) -> None:
        """Take what waits for the next line to be sure that it is over: a traceback, the state of a progress bar."""
        trace = self._joiner.close()
        self._tracing = False
        if trace:
            self._crash(trace)
        self._commit()

    def add(self, values: Mapping[str, float], *, step: int | None, epoch: int | None, time_ns: int | None) -> None:
        """Values that were read elsewhere (TensorBoard's files), by canonical name."""
        self.counts["metric"] += 1
        self.last_step = self.last_step if step is None else step
        self.last_epoch = self.last_epoch if epoch is None else epoch
        self._time(time_ns)
        for name, value in values.items():
            self._fold(name).add(
                value, UNKNOWN if step is None else step, UNKNOWN if epoch is None else epoch, time_ns or 0
            )
        if self._on_record:
            self._record("train", time_ns, dict(values), "", step=step, epoch=epoch)

    # -- out

    @property
    def history(self) -> History:
        """The series; of long ones an even selection of their points (`folds`). Times are 0 where the log has none."""
        made = History()
        for fold in self.series.values():
            scale = self.scale_of(fold)
            for value, step, epoch, time_ns in fold.points():
                made.add_point(Point(
                    values={fold.name: value * scale}, time_ns=time_ns, monotonic_ns=0,
                    step=None if step == UNKNOWN else step, epoch=None if epoch == UNKNOWN else epoch,
                ))  # fmt: skip
        return made

    def scale_of(self, fold: Fold) -> float:
        """0.01 for a ratio that is printed in percent without its sign, which its values above 1 show; else 1."""
        return 0.01 if metric_of(fold.name).high == 1 and 1 < fold.greatest <= 100 and not fold.percent else 1.0

    # -- a line

    def _begin(self, name: str) -> None:
        self._name, self._open = name, False
        self._lines = Lines()
        self._dirty = self._was_dirty = False
        self._source = Source(name)
        self._pending: Pending | None = None
        self._table: Table | None = None
        self._previous = ""
        self._epoch = self._step = self._first_epoch = UNKNOWN
        self._time_ns: int | None = None
        self._headers = self._lost_here = 0
        self._header_open = self._warned = False
        self._heading = ""

    def _opened(self) -> None:
        self._open = True
        self.sources.append(self._source)

    def _take(self, text: str) -> None:
        redrawn = text[-1:] == "\r"
        if redrawn:
            text = text[:-1]
            self._source.redraws += 1
        else:
            self._source.lines += 1
        if self._dirty and not text.isprintable():
            text = plain(text)
        if len(text) > MAX_READ:
            self._refuse(f"longer than {MAX_READ} characters", redrawn)
            return
        if self._tracing and self._in_traceback(text):
            return
        if self._table is not None and self._row(text):
            return
        stamp, body = self.stamps.take(text)
        if stamp is not None:
            self._time(stamp)
        parts = _split(body)
        shape = PLACE.join(parts[::2])
        plan = self._plans.get(shape)
        if plan is None:
            plan, parts = self._new_plan(shape, body, parts)
        if plan.template is not None:
            plan.template.count += 1
        if self._pending is not None and not plan.bar:
            self._commit()
        said = self._said(plan, parts, stamp, text, body)
        if not redrawn:
            self.counts[said] += 1
        self._previous = text

    def _time(self, time_ns: int | None) -> None:
        if time_ns is None:
            return
        self._time_ns = time_ns
        if self.first_ns is None or time_ns < self.first_ns:
            self.first_ns = time_ns
        if self.last_ns is None or time_ns > self.last_ns:
            self.last_ns = time_ns

    def _now(self) -> int | None:
        return self._now_ns() if self._now_ns else self._time_ns

    def _said(self, plan: Plan, parts: list[str], stamp: int | None, text: str, body: str) -> LineClass:
        """Take what the line says; returns what it was taken for."""
        kind = plan.taken_for
        if plan.time_first >= 0:
            stamp = self._field_time(plan, parts[1::2])
        if kind == "metric":
            if text == self._previous and (stamp or plan.epoch >= 0 or plan.step >= 0 or plan.position >= 0):
                self.facts.repeated_metrics += 1  # the same line twice: two handlers, not two measurements
                return "duplicate"
            self._metric(plan, parts[1::2], text)
            return kind
        if plan.bar:
            self._bar(plan, parts[1::2], text)
            return kind
        if kind == "progress":
            self._header(plan, parts[1::2])
            return kind
        if kind == "blank":
            return kind
        return self._other(plan, parts, text, body)

    def _other(self, plan: Plan, parts: list[str], text: str, body: str) -> LineClass:
        kind = plan.taken_for
        if plan.event == TRACEBACK:
            self._begin_traceback(text)
            return kind
        if self._warned and text[:2] == "  ":  # the line of code that Python shows below a warning
            self._warned = False
            return "runtime"
        self._warned = bool(plan.category)
        if plan.separator:
            self._table = Table(text, plan.separator)
            return kind
        if plan.why:
            self.reasons[plan.why] = self.reasons.get(plan.why, 0) + 1
        repeat = self.facts.is_repeat(body)
        if kind == "runtime":
            self.facts.level(plan.level, self._now())
            if plan.event:
                self.facts.events[plan.event] = self.facts.events.get(plan.event, 0) + 1
        if kind == "predict":
            self._metric(plan, parts[1::2], text)
            return kind
        if kind == "unknown" or repeat:
            return kind if kind == "unknown" else "duplicate"
        values: dict[str, float | str] = {}
        if kind == "param":
            values = params.read(_message(plan, parts))
            self.facts.add_params(values)
        if self._on_record:
            self._record(_KINDS.get(kind, "runtime"), self._now(), values, text, plan=plan)
        return kind

    def _refuse(self, why: str, redrawn: bool) -> None:
        self.reasons[why] = self.reasons.get(why, 0) + 1
        if not redrawn:
            self.counts["unknown"] += 1

    def _new_plan(self, shape: str, body: str, parts: list[str]) -> tuple[Plan, list[str]]:
        """The plan of a shape that is not known, and the parts that it is for: paths, hashes and the like are taken out first, else each
        would be a shape of its own.
        """
        less = masked(body)
        less_parts = NUMBER.split(less) if less != body else parts
        less_shape = PLACE.join(less_parts[::2])
        plan = self._plans.get(less_shape)
        if plan is None:
            plan = plan_of(less_shape)
            self.plans_made += 1
            self._templated(plan, less_shape, body)
            self._remember(less_shape, plan)
        if plan.taken_for == "param" or plan.category:  # what was taken out is what it says
            return plan, parts
        return plan, less_parts

    def _remember(self, shape: str, plan: Plan) -> None:
        if len(self._plans) >= MAX_PLANS:
            del self._plans[next(iter(self._plans))]
        self._plans[shape] = plan

    def _templated(self, plan: Plan, shape: str, body: str) -> None:
        if plan.taken_for == "blank":
            return
        message = (
            re.sub(r"[━╸╺█▏▎▍▌▋▊▉]+|\[[=>.]+\]", "<bar>", shape[plan.start :]) if plan.bar else shape[plan.start :]
        )
        template = plan.template = self.templates.find(message.replace(PLACE, "<*>")[:2000])
        if not template.count:
            template.first_line, template.source = self._source.lines, self._name
            template.example, template.taken_for, template.level = (
                _message(plan, NUMBER.split(body))[:MAX_TEXT],
                plan.taken_for,
                plan.level,
            )

    # -- what it says

    def _place(self, plan: Plan, numbers: list[str]) -> tuple[int, int]:
        """Step and epoch of a line; what it does not say is that of the line before."""
        epoch, step = self._epoch, self._step
        if plan.epoch >= 0:
            epoch = self._epoch = whole(numbers[plan.epoch])
            if self._first_epoch == UNKNOWN:
                self._first_epoch = epoch
        if plan.step >= 0:
            step = self._step = whole(numbers[plan.step])
        elif plan.position >= 0:
            step = whole(numbers[plan.position])
            if plan.total >= 0 and epoch != UNKNOWN:
                step += (epoch - self._first_epoch) * whole(numbers[plan.total])
            self._step = step
        return step, epoch

    def _metric(self, plan: Plan, numbers: list[str], text: str, time_ns: int | None = None) -> None:
        bound = plan.bound
        if bound is None:
            bound = self._bind(plan)
        if plan.position >= 0 and self._is_evaluation(plan):
            step, epoch, bound = self._step, self._epoch, self._evaluated(plan)
        else:
            step, epoch = self._place(plan, numbers)
        if self._heading:
            heading, self._heading = self._heading, ""
            bound = [(self._fold(re.sub("^train/", f"{heading}/", value.name)), value) for _, value in bound]
        when = time_ns or self._now()
        at = when or 0
        for fold, value in bound:
            index = value.index
            try:
                found = float(numbers[index]) if index >= 0 else value.constant
            except ValueError:
                found = number(numbers[index])
            if value.over >= 0:
                found = found / number(numbers[value.over]) if number(numbers[value.over]) else float("nan")
            elif value.invert:
                found = 1 / found if found else float("nan")
            fold.add(found * value.scale, step, epoch, at)
        self.missing += plan.missing
        if self._on_record:
            values = {fold.name: fold.last for fold, _ in bound}
            self._record(
                _KINDS.get(plan.taken_for, "train"), when, values, text, plan=plan,
                step=None if step == UNKNOWN else step, epoch=None if epoch == UNKNOWN else epoch,
            )  # fmt: skip
        self.last_step = self.last_step if step == UNKNOWN else step
        self.last_epoch = self.last_epoch if epoch == UNKNOWN else epoch

    def _bind(self, plan: Plan) -> list[tuple[Fold, Value]]:
        plan.bound = []
        for value in plan.values:
            fold = self._fold(value.name)
            fold.percent = fold.percent or value.percent or value.over >= 0
            plan.bound.append((fold, value))
        return plan.bound

    def _fold(self, name: str) -> Fold:
        if "/" not in name:
            name = canonical(name)
        fold = self.series.get(name)
        if fold is None:
            fold = Fold(name)
            if len(self.series) < MAX_SERIES:
                self.series[name] = fold
            else:
                self.series_lost += 1
        return fold

    def _is_evaluation(self, plan: Plan) -> bool:
        """Keras prints ``Epoch n/m`` before each epoch's line; the same line without one is evaluate()'s."""
        if not self._headers or plan.epoch >= 0 or plan.bar == "tqdm":
            return False
        was, self._header_open = self._header_open, False
        return not was

    def _evaluated(self, plan: Plan) -> list[tuple[Fold, Value]]:
        """The series of evaluate()'s values; its speed is not that of training."""
        quality = [value for value in plan.values if not value.name.startswith("perf/")]
        return [(self._fold(re.sub("^train/", "test/", value.name)), value) for value in quality]

    def _header(self, plan: Plan, numbers: list[str]) -> None:
        if plan.event == HEADING:
            self._heading = plan.split
            return
        self._place(plan, numbers)
        self.last_epoch = self.last_epoch if self._epoch == UNKNOWN else self._epoch
        if plan.event == "epoch":
            self._headers += 1
            self._header_open = True

    def _bar(self, plan: Plan, numbers: list[str], text: str) -> None:
        """Keep a bar's newest state; of tqdm's one per percent is taken, of Keras's, whose values are running means, the final one."""
        at = whole(numbers[plan.position]) if plan.position >= 0 else 0
        total = whole(numbers[plan.total]) if plan.total >= 0 else 0
        percent = whole(numbers[plan.percent]) if plan.percent >= 0 else at * 100 // total if total else at
        before = self._pending
        if before is not None and (
            total != before.total or at < before.at or (plan.bar == "tqdm" and percent != before.percent)
        ):
            self._commit()
        self._pending = Pending(plan, numbers, self._now(), at, total, percent, self._source.lines, text)

    def _commit(self) -> None:
        """What the bar last showed is what it says."""
        bar, self._pending = self._pending, None
        if bar is None or (bar.plan.bar == "keras" and bar.at != bar.total):
            return
        if any(not value.name.startswith("perf/") for value in bar.plan.values):
            self._metric(bar.plan, bar.numbers, bar.text, bar.time_ns)
        elif bar.plan.epoch >= 0:
            self._place(bar.plan, bar.numbers)

    def _row(self, text: str) -> bool:
        """Whether *text* is a row of the table that is open."""
        row = self._table.row(text) if self._table and text else None
        if row is None:
            self._table = None
            return False
        self._source.kind = "csv"
        self.missing += row.missing
        step = UNKNOWN if row.step is None else row.step
        epoch = UNKNOWN if row.epoch is None else row.epoch
        when = self._now()
        for name, value in row.values.items():
            self._fold(name).add(value, step, epoch, when or 0)
        self.last_step = self.last_step if row.step is None else row.step
        self.last_epoch = self.last_epoch if row.epoch is None else row.epoch
        self.counts["metric"] += 1
        if self._on_record:
            self._record("train", when, dict(row.values), text, step=row.step, epoch=row.epoch)
        return True

    # -- tracebacks, times, records

    def _in_traceback(self, text: str) -> bool:
        """Whether *text* belongs to a traceback."""
        if self._joiner.open:
            belongs, done = self._joiner.take(text)
            if done:
                self._crash(done)
            if belongs:
                self.counts["runtime"] += 1
                return True
        self._tracing = self._joiner.open
        return False

    def _begin_traceback(self, text: str) -> None:
        self._joiner.begin(text, self._source.lines)
        self._tracing = True

    def _crash(self, trace: Traceback) -> None:
        when = self._now()
        self.facts.crash(trace, self._name, when)
        self.facts.level("error", when)
        if self._on_record:
            named = f"{trace.exception or 'torn traceback'}: {trace.message}" if trace.message else trace.exception
            values: dict[str, float | str] = {"exception": trace.exception, "where": trace.where}
            self._on_record(LogRecord(
                kind="runtime", time_ns=when, line=trace.line, source=self._name, template=0, values=values,
                text=named[:MAX_TEXT], level="error", event="traceback",
            ))  # fmt: skip

    def _field_time(self, plan: Plan, numbers: list[str]) -> int | None:
        """The time in a field of JSON: seconds, milliseconds … since 1970 by its size, or text."""
        if plan.time_text == PLACE:
            token = numbers[plan.time_first]
            found = int(token) if token.isdecimal() else number(token)
            scale = next((s for low, s in _SCALES if low <= found < low * 1000), 0)
            stamp = int(found * scale) if scale else None
        else:
            pieces = plan.time_text.split(PLACE)
            filled = pieces[0] + "".join(numbers[plan.time_first + k] + p for k, p in enumerate(pieces[1:]))
            stamp = self.stamps.read(filled)
        self._time(stamp)
        return stamp

    def _record(
        self,
        kind: RecordKind,
        time_ns: int | None,
        values: Mapping[str, float | str],
        text: str,
        *,
        plan: Plan | None = None,
        step: int | None = None,
        epoch: int | None = None,
    ) -> None:
        if self._on_record is None:
            return
        template = plan.template.id if plan and plan.template else 0
        self._on_record(LogRecord(
            kind=kind, time_ns=time_ns, line=self._source.lines, source=self._name, template=template, values=dict(values),
            text=text[:MAX_TEXT], step=step, epoch=epoch, level=(plan.level if plan else "") or "info", event=plan.event if plan else "",
        ))  # fmt: skip


def _message(plan: Plan, parts: list[str]) -> str:
    """The message as it was written, without its logging header."""
    shape = PLACE.join(parts[::2])
    numbers = parts[1::2][shape.count(PLACE, 0, plan.start) :]
    pieces = shape[plan.start :].split(PLACE)
    return (pieces[0] + "".join(n + p for n, p in zip(numbers, pieces[1:], strict=True))).strip()
