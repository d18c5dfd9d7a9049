"""`perfkit monitor`: a group of its own, each of its verbs in a file here, imported when it is called."""

from __future__ import annotations

from importlib import import_module

import click

# Verb -> its line in the help; its command lies in the module of that name ("-" as "_").
VERBS = {
    "run": "Run a script and watch its metrics, speed and health, live.",
    "status": "How a monitored run stands: running, finished, killed, lost, with its last step and expected end.",
    "show": "Training curves with events, alarms and performance on one axis.",
    "logs": "Turn logs into metric series and typed records, and say how much was understood.",
    "compare-detectors": "Measure delay and false alarms of the detectors on a run's own series.",
}


class MonitorVerbs(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs in the order a person meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb."""
        if cmd_name not in VERBS:
            return None
        module = import_module(f".{cmd_name.replace('-', '_')}", __package__)
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs and what they do, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    "monitor", cls=MonitorVerbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
def command() -> None:
    """Watch a model's quality and health while it trains and serves."""
