"""`perfkit monitor`: a group of its own, each of its verbs in a file here, imported when it is called."""

from __future__ import annotations

import click

from ..verbs import LazyGroup

# Verb -> where its command is, and its line in the help.
VERBS = {
    "run": ("run", "Run a script and watch its metrics, speed and health, live."),
    "status": (
        "status",
        "How a monitored run stands: running, finished, killed, lost, with its last step and expected end.",
    ),
    "show": ("show", "Training curves with events, alarms and performance on one axis."),
    "logs": ("logs", "Turn logs into metric series and typed records, and say how much was understood."),
    "compare-detectors": (
        "compare_detectors",
        "Measure delay and false alarms of the detectors on a run's own series.",
    ),
}


@click.group(
    "monitor",
    cls=LazyGroup,
    verbs=VERBS,
    package=__package__,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def command() -> None:
    """Watch a model's quality and health while it trains and serves."""
