"""`perfkit monitor show [RUN]`: the curves of a monitored run, in the terminal, as a page, as a document."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...errors import PerfkitError, RunError, UsageError
from .. import options
from ..show import STDOUT, write_json

if TYPE_CHECKING:
    from ...monitor.record import Recorded
    from ...runs.reader import Run
    from ...runs.store import Store


@click.command("show")
@click.argument("run", required=False)
@options.results_dir
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="Draw this series only (may be given several times)."
)
@click.option(
    "--html", "html_file", metavar="FILE", help="Write the run as one self-contained page to FILE (- = stdout)."
)
@options.json_file
@options.quiet
@click.option("-v", "--verbose", is_flag=True, help="Every chart, every event with its whole text.")
@options.no_color
def command(
    run: str | None,
    results_dir: str | None,
    metrics: tuple[str, ...],
    html_file: str | None,
    json_file: str | None,
    *,
    quiet: bool,
    verbose: bool,
    no_color: bool,
) -> None:
    """Show RUN's training curves with events, alarms and performance on one axis: a path, an id, a unique prefix, or `latest` (the
    default). Works on a run still going.
    """
    from ...monitor import record
    from ...report import monitor_card, monitor_document

    found = _run(run, results_dir)
    recorded = record.read(found.path)
    names = _names(recorded, metrics)
    document = monitor_document.compose(found, recorded)
    if json_file == STDOUT == html_file:
        raise UsageError("--json - and --html - both want stdout; give one of them a file")
    if json_file is not None:
        write_json(document, json_file)
    if html_file is not None:
        _write_page(document, recorded, html_file, names)
    if quiet or STDOUT in (json_file, html_file):
        return
    color = False if no_color else None
    monitor_card.show(document, recorded, sys.stdout, verbose=verbose, color=color, metrics=names)
    if html_file is None:
        word = f" {run}" if run else ""
        click.echo(f"next: perfkit monitor show{word} --html run.html", err=True)


def _run(name: str | None, results_dir: str | None) -> Run:
    """The run that *name* means, which must have a record. A folder that only has the record will do."""
    from ... import api
    from ...runs import layout
    from ...runs.reader import Run

    if name and (Path(name) / layout.MONITOR).is_file():
        return Run(Path(name).absolute())
    found = api.load(name, results_dir=results_dir)
    if not (found.path / layout.MONITOR).is_file():
        raise RunError(f"{found.path.name} was not monitored; {_newest(api.store(results_dir))}")
    return found


def _newest(store: Store) -> str:
    from ...runs import layout

    for run_id in reversed(store.ids()):
        if (store.folder / run_id / layout.MONITOR).is_file():
            return f"the newest that was: perfkit monitor show {run_id[-6:]}"
    return "monitor one with: perfkit monitor run SCRIPT"


def _names(recorded: Recorded, metrics: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(recorded.history.series(name).name for name in metrics))
    except KeyError as error:
        raise UsageError(str(error.args[0])) from None


def _write_page(document: dict[str, object], recorded: Recorded, file: str, names: tuple[str, ...]) -> None:
    from ...report import monitor_page

    page = monitor_page.render(document, recorded, metrics=names).encode("utf-8")
    if file == STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(page)
        sys.stdout.buffer.flush()
        return
    try:
        Path(file).write_bytes(page)
    except OSError as error:
        raise PerfkitError(f"{file}: cannot be written: {error.strerror}") from error
