"""A gate's verdicts on a terminal and for the services that run it."""

import json
import subprocess
import sys
import tarfile
from xml.etree import ElementTree as Xml

import junitparser
import pytest
import xmlschema

from perfkit.report import gate_ci, gate_table


def row(name, verdict, estimate=None, *, why="", outputs=None, base=0.001, head=0.001):
    ends = (None, None) if estimate is None else (estimate - 0.01, estimate + 0.01)
    return {
        "id": f"tests/test_speed.py::{name}", "verdict": verdict, "why": why, "outputs": outputs, "causes": [],
        "counts": [], "uncounted": "",
        "change": {"low": ends[0], "high": ends[1], "estimate": estimate}, "seconds": {"base": base, "head": head},
        "pairs": 8, "confirming_pairs": 0,
    }  # fmt: skip


@pytest.fixture
def document():
    return {
        "base": {"label": "main", "revision": "a" * 40}, "head": {"label": "the working tree", "revision": None},
        "benchmarks": [
            row("test_same", "same", 0.001),
            row("test_slow", "regressed", 0.0512, why="aten::exp took 90% of what was added (new)", head=0.00105),
            row("test_open", "inconclusive", 0.01),
            row("test_wrong", "improved", -0.2, outputs="output 0 differs"),
            row("test_broken", "failed", why="head: ValueError: a | b", base=None, head=None),
            row("test_gpu", "skipped", why="head: Skipped: no GPU", base=None, head=None),
        ],
        "new": ["tests/test_speed.py::test_new"], "gone": [], "seconds": 90.0,
    }  # fmt: skip


def text_of(document):
    return [line.plain for line in gate_table.render(document)]


def test_the_table_begins_with_what_needs_somebody(document):
    lines = text_of(document)
    names = [line.split("::")[1].split()[0] for line in lines if "::test_" in line and not line.startswith("new")]
    assert names == ["test_broken", "test_slow", "test_open", "test_wrong", "test_same", "test_gpu"]
    assert any("+5.1 % [4.1, 6.1]" in line and line.endswith("regressed") for line in lines)
    assert any("its answer is another one: output 0 differs" in line for line in lines)
    assert all(len(line) <= 100 for line in lines)
    assert lines[-1] == "1 failed, 1 regressed, 1 inconclusive, 1 improved, 1 same, 1 skipped; 8 pairs, 90.00 s"


def test_what_else_a_call_takes_is_told_where_it_differs(document):
    document["benchmarks"][1]["counts"] = [
        {"name": "flops", "label": "arithmetic", "unit": "FLOP", "base": 71e6, "head": 142e6, "change": 1.0, "differs": 1},
        {"name": "host_peak_bytes", "label": "host memory at its peak", "unit": "B", "base": 3 << 20, "head": 2 << 20, "change": -1 / 3, "differs": -1},
        {"name": "operators", "label": "operators", "unit": "", "base": 38, "head": 38, "change": 0.0, "differs": 0},
        {"name": "joules", "label": "energy", "unit": "J", "base": 1.0, "head": 2.0, "change": 1.0, "differs": None},
    ]  # fmt: skip
    told = ["arithmetic 71.0 MFLOP → 142 MFLOP (+100.0 %)", "host memory at its peak 3.00 MiB → 2.00 MiB (−33.3 %)"]
    assert set(text_of(document)) >= {f"test_slow: {line}" for line in told}
    assert ", ".join(told) in gate_ci.markdown(document)
    (suite,) = Xml.fromstring(gate_ci.junit(document))
    assert "perfkit.flops.head=142000000.0" in "".join(suite.itertext())


def test_junit_says_failure_for_what_is_slower_and_skipped_for_what_cannot_be_told(document):
    (suite,) = Xml.fromstring(gate_ci.junit(document))
    assert suite.attrib["tests"] == "6"
    assert (suite.attrib["failures"], suite.attrib["skipped"], suite.attrib["errors"]) == ("3", "2", "0")
    cases = {case.attrib["name"]: case for case in suite.iter("testcase")}
    assert {case.attrib["classname"] for case in cases.values()} == {"tests/test_speed.py"}
    failure = cases["test_slow"].find("failure")
    assert failure.attrib["type"] == "perfkit.regression"
    assert failure.attrib["message"].startswith("+5.1 % [4.1, 6.1]: aten::exp")
    assert cases["test_open"].find("skipped") is not None
    assert cases["test_wrong"].find("failure").attrib["type"] == "perfkit.failure"
    assert cases["test_same"].find("failure") is None and cases["test_same"].find("skipped") is None
    assert cases["test_gpu"].find("skipped").attrib["message"] == "skipped: head: Skipped: no GPU"
    assert "perfkit.change=+5.1 % [4.1, 6.1]" in cases["test_slow"].find("system-out").text


@pytest.mark.slow
def test_a_junit_file_is_read_by_a_parser_of_it_and_its_schema_allows_it(document, tmp_path):
    document["benchmarks"].append(row("test_colour", "failed", why="head: \x1b[31mred\x1b[0m \ud800"))
    path = tmp_path / "gate.xml"
    path.write_text(gate_ci.junit(document), encoding="utf-8")
    (suite,) = junitparser.JUnitXml.fromfile(str(path))
    assert (suite.tests, suite.failures, suite.skipped) == (7, 4, 2)
    failed = [case.name for case in suite if any(isinstance(each, junitparser.Failure) for each in case.result)]
    assert failed == ["test_slow", "test_wrong", "test_broken", "test_colour"]
    xmlschema.XMLSchema(schema(tmp_path)).validate(str(path))


def schema(folder):
    """The schema of Jenkins' xunit plugin, as the sources of pytest have it (the package itself comes without)."""
    words = ["--quiet", "--no-deps", "--no-binary", "pytest", "--dest", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *words, f"pytest=={pytest.__version__}"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"the sources of pytest cannot be had: {done.stderr.strip()[-200:]}")
    (archive,) = folder.glob("pytest-*.tar.gz")
    with tarfile.open(archive) as sources:
        (name,) = [name for name in sources.getnames() if name.endswith("/junit-10.xsd")]
        return sources.extractfile(name).read().decode()


def test_markdown_survives_what_tables_do_not(document):
    text = gate_ci.markdown(document)
    rows = [line for line in text.splitlines() if line.startswith("| ") and "::" in line]
    assert len(rows) == 6
    assert "ValueError: a \\| b" in rows[0]
    assert "+5.1 % [4.1, 6.1]" in rows[1] or "+5.1 % [4.1, 6.1]" in rows[2]
    assert text.rstrip().endswith("new: `tests/test_speed.py::test_new`")


def test_annotations_are_escaped_and_no_more_than_are_shown(document):
    lines = gate_ci.workflow_commands(document)
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::error", "::warning"]
    slow = next(line for line in lines if "test_slow" in line)
    assert slow.startswith(
        "::error file=tests/test_speed.py,title=perfkit bench::test_slow: regressed, +5.1 %25 [4.1, 6.1]"
    )
    many = {**document, "benchmarks": [row(f"test_{n}", "regressed", 0.05) for n in range(30)]}
    assert len(gate_ci.workflow_commands(many)) == gate_ci.MOST_ANNOTATIONS


def test_the_json_of_github_action_benchmark_has_what_was_measured(document):
    rows = json.loads(gate_ci.action_benchmark(document))
    assert len(rows) == 4
    assert rows[1] == {
        "name": "tests/test_speed.py::test_slow", "unit": "s", "value": 0.00105, "extra": "+5.1 % [4.1, 6.1] against main",
    }  # fmt: skip
