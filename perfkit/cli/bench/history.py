"""`perfkit bench history`: keep result files, show what each benchmark took commit by commit, and where that changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import UsageError
from .. import options
from ..exit_codes import REGRESSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...bench.history.confirm import How


@click.command(
    "history",
    epilog="Exit codes: 0; 3 when the newest change of any series that is shown is a slowdown and was confirmed (until it is accepted, or another change is found behind it).",
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option(
    "--add",
    is_flag=True,
    help="Put the FILEs into it: of pytest --perfkit-json, pytest --benchmark-json, perfkit bench --base --json.",
)
@click.option(
    "--confirm", is_flag=True, help="Run the commits around each new change again, in pairs (in their repository)."
)
@click.option("--again", is_flag=True, help="With --confirm: what was inconclusive too.")
@click.option(
    "--accept",
    metavar="WHY",
    help="The confirmed slowdowns that are shown are to stay: exit code 0 again, the reason told with them.",
)
@click.option("-k", "--benchmark", metavar="TEXT", default="", help="Only benchmarks whose id holds it.")
@click.option(
    "--store",
    metavar="PLACE",
    help="Its folder (else .perfkit-bench), or the address of a database, as postgresql://host/name.",
)
@click.option("--setup", metavar="COMMAND", help="With --confirm: run in both sources first, as perfkit bench has it.")
@options.max_minutes("With --confirm: for each two commits; no pair is begun that would end later.")
@options.json_file
@options.quiet
@options.no_color
def command(files: tuple[Path, ...], **given: Any) -> int:
    """Keep the results of benchmarks, and show where a level changed.

    \b
    pytest tests/bench --perfkit-json now.json && perfkit bench history --add now.json
    perfkit bench history --confirm

    A series is one benchmark on one kind of machine; unlike machines are never joined.
    """  # noqa: D301
    from ...bench.history import document, store
    from ...report import history_table
    from . import saying

    if bool(files) != given["add"]:
        raise UsageError("--add FILE… puts results into the history" + ("" if files else "; no FILE is given"))
    say = saying.progress(given)
    with store.opened(given["store"], make=given["add"]) as history:
        for file in files:
            say(f"{file}: {'added' if history.add(file) else 'there already'}")
        problems: list[str] = []
        if given["confirm"]:
            problems = document.confirm_all(history, given["benchmark"], _how(given, say), again=given["again"])
        if given["accept"] is not None:
            for benchmark in document.accept_all(history, given["benchmark"], given["accept"]):
                say(f"{benchmark}: accepted")
        made = document.compose(history, given["benchmark"], problems)
    color = False if given["no_color"] else None
    saying.show(made, given, lambda stream: history_table.show(made, stream, color=color))
    if given["quiet"]:  # it keeps progress away, not what went wrong
        for problem in (*made["notes"], *made["problems"]):
            print(f"perfkit: {problem}", file=sys.stderr)
    return REGRESSION if document.slowed(made) else 0


def _how(given: dict[str, Any], say: Callable[[str], None]) -> How:
    from ...bench.history.confirm import How

    return How(limit_s=given["max_minutes"] * 60, setup=given["setup"], say=say)
