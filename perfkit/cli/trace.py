"""`perfkit trace RUN`: asks a running job for one more trace window, and waits until it has come."""

from __future__ import annotations

import click

from . import options


@click.command("trace")
@click.argument("run", required=False)
@click.option("--wait", metavar="TIME", default="2m", show_default=True, help="How long to wait for the window.")
@options.results_dir
def command(run: str | None, wait: str, results_dir: str | None) -> None:
    """Ask the running RUN for one more trace window at its next step boundary. The job itself goes on."""
    from .. import api

    found = api.load(run, results_dir=results_dir)
    click.echo("asked for a trace window; waiting for the next step boundary …", err=True)
    file = api.request_trace(found, wait_s=options.seconds(wait, "--wait"))
    click.echo(str(file))
    click.echo(f"next: perfkit report {found.info.id[-6:]}", err=True)
