"""The model and its optimizer: flags of the update, compilation, layout, 16 bits."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from .place import model_name, optimizer_call
from .text import Parameters, above, calls, only, statement_of, with_keywords

FLAGS = {"fused": True}


def optimizer(text: str, parameters: Parameters) -> str | None:
    """``fused`` or ``foreach`` of the only optimizer."""
    call = optimizer_call(text)
    return with_keywords(text, call, parameters or FLAGS) if call is not None else None


def optimizer_lines(parameters: Parameters) -> str:
    """The same for one that is made elsewhere."""
    flags = ", ".join(f"{key}={value!r}" for key, value in (parameters or FLAGS).items())
    return f"torch.optim.…(model.parameters(), …, {flags})   # where the optimizer is made"


def before_optimizer(text: str, line: Callable[[str], str]) -> str | None:
    """A statement about the model, above that which makes its optimizer."""
    call = optimizer_call(text)
    name = model_name(call) if call is not None else None
    if call is None or name is None:
        return None
    return above(text, statement_of(ast.parse(text), call), line(name))


def channels_last(text: str, _parameters: Parameters) -> str | None:
    """Convolutions hand the layout of their weights on."""
    return before_optimizer(text, lambda model: f"{model} = {model}.to(memory_format=torch.channels_last)")


def compile_line(model: str, parameters: Parameters) -> str:
    """In place: the model's class and the keys of its state stay as they are."""
    return f"{model}.compile({', '.join(f'{key}={value!r}' for key, value in parameters.items())})"


def compiled(text: str, parameters: Parameters) -> str | None:
    """Before its optimizer is made."""
    return before_optimizer(text, lambda model: compile_line(model, parameters))


# --- autocast


def autocast(text: str, parameters: Parameters) -> str | None:
    """The statements from the model's call to the loss, below a ``with torch.autocast``; float16 needs a scaler besides."""
    call = optimizer_call(text)
    model = model_name(call) if call is not None else None
    if model is None or parameters.get("dtype") == "float16":
        return None
    span = only([found for body in _bodies(ast.parse(text)) if (found := _forward_span(body, model))])
    if span is None:
        return None
    first, last = span
    lines = text.splitlines(keepends=True)
    margin = " " * first.col_offset
    inside = ["    " + line if line.strip() else line for line in lines[first.lineno - 1 : last.end_lineno]]
    head = f"{margin}{_autocast_head(parameters)}\n"
    return "".join([*lines[: first.lineno - 1], head, *inside, *lines[last.end_lineno :]])


def _autocast_head(parameters: Parameters) -> str:
    device, dtype = parameters.get("device", "cpu"), parameters.get("dtype", "bfloat16")
    return f'with torch.autocast("{device}", dtype=torch.{dtype}):'


def autocast_lines(parameters: Parameters) -> str:
    """Around forward and loss; with a scaler for float16, whose small gradients would be zero."""
    block = f"{_autocast_head(parameters)}   # forward and loss, not backward\n    loss = criterion(model(x), y)"
    if parameters.get("dtype") != "float16":
        return block
    return (
        f"scaler = torch.amp.GradScaler()   # before the training loop\n{block}\n"
        "scaler.scale(loss).backward()\nscaler.step(optimizer)\nscaler.update()"
    )


def _bodies(tree: ast.AST) -> Iterable[list[ast.stmt]]:
    for node in ast.walk(tree):
        for part in ("body", "orelse", "finalbody"):
            body = getattr(node, part, None)
            if isinstance(body, list):
                yield body


def _forward_span(body: list[ast.stmt], model: str) -> tuple[ast.stmt, ast.stmt] | None:
    """From the first statement that calls *model* to the one before its loss goes backward, in this body."""
    ends = [at for at, node in enumerate(body) if isinstance(node, ast.Expr) and is_backward(node.value)]
    if len(ends) != 1:
        return None
    loss = loss_name(body[ends[0]])
    calling = [at for at, node in enumerate(body[: ends[0]]) if any(is_call_of(c, model) for c in calls(node))]
    assigned = [
        at for at, node in enumerate(body[: ends[0]])
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == loss for t in node.targets)
    ]  # fmt: skip
    if len(calling) != 1 or not assigned or assigned[-1] < calling[0]:
        return None
    within = body[calling[0] : assigned[-1] + 1]
    # Text over several lines would be changed by another margin.
    texts = (n for s in within for n in ast.walk(s) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    if any(n.lineno != n.end_lineno for n in texts):
        return None
    return within[0], within[-1]


def is_backward(node: ast.expr) -> bool:
    """``anything.backward()``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "backward"


def loss_name(statement: ast.AST) -> str | None:
    """``loss`` of a statement with ``loss.backward()``."""
    owners = [n.func.value for n in calls(statement) if is_backward(n) and isinstance(n.func, ast.Attribute)]
    return owners[0].id if owners and isinstance(owners[0], ast.Name) else None


def is_call_of(call: ast.Call, model: str) -> bool:
    """``model(…)``."""
    return isinstance(call.func, ast.Name) and call.func.id == model
