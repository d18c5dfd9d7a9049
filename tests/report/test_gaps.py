"""Every null has its reason, and nothing else has one."""

from perfkit.report.gaps import NOT_A_NUMBER, NOT_RECORDED, Gaps


def test_a_null_takes_the_nearest_reason_above_it():
    gaps = Gaps()
    gaps.note("energy", "no counter")
    gaps.note("steps.p95_s", "too few steps")
    document = {"energy": {"joules_per_step": None}, "steps": {"p95_s": None, "median_s": 1.0}}
    assert gaps.settle(document) == {"energy.joules_per_step": "no counter", "steps.p95_s": "too few steps"}


def test_rows_of_a_list_share_a_path():
    gaps = Gaps()
    gaps.note("hotspots[].flops", "not counted")
    document = {"hotspots": [{"flops": None}, {"flops": 3.0}]}
    assert gaps.settle(document) == {"hotspots[].flops": "not counted"}


def test_a_null_that_nobody_explained_says_so():
    assert Gaps().settle({"a": {"b": None}}) == {"a.b": NOT_RECORDED}


def test_a_reason_for_what_is_there_is_dropped_and_for_an_empty_list_kept():
    gaps = Gaps()
    gaps.note("kernels", "no device")
    gaps.note("hotspots", "no trace")
    assert gaps.settle({"kernels": [], "hotspots": [{"name": "mm"}]}) == {"kernels": "no device"}


def test_a_number_that_is_none_becomes_null():
    document = {"steps": {"median_s": float("nan")}, "rows": [float("inf")]}
    assert Gaps().settle(document) == {"rows[]": NOT_A_NUMBER, "steps.median_s": NOT_A_NUMBER}
    assert document == {"steps": {"median_s": None}, "rows": [None]}
