"""Switches and wrappers that cost time wherever they stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .source import Source, dotted, first_is, last_name


def anomaly_detection(source: Source) -> Iterator[ast.expr]:
    """``set_detect_anomaly(True)``, ``detect_anomaly()``."""
    for call in source.calls:
        name = last_name(call)
        if (name == "detect_anomaly" and not first_is(call, False)) or (
            name == "set_detect_anomaly" and first_is(call, True)
        ):
            yield call


def data_parallel(source: Source) -> Iterator[ast.expr]:
    """``nn.DataParallel(model)``."""
    return (call for call in source.calls if last_name(call) == "DataParallel")


def deterministic(source: Source) -> Iterator[ast.expr | ast.stmt]:
    """``torch.backends.cudnn.deterministic = True``, ``torch.use_deterministic_algorithms(True)``."""
    for node in source.nodes:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is True):
            continue
        if any(dotted(target).endswith("cudnn.deterministic") for target in node.targets):
            yield node
    for call in source.calls:
        if last_name(call) == "use_deterministic_algorithms" and first_is(call, True):
            yield call
