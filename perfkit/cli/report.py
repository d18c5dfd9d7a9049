"""`perfkit report [RUN]`: shows a run again."""

from __future__ import annotations

from typing import Any

import click

from . import options


@click.command("report")
@click.argument("run", required=False)
@options.results_dir
@options.shown
def command(run: str | None, results_dir: str | None, **shown: Any) -> None:
    """Show RUN again: a path, an id, a unique prefix, or `latest` (the default). Works on a run still
    going.
    """
    from .. import api
    from .show import STDOUT, show_run

    shown["quiet"] |= shown["json_file"] == STDOUT
    show_run(api.load(run, results_dir=results_dir), run_word=run or "", **shown)
