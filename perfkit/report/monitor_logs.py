"""The card of analysed logs: at most 30 lines at 100 columns, from the document alone (`monitor.logs.document`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import IO, Any

from . import units
from .layout import Line, Page, clean
from .terminal import MAX_LINES, MAX_WIDTH, MIN_WIDTH, PLAIN_WIDTH, put_out

#: Lines of each list on a card without ``-v``; together with the rest they fill at most MAX_LINES.
MAX_SERIES, MAX_MESSAGES, MAX_CRASHES, MAX_UNKNOWN, MAX_UNUSUAL, MAX_NOTES = 8, 3, 2, 2, 2, 3
MAX_PARAMS = 8
_ORDER = ("train/", "val/", "test/", "perf/", "system/")
_FIRST = ("loss", "accuracy", "perplexity")
_SHARES = (
    ("metric", "metrics"), ("param", "settings"), ("predict", "requests"), ("runtime", "runtime"), ("progress", "progress"),
    ("duplicate", "repeats"),
)  # fmt: skip


def show(
    document: dict[str, Any], stream: IO[str], *, verbose: int = 0, color: bool | None = None, width: int | None = None
) -> None:
    """Print the card to *stream*."""
    put_out(lambda width: render(document, width=width, verbose=verbose), stream, color=color, width=width)


def render(document: dict[str, Any], *, width: int = PLAIN_WIDTH, verbose: int = 0) -> list[Line]:
    """The card as styled lines, none wider than *width*."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    _head(document, page)
    _series(document, page, verbose)
    _params(document, page, verbose)
    _levels(document, page, verbose)
    _tracebacks(document, page, verbose)
    _templates(document, page, verbose)
    _notes(document, page, verbose)
    return page.lines if verbose else page.lines[:MAX_LINES]


def series_order(series: dict[str, Any]) -> tuple[int, int, str]:
    """Losses before other metrics, training before validation, quality before speed."""
    name = series["name"]
    split = next((n for n, prefix in enumerate(_ORDER) if name.startswith(prefix)), 2)
    tail = name.rpartition("/")[2]
    known = _FIRST.index(tail) if tail in _FIRST else len(_FIRST)
    return (split // 3, known, f"{split}{name}")


def _head(document: dict[str, Any], page: Page) -> None:
    files, lines = document["files"], document["lines"]
    name = clean(files[0]["name"]) if len(files) == 1 else f"{len(files)} files"
    page.rule("monitor logs", name)
    drawn = f", {lines['redraws']:,} redraws of progress bars" if lines["redraws"] else ""
    size = units.size(sum(file["bytes"] for file in files))
    page.row("lines", [[(f"{lines['count']:,}{drawn}", ""), (f"   {size}", "dim")]])
    page.row("time", [[(_span(document["time"]), "")]])
    said = document["understood"]
    share = (
        "nothing to understand" if said["share"] is None else f"{units.share(said['share'])} of {said['of']:,} lines"
    )
    parts = [[(f"{text} {lines[key]:,}", "dim")] for key, text in _SHARES if lines[key]]
    page.row("understood", [[(share, "bold")], *parts], most=2)
    place = [f"{name} {value:,}" for name, value in (("epoch", document["progress"]["last_epoch"]),
                                                      ("step", document["progress"]["last_step"])) if value is not None]  # fmt: skip
    page.row("progress", [[("last " + ", ".join(place), "")]] if place else [])


def _span(time: dict[str, Any]) -> str:
    if time["first_ns"] is None:
        return "no time stamps"
    first, last = (datetime.fromtimestamp(time[key] // 10**9, UTC) for key in ("first_ns", "last_ns"))
    end = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{first:%Y-%m-%d %H:%M:%S} to {end} UTC, {units.seconds(time['span_s'])}"


def _series(document: dict[str, Any], page: Page, verbose: int) -> None:
    known = sorted(document["series"], key=series_order)
    shown = known if verbose else known[:MAX_SERIES]
    if not shown:
        page.row("metrics", [[("none found", "")]])
        return
    wide = min(34, max(len(s["name"]) for s in shown))
    page.add((f"{'metrics'.ljust(wide + 2)}{'values':>8} {'first':>12} → {'last':<12} {'best':>12}", "bold"))
    for series in shown:
        page.add((_one(series, wide).rstrip(), ""))
    if len(known) > len(shown):
        rest = ", ".join(clean(s["name"]) for s in known[len(shown) :])
        page.paragraph(f"and {len(known) - len(shown)} more (-v): {rest}", indent=2, style="dim", lead="", most=1)


def _one(series: dict[str, Any], wide: int) -> str:
    best = series["best"]
    told = f"{_figure(best['value'], series['unit']):>12}" if best else f"{'':>12}"
    at = f"  step {best['step']:,}" if best and best["step"] is not None else ""
    odd = f"  {series['not_finite']:,} not finite" if series["not_finite"] else ""
    first, last = (_figure(series[key], series["unit"]) for key in ("first", "last"))
    return f"  {clean(series['name']).ljust(wide)}{series['count']:>8,} {first:>12} → {last:<12} {told}{at}{odd}"


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "not finite"
    if unit == "s" and value >= 0:
        return units.seconds(value)
    if unit == "bytes" and value >= 0:
        return units.size(value)
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.5g}"


def _params(document: dict[str, Any], page: Page, verbose: int) -> None:
    known = list(document["params"].items())
    shown = known if verbose else known[:MAX_PARAMS]
    items = [[(f"{clean(name)} {_value(value)}", "")] for name, value in shown]
    if len(known) > len(shown):
        items.append([(f"and {len(known) - len(shown)} more (-v)", "dim")])
    page.row("settings", items, most=None if verbose else 3)


def _value(value: float | str) -> str:
    return clean(value)[:40] if isinstance(value, str) else f"{value:g}"


def _levels(document: dict[str, Any], page: Page, verbose: int) -> None:
    levels = document["levels"]
    if not any(levels.values()):
        page.row("messages", [[("no warnings, no errors", "")]])
        return
    items = [[(_many(levels[level], name), "")] for level, name in
             (("critical", "critical"), ("error", "error"), ("warning", "warning")) if levels[level]]  # fmt: skip
    worst = document["warning_rate"]["worst"]
    if worst and sum(levels.values()) > 1:
        when = datetime.fromtimestamp(worst["from_s"], UTC)
        items.append([(f"at worst {worst['per_minute']:.3g} a minute, {when:%H:%M} UTC", "dim")])
    page.row("messages", items)
    rank = {"critical": 0, "error": 1, "warning": 2}
    ordered = sorted(document["messages"], key=lambda m: (rank.get(m["level"], 3), -m["count"]))
    for message in ordered if verbose else ordered[:MAX_MESSAGES]:
        page.add(("  ", ""), (f"{message['count']:>6,}× {message['level']} ", ""), (clean(message["example"]), "dim"))


def _many(count: int, name: str) -> str:
    return f"{count:,} {name}" + ("s" if count != 1 and name != "critical" else "")


def _tracebacks(document: dict[str, Any], page: Page, verbose: int) -> None:
    for crash in document["tracebacks"] if verbose else document["tracebacks"][:MAX_CRASHES]:
        named = clean(crash["exception"]) or "torn traceback"
        where = f" at {clean(crash['where'])}" if crash["where"] else ""
        times = f"{crash['count']}× " if crash["count"] > 1 else ""
        text = f"{times}{named}{where}, line {crash['line']:,}: {clean(crash['message'])}"
        page.row("traceback", [[(text, "bold")]])


def _templates(document: dict[str, Any], page: Page, verbose: int) -> None:
    for label, key, most in (("not understood", "not_understood", MAX_UNKNOWN), ("unusual", "unusual", MAX_UNUSUAL)):
        known = document[key]
        for number, template in enumerate(known if verbose else known[:most]):
            head = label if not number else ""
            text = f"{template['count']:,}× line {template['line']:,}: {clean(template['example'])}"
            page.row(head, [[(text, "")]])


def _notes(document: dict[str, Any], page: Page, verbose: int) -> None:
    notes = [*document["notes"], *document["time"]["assumed"]]
    for note in notes if verbose else notes[:MAX_NOTES]:
        page.add(("note: ", "dim"), (clean(note), "dim"))


def show_values(series: dict[str, Any], stream: IO[str]) -> None:
    """The values of a series, one a line: step, epoch, value (tab-separated, so that other programs read it)."""
    every = f", every {series['every']}th" if series["every"] > 1 else ""
    stream.write(f"{clean(series['name'])}: step, epoch, value{every}\n")
    for value, step, epoch in zip(series["values"], series["steps"], series["epochs"], strict=True):
        cells = (
            "" if step is None else str(step),
            "" if epoch is None else str(epoch),
            "nan" if value is None else f"{value:.8g}",
        )
        stream.write("\t".join(cells) + "\n")
