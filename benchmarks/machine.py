"""Describes the machine that a result was measured on, and writes results."""

import json
import os
import platform
import re
import statistics
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "results"


def describe():
    """Processor, cores, memory, system, Python, and how loaded it was when asked."""
    models = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text()) or [platform.processor()]
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cpu": models[0],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(memory[1]) * 1024 / 1e9) if memory else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "gpu": None,
    }


def here():
    """For a row of a result that is measured over several days: the processor, and when."""
    return {"cpu": describe()["cpu"], "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}


def spread(values):
    """Median, least and most of a list, and how many."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def rounded(value):
    """*value* with its numbers at five digits, however deep."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def write(name, result):
    """results/NAME.json, with the date and the machine."""
    RESULTS.mkdir(exist_ok=True)
    whole = {"measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": describe(), **result}
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
