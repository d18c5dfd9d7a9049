"""How a script gets its batches: loaders without workers, copies that block, tensors made of Python lists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .source import Source, calls_in, dotted, keyword, last_name, method, targets

# Where DataLoader takes them by position.
WORKERS_AT, PINNING_AT = 5, 7
DEVICE_STRING = ("cuda", "mps", "xpu")
DEVICE_NAME = re.compile(r"(^|[._])(device|dev|gpu|rank)", re.IGNORECASE)
TENSOR_MAKERS = frozenset(
    (
        "torch.tensor",
        "torch.as_tensor",
        "torch.FloatTensor",
        "torch.LongTensor",
        "torch.stack",
        "np.array",
        "numpy.array",
    )
)


def without_workers(source: Source) -> Iterator[ast.expr]:
    """``DataLoader(...)`` without workers."""
    return _loaders_without(source, "num_workers", WORKERS_AT)


def without_pinning(source: Source) -> Iterator[ast.expr]:
    """``DataLoader(...)`` that does not pin memory."""
    return _loaders_without(source, "pin_memory", PINNING_AT)


def _loaders_without(source: Source, name: str, position: int) -> Iterator[ast.expr]:
    for call in source.calls:
        spread = any(k.arg is None for k in call.keywords) or any(isinstance(a, ast.Starred) for a in call.args)
        if last_name(call) != "DataLoader" or spread:
            continue
        positional = call.args[position] if len(call.args) > position else None
        given = next((k.value for k in call.keywords if k.arg == name), positional)
        if given is None or (isinstance(given, ast.Constant) and not given.value):
            yield call


def blocking_copies(source: Source) -> Iterator[ast.expr]:
    """``x.to(device)`` and ``x.cuda()`` without ``non_blocking``."""
    for call in source.calls:
        to_device = method(call) == "to" and bool(call.args) and _is_device(call.args[0])
        if (to_device or method(call) == "cuda") and keyword(call, "non_blocking") is None:
            yield call


def _is_device(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value.startswith(DEVICE_STRING)
    return bool(DEVICE_NAME.search(dotted(node.func if isinstance(node, ast.Call) else node)))


def tensors_from_lists(source: Source) -> Iterator[ast.expr]:
    """``torch.tensor([f(row) for row in rows])`` and its like, where data is prepared and not within a model."""
    for call in source.calls:
        in_model = getattr(source.function_of(call), "name", "") == "forward"
        made = dotted(call.func) in TENSOR_MAKERS and bool(call.args) and not in_model
        if made and _is_long_list(source, call, call.args[0]):
            yield call


def _is_long_list(source: Source, call: ast.Call, node: ast.expr) -> bool:
    """A comprehension, a slice, or a name that holds a comprehension or was appended to in the same function."""
    if isinstance(node, ast.ListComp | ast.GeneratorExp):
        return True
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Slice) and last_name(call) != "stack"
    return isinstance(node, ast.Name) and _is_built(source.function_of(call), node.id)


def _is_built(function: ast.AST, name: str) -> bool:
    made = (n for n in ast.walk(function) if isinstance(n, ast.Assign) and name in targets(n))
    appended = any(dotted(call.func) == f"{name}.append" for call in calls_in(function))
    return appended or any(isinstance(node.value, ast.ListComp) for node in made)
