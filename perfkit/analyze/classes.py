"""What kind of work a kernel does, from its name and the operator that launched it."""

from __future__ import annotations

import re

COMMUNICATION, COPY, MEMSET = "communication", "copy", "memset"
OPTIMIZER, OTHER = "optimizer", "other"
#: Compute classes, in the order a report lists them.
COMPUTE = ("matmul", "convolution", "attention", "normalisation", "elementwise", "reduction", OPTIMIZER, "embedding",
           "pooling", OTHER)  # fmt: skip
BUSY = (*COMPUTE, COMMUNICATION, COPY, MEMSET)

# Names that say enough by themselves, the most telling first. Sources: kernel names in recorded traces of PyTorch,
# cuBLAS, cuDNN, CUTLASS, NCCL, FlashAttention, Triton/Inductor and rocBLAS/Tensile.
_KERNELS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        (COMMUNICATION, r"nccl|rccl|hccl|mscclpp?|all_?reduce_kernel|all_?gather_kernel|reduce_?scatter|nvshmem|two_shot|one_shot_all"),
        ("attention", r"fmha|flash_?(fwd|bwd|attn)|flash::|attention|sdpa|pytorch_flash|mem_?eff"),
        ("convolution", r"wgrad|dgrad|fprop|winograd|implicit_(convolve|gemm)|\bconv(?!ert)|_conv(?!ert)\d?d?_|convolve|conv2d|im2col|col2im|miopen.*conv|nhwcTo|ToNhwc|nchwTo|ToNchw|fft2d"),
        ("normalisation", r"batch_?norm|layer_?norm|group_?norm|rms_?norm|instance_?norm|bn_(fw|bw)|cudnn::bn|LayerNorm|GammaBeta|RowwiseMoments"),
        ("pooling", r"pool(ing)?_|pool\dd|max_?pool|avg_?pool|adaptive_.*pool"),
        ("embedding", r"embedding|embs_kernel|compute_grad_weight|krn_partial"),
        ("matmul", r"(?<!fb)gemm|gemv|cutlass|xmma|nvjet|cublas|split_?k|Cijk_|matmul|\bdot_kernel|_mm_|wmma|triton_tem_fused"),
        ("reduction", r"reduce|softmax|SoftMax|nll_loss|triton_(red|per)_|cub::.*(Reduce|Scan)|norm_kernel|lpnorm|argmax|argmin|scan_"),
        ("elementwise", r"elementwise|triton_(poi|for)_|CatArray|multi_tensor_apply|fill|copy_kernel|distribution_|dropout|triu_tril|where_kernel|index_kernel|roll_cuda"),
    )
)  # fmt: skip

# What the operator says, for kernels whose own name says too little or too much (cuDNN runs GEMMs for convolutions).
_OPERATORS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        (COMMUNICATION, r"nccl:|c10d::|record_param_comms|gloo:"),
        ("attention", r"attention|_fused_sdp|native_multi_head"),
        ("convolution", r"::(\w*conv(olution)?\d?d?\w*)$|cudnn_convolution|convolution_backward"),
        ("normalisation", r"norm(?!al)\w*(_backward)?$|batch_norm|layer_norm"),
        ("pooling", r"pool"),
        ("matmul", r"::(addmm|mm|bmm|baddbmm|addbmm|matmul|linear|einsum|addmv|mv|dot|vdot|_scaled_mm|_grouped_mm)\w*$"),
        ("embedding", r"embedding"),
        ("reduction", r"softmax|nll_loss|cross_entropy|::(sum|mean|var|std|prod|amax|amin|max|min|argmax|argmin|norm|linalg_vector_norm|cumsum|all|any|logsumexp)$"),
        ("optimizer", r"_fused_(adam|adamw|sgd|adagrad)"),
    )
)  # fmt: skip

_HELPERS = ("elementwise", "reduction")
# A GEMM under these is that operator's own work, not a matrix product the user wrote.
_OPERATOR_WINS = (COMMUNICATION, "attention", "convolution", "normalisation", "pooling", "embedding", OPTIMIZER)


def kernel_class(kernel: str, operator: str = "") -> str:
    """Class of a kernel launched by *operator* ("" if unknown): one of BUSY."""
    if kernel.startswith("triton_"):
        return _triton(kernel)
    by_name = _first(_KERNELS, kernel)
    by_operator = _first(_OPERATORS, operator) if operator else None
    if by_operator in _OPERATOR_WINS and by_name != COMMUNICATION:
        return by_operator or OTHER
    if by_name is None or (by_name in _HELPERS and by_operator == "reduction"):
        return by_operator or by_name or ("elementwise" if operator else OTHER)
    return by_name


def operator_class(operator: str) -> str | None:
    """Class of an operator by its own name; None when the name does not say."""
    if operator.startswith("triton_"):
        return _triton(operator)
    return _first(_OPERATORS, operator)


def _triton(kernel: str) -> str:
    """Inductor's names: triton_<kind>_fused_<the operators it was made of>_<number>."""
    if kernel.startswith("triton_tem"):
        return "attention" if "attention" in kernel else ("convolution" if "conv" in kernel else "matmul")
    if "norm" in kernel and kernel.startswith(("triton_red", "triton_per")):
        return "normalisation"
    return "reduction" if kernel.startswith(("triton_red", "triton_per")) else "elementwise"


def _first(table: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> str | None:
    return next((name for name, pattern in table if pattern.search(text)), None)
