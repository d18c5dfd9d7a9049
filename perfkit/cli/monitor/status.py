"""`perfkit monitor status`: how a monitored run stands now."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .. import options

if TYPE_CHECKING:
    from ...monitor.live.standing import Standing

# As a regression's (docs: exit codes): something that was asked to be watched is not as it should be.
FIRING = 3


@click.command("status", epilog="Exit code: 0, or 3 while an alert fires, or 1 when the run cannot be read.")
@click.argument("run", required=False)
@options.results_dir
@options.json_file
def command(run: str | None, results_dir: str | None, json_file: str | None) -> int:
    """Say how RUN stands: its state, last step, last sign of life, expected end and the alerts that fire."""
    from ... import api
    from ..show import write_json

    found = api.monitor_standing(api.load(run, results_dir=results_dir))
    if json_file is not None:
        write_json(document(found), json_file)
    if json_file != "-":
        for line in lines(found):
            click.echo(line)
    return FIRING if found.firing else 0


def document(found: Standing) -> dict[str, Any]:
    """The answer as plain data."""
    age_s = None if found.last_sign_ns is None else max(0.0, (time.time_ns() - found.last_sign_ns) / 1e9)
    told = asdict(found) | {"schema_version": 1, "firing": [asdict(alert) for alert in found.firing]}
    return told | {"last_sign_age_s": age_s, "over": found.over, "eta_unknown_because": _no_eta(found)}


def lines(found: Standing) -> list[str]:
    """The answer for a person."""
    from .summary import ago, clock, headline

    made = [f"{found.run}: {headline(found)}"]
    if found.note:
        made.append(f"  note: {found.note}")
    if found.last_sign_ns is not None:
        made.append(f"  last sign of life: {ago(found.last_sign_ns)}")
    if found.eta_ns is not None:
        made.append(f"  expected end: {clock(found.eta_ns)}")
    elif not found.over:
        made.append(f"  expected end: unknown, {_no_eta(found)}")
    made += [f"  alert firing: {alert.rule}: {alert.message}" for alert in found.firing]
    return [*made, f"next: perfkit monitor show {found.run[-6:]}"]


def _no_eta(found: Standing) -> str | None:
    if found.over or found.eta_ns is not None:
        return None
    if found.step is None:
        return "no step has been seen"
    return (
        "too few steps have ended, or it is not known how many there will be: start it with --epochs or --total-steps"
    )
