"""`perfkit monitor logs FILE…`: what logs say, as metric series and records, and how much of them was understood."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import UsageError
from .. import options
from ..exit_codes import INCONCLUSIVE
from ..show import STDOUT, write_json

if TYPE_CHECKING:
    from ...monitor.logs.analysis import LogAnalysis

POLL_S = 0.25
#: At most this many lines a second are printed while following; what is passed over is counted.
MAX_LINES_PER_S = 20


@click.command("logs")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="This series only, with its values.")
@click.option("--follow", is_flag=True, help="Read on as the last FILE grows (also when it is rotated); Ctrl-C ends.")
@click.option("--utc", is_flag=True, help="Time stamps without a zone are UTC, not this machine's local time.")
@options.json_file
@options.quiet
@click.option("-v", "--verbose", count=True, help="Every series, setting, message, template and note.")
@options.no_color
def command(
    files: tuple[str, ...],
    metrics: tuple[str, ...],
    json_file: str | None,
    verbose: int,
    *,
    follow: bool,
    utc: bool,
    quiet: bool,
    no_color: bool,
) -> int:
    """Turn logs into metric series and typed records, and say how much was understood.

    FILE is text as a program printed it, JSON lines, a CSVLogger's table, a TensorBoard event file, any of them
    compressed with gzip, or - for standard input.
    """
    from datetime import UTC

    from ...monitor.logs import document as documents
    from ...monitor.logs import sources
    from ...monitor.logs.analysis import LogAnalysis

    sources.check(files)
    live = _Printer(metrics) if follow and not quiet else None
    analysis = LogAnalysis(zone=UTC if utc else None, on_record=live.record if live else None)
    sources.read(analysis, files[:-1] if follow and files[-1] != STDOUT else files)
    if follow and files[-1] != STDOUT:
        _follow(analysis, files[-1])
    names = tuple(_name(analysis, metric) for metric in metrics)
    document = documents.compose(analysis, metrics=names)
    _put_out(document, json_file, verbose, quiet=quiet, no_color=no_color, values=bool(metrics))
    return _exit_code(document)


def _exit_code(document: dict[str, Any]) -> int:
    from ...monitor.logs.document import is_empty

    if any(file["state"] == "failed" for file in document["files"]):
        return 1
    if is_empty(document):
        click.echo("nothing in it was understood; next: look at it with -v", err=True)
        return INCONCLUSIVE
    return 0


def _name(analysis: LogAnalysis, metric: str) -> str:
    """The canonical name of a series that is there."""
    from ...monitor.names import canonical, close_to

    for name in (metric, canonical(metric), canonical(metric, "val"), canonical(metric, "test")):
        if name in analysis.series:
            return name
    near = close_to(canonical(metric), analysis.series)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(analysis.series) or 'none'}"
    raise UsageError(f"no metric {metric!r} in these logs; {hint}")


def _put_out(
    document: dict[str, Any], json_file: str | None, verbose: int, *, quiet: bool, no_color: bool, values: bool
) -> None:
    from ...report import monitor_logs

    if json_file is not None:
        write_json(document, json_file)
    if quiet:
        return
    stream = sys.stderr if json_file == STDOUT else sys.stdout
    monitor_logs.show(document, stream, verbose=verbose, color=False if no_color else None)
    if values:
        for series in document["series"]:
            monitor_logs.show_values(series, stream)
    elif document["series"]:
        first = min(document["series"], key=monitor_logs.series_order)
        files = " ".join(file["name"] for file in document["files"][:3] if file["name"].isprintable())
        click.echo(f"next: perfkit monitor logs {files} --metric {first['name']}", err=True)


def _follow(analysis: LogAnalysis, file: str) -> None:
    """Until Ctrl-C."""
    from ...monitor.logs import sources

    tail = sources.Tail(Path(file))
    try:
        for brought in sources.follow(analysis, file, tail):
            if not brought:
                sys.stdout.flush()
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        tail.close()
        analysis.finish()


class _Printer:
    """Prints records as they come, at most `MAX_LINES_PER_S`."""

    def __init__(self, metrics: tuple[str, ...]) -> None:
        from ...monitor.names import canonical

        self._wanted = {name for metric in metrics for name in (metric, canonical(metric), canonical(metric, "val"))}
        self._second, self._printed, self._passed = 0, 0, 0

    def record(self, record: Any) -> None:
        """One line for *record*, if it is wanted."""
        from ...monitor.logs.clean import shown

        values = {n: v for n, v in record.values.items() if not self._wanted or n in self._wanted}
        if record.kind in ("train", "predict"):
            told = (f"{name} {v:.5g}" if isinstance(v, float) else f"{name} {v}" for name, v in values.items())
            text = "  ".join(shown(part) for part in told)
        elif record.level in ("warning", "error", "critical") or record.event:
            text = f"{record.level}: {shown(record.text)}" if not self._wanted else ""
        else:
            text = ""
        if text and self._may():
            place = [f"epoch {record.epoch}"] if record.epoch is not None else []
            place += [f"step {record.step}"] if record.step is not None else []
            click.echo(f"{' '.join(place) + '  ' if place else ''}{text}")

    def _may(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            if self._passed:
                click.echo(f"… and {self._passed} lines more")
            self._second, self._printed, self._passed = second, 0, 0
        self._printed += 1
        self._passed += self._printed > MAX_LINES_PER_S
        return self._printed <= MAX_LINES_PER_S
