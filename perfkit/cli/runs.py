"""`perfkit runs list|show|rm|prune`: what is kept, and how to be rid of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from ..runs.store import Entry


@click.group("runs", short_help="List, show, remove and prune runs.")
def command() -> None:
    """List, show, remove and prune runs."""


@command.command("list")
@options.results_dir
@options.no_color
@click.option("-n", "--number", type=click.IntRange(1), metavar="N", help="The newest N only.")
@click.option("--json", "json_file", metavar="FILE", help="Write the list as JSON to FILE (- = stdout).")
def list_(results_dir: str | None, number: int | None, json_file: str | None, *, no_color: bool) -> None:
    """List the runs, newest first."""
    from .. import api

    store = api.store(results_dir)
    entries = store.entries()[:number]
    if json_file is not None:
        _write_list(entries, json_file)
        return
    if not entries:
        click.echo(f"no runs in {store.root}", err=True)
        click.echo("next: perfkit profile SCRIPT", err=True)
        return
    from ..report.listing import show

    show(entries, sys.stdout, color=False if no_color else None)
    click.echo(f"next: perfkit report {entries[0].id[-6:]}", err=True)


def _write_list(entries: list[Entry], file: str) -> None:
    from ..report.listing import rows
    from .show import write_json

    write_json({"schema_version": 1, "runs": rows(entries)}, file)


@command.command("show")
@click.argument("run", required=False)
@options.results_dir
@click.option("--json", "json_file", metavar="FILE", help="Write run.json's content to FILE (- = stdout).")
def show(run: str | None, results_dir: str | None, json_file: str | None) -> None:
    """Show what RUN consists of: its identity, outcome, collectors and files."""
    from .. import api
    from ..report import listing
    from .show import write_json

    found = api.load(run, results_dir=results_dir)
    described = listing.describe(found)
    if json_file is not None:
        write_json(described, json_file)
        return
    for line in listing.description_lines(described):
        click.echo(line)
    click.echo(f"next: perfkit report {found.info.id[-6:]}", err=True)


@command.command("rm")
@click.argument("runs", nargs=-1, required=True)
@options.results_dir
@click.option("--force", is_flag=True, help="Also one that is still running.")
def rm(runs: tuple[str, ...], results_dir: str | None, *, force: bool) -> None:
    """Remove RUNS. Nothing outside the results folder is ever removed."""
    from .. import api

    store = api.store(results_dir)
    for path in [store.resolve(name) for name in runs]:
        store.remove(path, force=force)
        click.echo(f"removed {path.name}")


@command.command("prune")
@options.results_dir
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Keep the newest N.")
@click.option("--older-than", metavar="AGE", help="Only those older than AGE, such as 7d or 12h.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
def prune(results_dir: str | None, keep: int | None, older_than: str | None, *, dry_run: bool) -> None:
    """Remove runs beyond the newest N, or older than AGE; with both, those that are both. Never a running
    one.
    """
    from .. import api
    from ..errors import UsageError
    from ..report.units import size
    from ..runs.store import parse_age

    if keep is None and older_than is None:
        raise UsageError("say which runs: --keep N, --older-than 7d, or both")
    store = api.store(results_dir)
    stale = store.stale(keep=keep, older_than=parse_age(older_than) if older_than else None)
    freed = 0
    for entry in stale:
        freed += entry.size_bytes
        click.echo(f"{'would remove' if dry_run else 'removed'} {entry.id}")
        if not dry_run:
            store.remove(entry.path)
    verb = "would free" if dry_run else "freed"
    click.echo(f"{len(stale)} of {len(store.ids()) + (0 if dry_run else len(stale))} runs, {verb} {size(freed)}")
