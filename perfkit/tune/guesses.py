"""Changes that no rule asked for, which seldom hurt and often help: for PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..advise.rules.precision import CPU_SETS
from ..model.records import Fix

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..advise.evidence import Evidence

Guess = tuple[Fix, str] | None

# A part of the step smaller than this is not worth a process.
WORTH = 0.05
# Steps shorter than this are of operators too small to be divided between threads.
SHORT_STEP_S = 5e-3
# More workers than this take memory and seldom help a single process.
MOST_WORKERS = 4
AMPERE = 8.0
FUSED = ("Adam", "AdamW", "SGD", "Adagrad")
#: Classes of data sets whose samples lie in memory already.
IN_MEMORY = ("TensorDataset", "list", "tuple")


def share(evidence: Evidence, *names: str) -> float:
    """The part of the step that these phases take."""
    return float(sum(row["share"] for row in evidence.breakdown or [] if row["name"] in names))


def _on_gpu(evidence: Evidence) -> bool:
    devices = (evidence.model or {}).get("devices") or {}
    return any(str(name).startswith("cuda") for name in devices)


def _capability(evidence: Evidence) -> float:
    devices = (evidence.torch or {}).get("devices") or []
    return float(devices[0].get("capability") or 0) if devices else 0.0


def _threads(evidence: Evidence) -> Guess:
    now = (evidence.torch or {}).get("num_threads")
    return None if _on_gpu(evidence) else other_threads("threads", now, evidence)


def other_threads(name: str, now: int | None, evidence: Evidence) -> Guess:
    """One thread for short steps, every core for others, by the fix *name*; *now* is with how many a processor computes."""
    cores, step = evidence.cores, evidence.step_s
    if not now or not cores or step is None:
        return None
    if now > 1 and step < SHORT_STEP_S:
        return Fix(name=name, parameters={"num_threads": 1}), "operators this small are not worth dividing"
    if now < cores and step >= SHORT_STEP_S:
        return Fix(name=name, parameters={"num_threads": cores}), f"{cores} cores are free to use"
    return None


def _workers(evidence: Evidence) -> Guess:
    loader, cores, waits = evidence.loader or {}, evidence.cores or 1, share(evidence, "data")
    if loader.get("num_workers") != 0 or cores < 2 or waits < WORTH:
        return None
    parameters = {"num_workers": min(cores, MOST_WORKERS), "persistent_workers": True}
    return Fix(name="loader-workers", parameters=parameters), f"{waits:.0%} of the step waits for data"


def _cache(evidence: Evidence) -> Guess:
    loader, waits = evidence.loader or {}, share(evidence, "data")
    if loader.get("num_workers") != 0 or loader.get("iterable") or waits < WORTH:
        return None
    if str(loader.get("dataset")).rpartition(".")[2] in IN_MEMORY:
        return None
    return Fix(name="sample-cache"), f"{waits:.0%} of the step prepares samples, perhaps the same in each epoch"


def _pin(evidence: Evidence) -> Guess:
    loader = evidence.loader or {}
    if not _on_gpu(evidence) or not loader or loader.get("pin_memory"):
        return None
    parameters = {"pin_memory": True, "non_blocking": True}
    return Fix(name="pin-memory", parameters=parameters), "batches are copied to the GPU from pageable memory"


def _optimizer(evidence: Evidence) -> Guess:
    optimizer = evidence.optimizer or {}
    if not optimizer or optimizer.get("foreach") or optimizer.get("fused") or share(evidence, "optimizer") < WORTH:
        return None
    kind = "fused" if str(optimizer.get("class", "")).rpartition(".")[2] in FUSED else "foreach"
    if kind == "foreach" and _on_gpu(evidence):
        return None  # there it is the default
    return Fix(
        name="optimizer", parameters={kind: True}
    ), f"{share(evidence, 'optimizer'):.0%} of the step is the update"


def _inference(evidence: Evidence) -> Guess:
    evaluation = share(evidence, "evaluation")
    return (Fix(name="inference-mode"), f"{evaluation:.0%} of the time is evaluation") if evaluation >= WORTH else None


def _channels_last(evidence: Evidence) -> Guess:
    model = evidence.model or {}
    if not model.get("conv_parameters") or (model.get("channels_last") or 0) > 0.5:
        return None
    return Fix(name="channels-last"), "the model has convolutions"


def _tf32(evidence: Evidence) -> Guess:
    now = evidence.torch or {}
    if not _on_gpu(evidence) or _capability(evidence) < AMPERE or now.get("allow_tf32_matmul"):
        return None
    return Fix(name="tf32"), "float32 products can run on tensor cores"


def _cudnn(evidence: Evidence) -> Guess:
    now = evidence.torch or {}
    if not _on_gpu(evidence) or now.get("cudnn_benchmark") or not (evidence.model or {}).get("conv_parameters"):
        return None
    return Fix(name="cudnn-benchmark"), "the model has convolutions"


def _autocast(evidence: Evidence) -> Guess:
    model = evidence.model or {}
    if model.get("autocast") or set(model.get("dtypes") or {}) - {"float32"}:
        return None
    if _on_gpu(evidence):
        device, able = "cuda", _capability(evidence) >= AMPERE
    else:
        device, able = "cpu", any(name in CPU_SETS for name in evidence.instruction_sets or [])
    parameters = {"device": device, "dtype": "bfloat16"}
    return (Fix(name="autocast", parameters=parameters), "the processor multiplies in bfloat16") if able else None


def _compile(evidence: Evidence) -> Guess:
    model = evidence.model or {}
    if not model or model.get("compiled") or share(evidence, "forward", "backward") < 0.5:
        return None
    return Fix(name="compile"), "forward and backward are most of the step"


def batch(evidence: Evidence, times: int) -> Guess:
    """Batches so many times as large."""
    size = (evidence.loader or {}).get("batch_size")
    if not size:
        return None
    return Fix(name="batch-size", parameters={"batch_size": size * times}), "asked for with --batch"


STANDARD: tuple[Callable[[Evidence], Guess], ...] = (
    _threads, _workers, _cache, _pin, _optimizer, _inference, _tf32, _cudnn, _channels_last, _autocast, _compile,
)  # fmt: skip
