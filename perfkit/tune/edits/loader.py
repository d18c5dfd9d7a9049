"""The data's side: worker processes, pinned memory, the batch size."""

from __future__ import annotations

import ast

from ...launch.habits.source import LOOPS, dotted, method
from .place import LOADER_POSITIONS, loader_call, positional
from .text import Parameters, calls, given, is_plain, replaced, with_keywords

KEYWORDS = ("num_workers", "persistent_workers", "prefetch_factor", "pin_memory")
UPLOADS = ("to", "cuda")


def workers(text: str, parameters: Parameters) -> str | None:
    """Keywords of the DataLoader; ``non_blocking`` where its batches are sent to a device."""
    call = loader_call(text)
    if call is None or len(call.args) >= len(LOADER_POSITIONS):
        return None
    made = with_keywords(text, call, {key: value for key, value in parameters.items() if key in KEYWORDS})
    return _not_waiting(made) if made is not None and parameters.get("non_blocking") else made


def _not_waiting(text: str) -> str:
    """``x.to(device, non_blocking=True)`` for what a loop gets from its loader."""
    while (call := _waiting_upload(text)) is not None:
        made = with_keywords(text, call, {"non_blocking": True})
        if made is None:
            break
        text = made
    return text


def _waiting_upload(text: str) -> ast.Call | None:
    for loop in ast.walk(ast.parse(text)):
        if isinstance(loop, LOOPS) and not isinstance(loop, ast.While):
            names = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
            for call in calls(loop):
                if _uploads(call, names) and given(call, "non_blocking") is None:
                    return call
    return None


def _uploads(call: ast.Call, names: set[str]) -> bool:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return method(call) in UPLOADS and isinstance(owner, ast.Name) and owner.id in names and is_plain(call)


def lines(parameters: Parameters) -> str:
    """The DataLoader's keywords, and the copies."""
    keywords = ", ".join(f"{key}={value!r}" for key, value in parameters.items() if key in KEYWORDS)
    copies = "\nx = x.to(device, non_blocking=True)   # in the loop" if parameters.get("non_blocking") else ""
    return f"DataLoader(..., {keywords})   # the one that trains{copies}"


KEPT_LINES = """samples = [dataset[i] for i in range(len(dataset))]   # once, before the first epoch
DataLoader(samples, ...)   # the one that trains"""


def kept(text: str, _parameters: Parameters) -> str | None:
    """The DataLoader's data set as a list of its samples; None where the script asks the loader for more of it than its length."""
    call = loader_call(text)
    dataset = (positional(call, "dataset") or given(call, "dataset")) if call is not None else None
    if not isinstance(dataset, ast.Name) or _asks_for_more(text):
        return None
    return replaced(text, dataset, f"[{dataset.id}[i] for i in range(len({dataset.id}))]")


def _asks_for_more(text: str) -> bool:
    """Whether ``loader.dataset`` is used for anything but its length, which a list has too."""
    tree = ast.parse(text)
    lengths = {id(argument) for call in calls(tree) if dotted(call.func) == "len" for argument in call.args}
    return any(
        isinstance(node, ast.Attribute) and node.attr == "dataset" and id(node) not in lengths
        for node in ast.walk(tree)
    )


def batch_size(text: str, parameters: Parameters) -> str | None:
    """The literal number that the DataLoader is given."""
    call = loader_call(text)
    there = (positional(call, "batch_size") or given(call, "batch_size")) if call is not None else None
    if not isinstance(there, ast.Constant) or not isinstance(there.value, int):
        return None
    return replaced(text, there, str(parameters.get("batch_size") or there.value * int(parameters.get("times", 2))))


def batch_lines(parameters: Parameters) -> str:
    """The keyword."""
    size = parameters.get("batch_size") or f"{parameters.get('times', 2)} * what it is"
    return f"DataLoader(..., batch_size={size})   # the one that trains; the learning rate usually has to grow too"
