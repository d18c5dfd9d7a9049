"""The page as text: what it may hold, what it forbids, and how small it stays."""

import base64
import hashlib
import json
import re
from importlib import resources

import numpy as np
import pytest

from perfkit.monitor import record
from perfkit.monitor.history import History
from perfkit.report.curves import embed, groups
from perfkit.report.curves.timeline import Timeline
from perfkit.report.html import page
from perfkit.report.monitor_document import compose
from perfkit.report.monitor_page import CAP_BYTES, render
from perfkit.runs.reader import Run


@pytest.fixture(scope="module")
def text(digits_document, digits_recorded):
    return render(digits_document, digits_recorded)


def test_the_usual_run_takes_a_fraction_of_the_cap(text):
    assert len(text.encode()) < CAP_BYTES / 3


def test_it_names_no_other_place(text):
    """No address anywhere but the name of SVG's namespace."""
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|img|iframe|object|embed|base)\b|@import|url\((?!#)", text)
    assert not re.search(r"<[^>]+\s(src|href)=(?!\"#)", text)


def test_the_policy_allows_exactly_the_style_and_the_script_that_are_there(text):
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    policy = policy.replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; ")
    for kind, pattern in (("style", r"<style>(.*?)</style>"), ("script", r"<script>(.*?)</script>")):
        (inside,) = re.findall(pattern, text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_there_are_no_inline_handlers_or_styles(text):
    body = re.sub(r"<script.*?</script>|<style>.*?</style>", "", text, flags=re.DOTALL)
    assert not re.search(r"\s(on\w+|style)=", body)


@pytest.mark.parametrize("value", ["</script><script>", "<!--", "&amp;", "\u2028", 'a"b\\c', "ü😀"])
def test_embedded_data_comes_back_and_cannot_end_its_element(value):
    written = str(page.embed({value: [value, 1.5, None]}))
    assert json.loads(written) == {value: [value, 1.5, None]}
    assert not set("<>&\u2028\u2029") & set(written)


def test_numbers_that_json_does_not_have_are_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        page.embed([float("nan")])


def test_a_script_that_would_end_its_element_is_refused(monkeypatch):
    monkeypatch.setattr(page, "static", lambda name: "const x = '</SCRIPT>';")
    with pytest.raises(ValueError, match="would end the element"):
        page.render("monitor.html.j2", data={})


def test_whatever_a_run_says_is_escaped(writing, tmp_path):
    made = writing(tmp_path)
    made.card({"class": "<b>x</b>", "<i>": {"<u>": "'\""}})
    made.point({"train/<img src=x>": 1.0}, 1)
    made.event(1, "anomaly", "warning", "<img src=x>", "<svg onload=alert(1)>", source="<s>")
    made.alert(1, "firing", "<rule>", "<img src=x>", since=1, message="<m>")
    made.status(2, "failed", reason="<reason>")
    made.writer.close()
    recorded = record.read(tmp_path)
    text = render(compose(Run(tmp_path), recorded), recorded)
    body = text.partition("<body>")[2]
    for raw in ("<b>x", "<i>", "<u>", "<img", "<svg onload", "<s>", "<rule>", "<m>", "<reason>"):
        assert raw not in body
        assert raw.replace("<", "&lt;").replace(">", "&gt;") in body


def test_templates_styles_and_scripts_lie_in_the_package():
    there = {
        file.name
        for folder in ("static", "templates")
        for file in (resources.files("perfkit.report.html") / folder).iterdir()
    }
    wanted = {
        *page.STYLES,
        *page.SCRIPTS,
        *page.CHART_STYLES,
        *page.CHART_SCRIPTS,
        "monitor.js",
        "base.html.j2",
        "parts.html.j2",
        "monitor.html.j2",
    }
    assert wanted <= there


# -- the data of the charts


def decoded(row):
    return np.cumsum(row["t"]), np.cumsum(row["s"]), row["v"]


def test_positions_come_back_from_their_differences():
    history = History()
    for step in (0, 1, 2, 5, 6, 3, 4):
        history.add({"loss": step / 3}, step=step, time_ns=10**9 * (len(history.get("loss", ())) + 1))
    timeline = Timeline(history)
    (chart,) = embed.charts(history, groups.charts(history), timeline, 100)
    times, steps, values = decoded(chart["series"][0])
    assert steps.tolist() == [0, 1, 2, 5, 6, 3, 4]
    assert (times * embed.time_unit(timeline)).tolist() == pytest.approx([0, 1, 2, 3, 4, 5, 6])
    assert values == [0, 0.333333, 0.666667, 1.66667, 2, 1, 1.33333]


def test_a_value_without_a_place_on_the_axis_has_none():
    history = History()
    history.add({"host_memory_bytes": 1.0}, time_ns=1)
    for step in (7, 9):
        history.add({"host_memory_bytes": 1.0, "loss": 1.0}, step=step, time_ns=step)
    charts = embed.charts(history, groups.charts(history), Timeline(history), 100)
    assert charts[1]["series"][0]["s"] == [None, 7, 2]


def test_values_that_are_not_finite_are_told_as_such():
    history = History()
    for step, value in enumerate([1.0, float("nan"), float("inf"), float("-inf")]):
        history.add({"loss": value}, step=step, time_ns=step + 1)
    (chart,) = embed.charts(history, groups.charts(history), Timeline(history), 100)
    assert chart["series"][0]["v"] == [1, None, "inf", "-inf"]
    assert chart["series"][0]["not_finite"] == 3


def test_a_thinned_series_brings_its_buckets_means():
    history = History()
    for step in range(1000):
        history.add({"loss": float(step)}, step=step, time_ns=step + 1)
    (chart,) = embed.charts(history, groups.charts(history), Timeline(history), 102)
    row = chart["series"][0]
    assert row["bucket"] == 20
    assert row["count"] == 1000
    assert row["means"]["v"][:2] == [9.5, 29.5]
    places = np.cumsum(row["means"]["i"])
    assert (np.diff(places) > 0).all()
    assert places[-1] < len(row["v"])


def test_named_metrics_alone_are_drawn(digits_document, digits_recorded):
    text = render(digits_document, digits_recorded, metrics=("val/loss",))
    data = json.loads(re.findall(r'id="data">(.*?)</script>', text)[0])
    assert [[series["name"] for series in chart["series"]] for chart in data["charts"]] == [["val/loss"]]
