"""`perfkit monitor run`: runs a command, watches it, says in a few lines how it went, and returns the command's own exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import PerfkitError, UsageError
from .. import options, script

if TYPE_CHECKING:
    from ...monitor.live.session import Monitored


@click.command(
    "run",
    cls=script.ScriptCommand,
    options_metavar="[OPTIONS] (SCRIPT | -m MODULE | -- COMMAND) [ARGS]...",
    epilog="The exit code is the script's own (128 + n for a signal).",
)
@script.module
@script.python
@options.results_dir
@click.option("--alert", "alerts", multiple=True, metavar="RULE", help='Such as "val/loss > 2.5 for 60s". Repeatable.')
@click.option(
    "--sink", "sinks", multiple=True, metavar="SINK", help="Who is told: stderr, file:PATH or an https:// address."
)
@click.option(
    "--hang-after", metavar="TIME", help="No step for so long (and for 20 usual steps) is a hang (default 60s)."
)
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Epochs the run will have, for its expected end.")
@click.option(
    "--total-steps", type=click.IntRange(1), metavar="N", help="Steps the run will have, for its expected end."
)
@click.option(
    "--log-file",
    "log_files",
    multiple=True,
    type=Path,
    metavar="PATH",
    help="Read the script's own log there, too. Repeatable.",
)
@click.option(
    "--logs",
    is_flag=True,
    help="Read what the script prints also where that goes to a terminal or a pipe (a file is read anyway).",
)
@click.option(
    "--baseline", metavar="RUN", help="A monitored run that went well: each step's time and loss are held against it."
)
@click.option("--no-detect", is_flag=True, help="Only record and alert by rules; no detectors.")
@script.step_on
@click.option("--trace-at", metavar="step:N|30m", help="Open a trace window there, as perfkit profile does.")
@options.quiet
@options.verbose
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Run a script as Python would and watch its metrics, speed and health while it runs.

    \b
    perfkit monitor run [OPTIONS] SCRIPT [ARGS]…
    perfkit monitor run [OPTIONS] -m MODULE [ARGS]…
    perfkit monitor run [OPTIONS] -- COMMAND [ARGS]…     torchrun, accelerate, a shell script …

    Options after SCRIPT belong to the script.
    """  # noqa: D301
    kind, words = ctx.obj
    if kind is None or not words:
        raise UsageError("nothing to run; write perfkit monitor run SCRIPT, -m MODULE, or -- COMMAND")
    return monitor(kind, words, given)


def monitor(kind: str, words: list[str], given: dict[str, Any]) -> int:
    """Run, watch and sum up; returns the command's exit code, also when summing up goes wrong."""
    from ... import api
    from ..profile import trace_at

    monitored = api.monitor_command(
        kind,  # type: ignore[arg-type]
        words[0],
        tuple(words[1:]),
        results_dir=given["results_dir"],
        python=given["python"],
        alerts=given["alerts"],
        sinks=given["sinks"],
        hang_after_s=options.seconds(given["hang_after"], "--hang-after") if given["hang_after"] else None,
        total_steps=given["total_steps"],
        total_epochs=given["epochs"],
        detect=not given["no_detect"],
        baseline=given["baseline"],
        log_files=given["log_files"],
        tee=given["logs"],
        verbose=bool(given["verbose"]),
        announce=_announcer(quiet=given["quiet"]),
        step_on=script.checked_step_on(given["step_on"]),
        trace_at=trace_at(given["trace_at"]),
        no_trace=False if given["trace_at"] else None,
    )
    if not given["quiet"]:
        _sum_up(monitored)
    return monitored.outcome.exit_code


def _announcer(*, quiet: bool) -> Any:
    def announce(line: str) -> None:
        if not quiet or line.startswith(("warning", "error")):
            sys.stdout.flush()
            print(f"perfkit: {line}", file=sys.stderr, flush=True)

    return announce


def _sum_up(monitored: Monitored) -> None:
    """Print the summary. Whatever goes wrong here is said, and does not change the exit code."""
    if monitored.outcome.path is None:
        return
    try:
        from ... import api
        from .summary import lines

        run = api.load(monitored.outcome.path)
        print("\n".join(lines(run, api.monitor_standing(run))), flush=True)
    except PerfkitError as error:
        print(f"perfkit: {error}", file=sys.stderr)
    except Exception as error:
        print(
            f"perfkit: the run is recorded in {monitored.outcome.path}, but summing up failed: {error!r}",
            file=sys.stderr,
        )
