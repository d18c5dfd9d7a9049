"""Flat facts of a run, read from its document: what it computed on, in what format, with which settings, from which code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..advise.kernels import is_compiled
from .vocabulary import MATRIX

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]
Value = str | float | bool | None

# Formats by all the names that frameworks, traces and catalogues have for them.
_FORMATS = {
    "float32": "fp32", "float": "fp32", "float64": "fp64", "double": "fp64", "bfloat16": "bf16", "c10::bfloat16": "bf16", "float16": "fp16",
    "half": "fp16", "c10::half": "fp16",
}  # fmt: skip
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Says nothing about speed.
_SILENT = (
    "PYTHONUNBUFFERED",
    "KINETO_LOG_LEVEL",
    "PYTHONHASHSEED",
    "NCCL_DEBUG",
    "SLURM_CPUS_PER_TASK",
    "SLURM_JOB_NUM_NODES",
)


def settings(document: Row, part: str) -> Row:
    """That part of what the run was set to; empty where it is not told."""
    return (document.get("settings") or {}).get(part) or {}


def accelerator(document: Row) -> Row | None:
    """The first device that computes beside the processor; None where the processor does."""
    found = [device for device in document["devices"] if device["kind"] != "cpu"]
    if not found:
        return None
    places = settings(document, "model").get("devices")
    is_used = (
        any(not str(place).startswith("cpu") for place in places) if places else bool(document["device_breakdown"])
    )
    return found[0] if is_used or document["device_breakdown"] else None


def device_name(document: Row) -> str | None:
    """The device that computes: an accelerator, else the processor."""
    found = accelerator(document)
    if found is not None:
        return str(found["name"])
    return document["host"].get("cpu") or next((device["name"] for device in document["devices"]), None)


def precision(document: Row) -> str | None:
    """The format that matrix products are computed in, as far as it is told."""
    model, told = settings(document, "model"), (document["mfu"] or {}).get("dtype")
    if model.get("autocast"):
        return _format(model["autocast"])
    applied = next((row for row in document["fixes"] if row["name"] == "autocast" and row["state"] == "applied"), None)
    if applied is not None:
        return _format(applied["parameters"].get("dtype") or applied["detail"].get("dtype") or "bfloat16")
    if told:
        return _format(told)
    dtypes = model.get("dtypes")
    return _format(max(dtypes, key=lambda name: dtypes[name])) if dtypes else _traced_format(document)


def _traced_format(document: Row) -> str | None:
    """The first input's format of the matrix operator that takes longest."""
    texts = (row.get("dtypes") for row in document["hotspots"] if row.get("work") in MATRIX)
    first = next((text for text in texts if text), "").strip("[ ").split(",")[0].strip('" ]')
    return _format(first) if first else None


def _format(name: str) -> str:
    plain = str(name).removeprefix("torch.").lower()
    return _FORMATS.get(plain, plain)


def batch(document: Row) -> float | None:
    """Samples of a step."""
    found = document["steps"].get("samples_per_step")
    return float(found) if found else None


def threads(document: Row) -> float | None:
    """Threads of the processor's operators: what the framework says, else what the environment asks for."""
    told = settings(document, "torch").get("num_threads") or settings(document, "tensorflow").get("intra_op_threads")
    asked = next((value for name in _THREADS if (value := settings(document, "environment").get(name))), None)
    if told:
        return float(told)
    return float(asked) if asked and str(asked).isdigit() else None


def ranks(document: Row) -> float:
    """Processes that step together."""
    return float(len({row["rank"] for row in document["ranks"]}) or 1)


def code(document: Row) -> str | None:
    """The git revision."""
    return str(document["run"]["git"]["revision"])[:8] if document["run"]["git"].get("revision") else None


def is_import(document: Row) -> bool:
    """Whether a trace was imported, which does not tell the code that it is of."""
    return bool(document["run"]["origin"].get("kind") == "import")


def script(document: Row) -> str | None:
    """The script's name, or what was run; None of an imported trace."""
    name = str(document["run"]["script"]).replace("\\", "/").rpartition("/")[2]
    return None if is_import(document) else name


def arguments(document: Row) -> str | None:
    """What followed the script on the command line; None of an imported trace."""
    return None if is_import(document) else " ".join(str(word) for word in document["run"]["command"][1:])


def applied(document: Row) -> str | None:
    """Fixes that acted."""
    rows = [row for row in document["fixes"] if row["state"] == "applied"]
    return ", ".join(_fix(row) for row in rows) or "none"


def _fix(row: Row) -> str:
    given = ",".join(f"{key}={value}" for key, value in row["parameters"].items())
    return f"{row['name']}:{given}" if given else str(row["name"])


def model(document: Row) -> str | None:
    """Class and size of the model."""
    found = settings(document, "model")
    return f"{found['class']} of {found['parameters']:,} parameters" if found.get("class") else None


def compiled(document: Row) -> bool | None:
    """Whether the model is compiled: what was seen of it, else what the trace shows; None without either."""
    told = settings(document, "model").get("compiled")
    rows = document["trace"].get("host_operators")
    return bool(told) or (is_compiled(document["kernels"], rows or ()) if rows or told is not None else None)


def optimizer(document: Row) -> str | None:
    """The optimizer's class and how it steps."""
    found = settings(document, "optimizer")
    ways = [way for way in ("fused", "foreach") if found.get(way)]
    return " ".join([str(found["class"]).rpartition(".")[2], *ways]) if found.get("class") else None


def source(document: Row) -> str | None:
    """Digest of the script's own source."""
    found = (document.get("settings") or {}).get("source")
    return str(found) if found else None


def loader(key: str) -> Callable[[Row], Value]:
    """Reads a setting of the loader."""
    return lambda document: plain(settings(document, "loader").get(key))


def torch(key: str) -> Callable[[Row], Value]:
    """Reads a setting of torch."""
    return lambda document: plain(settings(document, "torch").get(key))


def host(key: str) -> Callable[[Row], Value]:
    """Reads a fact of the host."""
    return lambda document: plain(document["host"].get(key))


def detail(key: str) -> Callable[[Row], Value]:
    """Reads a detail of the accelerator that computes."""
    return lambda document: plain(((accelerator(document) or {}).get("details") or {}).get(key))


def clock(key: str) -> Callable[[Row], Value]:
    """Mean over the devices, in the steady steps."""

    def read(document: Row) -> Value:
        known = [row[key] for row in document["utilization"].get("devices") or () if row.get(key)]
        return float(sum(known) / len(known)) if known and accelerator(document) else None

    return read


def package(name: str) -> Callable[[Row], Value]:
    """Reads the version of a package."""
    return lambda document: document["run"]["packages"].get(name) or None


def plain(value: Any) -> Value:
    """A number, a truth or a text of it."""
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value)
    if isinstance(value, bool) or value is None:
        return value
    return float(value) if isinstance(value, int | float) else str(value)


def environment(document: Row) -> str | None:
    """Variables that bear on speed and are no facts of their own."""
    found = (document.get("settings") or {}).get("environment")
    if found is None:
        return None
    return (
        " ".join(f"{key}={value}" for key, value in sorted(found.items()) if key not in (*_THREADS, *_SILENT)) or "none"
    )


def thread_variables(document: Row) -> str:
    """The environment's own words on threads."""
    found = settings(document, "environment")
    return " ".join(f"{name}={found[name]}" for name in _THREADS if name in found)
