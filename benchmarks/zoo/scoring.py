"""What the rules said, held against what was measured. Pure functions on plain rows."""

import math
import statistics

# A finding on a healthy script that promises more than this is a false one.
FALSE_ABOVE = 0.10
MOST_WIDTH, MOST_WIDTH_OF_GAIN = 0.25, 2.0
# Of the interval score: intervals are meant to hold the truth in at least four of five cases.
ALPHA = 0.2
# Below this a planted cause does not matter, and the right answer is silence.
MATTERS = 0.05


def row(name, cause, rules, findings, measured, cure_of=""):
    """One script's line. *findings*: rule, cause, low, high, in the order told; *measured*: median, low, high or None.

    *cure_of*: which of the *rules* tells what was measured; without it the first that did.
    """
    told = next((f for f in findings if f["rule"] in ((cure_of,) if cure_of else rules)), None)
    gain = measured["median"] if measured else None
    return {
        "name": name, "cause": cause, "accepted": list(rules), "findings": findings,
        "first": findings[0]["rule"] if findings else None, "right": is_right(cause, rules, findings),
        "predicted": [told["low"], told["high"]] if told else None, "measured": measured,
        "inside": told["low"] <= gain <= told["high"] if told and gain is not None else None,
    }  # fmt: skip


def is_right(cause, rules, findings):
    """Whether the first finding names the cause; of a healthy script, whether nothing false was said."""
    if cause == "none":
        return not false_findings(findings)
    return bool(findings) and findings[0]["rule"] in rules


def false_findings(findings):
    return [f for f in findings if f["high"] > FALSE_ABOVE]


def totals(rows):
    """The figures that the targets are about."""
    sick, healthy = [r for r in rows if r["cause"] != "none"], [r for r in rows if r["cause"] == "none"]
    judged = [r for r in sick if r["inside"] is not None]
    widths = [high - low for low, high in (r["predicted"] for r in judged)]
    ratios = [width / r["measured"]["median"] for width, r in zip(widths, judged, strict=True) if gain_of(r) > 0]
    return {
        "scripts": len(rows), "healthy": len(healthy),
        "first_right": share([r["right"] for r in sick]), "wrong": [r["name"] for r in sick if not r["right"]],
        "found": share([r["predicted"] is not None for r in sick]),
        "false_on_healthy": {r["name"]: [f["rule"] for f in false_findings(r["findings"])]
                             for r in healthy if not r["right"]},
        "judged": len(judged), "inside": share([r["inside"] for r in judged]),
        "outside": [r["name"] for r in judged if not r["inside"]],
        "median_width": middle(widths), "median_width_of_gain": middle(ratios),
    }  # fmt: skip


def gain_of(r):
    return r["measured"]["median"]


def reached(found):
    """Target -> whether it is reached."""
    return {
        "first right >= 90 %": at_least(found["first_right"], 0.9),
        "no false finding above 10 % on healthy": not found["false_on_healthy"],
        "measured gain inside >= 80 %": at_least(found["inside"], 0.8),
        "median width <= 25 points": at_most(found["median_width"], MOST_WIDTH),
        "median width <= 2x the gain": at_most(found["median_width_of_gain"], MOST_WIDTH_OF_GAIN),
    }


def at_least(value, bound):
    return value is not None and value >= bound


def at_most(value, bound):
    return value is not None and value <= bound


def share(truths):
    return sum(truths) / len(truths) if truths else None


def middle(values):
    return statistics.median(values) if values else None


def effect(pairs):
    """Of (plain, cured) times per sample: the share saved, as median, least and most of the pairs."""
    saved = [1 - cured / plain for plain, cured in pairs]
    return {"median": statistics.median(saved), "low": min(saved), "high": max(saved), "n": len(saved)}


def interval_score(low, high, truth, alpha=ALPHA):
    """Winkler's score as in Gneiting & Raftery 2007, eq. 43: width, and 2/alpha times by how much the truth is missed.
    Lower is better.
    """
    return (high - low) + 2 / alpha * (max(0.0, low - truth) + max(0.0, truth - high))


def conformal(misses, missed):
    """The margin that a new miss exceeds with probability *missed* at most: the ⌈(n + 1)(1 - missed)⌉-th smallest, never below
    0; None of too few. (Romano, Patterson & Candès, Conformalized quantile regression, NeurIPS 2019.)
    """
    rank = math.ceil((len(misses) + 1) * (1 - missed))
    return max(0.0, sorted(misses)[rank - 1]) if 0 < rank <= len(misses) else None


def confusion(trials):
    """Planted cause -> first finding's cause -> count; "none" where the effect does not matter or nothing was said."""
    table = {}
    for trial in trials:
        planted = trial["cause"] if trial["truth"]["median"] >= MATTERS else "none"
        line = table.setdefault(planted, {})
        line[trial["first_cause"]] = line.get(trial["first_cause"], 0) + 1
    return table


def agreement(table):
    """Share of the trials on the diagonal."""
    whole = sum(sum(line.values()) for line in table.values())
    return sum(line.get(planted, 0) for planted, line in table.items()) / whole if whole else None
