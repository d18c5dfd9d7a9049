"""`perfkit bench`: a group of its own, each of its verbs in a file here, imported when it is called."""

from __future__ import annotations

import click

from ..verbs import LazyGroup

# Verb -> where its command is, and its line in the help.
VERBS = {
    "inference": (
        "inference",
        "Latency and throughput of a model: single-stream, multi-stream, server and offline, batches, clients.",
    ),
}


@click.group(
    "bench",
    cls=LazyGroup,
    verbs=VERBS,
    package=__package__,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def command() -> None:
    """Benchmark a model."""
