"""`perfkit monitor compare-detectors`: delay and false alarms of the detectors on a run's own series."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ...errors import RunError, UsageError
from .. import options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...monitor.detect.evaluate import Fault
    from ...monitor.detect.policy import Plan

DEFAULT_METRIC = "perf/step_time_s"
#: A series must have so many values to be resampled from.
LEAST = 100
#: Values of each resampled series where the run's own has no trend to keep to.
LENGTH = 1000


@click.command("compare-detectors", short_help="Measure delay and false alarms of the detectors.")
@click.argument("run", required=False)
@click.option("--metric", metavar="NAME", help=f"The series (else {DEFAULT_METRIC}, or the longest there is).")
@click.option(
    "--rate",
    type=click.FloatRange(0.001, 0.5),
    default=0.05,
    show_default=True,
    help="False alarms asked for, per series of the length that is shown.",
)
@click.option("--runs", type=click.IntRange(20), default=100, show_default=True, help="Series without a change.")
@options.results_dir
@options.json_file
@options.no_color
def command(
    run: str | None,
    metric: str | None,
    rate: float,
    runs: int,
    results_dir: str | None,
    json_file: str | None,
    *,
    no_color: bool,
) -> None:
    """Measure, on a run's own series, how often each detector raises a false alarm and how soon it tells a planted change.

    Series without a change are made from the run's (its correlation, distribution and bursts kept); changes of several sizes are
    planted in others. Beside perfkit's detectors stand those of river as they come, a fixed 3-sigma rule, and never saying anything.
    """
    from ...errors import MissingDependency
    from ...monitor.detect import contenders, evaluate
    from ...monitor.detect.policy import plan

    name, values = _series(run, metric, results_dir)
    found = plan(name, per_epoch=False, positive=bool(values[0] > 0))
    if found is None or not found.charts:
        raise UsageError(f"{name} is not watched by charts; choose another --metric")
    length = values.size if found.trend else LENGTH
    if length < evaluate.BEFORE + evaluate.HORIZON:
        raise UsageError(
            f"{name} has {values.size} values; {evaluate.BEFORE + evaluate.HORIZON} are needed to compare on"
        )
    try:
        compared = contenders.contenders(found, rate)
    except MissingDependency as missing:
        click.echo(f"perfkit: without river's detectors: {missing}", err=True)
        compared = contenders.contenders(found, rate, with_river=False)
    scores = evaluate.measure(
        compared,
        evaluate.like(values, found),
        runs=runs,
        length=length,
        faults=_faults(found),
        fault_runs=max(10, runs // 4),
        progress=lambda text: click.echo(f"  {text}", err=True),
    )
    rows = evaluate.as_rows(scores, rate)
    if json_file is not None:
        from ..show import write_json

        document = {
            "schema_version": 1,
            "metric": name,
            "values": int(values.size),
            "length": length,
            "detectors": rows,
        }
        write_json(document, json_file)
    if json_file != "-":
        _show(name, length, rate, rows, color=False if no_color else None)


def _series(run: str | None, metric: str | None, results_dir: str | None) -> tuple[str, NDArray[np.float64]]:
    import numpy as np

    from ... import api
    from ...monitor.record import read

    path = api.store(results_dir).resolve(run)
    history = read(path).history
    if not len(history):
        raise RunError(f"{path.name} has no metrics; record some: perfkit monitor run SCRIPT")
    if metric is None:
        metric = (
            DEFAULT_METRIC if DEFAULT_METRIC in history else max(history, key=lambda name: len(history.series(name)))
        )
    try:
        series = history.series(metric)
    except KeyError as error:
        raise UsageError(str(error.args[0])) from None
    values = series.values
    values = values[np.isfinite(values)]
    if values.size < LEAST:
        raise UsageError(f"{series.name} has {values.size} values; {LEAST} are needed to compare detectors on")
    return series.name, values


def _faults(plan: Plan) -> list[Fault]:
    from ...monitor.detect import evaluate

    down = plan.side == "down"
    if plan.least or (plan.log and not down):
        return [evaluate.factor(1 / by if down else by) for by in (1.1, 1.2, 1.5, 2.0)]
    return [evaluate.shift(size, down=down) for size in (1, 2, 4)] + [evaluate.spike(12, down=down)]


def _show(name: str, length: int, rate: float, rows: list[dict[str, Any]], *, color: bool | None) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{name}: {length} values a series, {rate:.1%} of them may raise a false alarm", title_justify="left"
    )
    table.add_column("detector")
    table.add_column("false alarms", justify="right")
    for fault in rows[0]["faults"]:
        table.add_column(fault["fault"], justify="right")
    table.add_column("us/value", justify="right")
    for row in rows:
        alarms = row["false_alarms"]
        cells = [f"{alarms['rate']:.1%} ({alarms['low95']:.1%}–{alarms['high95']:.1%})"]
        cells += [_cell(fault) for fault in row["faults"]]
        table.add_row(row["detector"], *cells, f"{row['us_per_value']:.1f}")
    console = Console(file=sys.stdout, no_color=color is False, width=None if sys.stdout.isatty() else 140)
    console.print(table)
    console.print(
        "A cell: median delay in values (0: at the first), and the share of the planted changes told within 200."
    )


def _cell(fault: dict[str, Any]) -> str:
    if fault["median_delay"] is None:
        return "–"
    return f"{fault['median_delay']:.0f} ({fault['found']:.0%})"
