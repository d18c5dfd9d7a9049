"""Gradients that are recorded or kept although nobody asks for them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .source import (
    FUNCTIONS,
    LOOPS,
    Source,
    calls_in,
    dotted,
    first_is,
    keyword,
    last_name,
    mentions,
    method,
    names_in,
    scope,
    targets,
)  # fmt: skip

NO_GRAD = frozenset(("no_grad", "inference_mode", "set_grad_enabled"))
LOSS_NAME = re.compile(r"loss|cost|err$|error|objective", re.IGNORECASE)
LOSS_CALL = re.compile(r"loss|criterion|entropy|kl_div|objective", re.IGNORECASE)
LETS_GO = frozenset(("item", "detach", "float", "tolist", "numpy", "cpu"))


def missing_no_grad(source: Source) -> Iterator[ast.expr]:
    """``model.eval()`` after which the model is called with gradients on, and no ``backward`` follows."""
    for call in source.calls:
        if method(call) == "eval" and not call.args and isinstance(call.func, ast.Attribute):
            used = _first_use(source, call, call.func.value)
            if used is not None and not _is_off(source, used) and not _trains(source, call, used):
                yield call


def _first_use(source: Source, evaluation: ast.Call, model: ast.expr) -> ast.Call | None:
    """The first call of *model* after its ``eval()``, in the same function."""
    wanted, function = ast.dump(model), source.function_of(evaluation)
    later = (c for c in source.calls if c.lineno > evaluation.lineno and source.function_of(c) is function)
    return next((call for call in later if ast.dump(call.func) == wanted), None)


def _is_off(source: Source, used: ast.Call) -> bool:
    """Whether gradients are off there: a block around it, its function's decorator or callers, or a switch."""
    if any(_turns_off(parent) for parent, _ in source.above(used)):
        return True
    function = source.function_of(used)
    switches = (c for c in calls_in(function) if last_name(c) == "set_grad_enabled" and first_is(c, False))
    if any(switch in scope(function) for switch in switches):
        return True
    blocks = (node for node in source.nodes if isinstance(node, ast.With) and _turns_off(node))
    called = {last_name(call) for block in blocks for call in calls_in(block)}
    return getattr(function, "name", None) in called


def _turns_off(node: ast.AST) -> bool:
    if isinstance(node, ast.With | ast.AsyncWith):
        return any(_names_no_grad(item.context_expr) for item in node.items)
    return isinstance(node, FUNCTIONS) and any(_names_no_grad(decorator) for decorator in node.decorator_list)


def _names_no_grad(node: ast.expr) -> bool:
    return dotted(node.func if isinstance(node, ast.Call) else node).split(".")[-1] in NO_GRAD


def _trains(source: Source, evaluation: ast.Call, used: ast.Call) -> bool:
    """Whether a ``backward`` follows that use: in its own loop, or after it in the same function."""
    loop = next((parent for parent, _ in source.above(used) if isinstance(parent, LOOPS)), None)
    if loop is not None and loop.lineno > evaluation.lineno:
        return any(method(call) == "backward" for call in calls_in(loop))
    function = source.function_of(used)
    return any(method(call) == "backward" and call.lineno >= used.lineno for call in calls_in(function))


def kept_losses(source: Source) -> Iterator[ast.expr | ast.stmt]:
    """``losses.append(loss)`` and ``total += loss``: each keeps the graph of its step, unless it is detached."""
    losses = _loss_names(source)
    for call in source.calls:
        if not (method(call) == "append" and len(call.args) == 1 and isinstance(call.func, ast.Attribute)):
            continue
        if (
            _keeps_graph(call.args[0], losses)
            and not _begins_anew(source, call.func.value)
            and not _is_off(source, call)
        ):
            yield call
    for node in source.nodes:
        if not (isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and _keeps_graph(node.value, losses)):
            continue
        if not _begins_anew(source, node.target) and not _differentiated(source, node.target):
            yield node


def _loss_names(source: Source) -> set[str]:
    """Names that hold losses: by their name, or by the function that gave them; less those that only ever hold numbers."""
    made: dict[str, bool] = {}
    for node in source.nodes:
        if isinstance(node, ast.Assign):
            graph = isinstance(node.value, ast.Call) and bool(LOSS_CALL.search(last_name(node.value)))
            for name in targets(node):
                number = isinstance(node.value, ast.Constant) or _lets_go(node.value)
                kept = graph or (bool(LOSS_NAME.search(name)) and not number)
                made[name] = made.get(name, False) or kept
    return {name for name, kept in made.items() if kept}


def _lets_go(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and (method(node) in LETS_GO or last_name(node) in LETS_GO)


def _keeps_graph(node: ast.expr, losses: set[str]) -> bool:
    """A loss itself, or arithmetic with it; a method called on it (item, detach) lets go of its graph, or we cannot know."""
    if isinstance(node, ast.BinOp):
        return _keeps_graph(node.left, losses) or _keeps_graph(node.right, losses)
    return isinstance(node, ast.Name) and node.id in losses


def _begins_anew(source: Source, target: ast.expr) -> bool:
    """Whether the list, or the sum, is made in each step."""
    wanted = dotted(target)
    made = (node for node in source.nodes if isinstance(node, ast.Assign))
    return any(wanted in map(dotted, node.targets) and source.place(node).in_step for node in made)


def _differentiated(source: Source, target: ast.expr) -> bool:
    names = names_in(target)
    return any(method(call) == "backward" and mentions(call, names) for call in source.calls)


def retained_graphs(source: Source) -> Iterator[ast.expr]:
    """``backward(retain_graph=True)``."""
    return (c for c in source.calls if method(c) == "backward" and keyword(c, "retain_graph") is not None)
