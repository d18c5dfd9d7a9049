"""Options that several verbs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

results_dir = click.option(
    "--results-dir",
    metavar="DIR",
    help="Where runs are kept (else PERFKIT_RESULTS, [tool.perfkit] results, ./.perfkit).",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="No card, no progress; warnings and errors only.")
verbose = click.option("-v", "--verbose", count=True, help="Everything: all findings, operators, collectors.")
no_color = click.option("--no-color", is_flag=True, help="No colours (as NO_COLOR does).")
json_file = click.option("--json", "json_file", metavar="FILE", help="Write the JSON document to FILE (- = stdout).")
bound = click.option(
    "--bound",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="PERCENT",
    help="A slowdown must surely be larger to count.",
)
inconclusive = click.option(
    "--inconclusive",
    type=click.Choice(["fail", "pass"]),
    default="fail",
    show_default=True,
    help="What the exit code is where nothing can be told.",
)
output = click.option("-o", "--output", metavar="FILE", help="Write the card to FILE instead of stdout.")


def max_minutes(text: str) -> Callable[[F], F]:
    """The time for running pairs; *text* is its line in the help."""
    limit = click.FloatRange(min=0, min_open=True)
    return click.option("--max-minutes", type=limit, default=20.0, show_default=True, metavar="M", help=text)


def shown(function: F) -> F:
    """The options of verbs that show a card."""
    for option in reversed((json_file, output, quiet, verbose, no_color)):
        function = option(function)
    return function


def seconds(text: str, name: str) -> float:
    """``90``, ``90s``, ``10m``, ``1h`` as seconds. Raises UsageError naming the option."""
    from ..errors import UsageError
    from ..runs.store import parse_age

    try:
        found = float(text) if text.replace(".", "", 1).isdigit() else parse_age(text).total_seconds()
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    if found <= 0:
        raise UsageError(f"{name} must be longer than nothing")
    return found
