"""Commands that run a script: their own options end where the script's begin."""

from __future__ import annotations

import re
from typing import Any

import click

from ..errors import UsageError

_SHORT_MODULE = re.compile(r"-[a-ln-z]*m(.*)")
_FUNCTION = re.compile(r"[\w.]+:[\w.]+")


module = click.option("-m", "--module", metavar="MODULE", help="Run a module, as python -m does.")
python = click.option(
    "--python",
    metavar="PYTHON",
    envvar="PERFKIT_PYTHON",
    help="The Python that runs it: a path, or an environment's folder.",
)
step_on = click.option(
    "--step-on",
    metavar="MODULE:FUNCTION",
    envvar="PERFKIT_STEP_ON",
    help="A step ends when this function returns.",
)


class ScriptCommand(click.Command):
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


def checked_step_on(text: str | None) -> str | None:
    """``--step-on`` as it was given. Raises UsageError for what names no function."""
    if text is not None and not _FUNCTION.fullmatch(text):
        raise UsageError(f"--step-on {text}: write MODULE:FUNCTION, such as train:update")
    return text


def list_fixes() -> int:
    """Print the fixes there are; the exit code."""
    from ..launch import fixes

    print(fixes.listing())
    return 0
