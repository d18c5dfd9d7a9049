"""Where what a verb of `perfkit bench` says goes: progress, the document, the table."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Any

from ..show import STDOUT, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def progress(given: Mapping[str, Any]) -> Callable[[str], None]:
    """A function that prints a line of progress to stderr; nothing with ``--quiet``."""

    def say(line: str) -> None:
        if not given["quiet"]:
            print(f"perfkit: {line}", file=sys.stderr, flush=True)

    return say


def show(document: dict[str, Any], given: Mapping[str, Any], table: Callable[[IO[str]], None]) -> None:
    """Write the document where ``--json`` wants it, and let *table* print to what is left for a person."""
    to_stdout = given["json_file"] == STDOUT
    if given["json_file"] is not None:
        write_json(document, given["json_file"], 0 if to_stdout else 2)
    if not given["quiet"]:
        table(sys.stderr if to_stdout else sys.stdout)
