"""Changes that no rule asked for, which seldom hurt and often help: for Keras and TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..advise.rules.precision import CPU_SETS
from ..model.records import Fix
from .guesses import AMPERE, MOST_WORKERS, SHORT_STEP_S, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..advise.evidence import Evidence
    from .guesses import Guess

STEPS = 32
# Steps longer than this do not notice that Keras comes back to Python after each.
CALLED_STEP_S = 10e-3


def _threads(evidence: Evidence) -> Guess:
    asked, cores, step = (evidence.tensorflow or {}).get("intra_op_threads"), evidence.cores, evidence.step_s
    if asked is None or not cores or step is None or _on_gpu(evidence):
        return None
    now = asked or cores
    if now > 1 and step < SHORT_STEP_S:
        return Fix(name="tf-threads", parameters={"num_threads": 1}), "operations this small are not worth dividing"
    if now < cores and step >= SHORT_STEP_S:
        return Fix(name="tf-threads", parameters={"num_threads": cores}), f"{cores} cores are free to use"
    return None


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
        able = _capability(evidence) >= AMPERE
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


def _capability(evidence: Evidence) -> float:
    """Of the first GPU, as NVML tells it: [8, 0] is 8.0."""
    major, minor = (evidence.gpu.details.get("capability") if evidence.gpu is not None else None) or (0, 0)
    return float(major) + minor / 10


def _compiled(evidence: Evidence) -> bool:
    """Whether Keras makes a function of the step."""
    model = evidence.compiled_model or {}
    return bool(model) and not model.get("run_eagerly") and (evidence.keras or {}).get("backend") != "torch"


STANDARD: tuple[Callable[[Evidence], Guess], ...] = (
    _threads, _workers, _tf_data, _steps_per_execution, _mixed_precision, _jit_compile,
)  # fmt: skip
