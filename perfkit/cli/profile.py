"""`perfkit profile`: runs a command, records it, shows the card, and returns the command's own exit code."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import PerfkitError, UsageError
from . import options, script

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

_TRACE_AT = re.compile(r"step:(\d+)")


def _option(name: str, help_text: str, **settings: Any) -> Callable[[F], F]:
    """An option that a ``PERFKIT_…`` variable can also set."""
    variable = "PERFKIT_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, help=help_text, envvar=variable, **settings)


@click.command(
    "profile",
    cls=script.ScriptCommand,
    options_metavar="[OPTIONS] (SCRIPT | -m MODULE | -- COMMAND) [ARGS]...",
    epilog="The exit code is the script's own (128 + n for a signal).",
)
@script.module
@script.python
@options.results_dir
@_option("--trace-steps", "Steps in the trace window (default 5).", type=click.IntRange(1, 1000))
@_option("--no-trace", "Open no trace window.", is_flag=True)
@_option("--trace-at", "Open the trace window at that step, or after that time.", metavar="step:N|30m")
@_option("--steps", "End the recording, not the script, after N steps.", type=click.IntRange(1), metavar="N")
@click.option("--for", "duration", metavar="TIME", envvar="PERFKIT_FOR", help="The same after a time, such as 10m.")
@script.step_on
@_option("--no-stacks", "Take no samples of Python stacks.", is_flag=True)
@click.option(
    "--with",
    "with_fixes",
    multiple=True,
    metavar="FIX",
    help="Apply a fix to the script as it runs: NAME, NAME=VALUE or NAME:key=value,…; `--with help` lists them. Repeatable.",
)
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Run it N times, one after the other, each as a run of its own; the first that fails is the last.",
)
@click.option("--pid", type=click.IntRange(1), metavar="PID", help="Watch a process that runs already, from outside.")
@click.option("--seconds", type=click.FloatRange(min=1), metavar="N", help="With --pid: for so long (default 30).")
@options.shown
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Run a script as Python would and say where its time, memory and energy go, and what to change.

    \b
    perfkit profile [OPTIONS] SCRIPT [ARGS]…
    perfkit profile [OPTIONS] -m MODULE [ARGS]…
    perfkit profile [OPTIONS] -- COMMAND [ARGS]…     torchrun, accelerate, a shell script …
    perfkit profile --pid PID [--seconds 30]         a server that runs already: host, GPU and stacks

    Options after SCRIPT belong to the script.
    """  # noqa: D301
    kind, words = ctx.obj
    if given["pid"] is not None:
        return attach(words, given)
    if given["seconds"] is not None:
        raise UsageError("--seconds goes with --pid; to end the recording of a script: --for 30s")
    if "help" in given["with_fixes"]:
        return script.list_fixes()
    if kind is None or not words:
        raise UsageError("nothing to profile; write perfkit profile SCRIPT, -m MODULE, or -- COMMAND")
    return repeated(kind, words, given)


def repeated(kind: str, words: list[str], given: dict[str, Any]) -> int:
    """Profile as often as asked; returns the exit code of the first that fails, which is the last, else 0."""
    announce = _announcer(quiet=given["quiet"])
    for number in range(1, given["repeat"] + 1):
        if given["repeat"] > 1:
            announce(f"run {number} of {given['repeat']}")
        if code := profile(kind, words, given):
            return code
    return 0


def profile(kind: str, words: list[str], given: dict[str, Any]) -> int:
    """Profile and show; returns the command's exit code, also when the report goes wrong."""
    from .. import api
    from ..launch import fixes

    outcome = api.profile_command(
        kind,  # type: ignore[arg-type]
        words[0],
        tuple(words[1:]),
        results_dir=given["results_dir"],
        python=given["python"],
        stacks=not given["no_stacks"],
        verbose=bool(given["verbose"]),
        announce=_announcer(quiet=given["quiet"]),
        fixes=tuple(map(fixes.parse, given["with_fixes"])),
        **guest_options(given),
    )
    if outcome.path is not None:
        _show(str(outcome.path), given)
    return outcome.exit_code


def attach(words: list[str], given: dict[str, Any]) -> int:
    """Watch a running process and show what was seen; 0, for its exit code is not ours."""
    from .. import api

    if words:
        raise UsageError(f"--pid watches a process that runs already; without it {words[0]} would be run")
    announce = _announcer(quiet=given["quiet"])
    try:
        outcome = api.attach(
            given["pid"],
            seconds=given["seconds"],
            results_dir=given["results_dir"],
            stacks=not given["no_stacks"],
            announce=announce,
        )
    except KeyboardInterrupt:
        raise click.Abort from None
    if outcome.path is not None:
        _show(str(outcome.path), given)
    return 0


def guest_options(given: dict[str, Any]) -> dict[str, Any]:
    """What the guest in the script's process is told. Raises UsageError for a value that cannot be meant."""
    return {
        "trace_steps": given["trace_steps"],
        "no_trace": True if given["no_trace"] else None,
        "trace_at": trace_at(given["trace_at"]),
        "steps": given["steps"],
        "seconds": options.seconds(given["duration"], "--for") if given["duration"] else None,
        "step_on": script.checked_step_on(given["step_on"]),
    }


def trace_at(text: str | None) -> str | None:
    """``step:400`` stays; ``30m`` becomes ``seconds:1800``."""
    if text is None or _TRACE_AT.fullmatch(text):
        return text
    return f"seconds:{options.seconds(text, '--trace-at'):g}"


def _announcer(*, quiet: bool) -> Any:
    def announce(line: str) -> None:
        if not quiet or line.startswith(("warning", "error")):
            sys.stdout.flush()
            print(f"perfkit: {line}", file=sys.stderr, flush=True)

    return announce


def _show(path: str, given: dict[str, Any]) -> None:
    """Show the run. Whatever goes wrong here is said, and does not change the exit code."""
    from .. import api
    from .show import show_run

    shown = {key: given[key] for key in ("json_file", "output", "quiet", "verbose", "no_color")}
    try:
        show_run(api.load(path), json_indent=0 if shown["json_file"] == "-" else 2, set_off=True, **shown)
    except PerfkitError as error:
        print(f"perfkit: {error}", file=sys.stderr)
    except Exception as error:
        print(f"perfkit: the run is recorded in {path}, but showing it failed: {error!r}", file=sys.stderr)
