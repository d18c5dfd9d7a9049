"""Host operators of a trace in the document: a bounded list that loses no time."""

import pytest

from perfkit.report.sections.device import HOST_OPERATORS, _first


def operators(count):
    return [
        {
            "name": f"aten::op{n}",
            "kind": "operator",
            "module": None,
            "calls_per_step": 2.0,
            "seconds_per_step": 1e-3,
            "share": 0.001,
        }
        for n in range(count)
    ]


def test_what_exceeds_the_list_is_one_row_with_its_sum():
    rows = _first(operators(HOST_OPERATORS + 70))
    assert len(rows) == HOST_OPERATORS + 1
    assert (rows[-1]["name"], rows[-1]["module"]) == ("… 70 more", None)
    assert sum(row["seconds_per_step"] for row in rows) == pytest.approx(1e-3 * (HOST_OPERATORS + 70))
    assert sum(row["share"] for row in rows) == pytest.approx(0.001 * (HOST_OPERATORS + 70))


def test_a_list_that_fits_is_left_alone():
    rows = operators(HOST_OPERATORS + 1)
    assert _first(rows) == rows
