"""`perfkit compare RUN --on DEVICE`: what the run's step would take elsewhere, or under other settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def project(words: Sequence[str], given: dict[str, Any]) -> int:
    """Project one run and show it; returns the exit code."""
    from ... import api
    from ...report import projection_table
    from ..bench import saying

    if len(words) != 1:
        raise UsageError(f"--on projects one run, not {len(words)}: perfkit compare RUN --on h200")
    document = api.project_run(
        api.load(words[0], results_dir=given["results_dir"]),
        given["on"],
        batch=given["batch"],
        dtype=given["dtype"],
        compiled=True if given["compiled"] else None,
        origin=given["origin"],
    )
    color = False if given["no_color"] else None
    saying.show(document, given, lambda stream: projection_table.show(document, stream, color=color))
    return 0
