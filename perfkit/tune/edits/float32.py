"""A float64 model in float32: the model once, what it is called with and what its loss is told at each call.

The type of a tensor is not to be seen in a script, so its inputs and targets go through a function that leaves labels alone. The place
is certain where the script calls one model, by one name, and where nothing in its classes asks for float64 by itself.
"""

from __future__ import annotations

import ast

from ...launch.habits.source import FUNCTIONS, dotted
from .model import is_call_of, loss_name
from .place import model_name, optimizer_call
from .text import (
    Change,
    Parameters,
    above,
    after_imports,
    calls,
    changed,
    is_plain,
    only,
    replacing,
    statement_of,
    wrapping,
)

LINES = """\
model.float()   # before its optimizer is made; torch.set_default_dtype(torch.float64) goes
x = x.float()   # what the model is called with, and the targets of the loss; labels stay integers"""

FUNCTION = "as_float32"
DEFINITION = (
    "",
    f"def {FUNCTION}(value):",
    '    return value.float() if getattr(value, "dtype", None) == torch.float64 else value',
    "",
)
DOUBLES = ("float64", "double")
# What nn.Module itself has: nothing that computes with an input.
HARMLESS = frozenset(
    ("parameters", "named_parameters", "buffers", "named_buffers", "modules", "named_modules", "children", "train", "eval",
     "training", "zero_grad", "state_dict", "load_state_dict", "requires_grad_", "apply", "compile", "share_memory")
)  # fmt: skip
# They give it a type, which is only then another one if it comes before ours.
CONVERSIONS = frozenset(("to", "double", "float", "cuda", "cpu", "type"))


def float32(text: str, _parameters: Parameters) -> str | None:
    """All of it, or None."""
    tree, call = ast.parse(text), optimizer_call(text)
    name = model_name(call) if call is not None else None
    if call is None or name is None or not _is_certain(tree, name, call.lineno):
        return None
    model_calls = [found for found in calls(tree) if is_call_of(found, name)]
    if not model_calls or not all(map(is_plain, model_calls)):
        return None
    inputs = [argument for found in model_calls for argument in _arguments(found)]
    changes: list[Change] = _default_types(text, tree)
    for node in {id(node): node for node in [*inputs, *_targets(tree)]}.values():
        changes += wrapping(text, node, FUNCTION)
    # From the end of the text to its beginning: each is found where it was.
    made = changed(text, changes)
    made_call = optimizer_call(made)
    if made_call is None:
        return None
    with_model = above(made, statement_of(ast.parse(made), made_call), f"{name}.float()")
    return after_imports(with_model, *DEFINITION) if with_model is not None else None


def _arguments(call: ast.Call) -> list[ast.expr]:
    found = [*call.args, *(keyword.value for keyword in call.keywords)]
    return [argument for argument in found if not isinstance(argument, ast.Constant)]


def _is_certain(tree: ast.AST, model: str, optimizer_line: int) -> bool:
    if any(isinstance(node, ast.Name) and node.id == FUNCTION for node in ast.walk(tree)):
        return False
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    if any(dotted(node).rpartition(".")[2] in DOUBLES for each in classes for node in ast.walk(each)):
        return False
    return all(_is_known(use, parents, optimizer_line) for use, parents in _uses(tree, model))


def _uses(tree: ast.AST, model: str) -> list[tuple[ast.Name, tuple[ast.AST, ...]]]:
    """Where the name is read, each with what holds it (the innermost first) and the functions of the script."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    names = (n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == model and isinstance(n.ctx, ast.Load))
    functions = tuple(node for node in ast.walk(tree) if isinstance(node, FUNCTIONS))
    return [(name, (parents[name], parents.get(parents[name], tree), *functions)) for name in names]


def _is_known(use: ast.Name, around: tuple[ast.AST, ...], optimizer_line: int) -> bool:
    """Whether it is certain that this use computes nothing with the model that we do not see."""
    holder, outer, *functions = around
    if isinstance(holder, ast.Attribute):
        return holder.attr in HARMLESS or (holder.attr in CONVERSIONS and use.lineno <= optimizer_line)
    if isinstance(holder, ast.Call):
        return holder.func is use or _parameter_at(holder, holder.args.index(use), functions) == use.id
    if isinstance(holder, ast.keyword) and isinstance(outer, ast.Call):
        return holder.arg == use.id and any(f.name == dotted(outer.func) for f in functions if isinstance(f, FUNCTIONS))
    return isinstance(holder, ast.Return)


def _parameter_at(call: ast.Call, position: int, functions: list[ast.AST]) -> str | None:
    """Name that the script's own function has for an argument."""
    function = only([f for f in functions if isinstance(f, FUNCTIONS) and f.name == dotted(call.func)])
    if function is None:
        return None
    parameters = [*function.args.posonlyargs, *function.args.args]
    return parameters[position].arg if position < len(parameters) else None


def _targets(tree: ast.AST) -> list[ast.expr]:
    """What the call that makes the loss is given by name."""
    loss = loss_name(tree)
    return [
        argument
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == loss for t in node.targets)
        if isinstance(node.value, ast.Call)
        for argument in node.value.args
        if isinstance(argument, ast.Name)
    ]


def _default_types(text: str, tree: ast.AST) -> list[Change]:
    """``torch.set_default_dtype(torch.float64)`` says float32."""
    return [
        replacing(text, call.args[0], "torch.float32")
        for call in calls(tree)
        if dotted(call.func) == "torch.set_default_dtype" and call.args
        if dotted(call.args[0]) in ("torch.float64", "torch.double")
    ]
