"""`perfkit doctor`: what can be measured here and, for what cannot, why and how to get it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from ..launch.checks import Check
    from ..report.layout import Page

_SIGNS = {"yes": ("✓", "green"), "partly": ("!", "yellow"), "no": ("✗", "red")}
_ASCII = {"yes": "ok", "partly": "!", "no": "--"}


@click.command("doctor")
@click.option("--python", metavar="PYTHON", envvar="PERFKIT_PYTHON", help="The Python scripts are to run in.")
@options.results_dir
@options.json_file
@options.no_color
def command(python: str | None, results_dir: str | None, json_file: str | None, no_color: bool) -> int:
    """What can be measured here and, for what cannot, why and how to get it."""
    from ..launch.checks import as_json, run_checks
    from ..runs.settings import results_root

    checks = run_checks(results_root(results_dir).path, python=python)
    if json_file is not None:
        _write(json.dumps(as_json(checks), indent=2, ensure_ascii=False) + "\n", json_file)
    if json_file != "-":
        show(checks, sys.stdout, color=False if no_color else None)
    return 0


def show(checks: list[Check], stream: IO[str], *, color: bool | None = None) -> None:
    """What was found, check by check, and below it what to do."""
    from ..report.layout import Page
    from ..report.terminal import make_console, speaks_unicode

    console, fancy = make_console(stream, color=color), speaks_unicode(stream)
    page = Page(console.width)
    width = max(len(check.name) for check in checks)
    for check in checks:
        _add(check, page, width, fancy=fancy)
    usable = sum(check.state != "no" for check in checks)
    page.add((f"{usable} of {len(checks)} can be used; next: perfkit profile SCRIPT", ""))
    for line in page.lines:
        console.print(line.text(ascii_only=not fancy), soft_wrap=True)


def _add(check: Check, page: Page, width: int, *, fancy: bool) -> None:
    from ..report.layout import clean, wrap

    indent = width + 5
    sign, style = _SIGNS[check.state]
    first, *rest = wrap(clean(check.found), page.width - indent)
    page.add((f"{sign if fancy else _ASCII[check.state]:2} ", style), (f"{check.name:{width}}  ", "bold"), (first, ""))
    for line in rest:
        page.add((" " * indent, ""), (line, ""))
    if check.remedy:
        page.paragraph(clean(check.remedy), lead=" " * (indent - 2) + "→", indent=indent, style="dim")


def _write(text: str, file: str) -> None:
    from ..errors import PerfkitError

    if file == "-":
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise PerfkitError(f"{file}: cannot be written: {error.strerror}") from error
