"""What each fix is in the user's own code: an edit where its place is certain, and the lines to write where it is not.

::

    text      places in a source text, and changes at them
    place     the loop that trains, the optimizer, the model, the loader
    loader    loader workers, pinned memory, kept samples, the batch size
    model     the optimizer's flags, compile, channels last, autocast
    float32   a float64 model
    keras     arguments of Keras' compile and fit, and settings of Keras and TensorFlow
    settings  everything that is one statement for the whole program
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from . import float32, keras, loader, model, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...model.records import Fix
    from .text import Parameters

#: By the name of the fix: source in, source out; None where the place is not certain.
EDITS: dict[str, Callable[[str, Parameters], str | None]] = {
    "loader-workers": loader.workers,
    "sample-cache": loader.kept,
    "pin-memory": loader.workers,
    "batch-size": loader.batch_size,
    "optimizer": model.optimizer,
    "fused-optimizer": model.optimizer,
    "channels-last": model.channels_last,
    "compile": model.compiled,
    "autocast": model.autocast,
    "float32": float32.float32,
    "attention-backend": settings.attention_backend,
    "threads": settings.threads,
    "interop-threads": settings.interop_threads,
    "tf32": settings.tf32,
    "matmul-precision": settings.matmul_precision,
    "cudnn-benchmark": settings.cudnn_benchmark,
    "inference-mode": settings.inference_mode,
    "zero-grad-none": settings.zero_grad_none,
    "gc-freeze": settings.gc_freeze,
    "allocator": settings.allocator,
    "jit-compile": keras.jit_compile,
    "steps-per-execution": keras.steps_per_execution,
    "run-eagerly": keras.run_eagerly,
    "fit-batch-size": keras.batch_size,
    "floatx": keras.floatx,
    "mixed-precision": keras.mixed_precision,
    "tf-threads": keras.threads,
    "dataset-workers": keras.workers,
    "tf-data": keras.pipeline,
}

#: By the name of the fix: the lines that a person writes, with the place as a comment.
LINES: dict[str, Callable[[Parameters], str]] = {
    "loader-workers": loader.lines,
    "sample-cache": lambda _: loader.KEPT_LINES,
    "pin-memory": loader.lines,
    "batch-size": loader.batch_lines,
    "optimizer": model.optimizer_lines,
    "fused-optimizer": model.optimizer_lines,
    "channels-last": lambda _: "model = model.to(memory_format=torch.channels_last)   # before its optimizer is made",
    "compile": lambda parameters: f"{model.compile_line('model', parameters)}   # before the training loop",
    "autocast": model.autocast_lines,
    "float32": lambda _: float32.LINES,
    "attention-backend": settings.attention_lines,
    "threads": lambda parameters: f"torch.set_num_threads({settings.thread_count(parameters)})   # below the imports",
    "interop-threads": lambda parameters: (
        f"torch.set_num_interop_threads({settings.thread_count(parameters)})   # below the imports"
    ),
    "tf32": lambda _: settings.precision_lines({}),
    "matmul-precision": settings.precision_lines,
    "cudnn-benchmark": lambda _: "torch.backends.cudnn.benchmark = True   # below the imports",
    "inference-mode": lambda _: "with torch.inference_mode():   # around the evaluation, in place of torch.no_grad()",
    "zero-grad-none": lambda _: "optimizer.zero_grad()   # without set_to_none=False",
    "gc-freeze": lambda _: "import gc\ngc.collect()\ngc.freeze()   # once, just before the training loop",
    "allocator": settings.allocator_lines,
    "jit-compile": lambda _: "model.compile(..., jit_compile=True)",
    "steps-per-execution": lambda parameters: f"model.compile(..., steps_per_execution={keras.steps(parameters)})",
    "run-eagerly": lambda _: (
        "model.compile(...)   # without run_eagerly=True, and without tf.config.run_functions_eagerly(True)"
    ),
    "fit-batch-size": keras.batch_lines,
    "floatx": lambda _: 'keras.config.set_floatx("float32")   # in place of "float64"',
    "mixed-precision": lambda parameters: (
        f"keras.config.set_dtype_policy({keras.policy(parameters)})   # below the imports"
    ),
    "dataset-workers": keras.worker_lines,
    "tf-data": lambda _: keras.PIPELINE_LINES,
    "tf-threads": lambda parameters: f"{keras.thread_line('tf', parameters)}   # below the imports",
}


def edited(text: str, fix: Fix) -> str | None:
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


def lines(fix: Fix) -> str:
    """What a person would write for the fix, and where."""
    make = LINES.get(fix.name)
    return make(fix.parameters) if make is not None else f"the fix {fix.name}: nothing to write"
