"""The comparison on a terminal: the sentence first, figures side by side, the best marked, then why."""

import io

import pytest

from perfkit.report import compare_table
from perfkit.report.layout import width_of


def value(number, low=None, high=None, reason=None):
    return {"value": number, "low": low, "high": high, "reason": reason}


def figure(key, name, unit, group, values, ratios, best=None):
    return {
        "key": key,
        "name": name,
        "unit": unit,
        "group": group,
        "better": "lower",
        "values": values,
        "ratios": ratios,
        "best": best,
    }


def cause(part, name, where, before, after, points, because=(), word="launch"):
    return {
        "side": 2, "against": 1, "part": part, "name": name, "cause": word, "where": where, "before_s": before, "after_s": after,
        "difference_s": after - before, "share": None, "points": points, "factor": before / after if before and after else None, "because": list(because),
    }  # fmt: skip


@pytest.fixture
def document():
    """A run on a slower host and one on a faster, and what a comparison says of them."""
    run = {"command": ["train.py"], "status": "finished", "side": 1}
    row = {
        "side": 2, "against": 1, "verdict": "faster", "headline": "2 is 1.50× as fast as 1 (1.46–1.54): launches 8.00 → 3.00 ms (host), device time equal",
        "speedup": {"value": 1.5, "low": 1.46, "high": 1.54}, "before_s": 0.015, "after_s": 0.010, "difference_s": -0.005,
        "unexplained": {"seconds": 0.0, "points": 0.0}, "unreasoned": {"seconds": 0.0, "points": 0.0},
    }  # fmt: skip
    return {
        "schema_version": 1, "per": "step", "level": "traced",
        "runs": [{**run, "number": 1, "id": "20260101T000000Z-train-aaaaaa"}, {**run, "number": 2, "side": 2, "id": "20260101T000001Z-train-bbbbbb"}],
        "sides": [
            {"number": 1, "label": "1 thread", "runs": [1], "step_s": 0.015, "samples_per_step": 32.0},
            {"number": 2, "label": "2 threads", "runs": [2], "step_s": 0.010, "samples_per_step": 32.0},
        ],
        "rows": [
            figure("step_s", "step (mean)", "s", "speed", [value(0.015, 0.0147, 0.0153), value(0.010, 0.0099, 0.0101)], [1.0, 0.667], 2),
            figure("launch_share", "launch-bound", "share", "device", [value(0.922), value(0.884)], [1.0, 0.958]),
            figure("joules_per_sample", "energy per sample", "J", "energy", [value(0.5), value(None, reason="no counter")], [1.0, None]),
        ],
        "against": [row],
        "causes": [
            cause("launch", "launches", "host", 0.008, 0.003, -33.3, ["as many launches (280 a step)"]),
            cause("matmul", "matrix products", "device", 0.007, 0.007, 0.0, word="kernel"),
        ],
        "operators": [{"name": "aten::mm", "module": "net.0", "sides": [{"seconds": 0.004}, {"seconds": 0.002}], "differences_s": [0.0, -0.002], "factors": [1.0, 2.0]}],
        "unlike": [{"side": 2, "against": 1, "what": "batch", "level": "labelled", "text": "another batch: 32 → 64"}],
        "differs": [], "headline": row["headline"], "notes": ["one run a side"],
    }  # fmt: skip


def page(document, width=100, **more):
    return [line.plain for line in compare_table.render(document, width=width, **more)]


def test_the_sentence_comes_before_the_figures_and_the_reasons_after(document):
    lines = page(document)
    order = [
        "2 is 1.50× as fast",
        "not alike: another batch",
        "step (mean)",
        "why 2 differs from 1",
        "operators that differ",
        "one run a side",
        "next: ",
    ]
    places = [next(number for number, line in enumerate(lines) if text in line) for text in order]
    assert places == sorted(places)


def test_the_best_is_marked_and_figures_say_how_sure_they_are(document):
    line = next(line for line in page(document) if line.startswith("step (mean)"))
    assert "15.00 ms ±2.0 %" in line
    assert "10.00 ms ±1.0 % *" in line
    assert line.endswith("0.667×")


def test_shares_differ_by_points_and_what_is_missing_is_a_dash(document):
    lines = page(document)
    assert next(line for line in lines if line.startswith("launch-bound")).endswith("−3.8 pt")
    assert next(line for line in lines if line.startswith("energy")).split()[-2:] == ["–", "–"]


def test_the_waterfall_ends_in_the_whole_step(document):
    lines = page(document)
    start = next(number for number, line in enumerate(lines) if line.startswith("why 2"))
    assert "launches" in lines[start + 1]
    assert "−33.3 %" in lines[start + 1]
    assert "█" in lines[start + 1]
    assert lines[start + 2].split()[:3] == ["a", "smaller", "difference"]
    assert lines[start + 3].split()[:2] == ["the", "step"]
    assert "15.00 ms → 10.00 ms" in lines[start + 3]
    assert "bears on launches" in lines[start + 4]


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_no_line_is_wider_than_the_page(document, width):
    assert max(width_of(line) for line in page(document, width=width, verbose=1)) <= width


def test_on_a_narrow_page_what_is_less_needed_goes_first(document):
    assert "±" not in "".join(page(document, width=60))
    assert any("10.00 ms *" in line for line in page(document, width=60))


def test_without_a_terminal_there_is_no_colour_and_ascii_is_kept_to(document):
    class Plain(io.StringIO):
        encoding = "ascii"

    stream = Plain()
    compare_table.show(document, stream)
    text = stream.getvalue()
    assert text.isascii()
    assert "\x1b" not in text
    assert "1.50x as fast" in text
    assert "15.00 ms +-2.0 %" in text
    assert "-33.3 %" in text


def test_a_pair_that_cannot_be_compared_has_no_waterfall(document):
    row = {
        **document["against"][0],
        "verdict": "incomparable",
        "speedup": None,
        "headline": "not compared: 2 has no step time",
    }
    lines = page({**document, "against": [row], "causes": []})
    assert not any(line.startswith("why") for line in lines)
    assert "not compared: 2 has no step time" in lines


def test_what_differs_too_little_to_tell_leads_to_more_runs(document):
    row = {**document["against"][0], "verdict": "unsure"}
    assert any("--group" in line for line in page({**document, "against": [row]}) if line.startswith("next"))


@pytest.fixture
def sweep(document):
    """Six runs, of which the fourth is the fastest and the last cannot be compared."""
    run, side, base = document["runs"][0], document["sides"][0], document["against"][0]
    speeds = {2: 1.1, 3: 1.2, 4: 1.9, 5: 0.7}
    rows = [
        {
            **base,
            "side": number,
            "verdict": "faster" if speed > 1 else "slower",
            "headline": f"{number} …",
            "speedup": {"value": speed, "low": None, "high": None},
        }
        for number, speed in speeds.items()
    ]
    rows.append({**base, "side": 6, "verdict": "incomparable", "speedup": None, "headline": "not compared"})
    values = [value(0.015 / speed) for speed in (1.0, *speeds.values())] + [value(None, reason="killed")]
    batch = {"against": 1, "what": "batch", "level": "labelled"}
    return {
        **document, "per": "sample", "against": rows, "headline": "4 is the fastest. 4 is 1.90× as fast as 1",
        "runs": [{**run, "number": n, "side": n, "id": f"20260101T000000Z-train-aaaaa{n}"} for n in range(1, 7)],
        "sides": [{**side, "number": n, "label": f"{n} threads", "runs": [n]} for n in range(1, 7)],
        "rows": [figure("step_s", "step (mean)", "s", "speed", values, [1.0] * 6, 4)],
        "causes": [{**cause, "side": side} for side in speeds for cause in document["causes"]],
        "unlike": [{**batch, "side": 2, "text": "another batch: 32 → 64"}, {**batch, "side": 3, "text": "another batch: 32 → 128"}],
    }  # fmt: skip


def test_many_runs_have_a_line_each_and_the_fastest_its_reasons(sweep):
    lines = page(sweep)
    assert (
        sum(line.startswith(f"  {number}  aaaaa{number}  {number} threads") for line in lines for number in range(1, 7))
        == 6
    )
    assert next(line for line in lines if line.startswith("  6  ")).split()[-2:] == ["not", "compared"]
    assert "1.90×" in next(line for line in lines if line.startswith("  4  "))
    assert [line.split("   ")[0] for line in lines if line.startswith("why")] == ["why 4 differs from 1"]


def test_what_is_not_alike_is_said_once_for_many(sweep):
    assert "not alike: another batch: 2: 32 → 64; 3: 32 → 128 (compared per sample)" in page(sweep)


@pytest.mark.parametrize("width", [60, 100])
def test_no_line_of_many_runs_is_wider_than_the_page(sweep, width):
    assert max(width_of(line) for line in page(sweep, width=width)) <= width
