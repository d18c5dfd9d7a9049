"""A monitored run on at most 40 lines of a terminal: curves, what happened beside them, state and model.

Like the card of a profile, colour is decoration: without it the second curve of a chart is drawn with symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from . import monitor_lists as lists
from .curves import chart, groups, scales
from .curves.timeline import Timeline
from .layout import Line, Page, clean
from .monitor_facts import card_line, performance_line
from .units import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..monitor.history import History, Series
    from ..monitor.record import Recorded

#: At 100 columns.
MAX_LINES = 40
MIN_WIDTH, MAX_WIDTH, PLAIN_WIDTH = 60, 160, 100
#: Columns for what stands beside a plot.
MARGIN = 15
#: Rows of the first chart (where there is no second: alone), of the second, and of further ones; a performance chart is a strip.
ROWS, ROWS_ALONE, ROWS_SECOND, ROWS_MORE, ROWS_STRIP = 8, 11, 5, 5, 2
#: Charts of quality and of performance without -v or --metric.
MOST_QUALITY, MOST_PERFORMANCE = 2, 3
_CURVE_STYLES = ("cyan", "yellow", "green", "magenta", "blue", "red")
_SYMBOLS, _SYMBOLS_ASCII = ("", "●", "▲", "■", "◆", "○"), ("", "o", "^", "#", "+", "@")
GOING = ("starting", "running", "hanging")
STATE_STYLES = {
    "finished": "green", "running": "yellow", "starting": "yellow", "hanging": "red", "failed": "red", "killed": "red", "lost": "red",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class View:
    """How the card is to be drawn."""

    width: int = PLAIN_WIDTH
    verbose: bool = False
    color: bool = False
    ascii_only: bool = False
    #: Canonical names of the series to draw; empty: the main ones.
    metrics: tuple[str, ...] = ()


def show(
    document: dict[str, Any],
    recorded: Recorded,
    stream: IO[str],
    *,
    verbose: bool = False,
    color: bool | None = None,
    metrics: tuple[str, ...] = (),
    width: int | None = None,
) -> None:
    """Print the card to *stream*: coloured on a terminal unless *color* is False or NO_COLOR is set."""
    from .terminal import make_console, speaks_unicode

    console = make_console(stream, color=color, width=width)
    ascii_only = not speaks_unicode(stream)
    coloured = console.is_terminal and not console.no_color
    view = View(width=console.width, verbose=verbose, color=coloured, ascii_only=ascii_only, metrics=metrics)
    for line in render(document, recorded.history, view):
        console.print(line.text(ascii_only=ascii_only), soft_wrap=True)


def render(document: dict[str, Any], history: History, view: View) -> list[Line]:
    """The card as styled lines, none wider than the view."""
    page = Page(max(MIN_WIDTH, min(view.width, MAX_WIDTH)))
    _header(document, page)
    page.blank()
    marked = lists.marked(document["events"], ascii_only=view.ascii_only)
    _charts(document, history, page, view, marked)
    lists.add_alerts(document["alerts"], page, verbose=view.verbose)
    room = MAX_LINES - 1 - len(page.lines)  # the last line names the next command
    lists.add_events(marked, page, room, verbose=view.verbose, ascii_only=view.ascii_only)
    return page.lines


def _header(document: dict[str, Any], page: Page) -> None:
    run, state, span = document["run"], document["state"], document["span"]
    name = [str(run["script"]).rsplit("/", 1)[-1]] if run["script"] else []
    page.rule(clean(" · ".join(["perfkit monitor", *name])), clean(run["id"]))
    word = state["state"] if state else "state unknown"
    page.add((word, STATE_STYLES.get(word, "bold")), (clean(_how_far(document, state, span)), ""))
    if state and state["note"]:
        page.add(("note  ", "dim"), (clean(state["note"]), "yellow"))
    if document["card"]:
        page.add(("model ", "dim"), (clean(card_line(document["card"])), ""))
    figures = performance_line(document["performance"])
    if figures:
        page.add(("speed ", "dim"), (figures, ""))


def _how_far(document: dict[str, Any], state: dict[str, Any] | None, span: dict[str, Any]) -> str:
    parts = [""]
    if state and state["reason"]:
        parts = [f" ({state['reason']})"]
    if span["steps"] is not None:
        parts.append(f"to step {span['steps']}")
    if span["epochs"] is not None:
        parts.append(f"{span['epochs']:.4g} epochs")
    parts.append(seconds(span["seconds"]))
    if state and state["state"] in GOING and state["at_utc"]:
        parts.append(f"last heard of {state['at_utc'][:19].replace('T', ' ')} UTC")
        parts += [f"expected end {state['eta_utc'][:19].replace('T', ' ')} UTC"] if state["eta_utc"] else []
    if document["record"]["damaged_lines"]:
        parts.append(f"{document['record']['damaged_lines']} damaged lines passed over")
    return " · ".join(parts)


# -- charts


def _charts(
    document: dict[str, Any], history: History, page: Page, view: View, marked: list[tuple[str, dict[str, Any]]]
) -> None:
    every = groups.charts(view.metrics or history)
    if not every:
        page.add(("no metric was recorded", "yellow"))
        return
    timeline = Timeline(history)
    axis = "step" if timeline.has_steps else "epoch" if timeline.has_epochs else "time"
    strips = [c for c in every if c.role == "performance"]
    plots = [c for c in every if c.role != "performance"]
    if not view.verbose and not view.metrics:
        quality = [c for c in plots if c.role == "quality"]
        plots, strips = quality[:MOST_QUALITY] or plots[:1], strips[:MOST_PERFORMANCE]
    xs = {name: along(timeline, history.series(name), axis) for c in (*plots, *strips) for name in c.names}
    frame = _frame(list(xs.values()), page)
    for number, group in enumerate(plots):
        rows = (ROWS if len(plots) > 1 else ROWS_ALONE, ROWS_SECOND)[number] if number < 2 else ROWS_MORE
        _plot(group, history, xs, frame, rows, page, view)
    for group in strips:
        _strip(group, history, xs, frame, page, view, tall=not plots)
    _lanes(document, marked, axis, frame, page, view)
    for pieces in chart.axis(frame, "s" if axis == "time" else "", axis, ascii_only=view.ascii_only):
        page.add(*pieces)


def along(timeline: Timeline, series: Series, axis: str) -> NDArray[np.float64]:
    """Where a series' values lie on an axis: "step", "epoch" or "time" (seconds)."""
    if axis == "step":
        return timeline.steps_of(series)
    return timeline.epochs_of(series) if axis == "epoch" else timeline.elapsed(series.times_ns)


def _frame(xs: Sequence[NDArray[np.float64]], page: Page) -> chart.Frame:
    import numpy as np

    every = np.concatenate(xs)
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    return chart.Frame(low=low, high=high, margin=MARGIN, columns=page.width - MARGIN)


def _curves(
    group: groups.Chart, history: History, xs: dict[str, NDArray[np.float64]], view: View
) -> list[tuple[chart.Curve, str]]:
    """Curves of a chart with what the title says of each."""
    import numpy as np

    made = []
    symbols = _SYMBOLS_ASCII if view.ascii_only else _SYMBOLS
    for number, (name, label) in enumerate(groups.labels(group).items()):
        values = history.series(name).values
        style = _CURVE_STYLES[number % len(_CURVE_STYLES)] if view.color else ""
        # In colour a curve with many points is a line like the first; a few points are told apart better by symbols.
        symbol = symbols[number % len(symbols)] if not view.color or len(values) <= view.width // 2 else ""
        placed = np.isfinite(xs[name])
        curve = chart.Curve(
            label=label, x=xs[name][placed], y=values[placed], style=style, symbol=symbol if number else ""
        )
        made.append((curve, _said(group, history, name)))
    return made


def _said(group: groups.Chart, history: History, name: str) -> str:
    """Of a series: its last value, and its best where that is another."""
    import numpy as np

    series = history.series(name)
    values, last = series.values, scales.value(float(series.values[-1]), group.unit, 3)
    finite = values[np.isfinite(values)]
    if group.better == "none" or not len(finite) or group.role == "performance":
        return last
    best = scales.value(float(finite.max() if group.better == "up" else finite.min()), group.unit, 3)
    return last if best == last else f"{last}, best {best}"


def _plot(
    group: groups.Chart,
    history: History,
    xs: dict[str, NDArray[np.float64]],
    frame: chart.Frame,
    rows: int,
    page: Page,
    view: View,
) -> None:
    import numpy as np

    curves = _curves(group, history, xs, view)
    log = scales.wants_log(np.concatenate([curve.y for curve, _ in curves]))
    lines = chart.draw([c for c, _ in curves], frame, rows, unit=group.unit, log=log, ascii_only=view.ascii_only)
    title = clean(group.title.partition(",")[0])
    pieces = [(title[: MARGIN - 1].ljust(MARGIN), "bold")]
    for curve, said in curves:
        key = curve.symbol or ("-" if view.ascii_only else "━")
        pieces += [(f"{key} {clean(curve.label)} ", curve.style), (said, ""), ("   ", "")]
    pieces += [("(log)  ", "dim")] if log else []
    odd = sum(int((~np.isfinite(curve.y)).sum()) for curve, _ in curves)
    pieces += (
        [(f"{'x' if view.ascii_only else chart.NOT_FINITE} {odd} not finite", "red" if view.color else "")]
        if odd
        else []
    )
    page.add(*pieces)
    for line in lines:
        page.add(*line)
    if not lines:
        page.add((" " * MARGIN + "no value is a finite number", "yellow"))


def _strip(
    group: groups.Chart,
    history: History,
    xs: dict[str, NDArray[np.float64]],
    frame: chart.Frame,
    page: Page,
    view: View,
    *,
    tall: bool,
) -> None:
    """A performance chart: its name and range in the margin. Of several series the first alone, unless it is all there is."""
    import numpy as np

    first = _curves(group, history, xs, view)[0][0]
    finite = first.y[np.isfinite(first.y)]
    if not len(finite):
        return
    rows = ROWS_MORE if tall else ROWS_STRIP
    words = scales.span(float(finite.min()), float(finite.max()), group.unit)
    name = group.title.replace("Throughput (", "").rstrip(")").lower()
    for line in chart.draw([first], frame, rows, ascii_only=view.ascii_only, beside={0: name, 1: words}):
        page.add(*line)


def _lanes(
    document: dict[str, Any],
    marked: list[tuple[str, dict[str, Any]]],
    axis: str,
    frame: chart.Frame,
    page: Page,
    view: View,
) -> None:
    by_severity = sorted(marked, key=lambda item: lists.SEVERITIES.index(item[1]["severity"]))
    marks = [
        (at, mark, lists.SEVERITY_STYLES[e["severity"]]) for mark, e in by_severity if (at := _at(e, axis)) is not None
    ]
    if marks:
        page.add(*chart.lane(frame, "events", marks))
    bands = []
    for alert in document["alerts"]:
        until = alert["until_s"] if axis == "time" else alert["until_step"]
        low = alert["since_s"] if axis == "time" else alert["step"]
        if axis != "epoch" and low is not None:
            text = "=" if view.ascii_only else "━"
            bands.append((low, frame.high if until is None else until, text, lists.SEVERITY_STYLES[alert["severity"]]))
    if bands:
        page.add(*chart.band_lane(frame, "alerts", bands))


def _at(event: dict[str, Any], axis: str) -> float | None:
    found = {"step": event["step"], "epoch": event["epoch"], "time": event["elapsed_s"]}[axis]
    return None if found is None else float(found)
