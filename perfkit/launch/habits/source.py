"""A Python source file as a tree that knows, of each node, whether it runs once per training step.

A step is the innermost loop that holds both a ``backward()`` and an optimizer's ``step()``; where there is none, the innermost
loop, or the function, that holds the ``backward()``. What a step calls by name, ``forward`` and ``training_step`` belong to it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

LOOPS = (ast.For, ast.AsyncFor, ast.While)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Methods that a framework or a module's call runs in every step.
STEP_METHODS = frozenset(("forward", "training_step"))
# Calls in a step that are not of the script's own function of that name: methods of modules, optimizers and tensors, and
# the names that scripts give to what holds the loop.
NOT_FOLLOWED = frozenset(
    ("train", "eval", "step", "backward", "zero_grad", "fit", "run", "main", "to", "item", "evaluate", "validate")
)
CALLS_FOLLOWED = 3  # from a step into a function, from there into another …


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a node is: whether in a step, there only every so many steps (below ``if step % n``), and in which function."""

    in_step: bool
    guarded: bool
    in_loop: bool
    function: str


@dataclass
class Source:
    """One file. `step_functions` are the names of those that steps call; see `follow_calls`."""

    name: str
    text: str
    tree: ast.Module = field(init=False)
    #: All nodes of the tree.
    nodes: list[ast.AST] = field(init=False)
    step_functions: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.text)
        self.nodes = list(ast.walk(self.tree))
        self._parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}
        self._holding: dict[ast.AST, bool] = {}

    @cached_property
    def lines(self) -> list[str]:
        """The text by line."""
        return self.text.splitlines()

    @cached_property
    def calls(self) -> list[ast.Call]:
        """All calls, in the order of the text."""
        found = [node for node in self.nodes if isinstance(node, ast.Call)]
        return sorted(found, key=lambda call: (call.lineno, call.col_offset))

    def above(self, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """(parent, child) from *node* up to the module."""
        while (parent := self._parents.get(node)) is not None:
            yield parent, node
            node = parent

    def parent(self, node: ast.AST) -> ast.AST | None:
        """What a node is part of."""
        return self._parents.get(node)

    def function_of(self, node: ast.AST) -> ast.AST:
        """The function that a node lies in, else the module."""
        return next((parent for parent, _ in self.above(node) if isinstance(parent, FUNCTIONS)), self.tree)

    @cached_property
    def _steps(self) -> set[ast.AST]:
        """Loops and functions that are a step each."""
        found: set[ast.AST] = set()
        for call in self.calls:
            if method(call) == "backward" and not self._defines_backward(call):
                found |= set(self._step_around(call))
        return found

    def _defines_backward(self, call: ast.Call) -> bool:
        """Within a ``backward`` of the script's own (an autograd function, a strategy): not the training loop."""
        return getattr(self.function_of(call), "name", "") == "backward"

    def _step_around(self, call: ast.Call) -> Iterator[ast.AST]:
        loops: list[ast.AST] = []
        for parent, child in self.above(call):
            if runs_in(parent, child):
                loops.append(parent)
                if _has_optimizer_step(parent):
                    yield parent
                    return
            elif isinstance(parent, FUNCTIONS):
                if not loops:
                    yield parent
                if not self._within_loop(parent):
                    break
        if loops:
            yield loops[0]

    def _within_loop(self, function: ast.AST) -> bool:
        """A closure that is defined anew in each turn of a loop."""
        for parent, child in self.above(function):
            if isinstance(parent, FUNCTIONS):
                return False
            if runs_in(parent, child):
                return True
        return False

    def place(self, node: ast.AST) -> Place:
        """Where *node* is."""
        in_step = guarded = in_loop = False
        for parent, child in self.above(node):
            in_loop |= runs_in(parent, child)
            if not in_step:
                guarded |= isinstance(parent, ast.If) and child is not parent.test and _every_so_often(parent.test)
                in_step = self._is_step(parent, child)
            if isinstance(parent, FUNCTIONS):
                break
        return Place(in_step=in_step, guarded=guarded, in_loop=in_loop, function=self._qualified(node))

    def _is_step(self, parent: ast.AST, child: ast.AST) -> bool:
        if isinstance(parent, FUNCTIONS):
            named = parent.name in self.step_functions or parent.name in STEP_METHODS
            return (named and not self._holds_steps(parent)) or parent in self._steps
        return parent in self._steps and runs_in(parent, child)

    def _holds_steps(self, function: ast.AST) -> bool:
        if function not in self._holding:
            inner = (node for node in ast.walk(function) if node is not function)
            self._holding[function] = any(node in self._steps for node in inner)
        return self._holding[function]

    def _qualified(self, node: ast.AST) -> str:
        named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        names = [parent.name for parent, _ in self.above(node) if isinstance(parent, named)]
        return ".".join(reversed(names)) or "<module>"


def follow_calls(sources: Iterable[Source]) -> None:
    """Tell every source which functions the steps of any of them call, directly or through others."""
    sources = list(sources)
    for _ in range(CALLS_FOLLOWED):
        called = {name for source in sources for name in _called_in_steps(source)}
        for source in sources:
            source.step_functions |= called


def _called_in_steps(source: Source) -> Iterator[str]:
    for call in source.calls:
        name = method(call) or getattr(call.func, "id", None)
        if name and name not in NOT_FOLLOWED:
            place = source.place(call)
            if place.in_step and not place.guarded:
                yield name


def scope(root: ast.AST) -> Iterator[ast.AST]:
    """What a function, or the module, runs itself: all its nodes but those of functions within."""
    waiting: list[ast.AST] = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, FUNCTIONS)]


def runs_in(loop: ast.AST, child: ast.AST) -> bool:
    """Whether *child*, a part of *loop*, runs in each of its turns."""
    if isinstance(loop, ast.While):
        return child is loop.test or child in loop.body
    return isinstance(loop, LOOPS) and child in loop.body


def method(call: ast.Call) -> str | None:
    """``name`` of ``anything.name()``."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


def dotted(node: ast.AST) -> str:
    """``torch.cuda.empty_cache`` of such an expression; its last names only where it begins with something else."""
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else node.attr
    return node.id if isinstance(node, ast.Name) else ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The keyword's value, None when it is not given or constantly false."""
    value = next((k.value for k in call.keywords if k.arg == name), None)
    return None if isinstance(value, ast.Constant) and not value.value else value


def first_is(call: ast.Call, value: object) -> bool:
    """Whether the call's first argument is this very constant."""
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value is value


def last_name(call: ast.Call) -> str:
    """``collect`` of ``gc.collect()``."""
    return dotted(call.func).split(".")[-1]


def targets(node: ast.AST) -> list[str]:
    """Names that an assignment binds, those of tuples included."""
    found = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    parts = [part for target in found for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return [part.id for part in parts if isinstance(part, ast.Name)]


def mentions(node: ast.AST, names: Iterable[str]) -> bool:
    """Whether one of the names is used in *node*."""
    return not names_in(node).isdisjoint(names)


def names_in(node: ast.AST) -> set[str]:
    """Names used or bound in *node*."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def calls_in(node: ast.AST) -> Iterator[ast.Call]:
    """All calls within *node*, itself included."""
    return (n for n in ast.walk(node) if isinstance(n, ast.Call))


def _has_optimizer_step(loop: ast.AST) -> bool:
    return any(method(call) == "step" and "sched" not in dotted(call.func).lower() for call in calls_in(loop))


def _every_so_often(test: ast.expr) -> bool:
    return any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) for node in ast.walk(test))
