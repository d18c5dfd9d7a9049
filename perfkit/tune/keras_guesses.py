"""Changes that no rule asked for, which seldom hurt and often help: for Keras and TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..advise.rules.precision import CPU_SETS
from ..advise.rules.steps_per_execution import STEPS
from ..advise.rules.tf32 import capability
from ..model.records import Fix
from .guesses import AMPERE, MOST_WORKERS, other_threads, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..advise.evidence import Evidence
    from .guesses import Guess

# Steps longer than this do not notice that Keras comes back to Python after each.
CALLED_STEP_S = 10e-3


def _threads(evidence: Evidence) -> Guess:
    return None if _on_gpu(evidence) else other_threads("tf-threads", threads_now(evidence), evidence)


def threads_now(evidence: Evidence) -> int | None:
    """With how many threads TensorFlow computes: of its own accord with as many as there are cores."""
    asked = (evidence.tensorflow or {}).get("intra_op_threads")
    return evidence.cores if asked == 0 else asked


def _workers(evidence: Evidence) -> Guess:
    batches, cores = evidence.batches or {}, evidence.cores or 1
    if not str(batches.get("adapter")).endswith("PyDatasetAdapter") or (batches.get("workers") or 1) > 1 or cores < 2:
        return None
    parameters = {"workers": min(cores, MOST_WORKERS)}
    return Fix(name="dataset-workers", parameters=parameters), "one thread makes the batches of its PyDataset"


def _tf_data(evidence: Evidence) -> Guess:
    stages = [str(stage.get("stage")) for stage in (evidence.batches or {}).get("pipeline") or []]
    if "Map" in stages and (evidence.cores or 1) > 1:
        return Fix(name="tf-data"), "its map makes one element after the other"
    return (
        (Fix(name="tf-data"), "batches are made when the step asks for them")
        if stages and "Prefetch" not in stages
        else None
    )


def _steps_per_execution(evidence: Evidence) -> Guess:
    step = evidence.step_s
    if not _compiled(evidence) or step is None or step > CALLED_STEP_S:
        return None
    if (evidence.compiled_model or {}).get("steps_per_execution") != 1:
        return None
    return Fix(
        name="steps-per-execution", parameters={"steps": STEPS}
    ), f"Keras comes back to Python every {step * 1e3:.2g} ms"


def _mixed_precision(evidence: Evidence) -> Guess:
    keras, model = evidence.keras or {}, evidence.compiled_model or {}
    if keras.get("policy") != "float32" or set(model.get("dtypes") or {}) - {"float32"}:
        return None
    if _on_gpu(evidence):
        able = evidence.gpu is not None and capability(evidence.gpu, {}) >= AMPERE
    else:
        able = any(name in CPU_SETS for name in evidence.instruction_sets or [])
    found = Fix(name="mixed-precision", parameters={"dtype": "bfloat16"})
    return (found, "the processor multiplies in bfloat16") if able else None


def _jit_compile(evidence: Evidence) -> Guess:
    if (
        not _compiled(evidence)
        or (evidence.compiled_model or {}).get("jit_compile")
        or share(evidence, "function") < 0.5
    ):
        return None
    return Fix(name="jit-compile"), "the train function is most of the step"


def batch(evidence: Evidence, times: int) -> Guess:
    """Batches so many times as large."""
    size = (evidence.batches or {}).get("batch_size")
    if not size or size < 0:
        return None
    return Fix(name="fit-batch-size", parameters={"batch_size": size * times}), "asked for with --batch"


def _on_gpu(evidence: Evidence) -> bool:
    return bool((evidence.tensorflow or {}).get("devices"))


def _compiled(evidence: Evidence) -> bool:
    """Whether Keras makes a function of the step."""
    model = evidence.compiled_model or {}
    return bool(model) and not model.get("run_eagerly") and (evidence.keras or {}).get("backend") != "torch"


STANDARD: tuple[Callable[[Evidence], Guess], ...] = (
    _threads, _workers, _tf_data, _steps_per_execution, _mixed_precision, _jit_compile,
)  # fmt: skip
