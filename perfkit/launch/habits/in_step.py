"""What a script does in every step beside training: reads results back, prints, saves, collects, loops over parameters."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .source import Source, calls_in, dotted, last_name, mentions, method, names_in, targets

READS = frozenset(("item", "cpu", "numpy", "tolist"))
TENSOR_NAME = re.compile(r"loss|norm|logit|acc(uracy)?$|pred|correct|score|cost$|error$", re.IGNORECASE)
SAVES = frozenset(("save_pretrained", "save_file", "save_model", "save_state", "save_checkpoint"))
PARAMETERS = frozenset(("parameters", "named_parameters"))


def reads(source: Source) -> Iterator[ast.expr]:
    """Results read back from where they are computed: ``loss.item()``, ``float(loss)``, ``out.cpu()``, ``print(loss)``."""
    for call in source.calls:
        name = dotted(call.func)
        if method(call) in READS and not call.args:
            found = not isinstance(source.parent(call), ast.Attribute)  # x.cpu().numpy() is told once
        elif name in ("float", "int"):
            found = len(call.args) == 1 and _is_tensor_name(call.args[0])
        else:
            found = name == "print" and any(_is_tensor_name(value) for value in _printed(call))
        if found:
            yield call


def _printed(call: ast.Call) -> Iterator[ast.expr]:
    for argument in call.args:
        if isinstance(argument, ast.JoinedStr):
            yield from (part.value for part in argument.values if isinstance(part, ast.FormattedValue))
        else:
            yield argument


def _is_tensor_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and bool(TENSOR_NAME.search(node.id))


def prints(source: Source) -> Iterator[ast.expr]:
    """``print``."""
    return (call for call in source.calls if dotted(call.func) == "print")


def saves(source: Source) -> Iterator[ast.expr]:
    """``torch.save`` and its like."""
    return (call for call in source.calls if dotted(call.func) == "torch.save" or last_name(call) in SAVES)


def collections(source: Source) -> Iterator[ast.expr]:
    """``gc.collect()``."""
    return (call for call in source.calls if dotted(call.func) == "gc.collect")


def emptied_caches(source: Source) -> Iterator[ast.expr]:
    """``torch.cuda.empty_cache()``."""
    return (call for call in source.calls if last_name(call) == "empty_cache")


def parameter_loops(source: Source) -> Iterator[ast.stmt]:
    """``for p in model.parameters():`` with arithmetic in it."""
    lists = _parameter_lists(source)
    for node in source.nodes:
        if not (
            isinstance(node, ast.For) and any(_computes(statement, names_in(node.target)) for statement in node.body)
        ):
            continue
        if _gives_parameters(node.iter) or mentions(node.iter, lists):
            yield node


def _gives_parameters(node: ast.AST) -> bool:
    return any(method(call) in PARAMETERS for call in calls_in(node))


def _parameter_lists(source: Source) -> set[str]:
    """Names of lists of parameters."""
    found: set[str] = set()
    for node in source.nodes:
        if isinstance(node, ast.Assign) and _gives_parameters(node.value):
            value = node.value
            if isinstance(value, ast.ListComp) or (
                isinstance(value, ast.Call) and last_name(value) in ("list", "tuple")
            ):
                found |= set(targets(node))
    return found


def _computes(statement: ast.stmt, parameters: set[str]) -> bool:
    """Arithmetic on tensors: an in-place method, an augmented assignment, a norm, a sum or product of *parameters*."""
    if any(isinstance(node, ast.AugAssign) for node in ast.walk(statement)):
        return True
    if any(isinstance(node, ast.BinOp) and mentions(node, parameters) for node in ast.walk(statement)):
        return True
    names = [method(call) or "" for call in calls_in(statement)]
    return any((name.endswith("_") and name != "requires_grad_") or name == "norm" for name in names)
