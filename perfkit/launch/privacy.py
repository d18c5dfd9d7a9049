"""Masking of secrets before anything is written, and the only environment variables that are recorded.

A recording is shared: bundled, put into a pull request, sent to a colleague. So what a person typed is
kept, but not the passwords in it. Masked are: values of options whose name says so (``--api-key X``,
``--token=X``, ``password=X``), the user part and secret parameters of URLs, and words in the shape of
well-known credentials.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

MASK = "***"

# Recorded, with the reason. Nothing else of the environment is.
ENVIRONMENT: Mapping[str, str] = {
    "OMP_NUM_THREADS": "threads of CPU operators",
    "MKL_NUM_THREADS": "threads of CPU operators",
    "OPENBLAS_NUM_THREADS": "threads of CPU operators",
    "NUMEXPR_NUM_THREADS": "threads of CPU operators",
    "VECLIB_MAXIMUM_THREADS": "threads of CPU operators",
    "KMP_AFFINITY": "placement of threads",
    "KMP_BLOCKTIME": "whether idle threads spin",
    "OMP_PROC_BIND": "placement of threads",
    "OMP_PLACES": "placement of threads",
    "OMP_WAIT_POLICY": "whether idle threads spin",
    "GOMP_CPU_AFFINITY": "placement of threads",
    "MALLOC_ARENA_MAX": "changes memory and allocation time",
    "LD_PRELOAD": "a replaced allocator changes memory and time",
    "CUDA_VISIBLE_DEVICES": "which devices could be used",
    "CUDA_DEVICE_ORDER": "how devices are numbered",
    "NVIDIA_VISIBLE_DEVICES": "which devices a container sees",
    "ROCR_VISIBLE_DEVICES": "which devices could be used",
    "HIP_VISIBLE_DEVICES": "which devices could be used",
    "CUDA_LAUNCH_BLOCKING": "makes every launch synchronous",
    "CUDA_MODULE_LOADING": "changes start-up",
    "CUDA_DEVICE_MAX_CONNECTIONS": "changes overlap",
    "PYTORCH_CUDA_ALLOC_CONF": "changes device memory",
    "PYTORCH_ALLOC_CONF": "changes device memory",
    "PYTORCH_ENABLE_MPS_FALLBACK": "operators that run on the CPU",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "precision of matmuls",
    "NVIDIA_TF32_OVERRIDE": "precision of matmuls",
    "TORCH_CUDNN_V8_API_ENABLED": "kernels chosen for convolutions",
    "TORCH_COMPILE_DISABLE": "whether the compiler works",
    "TORCHDYNAMO_DISABLE": "whether the compiler works",
    "TORCHINDUCTOR_COMPILE_THREADS": "compile time",
    "CUBLAS_WORKSPACE_CONFIG": "deterministic matmuls are slower",
    "NCCL_DEBUG": "logging costs time",
    "NCCL_ALGO": "communication",
    "NCCL_PROTO": "communication",
    "NCCL_P2P_DISABLE": "communication",
    "NCCL_IB_DISABLE": "communication",
    "KINETO_LOG_LEVEL": "what the profiler prints",
    "TEARDOWN_CUPTI": "what the profiler costs after its window",
    "TF_ENABLE_ONEDNN_OPTS": "kernels of the CPU",
    "TF_GPU_ALLOCATOR": "changes device memory",
    "TF_FORCE_GPU_ALLOW_GROWTH": "changes device memory",
    "TF_XLA_FLAGS": "whether the compiler works",
    "XLA_FLAGS": "how the compiler works",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "changes device memory",
    "XLA_PYTHON_CLIENT_MEM_FRACTION": "changes device memory",
    "KERAS_BACKEND": "which framework computes",
    "JAX_PLATFORMS": "which device computes",
    "TOKENIZERS_PARALLELISM": "threads of tokenizers",
    "PYTHONUNBUFFERED": "output is written at once",
    "PYTHONMALLOC": "changes memory and time",
    "PYTHONHASHSEED": "reproducibility",
    "PYTHON_GIL": "whether threads run at once",
    "WORLD_SIZE": "number of ranks",
    "LOCAL_WORLD_SIZE": "number of ranks here",
    "SLURM_JOB_NUM_NODES": "size of the job",
    "SLURM_CPUS_PER_TASK": "cores given to the job",
}

# Matched against whole words of a name: the first kind anywhere in it, the second only at its end, so that
# --max-tokens, --token-length and --num-key-value-heads keep their values.
_SECRET_WORDS = frozenset(
    ("password", "passwd", "pwd", "passphrase", "secret", "secrets", "apikey", "credential", "credentials")
)
_SECRET_ENDINGS = frozenset(("token", "key", "auth", "authorization", "bearer", "cookie", "sas", "signature", "sig"))
# ... and these pairs end in such a word without being one.
_HARMLESS = re.compile(
    r"(pad|eos|bos|unk|sep|cls|mask|stop|start|end|image|special|per|num|n|sort|group|primary|label|text|input|"
    r"target|data|dataset|metric|cache|image|prompt|val|query)[-_.]?(key|token)$|^keys?$|(^|[-_.])author$",
    re.IGNORECASE,
)
# Shapes of well-known credentials; each starts at a word's boundary and is long enough not to be a name.
_CREDENTIALS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"hf_[A-Za-z0-9]{8,}|api_org_[A-Za-z0-9]{8,}"  # Hugging Face
    r"|sk-[A-Za-z0-9_-]{8,}|sk_(?:live|test)_[A-Za-z0-9]{8,}"  # OpenAI, Anthropic, Stripe
    r"|AKIA[A-Z0-9]{12,}|ASIA[A-Z0-9]{12,}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{8,}|github_pat_[A-Za-z0-9_]{8,}|glpat-[A-Za-z0-9_-]{8,}"  # GitHub, GitLab
    r"|xox[abposr]-[A-Za-z0-9-]{8,}"  # Slack
    r"|AIza[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{8,}"  # Google
    r"|nvapi-[A-Za-z0-9_-]{8,}|r8_[A-Za-z0-9]{8,}|pypi-[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{8,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"  # JSON web token
    r"|[0-9a-fA-F]{40}(?![0-9a-zA-Z])"  # Weights & Biases keys, and digests of that length
    r")"
)
_USER_IN_URL = re.compile(r"(?<=://)[^/\s@]+@")
_URL_PARAMETER = re.compile(r"(?<=[?&])([^=&#\s]+)=([^&#\s]*)")
_ASSIGNMENT = re.compile(r"^(-{0,2}\+{0,2}[A-Za-z][\w.\-]*)([=:])(.+)$", re.DOTALL)
_BEARER = re.compile(r"\b(bearer|basic|token)\s+\S+", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Whether a value under this name is likely a secret: ``api_key``, ``--wandb-token``,
    ``AWS_SECRET_ACCESS_KEY``.
    """
    plain = name.lstrip("-+")
    if not plain or _HARMLESS.search(plain):
        return False
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower()
    words = re.split(r"[-_.\s]+", spaced)
    return words[-1] in _SECRET_ENDINGS or not _SECRET_WORDS.isdisjoint(words)


def mask_text(text: str) -> str:
    """*text* without the credentials that can be told by their shape, and without passwords in URLs."""
    text = _USER_IN_URL.sub(f"{MASK}@", text)
    text = _URL_PARAMETER.sub(_masked_parameter, text)
    text = _BEARER.sub(lambda m: f"{m.group(1)} {MASK}", text)
    return _CREDENTIALS.sub(MASK, text)


def mask_command(argv: Sequence[str]) -> list[str]:
    """The argument vector with the values of secret options masked, also ``--token=X``, ``key=X`` and
    ``--token X``.
    """
    masked: list[str] = []
    secret_next = False
    for word in argv:
        if secret_next and not word.startswith("--"):
            masked.append(MASK)
            secret_next = False
            continue
        masked.append(_mask_word(word))
        secret_next = word.startswith("-") and "=" not in word and is_secret_name(word)
    return masked


def mask_url(url: str) -> str:
    """A git remote or other URL without its user part and secret parameters."""
    return mask_text(url)


def recorded_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that explain a run's speed, and no other."""
    return {name: mask_text(environ[name]) for name in ENVIRONMENT if name in environ}


def _mask_word(word: str) -> str:
    found = _ASSIGNMENT.match(word)
    if found and "://" not in word and is_secret_name(found.group(1)):
        return f"{found.group(1)}{found.group(2)}{MASK}"
    return mask_text(word)


def _masked_parameter(found: re.Match[str]) -> str:
    name, value = found.groups()
    return f"{name}={MASK}" if is_secret_name(name) or _is_key(name) else f"{name}={value}"


def _is_key(name: str) -> bool:
    """In a URL a bare ``key`` is a credential (in a command line it is more often a column)."""
    return name.lower() in {"key", "sig", "code", "access_token", "x-amz-signature", "x-amz-credential"}
