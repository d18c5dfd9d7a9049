"""Keras and TensorFlow: arguments of ``compile`` and ``fit``, settings of Keras."""

from __future__ import annotations

import ast

from ...advise.rules.steps_per_execution import STEPS
from ...launch.habits.source import dotted, method
from .text import (
    Parameters,
    after_imports,
    at,
    calls,
    changed,
    end,
    given,
    mentions,
    name_of,
    only,
    replaced,
    with_keywords,
)  # fmt: skip

# Names whose method `compile` is not a model's.
NOT_MODELS = ("re", "torch", "regex")
# Arguments of `fit` by position that come before the batch size.
BEFORE_BATCH_SIZE = 2


def _method_call(text: str, name: str) -> ast.Call | None:
    """The only call of a method of that name."""
    found = [call for call in calls(ast.parse(text)) if method(call) == name]
    return only([call for call in found if dotted(call.func).rpartition(".")[0] not in NOT_MODELS])


def _compiled_with(text: str, **arguments: object) -> str | None:
    call = _method_call(text, "compile")
    return with_keywords(text, call, arguments) if call is not None else None


def jit_compile(text: str, _parameters: Parameters) -> str | None:
    """An argument of ``compile``."""
    return _compiled_with(text, jit_compile=True)


def steps_per_execution(text: str, parameters: Parameters) -> str | None:
    """An argument of ``compile``."""
    return _compiled_with(text, steps_per_execution=steps(parameters))


def steps(parameters: Parameters) -> int:
    """In one call."""
    return int(parameters.get("steps") or STEPS)


def run_eagerly(text: str, _parameters: Parameters) -> str | None:
    """The argument of ``compile`` that asks for it, where that is where it is asked for."""
    call = _method_call(text, "compile")
    asked = given(call, "run_eagerly") if call is not None else None
    return replaced(text, asked, "False") if isinstance(asked, ast.Constant) else None


def batch_size(text: str, parameters: Parameters) -> str | None:
    """An argument of ``fit``."""
    call = _method_call(text, "fit")
    if call is None or len(call.args) > BEFORE_BATCH_SIZE or "batch_size" not in parameters:
        return None
    if given(call, "batch_size") is None and mentions(text, "batch"):  # a pipeline makes them
        return None
    return with_keywords(text, call, {"batch_size": parameters["batch_size"]})


def batch_lines(parameters: Parameters) -> str:
    """Of arrays and of a pipeline."""
    size = parameters.get("batch_size") or f"... * {parameters.get('times', 2)}"
    return f"model.fit(..., batch_size={size})   # or dataset.batch({size}); the learning rate was not changed"


def floatx(text: str, _parameters: Parameters) -> str | None:
    """The script's own setting."""
    call = _method_call(text, "set_floatx")
    value = call.args[0] if call is not None and call.args else None
    return replaced(text, value, '"float32"') if isinstance(value, ast.Constant) else None


def policy(parameters: Parameters) -> str:
    """Of mixed precision, as an argument."""
    return f'"mixed_{parameters.get("dtype") or "bfloat16"}"'


def mixed_precision(text: str, parameters: Parameters) -> str | None:
    """A line below the imports, unless the script has a policy."""
    if mentions(text, "set_dtype_policy", "set_global_policy"):
        return None
    if keras := name_of(text, "keras"):
        line = f"{keras}.config.set_dtype_policy({policy(parameters)})"
        return after_imports(text, line, module="keras", called=keras)
    tensorflow = name_of(text, "tensorflow")
    line = f"{tensorflow}.keras.config.set_dtype_policy({policy(parameters)})"
    return after_imports(text, line, module="tensorflow", called=tensorflow) if tensorflow else None


def threads(text: str, parameters: Parameters) -> str | None:
    """A line below the imports, unless the script says how many itself."""
    tensorflow = name_of(text, "tensorflow")
    if tensorflow is None or mentions(text, "set_intra_op_parallelism_threads") or not parameters.get("num_threads"):
        return None
    return after_imports(text, thread_line(tensorflow, parameters), module="tensorflow", called=tensorflow)


def thread_line(tensorflow: str, parameters: Parameters) -> str:
    """Within an operation."""
    count = parameters.get("num_threads") or "len(os.sched_getaffinity(0))"
    return f"{tensorflow}.config.threading.set_intra_op_parallelism_threads({count})"


def workers(text: str, parameters: Parameters) -> str | None:
    """PyDataset's own arguments, where the script's one data set takes them and is made in one place."""
    tree = ast.parse(text)
    kinds = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(dotted(b).endswith("PyDataset") for b in node.bases)
    ]
    kind = only(kinds)
    if kind is None or "workers" not in parameters or not _passes_on(kind):
        return None
    call = only([call for call in calls(tree) if dotted(call.func) == kind.name])
    wanted = {"workers": parameters["workers"], "use_multiprocessing": parameters.get("use_multiprocessing", True)}
    return with_keywords(text, call, wanted) if call is not None else None


def _passes_on(kind: ast.ClassDef) -> bool:
    """Whether keywords that a class does not know reach PyDataset."""
    own = next((node for node in kind.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"), None)
    if own is None:
        return True
    rest = own.args.kwarg
    inits = [call for call in calls(own) if method(call) == "__init__"]
    return rest is not None and any(
        keyword.arg is None and dotted(keyword.value) == rest.arg for call in inits for keyword in call.keywords
    )


def pipeline(text: str, _parameters: Parameters) -> str | None:
    """``map`` and the end of the one chain of calls that makes batches."""
    name, batch = name_of(text, "tensorflow"), _method_call(text, "batch")
    if name is None or batch is None:
        return None
    chain = [
        call for call in calls(ast.parse(text)) if (call.lineno, call.col_offset) == (batch.lineno, batch.col_offset)
    ]
    last = max(chain, key=end)
    changes = []
    for call in chain:
        if method(call) == "map" and len(call.args) == 1 and not call.keywords:
            behind = at(text, *end(call.args[0]))
            changes.append((behind, behind, f", num_parallel_calls={name}.data.AUTOTUNE"))
    if not mentions(text, "prefetch"):
        behind = at(text, *end(last))
        changes.append((behind, behind, f".prefetch({name}.data.AUTOTUNE)"))
    return changed(text, changes) if changes else None


def worker_lines(parameters: Parameters) -> str:
    """PyDataset's own arguments."""
    count = parameters.get("workers") or "len(os.sched_getaffinity(0))"
    return f"super().__init__(workers={count}, use_multiprocessing=True)   # in the __init__ of the PyDataset"


PIPELINE_LINES = """dataset = dataset.map(..., num_parallel_calls=tf.data.AUTOTUNE)
dataset = dataset.prefetch(tf.data.AUTOTUNE)   # last in the pipeline"""
