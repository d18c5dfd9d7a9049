"""Groups of verbs whose commands are imported on first use, so that help is instant."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose verbs lie in modules of *package*: verb → (module there, its line in the help)."""

    def __init__(self, *args: Any, verbs: Mapping[str, tuple[str, str]], package: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._verbs, self._package = verbs, package

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs in the order a person meets them."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb."""
        if cmd_name not in self._verbs:
            return None
        module = import_module(f".{self._verbs[cmd_name][0]}", self._package)
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs and what they do, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._verbs.items()])
