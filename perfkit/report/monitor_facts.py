"""A model's facts and a run's speed, each on one line."""

from __future__ import annotations

from typing import Any

from .curves import scales
from .units import count

#: Dtypes or devices that are named one by one.
MOST_KINDS = 3


def card_line(card: dict[str, Any]) -> str:
    """The model's facts (`monitor.card`) on one line."""
    return " · ".join(text for text in (*_model_facts(card), *_training_facts(card)) if text)


def _model_facts(card: dict[str, Any]) -> list[str]:
    framework, parameters, trainable = card.get("framework"), card.get("parameters"), card.get("trainable_parameters")
    words = [_short(card.get("class"))]
    if isinstance(framework, dict):
        words.append(" ".join(str(framework[key]) for key in ("name", "version") if framework.get(key)))
    if isinstance(parameters, int):
        words.append(f"{count(parameters)} parameters")
        words += (
            [f"{count(trainable)} of them trained"] if isinstance(trainable, int) and trainable != parameters else []
        )
    dtypes, devices = card.get("dtypes"), card.get("devices")
    words.append(", ".join(map(str, dtypes)) if dtypes and len(dtypes) <= MOST_KINDS else "")
    words.append(
        f"on {', '.join(map(str, devices))}" if isinstance(devices, list) and 0 < len(devices) <= MOST_KINDS else ""
    )
    return words


def _training_facts(card: dict[str, Any]) -> list[str]:
    optimizer, data = card.get("optimizer"), card.get("data")
    words = []
    if isinstance(optimizer, dict):
        rate = optimizer.get("learning_rate")
        words.append(
            _short(optimizer.get("class")) + (f" at {scales.value(rate)}" if isinstance(rate, int | float) else "")
        )
    if isinstance(data, dict) and isinstance(data.get("batch_size"), int):
        words.append(f"batches of {data['batch_size']}")
    return words


def _short(name: Any) -> str:
    """A class's name without its module."""
    return str(name).rpartition(".")[2] if name else ""


def performance_line(performance: dict[str, Any]) -> str:
    """``step 4.2 ms median, 9.8 ms p95 · 7400 samples/s · memory 412 MiB at most``; "" where nothing is known."""
    told = []
    if step := performance["perf/step_time_s"]:
        told.append(f"step {scales.value(step['median'], 's')} median, {scales.value(step['p95'], 's')} p95")
    rates = {name: performance[f"perf/{name}_per_s"] for name in ("samples", "tokens")}
    told += [f"{count(rate['median'])} {name}/s" for name, rate in rates.items() if rate]
    places = {place: performance[f"system/{place}_memory_bytes"] for place in ("host", "device")}
    told += [f"{place} memory {scales.value(m['max'], 'bytes')} at most" for place, m in places.items() if m]
    return " · ".join(told)
