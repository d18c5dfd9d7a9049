"""`perfkit bench`: benchmarks below paths, and verbs of its own, each in a file here, imported when it is called."""

from __future__ import annotations

import click

from ..verbs import LazyGroup

# Verb -> where its command is, and its line in the help.
VERBS = {
    "suite": (
        "suite",
        "The project's own benchmarks, of two revisions, with a verdict on each (the word itself can be left out).",
    ),
    "history": (
        "history",
        "Results kept over commits: series of each benchmark and machine, where they changed, and whether a re-run confirms it.",
    ),
    "selftest": (
        "selftest",
        "What the gate is worth on this machine: its false alarms, and the slowdowns that it finds.",
    ),
    "inference": (
        "inference",
        "Latency and throughput of a model: single-stream, multi-stream, server and offline, batches, clients.",
    ),
}
OWN = ("-h", "--help")


class _Group(LazyGroup):
    """`perfkit bench tests/ --base main` is `perfkit bench suite tests/ --base main`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb in where there is none."""
        if args and args[0] not in (*VERBS, *OWN):
            args = ["suite", *args]
        return super().parse_args(ctx, args)


@click.group(
    "bench",
    cls=_Group,
    verbs=VERBS,
    package=__package__,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def command() -> None:
    """Benchmark a model, or gate a project's own benchmarks."""
