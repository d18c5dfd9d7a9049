"""Places in a source text, as ast tells them, and changes at them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, TypeVar

from ...launch.habits.source import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable

Parameters = dict[str, Any]
#: Text from one offset to another is replaced.
Change = tuple[int, int, str]
T = TypeVar("T")


def calls(tree: ast.AST) -> list[ast.Call]:
    """All calls below *tree*."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def only(found: list[T]) -> T | None:
    """The one element of a list that has no more."""
    return found[0] if len(found) == 1 else None


def given(call: ast.Call, name: str) -> ast.expr | None:
    """Value of a keyword."""
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def is_literal(node: ast.expr | None, value: object) -> bool:
    """Whether the text says this very constant."""
    return isinstance(node, ast.Constant) and node.value is value


def is_plain(call: ast.Call) -> bool:
    """Whether the text says which argument is what: nothing is unpacked into it."""
    return all(keyword.arg is not None for keyword in call.keywords) and not any(
        isinstance(argument, ast.Starred) for argument in call.args
    )


def end(node: ast.expr) -> tuple[int, int]:
    """Line and column behind it."""
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def at(text: str, line: int, column: int) -> int:
    """Offset of the place that ast means: lines from 1, columns in bytes."""
    lines = text.splitlines(keepends=True)
    return sum(len(part) for part in lines[: line - 1]) + len(lines[line - 1].encode()[:column].decode())


def span(text: str, node: ast.expr) -> tuple[int, int]:
    """Offsets of a node's text."""
    return at(text, node.lineno, node.col_offset), at(text, *end(node))


def replacing(text: str, node: ast.expr, new: str) -> Change:
    """*new* instead of a node."""
    return (*span(text, node), new)


def wrapping(text: str, node: ast.expr, function: str) -> list[Change]:
    """A node as the argument of *function*."""
    start, stop = span(text, node)
    return [(start, start, f"{function}("), (stop, stop, ")")]


def changed(text: str, changes: Iterable[Change]) -> str:
    """All of them done, none of which overlaps another."""
    for start, stop, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[stop:]
    return text


def replaced(text: str, node: ast.expr, new: str) -> str:
    """A single one."""
    return changed(text, [replacing(text, node, new)])


def with_keywords(text: str, call: ast.Call, wanted: Parameters) -> str | None:
    """*call* with those keywords, a literal that is there replaced; None where what is there is no literal."""
    if not is_plain(call):
        return None
    added, changes = [], []
    for name, value in wanted.items():
        there = given(call, name)
        if there is None:
            added.append(f"{name}={value!r}")
        elif isinstance(there, ast.Constant):
            changes.append(replacing(text, there, repr(value)))
        else:
            return None
    if added:
        last = max((*call.args, *(keyword.value for keyword in call.keywords)), key=end, default=None)
        behind = at(text, *end(last)) if last is not None else span(text, call)[1] - 1
        changes.append((behind, behind, (", " if last is not None else "") + ", ".join(added)))
    return changed(text, changes)


def above(text: str, statement: ast.stmt, *lines: str) -> str | None:
    """*lines* above a statement, in its margin; None where something else stands before it on its line."""
    there = text.splitlines(keepends=True)
    first = statement.lineno - 1
    if there[first].encode()[: statement.col_offset].strip():
        return None
    margin = there[first][: len(there[first]) - len(there[first].lstrip())]
    return "".join([*there[:first], *(f"{margin}{line}\n" for line in lines), *there[first:]])


def statement_of(tree: ast.AST, node: ast.expr) -> ast.stmt:
    """The innermost statement that holds a node."""
    holds = [
        n for n in ast.walk(tree) if isinstance(n, ast.stmt) and n.lineno <= node.lineno <= (n.end_lineno or n.lineno)
    ]
    return max(holds, key=lambda statement: (statement.lineno, statement.col_offset))


def after_imports(text: str, *lines: str, module: str = "torch", called: str | None = None) -> str | None:
    """*lines* below the imports of which that of *module* is one, by the name *called* (its own), at the top level of a script."""
    body = ast.parse(text).body
    place = next((n for n, node in enumerate(body) if _name_given(node, module) == (called or module)), None)
    if place is None:
        return None
    while place + 1 < len(body) and isinstance(body[place + 1], ast.Import | ast.ImportFrom):
        place += 1
    there, last = text.splitlines(keepends=True), body[place].end_lineno or 0
    if not there[last - 1].endswith("\n"):
        return None
    return "".join([*there[:last], "\n", *(f"{line}\n" for line in lines), *there[last:]])


def before_imports(text: str, *lines: str) -> str | None:
    """*lines* above the first import that may stand below something."""
    first = next((node for node in ast.parse(text).body if _is_import(node)), None)
    return above(text, first, *lines) if first is not None else None


def importing(text: str, module: str) -> str | None:
    """*text* in which *module* is imported by its name at the top level."""
    if any(_binds(node, module) for node in ast.parse(text).body):
        return text
    return before_imports(text, f"import {module}")


def _binds(node: ast.stmt, module: str) -> bool:
    """Whether an import gives the name *module* to the module."""
    return _name_given(node, module) == module


def name_of(text: str, module: str) -> str | None:
    """By what name a script has *module*, imported at its top level: ``tf`` of ``import tensorflow as tf``."""
    return next((name for node in ast.parse(text).body if (name := _name_given(node, module))), None)


def _name_given(node: ast.stmt, module: str) -> str | None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name == module or (alias.name.split(".")[0] == module and not alias.asname):
                return alias.asname or module
    if isinstance(node, ast.ImportFrom) and not node.level:
        return next((alias.asname or module for alias in node.names if alias.name == module), None)
    return None


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__")


def mentions(text: str, *names: str) -> bool:
    """Whether the program uses one of the names, or an attribute called so."""
    found = (dotted(node).rpartition(".")[2] for node in ast.walk(ast.parse(text)) if _is_name(node))
    return not set(names).isdisjoint(found)


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)
