"""The change to make in the user's code: a real diff where its place is certain, else the lines to write.

A place is certain when the script has one call that it can be: one DataLoader that shuffles, one optimizer made from one
model's parameters, one loss that is taken backward. Otherwise nothing is guessed.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ..launch.habits.source import dotted, last_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.records import Fix
    from .candidates import Candidate

Parameters = dict[str, Any]
#: Source in, source out; None where the place is not certain.
Edit = Callable[[str, Parameters], str | None]

# Keywords of DataLoader that come before it by position, so that nothing is given twice.
LOADER_POSITIONS = ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "num_workers")


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What to change."""

    #: A unified diff of the script, empty when none of the changes has a certain place.
    diff: str
    #: For the others: what a person would write, by the candidate's label.
    by_hand: dict[str, str] = field(default_factory=dict)
    #: Arguments to start the script with.
    arguments: tuple[str, ...] = ()


def changes(source: str | None, name: str, candidates: Iterable[Candidate]) -> Changes:
    """The changes that *candidates* mean in the script *source*, called *name*; without a source all are by hand."""
    text, by_hand, arguments = source, {}, []
    for candidate in candidates:
        arguments += [f"{key}={value}" for key, value in candidate.sets]
        for fix in candidate.fixes:
            edited = _edited(text, fix) if text is not None else None
            if edited is None:
                by_hand[candidate.label] = candidate.how or f"the fix {fix.name} (no certain place for it was found)"
            else:
                text = edited
    diff = _diff(source, text, name) if source is not None and text is not None else ""
    return Changes(diff=diff, by_hand=by_hand, arguments=tuple(arguments))


def _diff(before: str, after: str, name: str) -> str:
    lines = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), name, name, n=2)
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _edited(text: str, fix: Fix) -> str | None:
    """*text* with the fix written into it, still a program that parses; None where that is not certain."""
    edit = EDITS.get(fix.name)
    if edit is None:
        return None
    try:
        made = edit(text, fix.parameters)
        if made is None or made == text:
            return None
        ast.parse(made)
    except SyntaxError:
        return None
    return made


# --- places in a text


def _calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _at(text: str, line: int, column: int) -> int:
    """Offset of the place that ast means: lines from 1, columns in bytes."""
    lines = text.splitlines(keepends=True)
    return sum(len(part) for part in lines[: line - 1]) + len(lines[line - 1].encode()[:column].decode())


def _replaced(text: str, node: ast.expr, new: str) -> str:
    start = _at(text, node.lineno, node.col_offset)
    end = _at(text, node.end_lineno or node.lineno, node.end_col_offset or 0)
    return text[:start] + new + text[end:]


def _with_keywords(text: str, call: ast.Call, wanted: Parameters) -> str | None:
    """*call* with those keywords, a literal that is there replaced; None where what is there is no literal."""
    if any(given.arg is None for given in call.keywords) or any(isinstance(a, ast.Starred) for a in call.args):
        return None
    added = []
    edits: list[tuple[ast.expr, str]] = []
    for name, value in wanted.items():
        there = _given(call, name)
        if there is None:
            added.append(f"{name}={value!r}")
        elif isinstance(there, ast.Constant):
            edits.append((there, repr(value)))
        else:
            return None
    if added:
        last = max((*call.args, *(k.value for k in call.keywords)), key=_end, default=None)
        if last is None:
            return None
        at = _at(text, *_end(last))
        text = text[:at] + ", " + ", ".join(added) + text[at:]
    for node, new in sorted(edits, key=lambda edit: _end(edit[0]), reverse=True):
        text = _replaced(text, node, new)
    return text


def _given(call: ast.Call, name: str) -> ast.expr | None:
    return next((given.value for given in call.keywords if given.arg == name), None)


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def _only(found: list[Any]) -> Any:
    return found[0] if len(found) == 1 else None


def _after_imports(text: str, line: str) -> str | None:
    """*line* below the imports at the top of a script that imports torch."""
    tree = ast.parse(text)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if not any(isinstance(n, ast.Import) and any(a.name == "torch" and not a.asname for a in n.names) for n in imports):
        return None
    head = list(takewhile(lambda node: isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node), tree.body))
    last = head[-1].end_lineno or 0 if head else 0
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:last], f"\n{line}\n", *lines[last:]])


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


# --- the loader


def _loader_call(text: str) -> ast.Call | None:
    """The DataLoader that trains: the only one, or the only one that shuffles."""
    found = [call for call in _calls(ast.parse(text)) if last_name(call) == "DataLoader"]
    shuffling = [call for call in found if _is_true(_given(call, "shuffle")) or _is_true(_positional(call, "shuffle"))]
    call: ast.Call | None = _only(found) or _only(shuffling)
    return call


def _positional(call: ast.Call, name: str) -> ast.expr | None:
    at = LOADER_POSITIONS.index(name)
    return call.args[at] if len(call.args) > at else None


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _loader(text: str, parameters: Parameters) -> str | None:
    call = _loader_call(text)
    if call is None or len(call.args) >= len(LOADER_POSITIONS):
        return None
    wanted = {
        k: v
        for k, v in parameters.items()
        if k in ("num_workers", "persistent_workers", "prefetch_factor", "pin_memory")
    }
    return _with_keywords(text, call, wanted)


def _batch_size(text: str, parameters: Parameters) -> str | None:
    call, size = _loader_call(text), parameters.get("batch_size")
    if call is None or size is None:
        return None
    there = _positional(call, "batch_size") or _given(call, "batch_size")
    return _replaced(text, there, str(size)) if isinstance(there, ast.Constant) else None


# --- the optimizer and the model


def _optimizer_call(text: str) -> ast.Call | None:
    """The only call that makes an optimizer of torch.optim."""
    tree = ast.parse(text)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "torch.optim"
        for alias in node.names
    }
    call: ast.Call | None = _only([call for call in _calls(tree) if _makes_optimizer(dotted(call.func), imported)])
    return call


def _makes_optimizer(name: str, imported: set[str]) -> bool:
    """``torch.optim.SGD`` and the like, not what lies in a package below it."""
    package, _, last = name.rpartition(".")
    return (package in ("torch.optim", "optim") and last[:1].isupper()) or (name in imported and last[:1].isupper())


def _optimizer(text: str, parameters: Parameters) -> str | None:
    call = _optimizer_call(text)
    return _with_keywords(text, call, parameters or {"fused": True}) if call is not None else None


def _model_name(call: ast.Call) -> str | None:
    """``net`` of ``SGD(net.parameters(), …)``."""
    first = call.args[0] if call.args else _given(call, "params")
    if isinstance(first, ast.Call) and last_name(first) == "parameters" and isinstance(first.func, ast.Attribute):
        return first.func.value.id if isinstance(first.func.value, ast.Name) else None
    return None


def _before_optimizer(text: str, line: Callable[[str], str]) -> str | None:
    """A statement about the model, above that which makes its optimizer."""
    call = _optimizer_call(text)
    name = _model_name(call) if call is not None else None
    if call is None or name is None:
        return None
    tree = ast.parse(text)
    holds = [
        n for n in ast.walk(tree) if isinstance(n, ast.stmt) and n.lineno <= call.lineno <= (n.end_lineno or n.lineno)
    ]
    statement = max(holds, key=lambda node: (node.lineno, node.col_offset))
    lines = text.splitlines(keepends=True)
    above = f"{' ' * statement.col_offset}{line(name)}\n"
    return "".join([*lines[: statement.lineno - 1], above, *lines[statement.lineno - 1 :]])


def _channels_last(text: str, _parameters: Parameters) -> str | None:
    return _before_optimizer(text, lambda model: f"{model} = {model}.to(memory_format=torch.channels_last)")


def _compile(text: str, parameters: Parameters) -> str | None:
    given = ", ".join(f"{key}={value!r}" for key, value in parameters.items())
    return _before_optimizer(text, lambda model: f"{model}.compile({given})")


def _autocast(text: str, parameters: Parameters) -> str | None:
    """The statements from the model's call to the loss, below a ``with torch.autocast``."""
    call = _optimizer_call(text)
    model = _model_name(call) if call is not None else None
    span = (
        _only([found for body in _bodies(ast.parse(text)) if (found := _forward_span(body, model))]) if model else None
    )
    if span is None:
        return None
    first, last = span
    device, dtype = parameters.get("device", "cpu"), parameters.get("dtype", "bfloat16")
    lines = text.splitlines(keepends=True)
    margin = " " * first.col_offset
    inside = ["    " + line if line.strip() else line for line in lines[first.lineno - 1 : last.end_lineno]]
    head = f'{margin}with torch.autocast("{device}", dtype=torch.{dtype}):\n'
    return "".join([*lines[: first.lineno - 1], head, *inside, *lines[last.end_lineno :]])


def _bodies(tree: ast.AST) -> Iterable[list[ast.stmt]]:
    for node in ast.walk(tree):
        for part in ("body", "orelse", "finalbody"):
            body = getattr(node, part, None)
            if isinstance(body, list):
                yield body


def _forward_span(body: list[ast.stmt], model: str) -> tuple[ast.stmt, ast.stmt] | None:
    """From the first statement that calls *model* to the one before its loss goes backward, in this body."""
    ends = [at for at, node in enumerate(body) if isinstance(node, ast.Expr) and _is_backward(node.value)]
    if len(ends) != 1:
        return None
    loss = _backward_of(body[ends[0]])
    calls = [at for at, node in enumerate(body[: ends[0]]) if any(_is_call_of(c, model) for c in _calls(node))]
    assigned = [
        at for at, node in enumerate(body[: ends[0]])
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == loss for t in node.targets)
    ]  # fmt: skip
    if len(calls) != 1 or not assigned or assigned[-1] < calls[0]:
        return None
    within = body[calls[0] : assigned[-1] + 1]
    # Text over several lines would be changed by another margin.
    texts = (n for s in within for n in ast.walk(s) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    if any(n.lineno != n.end_lineno for n in texts):
        return None
    return within[0], within[-1]


def _is_backward(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "backward"


def _backward_of(statement: ast.stmt) -> str | None:
    names = [n.func.value for n in _calls(statement) if _is_backward(n) and isinstance(n.func, ast.Attribute)]
    return names[0].id if names and isinstance(names[0], ast.Name) else None


def _is_call_of(call: ast.Call, model: str) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == model


# --- settings


def _threads(text: str, parameters: Parameters) -> str | None:
    number = parameters.get("num_threads")
    there = [call for call in _calls(ast.parse(text)) if last_name(call) == "set_num_threads"]
    if not there:
        return _after_imports(text, f"torch.set_num_threads({number})")
    call = _only(there)
    first = call.args[0] if call is not None and call.args else None
    return _replaced(text, first, str(number)) if isinstance(first, ast.Constant) else None


def _line(line: str) -> Edit:
    def edit(text: str, parameters: Parameters) -> str | None:
        return _after_imports(text, line.format(**parameters))

    return edit


def _inference_mode(text: str, _parameters: Parameters) -> str | None:
    found = [
        node for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and dotted(node) == "torch.no_grad"
    ]  # fmt: skip
    for node in sorted(found, key=_end, reverse=True):
        text = _replaced(text, node, "torch.inference_mode")
    return text if found else None


EDITS: dict[str, Edit] = {
    "loader-workers": _loader,
    "pin-memory": _loader,
    "batch-size": _batch_size,
    "optimizer": _optimizer,
    "fused-optimizer": _optimizer,
    "channels-last": _channels_last,
    "compile": _compile,
    "autocast": _autocast,
    "threads": _threads,
    "interop-threads": _line("torch.set_num_interop_threads({num_threads})"),
    "tf32": _line('torch.set_float32_matmul_precision("high")'),
    "matmul-precision": _line('torch.set_float32_matmul_precision("{precision}")'),
    "cudnn-benchmark": _line("torch.backends.cudnn.benchmark = True"),
    "inference-mode": _inference_mode,
}
