"""Where 64-bit floats come from: asked for, or taken over from numpy, whose floats they are unless one says otherwise."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .source import Source, calls_in, dotted, keyword, last_name, mentions, method, targets

DOUBLES = frozenset(("torch.float64", "torch.double", "np.float64", "numpy.float64"))
TAKES_OVER = frozenset(("torch.from_numpy", "torch.tensor", "torch.as_tensor", "from_numpy"))
# numpy's makers of 64-bit floats where no type is given, and scikit-learn's of arrays of them.
NUMPY_MAKERS = frozenset(
    (
        "rand",
        "randn",
        "random",
        "normal",
        "uniform",
        "standard_normal",
        "linspace",
        "zeros",
        "ones",
        "sin",
        "cos",
        "exp",
    )
)
NUMPY = ("np.", "numpy.", "rng.")
SKLEARN_MAKERS = re.compile(
    r"^(load_(digits|iris|wine|breast_cancer|diabetes)|fetch_(california_housing|olivetti_faces)"
    r"|make_(classification|regression|blobs|moons|circles|friedman\d))$"
)
CONVERTS = frozenset(("astype", "float", "long", "int", "half", "bfloat16", "to", "type", "view"))
# Of several names bound at once, the ones that hold inputs and not labels.
INPUT_NAME = re.compile(r"^(x|data|feat|input)", re.IGNORECASE)


def doubles(source: Source) -> Iterator[ast.expr]:
    """Calls that make 64-bit tensors, or make them the default."""
    arrays = _arrays_of_doubles(source)
    for call in source.calls:
        if _asks_for_doubles(call) or (_takes_over(source, call) and _is_of_doubles(call.args[0], arrays)):
            yield call


def _asks_for_doubles(call: ast.Call) -> bool:
    name, given = dotted(call.func), keyword(call, "dtype")
    if method(call) == "double" and not call.args:
        return True
    if name.startswith("torch.") and given is not None and dotted(given) in DOUBLES:
        return True
    takes_type = method(call) == "to" or name.endswith("set_default_dtype")
    return takes_type and any(dotted(argument) in DOUBLES for argument in call.args)


def _takes_over(source: Source, call: ast.Call) -> bool:
    """A numpy array made a tensor as it is, and not converted at once."""
    if dotted(call.func) not in TAKES_OVER or len(call.args) != 1 or call.keywords:
        return False
    after = source.parent(call)
    return not (isinstance(after, ast.Attribute) and after.attr in CONVERTS)


def _is_of_doubles(node: ast.expr, arrays: set[str]) -> bool:
    while isinstance(node, ast.Subscript):
        node = node.value
    return _makes_doubles(node) or (isinstance(node, ast.Name) and node.id in arrays)


def _arrays_of_doubles(source: Source) -> set[str]:
    """Names of such arrays, in the order of the text: what is computed from one is one."""
    found: set[str] = set()
    assigned = [node for node in source.nodes if isinstance(node, ast.Assign)]
    for node in sorted(assigned, key=lambda node: node.lineno):
        names = targets(node)
        if len(names) > 1:
            names = [name for name in names if INPUT_NAME.match(name)]
        if _makes_doubles(node.value) or (mentions(node.value, found) and not _converts(node.value)):
            found |= set(names)
        else:
            found -= set(names)
    return found


def _makes_doubles(node: ast.expr) -> bool:
    return not _converts(node) and any(_is_maker(call) for call in calls_in(node))


def _is_maker(call: ast.Call) -> bool:
    name = last_name(call)
    return (name in NUMPY_MAKERS and dotted(call.func).startswith(NUMPY)) or bool(SKLEARN_MAKERS.match(name))


def _converts(node: ast.expr) -> bool:
    """Whether an expression asks for another type, or makes a tensor (which is told by itself)."""
    made = (
        method(c) in CONVERTS or keyword(c, "dtype") is not None or dotted(c.func).startswith("torch.")
        for c in calls_in(node)
    )
    return any(made)
