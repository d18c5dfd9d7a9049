"""`perfkit profile`: runs a command, records it, shows the card, and returns the command's own exit code."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import PerfkitError, UsageError
from . import options

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

_TRACE_AT = re.compile(r"step:(\d+)")
_SHORT_MODULE = re.compile(r"-[a-ln-z]*m(.*)")


class ProfileCommand(click.Command):
    """Stops reading options at the script, module or ``--``: all that follows is the script's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split off what is to be run, then parse the options before it as usual."""
        own, kind, rest = split(args, self._value_options())
        ctx.obj = (kind, rest)
        ctx.default_map = _project_defaults({param.name for param in self.params if param.name})
        return super().parse_args(ctx, own)

    def _value_options(self) -> set[str]:
        given = [param for param in self.params if isinstance(param, click.Option)]
        return {name for param in given if not param.is_flag and not param.count for name in param.opts}


def _project_defaults(names: set[str]) -> dict[str, Any]:
    """Options as [tool.perfkit] sets them: ``trace_steps``, ``no_stacks``, ``for`` …"""
    from ..runs.settings import project_settings

    values = project_settings().values
    found = {name.replace("-", "_"): value for name, value in values.items()}
    if "for" in found:
        found["duration"] = found.pop("for")
    return {name: value for name, value in found.items() if name in names}


def split(args: list[str], value_options: set[str]) -> tuple[list[str], str | None, list[str]]:
    """Own options, what kind of thing is run, and its words (the target first).

    ``-m MODULE …`` is a module, ``-- COMMAND …`` a command, the first word that is no option a script.
    """
    position = 0
    while position < len(args):
        word = args[position]
        if word == "--":
            return args[:position], "command", args[position + 1 :]
        if word == "--module":
            return args[:position], "module", args[position + 1 :]
        if word.startswith("--module="):
            return args[:position], "module", [word.partition("=")[2], *args[position + 1 :]]
        if not word.startswith("-") or word == "-":
            return args[:position], "script", args[position:]
        if not word.startswith("--") and (module := _SHORT_MODULE.fullmatch(word)):
            flags = word[: module.start(1) - 1]
            own = [*args[:position], flags] if len(flags) > 1 else args[:position]
            return own, "module", [*filter(None, [module[1]]), *args[position + 1 :]]
        position += 2 if word in value_options else 1
    return args, None, []


def _option(name: str, help_text: str, **settings: Any) -> Callable[[F], F]:
    """An option that a ``PERFKIT_…`` variable can also set."""
    variable = "PERFKIT_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, help=help_text, envvar=variable, **settings)


@click.command(
    "profile",
    cls=ProfileCommand,
    options_metavar="[OPTIONS] (SCRIPT | -m MODULE | -- COMMAND) [ARGS]...",
    epilog="The exit code is the script's own (128 + n for a signal).",
)
@click.option("-m", "--module", metavar="MODULE", help="Run a module, as python -m does.")
@_option("--python", "The Python that runs it: a path, or an environment's folder.", metavar="PYTHON")
@options.results_dir
@_option("--trace-steps", "Steps in the trace window (default 5).", type=click.IntRange(1, 1000))
@_option("--no-trace", "Open no trace window.", is_flag=True)
@_option("--trace-at", "Open the trace window at that step, or after that time.", metavar="step:N|30m")
@_option("--steps", "End the recording, not the script, after N steps.", type=click.IntRange(1), metavar="N")
@click.option("--for", "duration", metavar="TIME", envvar="PERFKIT_FOR", help="The same after a time, such as 10m.")
@_option("--step-on", "A step ends when this function returns.", metavar="MODULE:FUNCTION")
@_option("--no-stacks", "Take no samples of Python stacks.", is_flag=True)
@options.shown
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Run a script as Python would and say where its time, memory and energy go, and what to change.

    \b
    perfkit profile [OPTIONS] SCRIPT [ARGS]…
    perfkit profile [OPTIONS] -m MODULE [ARGS]…
    perfkit profile [OPTIONS] -- COMMAND [ARGS]…     torchrun, accelerate, a shell script …

    Options after SCRIPT belong to the script.
    """  # noqa: D301
    kind, words = ctx.obj
    if kind is None or not words:
        raise UsageError("nothing to profile; write perfkit profile SCRIPT, -m MODULE, or -- COMMAND")
    return profile(kind, words, given)


def profile(kind: str, words: list[str], given: dict[str, Any]) -> int:
    """Profile and show; returns the command's exit code, also when the report goes wrong."""
    from .. import api

    shown = {key: given[key] for key in ("json_file", "output", "quiet", "verbose", "no_color")}
    outcome = api.profile_command(
        kind,  # type: ignore[arg-type]
        words[0],
        tuple(words[1:]),
        results_dir=given["results_dir"],
        python=given["python"],
        stacks=not given["no_stacks"],
        verbose=bool(given["verbose"]),
        announce=_announcer(quiet=given["quiet"]),
        **guest_options(given),
    )
    if outcome.path is not None:
        _show(str(outcome.path), shown)
    return outcome.exit_code


def guest_options(given: dict[str, Any]) -> dict[str, Any]:
    """What the guest in the script's process is told. Raises UsageError for a value that cannot be meant."""
    step_on = given["step_on"]
    if step_on is not None and not re.fullmatch(r"[\w.]+:[\w.]+", step_on):
        raise UsageError(f"--step-on {step_on}: write MODULE:FUNCTION, such as train:update")
    return {
        "trace_steps": given["trace_steps"],
        "no_trace": True if given["no_trace"] else None,
        "trace_at": _trace_at(given["trace_at"]),
        "steps": given["steps"],
        "seconds": options.seconds(given["duration"], "--for") if given["duration"] else None,
        "step_on": step_on,
    }


def _trace_at(text: str | None) -> str | None:
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


def _show(path: str, shown: dict[str, Any]) -> None:
    """Show the run. Whatever goes wrong here is said, and does not change the exit code."""
    from .. import api
    from .show import show_run

    try:
        show_run(api.load(path), json_indent=0 if shown["json_file"] == "-" else 2, set_off=True, **shown)
    except PerfkitError as error:
        print(f"perfkit: {error}", file=sys.stderr)
    except Exception as error:
        print(f"perfkit: the run is recorded in {path}, but showing it failed: {error!r}", file=sys.stderr)
