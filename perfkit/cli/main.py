"""`perfkit`: the group of verbs. A verb's file is imported when it is called, so that help is instant."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from .. import __version__
from ..errors import PerfkitError
from .verbs import LazyGroup

# Verb -> where its command is, and its line in the help.
VERBS = {
    "profile": ("profile", "Run a script and say where its time, memory and energy go, and what to change."),
    "tune": ("tune", "Try fixes on the unchanged script, and measure each."),
    "bench": ("bench", "Benchmark a model under MLPerf's loads, or gate a project's own benchmarks on two revisions."),
    "compare": (
        "compare",
        "Runs side by side and why they differ; what another device would do (--on); two stored results of benchmarks.",
    ),
    "report": ("report", "Show a run again, also one that is still going."),
    "runs": ("runs", "List, show, remove and prune runs."),
    "trace": ("trace", "Ask a running job for one more trace window."),
    "explain": ("explain", "What a rule looks at, and why."),
    "import": ("import_", "Make a run of a trace file or of a bundle from another machine."),
    "export": ("export", "Pack a run into one file."),
    "monitor": ("monitor", "Watch a model's quality and health: metrics, logs, detectors, alerts."),
    "doctor": ("doctor", "What can be measured here, and how to get the rest."),
    "hardware": ("hardware", "What this machine's devices can do, and what they reach."),
    "completion": ("completion", "Print the completion script for a shell."),
}


class Verbs(LazyGroup):
    """perfkit's own; a verb that does not exist is answered with the nearest one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a verb that does not exist is answered with the nearest one, or with `profile`."""
        name = args[0] if args else ""
        if name not in VERBS and not name.startswith("-"):
            raise click.UsageError(_unknown(name), ctx)
        return super().resolve_command(ctx, args)


def _unknown(name: str) -> str:
    import difflib

    if name.endswith(".py"):
        return f"no command {name!r}; to profile that script: perfkit profile {name}"
    near = difflib.get_close_matches(name, VERBS, n=1)
    return f"no command {name!r}; " + (f"did you mean {near[0]}?" if near else "see: perfkit --help")


@click.group(
    cls=Verbs,
    verbs=VERBS,
    package=__package__,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", prog_name="perfkit", message="%(prog)s %(version)s")
def group() -> None:
    """Where a machine-learning script's time, memory and energy go, and what to change.

    \b
    perfkit profile train.py --epochs 3      run it, unchanged, and show the card
    perfkit tune train.py --epochs 3         try what it advises, and measure
    perfkit report                           show the newest run again
    """  # noqa: D301


def main(argv: list[str] | None = None) -> None:
    """The console script: runs a verb and exits with its code."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: list[str]) -> int:
    """Run a verb; returns its exit code. Errors become one line on stderr."""
    try:
        made: Any = group.main(argv, prog_name="perfkit", standalone_mode=False)
        _flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        return _fail(_click_message(error), 2 if isinstance(error, click.UsageError) else 1)
    except click.Abort:
        return _fail("interrupted", 130)
    except PerfkitError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader went away (`perfkit report | head`): nobody is left to tell. What is buffered must not
        # be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return made if isinstance(made, int) else 0


def _flush() -> None:
    sys.stdout.flush()


def _click_message(error: click.ClickException) -> str:
    message = error.format_message()
    ctx = getattr(error, "ctx", None)
    if isinstance(error, click.UsageError) and ctx is not None and "perfkit" not in message:
        return f"{message.rstrip('.')}; see: {ctx.command_path} --help"
    return message


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    sys.stdout.flush()  # what was said before stands before it on a terminal
    print(f"perfkit: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
