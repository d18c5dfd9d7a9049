"""`perfkit compare`: runs side by side, two stored results of benchmarks, or a run on other devices; what is named decides which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ...errors import UsageError
from .. import options
from . import on, runs, stored
from .stored import exit_code

__all__ = ["command", "exit_code"]

# Options that only one kind of comparison has, by their parameters.
OF_RUNS = {"price": "--price", "group": "--group", "results_dir": "--results-dir", "verbose": "-v"}
OF_DEVICES = {"batch": "--batch", "dtype": "--dtype", "compiled": "--compiled", "origin": "--from"}
OF_FILES = {"bound": "--bound", "store": "--store", "inconclusive": "--inconclusive"}
RESULTS, RUN_FILE = ".json", "run.json"


@click.command(
    "compare",
    epilog="Exit codes: 0 compared; 4 some of it cannot be. Of files of results: 3 something got slower; 4 it could not be told, or the machines are "
    "not alike (with --inconclusive pass: 0).",
)
@click.argument("things", nargs=-1, required=True, metavar="RUN RUN... | RUN | FILE FILE")
@click.option(
    "--price",
    multiple=True,
    metavar="KEY=USD",
    help="Dollars an hour, such as h100=2.5: of a device by a part of its name, of the host (cpu=0.2), or of a whole run by its number (2=4.1). Repeatable.",
)
@click.option(
    "--group", is_flag=True, help="Runs of one configuration are one side; their scatter tells how sure it is."
)
@click.option(
    "--on",
    multiple=True,
    metavar="DEVICES",
    help="Project one run: h200,l40s, or a file of `perfkit hardware calibrate -o`.",
)
@click.option("--batch", metavar="N|xK", help="With --on: at another batch, as a number or as a factor.")
@click.option(
    "--dtype", type=click.Choice(["fp32", "tf32", "bf16", "fp16"]), help="With --on: products in another format."
)
@click.option("--compiled", is_flag=True, help="With --on: as under torch.compile.")
@click.option(
    "--from",
    "origin",
    metavar="FILE",
    help="With --on: calibration of the machine the run is of (else what is kept of this one).",
)
@options.results_dir
@options.verbose
@options.bound
@click.option(
    "--store",
    metavar="PLACE",
    help="Of files: history that tells what the same code differs by (else .perfkit-bench, where there is one).",
)
@options.inconclusive
@options.json_file
@options.quiet
@options.no_color
@click.pass_context
def command(ctx: click.Context, /, things: tuple[str, ...], **given: Any) -> int:
    """Set runs side by side and say what makes the difference, or compare two files of benchmark results.

    \b
    perfkit compare RUN RUN [RUN]…           of this machine or others: figures, and the difference by cause
    perfkit compare RUN --on h200,l40s       what its step would take there
    perfkit compare before.json after.json   of pytest --perfkit-json FILE or pytest-benchmark's --benchmark-json

    RUN is a path, an id, a unique prefix, or `latest`. All are compared with the first.

    Files of results are of one process each, measured at different times: a change counts only where it is larger than what the same code
    differs by, which the history knows. Times of unlike machines are not compared. To be sure: perfkit bench PATHS --base REV.
    """  # noqa: D301
    if given["on"]:
        _refuse(ctx, {**OF_FILES, "price": "--price", "group": "--group"}, "runs or files, without --on")
        return on.project(things, given)
    _refuse(ctx, OF_DEVICES, "a run with other devices (--on)")
    files = [word for word in things if is_results(word)]
    if files and len(files) < len(things):
        other = next(word for word in things if word not in files)
        raise UsageError(
            f"{files[0]} is a file of results and {other} a run; compare runs with runs, or files with files"
        )
    _refuse(ctx, OF_RUNS if files else OF_FILES, "runs" if files else "files of results")
    return stored.compare(things, given) if files else runs.compare(things, given)


def is_results(word: str) -> bool:
    """Whether *word* means a file of benchmark results, there or not, and no run."""
    path = Path(word).expanduser()
    return path.name != RUN_FILE and (path.is_file() or (path.suffix == RESULTS and not path.is_dir()))


def _refuse(ctx: click.Context, named: dict[str, str], kind: str) -> None:
    """Raises UsageError for an option of the other kind that was given."""
    given = [name for name in named if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE]
    if given:
        raise UsageError(f"{named[given[0]]} is for comparing {kind}; see: perfkit compare --help")
