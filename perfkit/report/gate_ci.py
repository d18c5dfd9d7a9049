"""A gate's verdicts for the services that run it: JUnit XML, Markdown for a summary or a comment, annotations of GitHub Actions, and the JSON of
github-action-benchmark.
"""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as Xml

from .gate_table import ORDER, another_answer, change, other_counts
from .layout import clean
from .units import seconds

Row = dict[str, Any]

WORSE = ("failed", "regressed")
UNTOLD = ("inconclusive", "skipped")
# GitHub shows so many annotations of a kind for each step.
MOST_ANNOTATIONS = 10
SIGNS = {"failed": "❌", "regressed": "❌", "inconclusive": "❔", "improved": "✅", "same": "✅", "skipped": "➖"}


def ranked(document: Row) -> list[Row]:
    """The benchmarks, what needs somebody first; of the slower ones the one that lost most."""
    return sorted(
        document["benchmarks"], key=lambda row: (ORDER.index(_verdict(row)), -(row["change"]["estimate"] or 0))
    )


def _verdict(row: Row) -> str:
    """As the services are told it: another answer is a failure."""
    return "failed" if row["outputs"] else str(row["verdict"])


def _why(row: Row) -> str:
    return another_answer(row) or str(row["why"])


def junit(document: Row) -> str:
    """JUnit XML: a test case for each benchmark, failed where it is slower, skipped where nothing could be told.

    It keeps to the schema of Jenkins' xunit plugin, the strictest of those that readers check against: figures of a case are in its
    ``system-out``, since there properties are a suite's alone.
    """
    rows = document["benchmarks"]
    verdicts = [_verdict(row) for row in rows]
    counts = {"failures": sum(v in WORSE for v in verdicts), "skipped": sum(v in UNTOLD for v in verdicts), "errors": 0}
    whole = {"name": "perfkit bench", "tests": len(rows), **counts, "time": f"{document['seconds']:.3f}"}
    suite = Xml.Element("testsuite", {key: str(value) for key, value in whole.items()})
    sides = Xml.SubElement(suite, "properties")
    for side in ("base", "head"):
        value = document[side]["revision"] or document[side]["label"]
        Xml.SubElement(sides, "property", {"name": f"perfkit.{side}", "value": value})
    for row in rows:
        _case(suite, row)
    suites = Xml.Element("testsuites")
    suites.append(suite)
    Xml.indent(suites)
    return Xml.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: Xml.Element, row: Row) -> None:
    file, _, name = clean(row["id"]).partition("::")
    time = row["seconds"]["head"] or 0.0
    case = Xml.SubElement(suite, "testcase", {"classname": file, "name": name or file, "time": f"{time:.9f}"})
    verdict, why = _verdict(row), clean(_why(row))  # XML has no escape for control characters
    if verdict in WORSE:
        kind = "perfkit.regression" if verdict == "regressed" else "perfkit.failure"
        message = f"{change(row)}: {why}" if verdict == "regressed" else why
        Xml.SubElement(case, "failure", {"type": kind, "message": message}).text = why
    elif verdict in UNTOLD:
        Xml.SubElement(case, "skipped", {"message": f"{verdict}: {why or change(row)}"})
    told = {
        "verdict": row["verdict"],
        "change": change(row),
        "pairs": row["pairs"],
        "base_s": row["seconds"]["base"],
        "head_s": row["seconds"]["head"],
    }
    told |= {f"{each['name']}.{side}": each[side] for each in row["counts"] for side in ("base", "head")}
    lines = [f"perfkit.{key}={value}" for key, value in told.items() if value is not None]
    Xml.SubElement(case, "system-out").text = "\n".join(lines)


def markdown(document: Row) -> str:
    """A table for a step's summary or a comment on a pull request."""
    base, head = document["base"]["label"], document["head"]["label"]
    lines = [
        f"### perfkit bench: {_cell(head)} against {_cell(base)}",
        "",
        "| | benchmark | base | head | change (95 %) | verdict |",
        "|---|---|---:|---:|---:|---|",
    ]
    for row in ranked(document):
        verdict = _verdict(row)
        times = (
            ("–" if value is None else seconds(value)) for value in (row["seconds"]["base"], row["seconds"]["head"])
        )
        why = "".join(f" — {_cell(told)}" for told in (_why(row), ", ".join(other_counts(row))) if told)
        lines.append(
            f"| {SIGNS[verdict]} | `{_cell(row['id'])}` | {' | '.join(times)} | {change(row)} | {verdict}{why} |"
        )
    for word in ("new", "gone"):
        if document[word]:
            lines += ["", f"{word}: {', '.join(f'`{_cell(name)}`' for name in document[word])}"]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("`", "'")


def workflow_commands(document: Row) -> list[str]:
    """Workflow commands of GitHub Actions: an error for what is slower or fails, a warning for what could not be told."""
    found = []
    for row in ranked(document):
        verdict = _verdict(row)
        if verdict in WORSE or verdict == "inconclusive":
            kind = "error" if verdict in WORSE else "warning"
            file, _, name = row["id"].partition("::")
            text = f"{name}: {verdict}, {change(row)}" + (f": {_why(row)}" if _why(row) else "")
            found.append((kind, f"::{kind} file={_property(file)},title=perfkit bench::{_data(text)}"))
    return [
        line for kind in ("error", "warning") for line in [each for of, each in found if of == kind][:MOST_ANNOTATIONS]
    ]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def action_benchmark(document: Row) -> str:
    """The JSON of github-action-benchmark's ``customSmallerIsBetter``: seconds of head."""
    rows = [
        {"name": row["id"], "unit": "s", "value": row["seconds"]["head"], "extra": f"{change(row)} against {document['base']['label']}"}
        for row in document["benchmarks"]
        if row["seconds"]["head"] is not None
    ]  # fmt: skip
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
