"""Measures what it is told to, a figure after the other, and says each as soon as it has it.

Lines of JSON on stdout: ``{"begin": name}``, then ``{"name", "value", "spread", …}`` or ``{"name", "unavailable": why}``. So whoever reads
them knows which figure a process died at, and loses no other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from .timing import Unavailable

#: The exit code after a fault that leaves the device unusable: what is missing is for another process.
FAULT = 77
_FAULTS = ("CUDA error", "HIP error", "AcceleratorError", "cuDNN error", "CUBLAS_STATUS_EXECUTION_FAILED")

Say = Callable[[dict[str, Any]], None]
Figures = dict[str, Callable[[float], dict[str, Any]]]


def main(text: str) -> None:
    """Do the task in *text*: ``{"group", "wanted": names, "seconds": for each, …}``."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is not for the reader

    def say(line: dict[str, Any]) -> None:
        channel.write(json.dumps(line) + "\n")
        channel.flush()

    task = json.loads(text)
    try:
        figures = GROUPS[task["group"]](task)
    except Exception as error:
        for name in task["wanted"]:
            say({"name": name, "unavailable": _missing(error)})
        return
    for name in task["wanted"]:
        say({"begin": name})
        made = measured(figures[name], task["seconds"])
        say({"name": name, **made})
        if made.get("fault"):
            raise SystemExit(FAULT)


def measured(work: Callable[[float], dict[str, Any]], budget_s: float) -> dict[str, Any]:
    """The figure, or why there is none."""
    try:
        return work(budget_s)
    except Unavailable as reason:
        return {"unavailable": str(reason)}
    except Exception as error:
        return {"unavailable": _reason(error), "fault": _is_fault(error)}


def _missing(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    return _reason(error)


def _reason(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _is_fault(error: Exception) -> bool:
    return type(error).__name__ != "OutOfMemoryError" and any(sign in _reason(error) for sign in _FAULTS)


# --- the groups


def accelerator(task: dict[str, Any]) -> Figures:
    """Of one device of torch's."""
    torch = import_module("torch")
    torch.set_grad_enabled(False)
    figures: Figures = import_module(".torch_device", __package__).TorchDevice(torch, task["device"]).figures()
    return figures


def processor(task: dict[str, Any]) -> Figures:
    """Of the processor with torch, with all threads and with one; and which devices torch has besides."""
    torch = import_module("torch")
    torch.set_grad_enabled(False)
    device, host = import_module(".torch_device", __package__), import_module(".host", __package__)
    products = {name: work for name, work in device.TorchDevice(torch, "cpu").figures().items() if "flops" in name}
    figures: Figures = {"devices": lambda _budget_s: {"value": device.described(torch), "spread": None}}
    figures.update({name: _threaded(torch, task["threads"], work) for name, work in products.items()})
    figures.update({f"one_thread.{name}": _threaded(torch, 1, work) for name, work in products.items()})
    figures["dispatch_s"] = _threaded(torch, 1, partial(host.dispatch, torch))
    return figures


def arrays(task: dict[str, Any]) -> Figures:
    """Of the processor with numpy."""
    figures: Figures = import_module(".arrays", __package__).figures(task["threads"])
    return figures


def host(_task: dict[str, Any]) -> Figures:
    """Of Python and of preparing samples."""
    figures: Figures = import_module(".host", __package__).figures()
    return figures


def disk(task: dict[str, Any]) -> Figures:
    """Of the disk that a folder lies on."""
    figures: Figures = import_module(".disk", __package__).figures(task["folder"])
    return figures


def _threaded(torch: Any, threads: int, work: Callable[[float], dict[str, Any]]) -> Callable[[float], dict[str, Any]]:
    def measure(budget_s: float) -> dict[str, Any]:
        torch.set_num_threads(threads)
        return work(budget_s)

    return measure


GROUPS: dict[str, Callable[[dict[str, Any]], Figures]] = {
    "accelerator": accelerator,
    "processor": processor,
    "arrays": arrays,
    "host": host,
    "disk": disk,
}
