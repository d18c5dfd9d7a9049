"""`perfkit tune`: tries fixes on an unchanged script, measures each, and says which to keep."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import PerfkitError, UsageError
from . import options, script
from .exit_codes import INCONCLUSIVE

if TYPE_CHECKING:
    from ..tune.session import Asked

INTERRUPTED = 130
DEFAULT_MINUTES = 15.0


@click.command(
    "tune",
    cls=script.ScriptCommand,
    options_metavar="[OPTIONS] (SCRIPT | -m MODULE | -- COMMAND) [ARGS]...",
    epilog="Exit codes: 0 when every fix has a verdict, 4 when something stayed inconclusive, 130 after Ctrl-C.",
)
@script.module
@click.option(
    "--fix",
    "fixes",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Try just this fix; repeatable. --fix help: what there is.",
)
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="ARG=V,V",
    help='Try values of an argument: --sweep "--batch-size=16,32".',
)
@click.option(
    "--steps", type=click.IntRange(8), metavar="N", help="Steady steps of a trial (else chosen by their length)."
)
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=0.1),
    metavar="T",
    default=DEFAULT_MINUTES,
    show_default=True,
    help="Time for the whole.",
)
@click.option("--batch", is_flag=True, help="Try larger batches too: another training, so nothing does that unasked.")
@click.option("--allow", is_flag=True, help="Run it again although it acts outside its own folder.")
@click.option("--resume", is_flag=True, help="Go on with the newest tune that was interrupted.")
@click.option("--fresh", is_flag=True, help="Begin anew although this command was interrupted before.")
@script.python
@script.step_on
@options.results_dir
@options.shown
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Try fixes on a script without changing it, and measure what each really saves.

    \b
    perfkit tune [OPTIONS] SCRIPT [ARGS]…
    perfkit tune --fix autocast --fix loader-workers=4 SCRIPT
    perfkit tune --sweep "--batch-size=16,32,64" SCRIPT --batch-size 8

    The script runs several times, for a few seconds of its training each time, with and without the fixes in turn; what it
    writes is thrown away.
    """  # noqa: D301
    if "help" in given["fixes"]:
        return script.list_fixes()
    kind, words = ctx.obj
    if given["resume"]:
        return _resume(given, bool(words))
    if kind is None or not words:
        raise UsageError("nothing to tune; write perfkit tune SCRIPT, -m MODULE, or -- COMMAND")
    return _tune(kind, words, given, _asked(given))


def _asked(given: dict[str, Any]) -> Asked:
    from ..launch.fixes import parse
    from ..tune.session import Asked

    return Asked(
        fixes=tuple(parse(text) for text in given["fixes"]),
        sweeps=given["sweeps"],
        steps=given["steps"],
        batch=given["batch"],
        fresh=given["fresh"],
        **_now(given),
    )


def _now(given: dict[str, Any]) -> dict[str, Any]:
    """What holds for this call, also of a tune that goes on."""
    return {"max_minutes": given["max_minutes"], "allow": given["allow"]}


def _resume(given: dict[str, Any], has_words: bool) -> int:
    from ..runs.settings import results_root
    from ..tune.session import Asked, interrupted

    if has_words:
        raise UsageError("--resume takes no script: the same command without --resume goes on by itself")
    known = interrupted(results_root(given["results_dir"]).path)
    os.chdir(known["folder"])
    given = {**given, "python": known["python"], "step_on": known["options"].get("step_on")}
    return _tune(known["kind"], [known["target"], *known["args"]], given, Asked.from_row(known["asked"], **_now(given)))


def _tune(kind: str, words: list[str], given: dict[str, Any], asked: Asked) -> int:
    from .. import api
    from ..tune.interrupts import handled

    step_on = script.checked_step_on(given["step_on"])
    with handled():  # by one handler until the document is shown: Ctrl-C comes before that or after it
        document = api.tune_command(
            kind,  # type: ignore[arg-type]
            words[0],
            tuple(words[1:]),
            results_dir=given["results_dir"],
            python=given["python"],
            asked=asked,
            say=_say(quiet=given["quiet"]),
            step_on=step_on,
        )
        _show(document, given)
    if document["interrupted"]:
        print("perfkit: interrupted; go on with: perfkit tune --resume", file=sys.stderr)
        return INTERRUPTED
    return exit_code(document)


def exit_code(document: dict[str, Any]) -> int:
    """0 when every fix that was tried has a verdict, 4 when one stayed open."""
    return INCONCLUSIVE if any(trial["verdict"] == "inconclusive" for trial in document["trials"]) else 0


def _say(*, quiet: bool) -> Any:
    def say(line: str) -> None:
        if not quiet or line.startswith(("warning", "error")):
            print(f"perfkit: {line}", file=sys.stderr, flush=True)

    return say


def _show(document: dict[str, Any], given: dict[str, Any]) -> None:
    from ..report import tune_table
    from .show import STDOUT, write_json

    if given["json_file"] is not None:
        write_json(document, given["json_file"], 0 if given["json_file"] == STDOUT else 2)
    if given["output"] is not None:
        _write_table(document, given["output"], given["verbose"])
    elif not given["quiet"]:
        stream = sys.stderr if given["json_file"] == STDOUT else sys.stdout
        tune_table.show(document, stream, verbose=given["verbose"], color=False if given["no_color"] else None)


def _write_table(document: dict[str, Any], file: str, verbose: int) -> None:
    from ..report import tune_table

    try:
        with Path(file).open("w", encoding="utf-8") as stream:
            tune_table.show(document, stream, verbose=verbose, color=False)
    except OSError as error:
        raise PerfkitError(f"{file}: cannot be written: {error.strerror}") from error
