"""The results of a run of pytest: lines for a terminal, and a file as pytest-benchmark writes it, with what perfkit knows besides."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import MissingDependency

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Row = dict[str, Any]


def lines(benchmarks: Mapping[str, Row]) -> list[str]:
    """A table of what was measured: median and quartiles of a call, calls of a block, how warm it was."""
    from ..report.units import seconds

    told = [("benchmark", "median", "quartiles", "calls")]
    for name, row in benchmarks.items():
        low, middle, high = _quartiles(row["blocks_s"])
        calls = f"{len(row['blocks_s'])} × {row['calls']}" + ("" if row["settled"] else ", never settled")
        told.append((name, seconds(middle), f"{seconds(low)} to {seconds(high)}", calls))
    widths = [max(len(line[column]) for line in told) for column in range(4)]
    return [
        "  ".join([line[0].ljust(widths[0]), line[1].rjust(widths[1]), line[2].rjust(widths[2]), line[3]])
        for line in told
    ]


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    import numpy as np

    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


def write(path: Path, benchmarks: Mapping[str, Row]) -> None:
    """Write the file. Raises MissingDependency without pytest-benchmark, OSError when it cannot be written."""
    try:
        from pytest_benchmark import __version__, plugin, utils
    except ImportError:
        raise MissingDependency("--perfkit-json needs pytest-benchmark; pip install perfkit[bench]") from None
    from . import fingerprint

    found = {
        "machine_info": plugin.pytest_benchmark_generate_machine_info(),
        "commit_info": utils.get_commit_info(),
        "benchmarks": [_benchmark(name, row) for name, row in benchmarks.items()],
        "datetime": datetime.now(UTC).isoformat(),
        "version": __version__,
        "perfkit": {"schema_version": 1, "fingerprint": fingerprint.machine(), "software": fingerprint.software()},
    }
    path.write_text(json.dumps(found, indent=4) + "\n", encoding="utf-8")


def _benchmark(name: str, row: Row) -> Row:
    from pytest_benchmark.stats import Stats

    stats = Stats()
    for value in row["blocks_s"]:
        stats.update(value)
    own = {key: row[key] for key in ("kind", "warm_up_calls", "settled", "first_s", "counts")}
    return {
        "group": None, "name": row["name"], "fullname": name, "params": row["params"], "param": row["param"], "extra_info": {}, "options": {},
        "stats": {**stats.as_dict(), "data": row["blocks_s"], "iterations": row["calls"]}, "perfkit": own,
    }  # fmt: skip
