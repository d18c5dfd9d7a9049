"""What a change is called: in a few words, with what is there now where that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..advise.rules.steps_per_execution import STEPS
from .keras_guesses import threads_now

if TYPE_CHECKING:
    from ..advise.evidence import Evidence
    from ..model.records import Fix

Row = dict[str, Any]

SHORT_DTYPES = {"bfloat16": "bf16", "float16": "fp16"}
#: Fixes that are always called the same.
CALLED = {
    "sample-cache": "samples kept in memory",
    "fused-optimizer": "optimizer fused",
    "jit-compile": "XLA (jit_compile)",
    "floatx": "floatx float64 → float32",
    "run-eagerly": "graphs, not run_eagerly",
    "tf-data": "tf.data parallel and prefetched",
}


def label(fix: Fix, evidence: Evidence) -> str:
    """``loader workers 0 → 2, persistent``."""
    if fix.name in CALLED:
        return CALLED[fix.name]
    given = fix.parameters
    if fix.name == "loader-workers":
        return _workers_label(given, evidence.loader or {})
    if fix.name == "batch-size":
        return _batch_label(given, (evidence.loader or {}).get("batch_size"))
    if fix.name == "fit-batch-size":
        return _batch_label(given, (evidence.batches or {}).get("batch_size"))
    if fix.name == "threads":
        return f"threads {arrow((evidence.torch or {}).get('num_threads'), given.get('num_threads'))}".strip()
    if fix.name == "tf-threads":
        return f"threads {arrow(threads_now(evidence), given.get('num_threads'))}".strip()
    if fix.name == "autocast":
        return f"{SHORT_DTYPES.get(str(given.get('dtype')), 'bf16')} autocast"
    if fix.name == "mixed-precision":
        return f"mixed {SHORT_DTYPES.get(str(given.get('dtype')), 'bf16')}"
    if fix.name == "steps-per-execution":
        now = (evidence.compiled_model or {}).get("steps_per_execution")
        return f"steps per execution {arrow(now, given.get('steps', STEPS))}"
    if fix.name == "dataset-workers":
        now = (evidence.batches or {}).get("workers")
        return f"PyDataset workers {arrow(now, given.get('workers'))}".strip()
    words = [key if value is True else str(value) for key, value in given.items() if value is not False]
    return " ".join([fix.name.replace("-", " "), *words])


def _workers_label(parameters: Row, loader: Row) -> str:
    workers = parameters.get("num_workers")
    head = f"loader workers {arrow(loader.get('num_workers'), workers)}" if workers is not None else "loader workers"
    kinds = {"persistent_workers": "persistent", "pin_memory": "pinned"}
    return ", ".join([head, *(word for key, word in kinds.items() if parameters.get(key))])


def _batch_label(parameters: Row, now: int | None) -> str:
    if parameters.get("batch_size") is not None:
        return f"batch size {arrow(now, parameters['batch_size'])}"
    return f"batch size ×{parameters.get('times', 2)}"


def arrow(before: object, after: object) -> str:
    """``before → after``, what is known of it."""
    return "" if after is None else str(after) if before is None else f"{before} → {after}"
