"""`perfkit bench PATHS --base REV`: run the gate, show the verdicts, and say by the exit code whether anything got slower."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from ...errors import PerfkitError
from .. import options
from ..exit_codes import INCONCLUSIVE, REGRESSION

#: What can be gated besides time: of `bench.counting.METRICS`, which is imported when it is called.
GATED = ("flops", "operators", "kernels", "device_peak_bytes", "host_peak_bytes")


@click.command(
    "suite",
    epilog="Exit codes: 0 nothing got slower; 3 something did, fails, or computes another thing; 4 it could not be told (with --inconclusive pass: 0).",
)
@click.argument("paths", nargs=-1, required=True)
@click.option("--base", required=True, metavar="REV", help="Revision to compare with: a branch, a tag, a commit.")
@click.option("--head", metavar="REV", help="Revision that is compared (else the working tree as it stands).")
@click.option(
    "--setup",
    metavar="COMMAND",
    help='Run in both sources, each with an environment of its own: "pip install -e ." (else: this environment, their sources first).',
)
@options.bound
@options.max_minutes("No pair is begun that would end later.")
@options.inconclusive
@click.option(
    "--gate",
    "gated",
    type=click.Choice(GATED),
    multiple=True,
    help="More of that is a regression too, to the last operation (memory: from 1 % on).  [repeatable]",
)
@click.option("-k", "keyword", metavar="EXPRESSION", help="Only benchmarks that match, as pytest has it.")
@click.option(
    "--junit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="JUnit XML too: slower is a failure, what cannot be told is skipped.",
)
@click.option(
    "--markdown", type=click.Path(path_type=Path), metavar="FILE", help="A Markdown table too, for a comment."
)
@click.option(
    "--action-benchmark",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The JSON of github-action-benchmark too (customSmallerIsBetter).",
)
@options.json_file
@options.quiet
@options.no_color
def command(paths: tuple[str, ...], **given: Any) -> int:
    """Compare the benchmarks below PATHS on two revisions: tests that use the fixture perfkit.

    \b
    perfkit bench tests/bench --base main
    perfkit bench tests/bench --base v1.2 --head v1.3 --setup "pip install -e ."

    Pairs of fresh processes, one on each side, take short turns, so that a slow moment of the machine slows both down.
    Within GitHub Actions the table also goes to the step's summary, and what is slower is annotated.
    """  # noqa: D301
    from ...bench.gate import trees
    from ...bench.gate.gate import Gate
    from ...report import gate_table
    from ...stats.gate import Rule
    from . import saying

    say = saying.progress(given)
    words = [*(["-k", given["keyword"]] if given["keyword"] else []), *paths]
    bound = given["bound"] / 100
    rule = Rule(bound=bound, margin=max(Rule.margin, 2 * bound))
    with (
        trees.sides(given["base"], given["head"], setup=given["setup"], say=say) as (base, head),
        tempfile.TemporaryDirectory(prefix="perfkit-bench-") as place,
    ):
        document = Gate(
            base=base, head=head, words=words, place=Path(place), limit_s=given["max_minutes"] * 60, rule=rule, say=say,
            gated=given["gated"],
        ).run()  # fmt: skip
    color = False if given["no_color"] else None
    saying.show(document, given, lambda stream: gate_table.show(document, stream, color=color))
    _tell_services(document, given)
    return exit_code(document, fails_open=given["inconclusive"] == "fail")


def exit_code(document: dict[str, Any], *, fails_open: bool) -> int:
    """3 for what is slower, fails or computes another thing, 4 for what could not be told or where all were skipped, else 0."""
    rows = document["benchmarks"]
    if any(row["verdict"] in ("regressed", "failed") or row["outputs"] for row in rows):
        return REGRESSION
    untold = any(row["verdict"] == "inconclusive" for row in rows) or all(row["verdict"] == "skipped" for row in rows)
    return INCONCLUSIVE if fails_open and untold else 0


def _tell_services(document: dict[str, Any], given: dict[str, Any]) -> None:
    """Files that were asked for, and what GitHub Actions reads where this is one of its steps."""
    from ...report import gate_ci

    files = (("junit", gate_ci.junit), ("markdown", gate_ci.markdown), ("action_benchmark", gate_ci.action_benchmark))
    for name, made in files:
        if given[name] is not None:
            _write(given[name], made(document), "w")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        _write(Path(summary), gate_ci.markdown(document), "a")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in gate_ci.workflow_commands(document):
            print(line, file=sys.stderr if given["json_file"] == "-" else sys.stdout)


def _write(path: Path, text: str, mode: str) -> None:
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise PerfkitError(f"{path}: cannot be written: {error.strerror}") from error
