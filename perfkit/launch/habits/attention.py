"""Attention written by hand: a product with something transposed, a softmax of it, and a product with that."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .source import FUNCTIONS, Source, calls_in, dotted, last_name, mentions, method, targets

FUSED = "scaled_dot_product_attention"
TRANSPOSES = frozenset(("transpose", "permute", "t", "swapaxes"))


def by_hand(source: Source) -> Iterator[ast.expr]:
    """The softmax of each, in functions that do not also use the fused one."""
    for function in (node for node in source.nodes if isinstance(node, FUNCTIONS)):
        called = {last_name(call) for call in calls_in(function)}
        if FUSED not in called and any(name.lower() == "softmax" for name in called):
            yield from _in_function(function)


def _in_function(function: ast.AST) -> Iterator[ast.expr]:
    """Follows scores and weights by name through the function's assignments, in the order of the text."""
    scores: set[str] = set()
    weights: dict[str, ast.Call] = {}
    for node in _assignments(function):
        value = node.value
        if value is None:
            continue
        softmax = next((c for c in calls_in(value) if last_name(c).lower() == "softmax"), None)
        if softmax is not None and (_is_scores(softmax) or mentions(softmax, scores)):
            if _multiplies(value, softmax):
                yield softmax
            weights |= dict.fromkeys(targets(node), softmax)
        elif used := next((name for name in weights if _multiplies_name(value, name)), None):
            yield weights[used]
            weights = {name: made for name, made in weights.items() if made is not weights[used]}
        elif made := next((weights[name] for name in weights if mentions(value, {name})), None):
            weights |= dict.fromkeys(targets(node), made)
        elif _is_scores(value) or mentions(value, scores):
            scores |= set(targets(node))


def _assignments(function: ast.AST) -> list[ast.Assign | ast.AugAssign | ast.Return]:
    found = [node for node in ast.walk(function) if isinstance(node, ast.Assign | ast.AugAssign | ast.Return)]
    return sorted(found, key=lambda node: node.lineno)


def _products(node: ast.AST) -> Iterator[tuple[ast.AST, list[ast.expr]]]:
    """Matrix products in an expression, with their factors."""
    for n in ast.walk(node):
        if isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult):
            yield n, [n.left, n.right]
        elif isinstance(n, ast.Call) and last_name(n) in ("matmul", "bmm", "einsum"):
            yield n, [*([n.func.value] if isinstance(n.func, ast.Attribute) else []), *n.args]


def _multiplies(node: ast.AST, part: ast.AST) -> bool:
    return any(part in ast.walk(factor) for _, factors in _products(node) for factor in factors)


def _multiplies_name(node: ast.AST, name: str) -> bool:
    return any(mentions(factor, {name}) for _, factors in _products(node) for factor in factors)


def _is_scores(node: ast.AST) -> bool:
    """A product with a transposed factor, as of queries and keys; einsum's letters are taken on trust."""
    for product, factors in _products(node):
        if dotted(getattr(product, "func", product)).endswith("einsum") or any(map(_is_transposed, factors)):
            return True
    return False


def _is_transposed(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in ("T", "mT")
    return isinstance(node, ast.Call) and method(node) in TRANSPOSES
