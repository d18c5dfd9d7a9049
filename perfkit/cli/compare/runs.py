"""`perfkit compare RUN RUN …`: runs beside one another, and why one is faster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ..exit_codes import INCONCLUSIVE

if TYPE_CHECKING:
    from collections.abc import Sequence


def compare(words: Sequence[str], given: dict[str, Any]) -> int:
    """Compare runs with the first of them and show it; 4 where some cannot be compared, else 0."""
    from ... import api
    from ...compare import document as comparison
    from ...compare import price
    from ...report import compare_table
    from ..bench import saying

    if len(words) < 2:
        raise UsageError("two runs or more are compared: perfkit compare RUN RUN; what there is: perfkit runs list")
    prices = [price.parse(text) for text in given["price"]]
    runs = [api.load(word, results_dir=given["results_dir"]) for word in words]
    document = api.compare_runs(runs, prices=prices, group=given["group"])
    color = False if given["no_color"] else None
    saying.show(
        document, given, lambda stream: compare_table.show(document, stream, verbose=given["verbose"], color=color)
    )
    return INCONCLUSIVE if comparison.is_refused(document) else 0
