"""What torch.compile says of its work: how often, how often anew and why, and where its graphs break."""

import re

MOST_REASONS = 5
LONGEST_REASON = 160
# Values that a guard compared are the user's; shapes and names are not.
_QUOTED_VALUE = re.compile(r"""([=!]=\s*)('[^']*'|"[^"]*")""")


def compilations(utils):
    """Counts and reasons from ``torch._dynamo.utils``, None while that is not imported."""
    if utils is None:
        return None
    counters = utils.counters
    breaks = counters.get("graph_break", {})
    again = [metric for metric in _metrics(utils) if getattr(metric, "recompile_reason", None)]
    return {
        "graphs": int(counters.get("stats", {}).get("unique_graphs", 0)),
        "graph_breaks": int(sum(breaks.values())),
        "break_reasons": [_short(reason) for reason in list(breaks)[:MOST_REASONS]],
        "recompiles": len(again),
        "recompile_reasons": _distinct(metric.recompile_reason for metric in again),
        "functions": _distinct(metric.co_name for metric in again),
    }


def _metrics(utils):
    """One record per compilation; the compiler keeps the last few dozen. Absent in old versions."""
    get = getattr(utils, "get_compilation_metrics", None)
    return get() if get is not None else []


def _distinct(texts):
    return list(dict.fromkeys(_short(text) for text in texts if text))[:MOST_REASONS]


def _short(text):
    line = str(text).strip().splitlines()[0] if str(text).strip() else ""
    line = line.split("  #")[0].strip()  # the compiler appends the source line that needed the guard
    return _QUOTED_VALUE.sub(r"\1'…'", line)[:LONGEST_REASON]
