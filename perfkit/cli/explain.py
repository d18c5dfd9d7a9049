"""`perfkit explain RULE`: the manual of a rule."""

from __future__ import annotations

import re

import click


@click.command("explain")
@click.argument("rule", required=False)
def command(rule: str | None) -> None:
    """Say what RULE looks at, when it speaks and when it must not, and what its figures rest on."""
    from .. import api
    from ..advise.registry import all_rules

    if rule is not None:
        click.echo(plain(api.explain(rule)).rstrip())
        click.echo("next: perfkit report", err=True)
        return
    for name, found in all_rules().items():
        click.echo(f"{name:12} {found.title}")
    click.echo("next: perfkit explain RULE", err=True)


def plain(text: str) -> str:
    """A manual without its markup: no terminal shows it."""
    return re.sub(r"\*([^*\n]+)\*", r"\1", text.replace("``", ""))
