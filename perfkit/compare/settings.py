"""What a run was set to that its document does not tell: threads, number formats, loader, optimizer, environment, source. Plain data, so that a
comparison stays a function of documents: `api.compare_runs` puts it under the document's ``settings``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..advise.evidence import Evidence

Row = dict[str, Any]

TORCH = (
    "num_threads", "interop_threads", "matmul_precision", "allow_tf32_matmul", "allow_tf32_cudnn", "cudnn_benchmark", "deterministic",
    "cpu_capability", "cuda_version",
)  # fmt: skip
TENSORFLOW = ("intra_op_threads", "inter_op_threads", "jit", "run_functions_eagerly", "onednn")
MODEL = ("class", "inner_class", "parameters", "dtypes", "devices", "autocast", "compiled", "channels_last")
LOADER = ("class", "num_workers", "batch_size", "pin_memory", "persistent_workers", "prefetch_factor")
OPTIMIZER = ("class", "foreach", "fused", "capturable")


def settings(evidence: Evidence) -> Row:
    """What is known of *evidence*'s run; a part that is not known, or that there is nothing of, is None."""
    info = evidence.info
    return {
        "environment": dict(info.environment) if info is not None else {},
        "torch": _chosen(evidence.torch, TORCH),
        "tensorflow": _chosen(evidence.tensorflow, TENSORFLOW),
        "model": _chosen(evidence.model, MODEL),
        "loader": _chosen(evidence.loader, LOADER),
        "optimizer": _chosen(evidence.optimizer, OPTIMIZER),
        "source": evidence.source_digest,
    }


def _chosen(found: Row | None, keys: tuple[str, ...]) -> Row | None:
    return {key: found.get(key) for key in keys} if found is not None else None
