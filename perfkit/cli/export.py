"""`perfkit export RUN --to bundle`: a run in one file."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command("export")
@click.argument("run", required=False)
@click.option(
    "--to",
    "form",
    type=click.Choice(["bundle"]),
    default="bundle",
    show_default=True,
    help="Form of the file.",
)
@click.option("-o", "--output", metavar="FILE", help="The file, or a folder for it (default: here, named as the run).")
@options.results_dir
def command(run: str | None, form: str, output: str | None, results_dir: str | None) -> None:
    """Pack RUN into one file, to be taken up on another machine with `perfkit import FILE`."""
    from .. import api
    from ..report.units import size
    from ..runs import bundle

    file = bundle.pack(api.load(run, results_dir=results_dir).path, Path(output) if output else Path.cwd())
    click.echo(f"{file} ({size(file.stat().st_size)})")
    click.echo(f"next, on the other machine: perfkit import {file.name}", err=True)
