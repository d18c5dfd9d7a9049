"""The places that most changes are about: the loader that trains, the optimizer and its model, the loop that trains."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ...launch.habits.source import FUNCTIONS, LOOPS, NOT_FOLLOWED, dotted, last_name, method
from .text import calls, given, is_literal, only

if TYPE_CHECKING:
    from collections.abc import Iterator

# Keywords of DataLoader that come before it by position, so that nothing is given twice.
LOADER_POSITIONS = ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "num_workers")


def loader_call(text: str) -> ast.Call | None:
    """The DataLoader that trains: the only one, or the only one that shuffles."""
    found = [call for call in calls(ast.parse(text)) if last_name(call) == "DataLoader"]
    shuffling = [
        call for call in found
        if is_literal(given(call, "shuffle"), True) or is_literal(positional(call, "shuffle"), True)
    ]  # fmt: skip
    return only(found) or only(shuffling)


def positional(call: ast.Call, name: str) -> ast.expr | None:
    """An argument of DataLoader that is given by its position."""
    place = LOADER_POSITIONS.index(name)
    return call.args[place] if len(call.args) > place else None


def optimizer_call(text: str) -> ast.Call | None:
    """The only call that makes an optimizer of torch.optim."""
    tree = ast.parse(text)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "torch.optim"
        for alias in node.names
    }
    return only([call for call in calls(tree) if _makes_optimizer(dotted(call.func), imported)])


def _makes_optimizer(name: str, imported: set[str]) -> bool:
    """``torch.optim.SGD`` and the like, not what lies in a package below it."""
    package, _, last = name.rpartition(".")
    return (package in ("torch.optim", "optim") and last[:1].isupper()) or (name in imported and last[:1].isupper())


def model_name(call: ast.Call) -> str | None:
    """``net`` of ``SGD(net.parameters(), …)``."""
    first = call.args[0] if call.args else given(call, "params")
    if isinstance(first, ast.Call) and last_name(first) == "parameters" and isinstance(first.func, ast.Attribute):
        return first.func.value.id if isinstance(first.func.value, ast.Name) else None
    return None


def training_loop(tree: ast.AST) -> ast.stmt | None:
    """The outermost loop in which ``backward`` is called, by itself or in a function of the script; None for several."""
    training = _Training(tree)
    return only([loop for loop in training.outermost() if not training.is_called_in_one(loop)])


class _Training:
    """Loops and functions of a program that reach a ``backward``."""

    def __init__(self, tree: ast.AST) -> None:
        self._functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
        self._names: set[str] = set()
        before = -1
        while len(self._names) > before:
            before = len(self._names)
            self._names |= {function.name for function in self._functions if self._reaches(function)}
        self._loops = [node for node in ast.walk(tree) if isinstance(node, LOOPS) and self._reaches(node)]

    def _reaches(self, node: ast.AST) -> bool:
        return any(method(call) == "backward" or self._called(call) in self._names for call in calls(node))

    def _called(self, call: ast.Call) -> str:
        """Name of a function of the script that this may call."""
        name = method(call)
        if name is None:
            return dotted(call.func)
        return "" if name in NOT_FOLLOWED else name

    def outermost(self) -> Iterator[ast.stmt]:
        inner = {node for loop in self._loops for node in ast.walk(loop) if node is not loop}
        return (loop for loop in self._loops if loop not in inner)

    def is_called_in_one(self, loop: ast.stmt) -> bool:
        """Whether the function that *loop* lies in is called by another of the loops."""
        holding = {function.name for function in self._functions if any(node is loop for node in ast.walk(function))}
        others = (other for other in self._loops if other is not loop)
        return any(self._called(call) in holding for other in others for call in calls(other))
