"""The rules on scripts of pandas and scikit-learn, judged by literal evidence."""

import pytest


def stage(name, seconds, *, whole=20.0, depth=0, kind="fit", cpu=None, **more):
    sizes = {"rows": 10_000, "columns": 30, "rows_out": None, "bytes": 2_400_000, "dtype": "float64", "n_jobs": None}
    return {
        "name": name, "kind": kind, "depth": depth, "calls": 1, "seconds": seconds, "share": seconds / whole,
        "cpu_seconds": seconds if cpu is None and not depth else cpu, "repeated_seconds": 0.0, **sizes, **more,
    }  # fmt: skip


FOREST = [stage("Pipeline.fit", 10.2), stage("RandomForestClassifier.fit", 10.0, depth=1)]


def test_a_forest_on_one_of_four_cores_could_use_them_all(ask):
    said = ask("n_jobs", stages=FOREST, cores=4, others_cores=0.1)
    assert said.title == "Let RandomForestClassifier use all cores"
    assert said.basis == "run"
    # 10 of 20 s; at best a quarter of them stays.
    assert said.saves.high == pytest.approx(0.5 * 0.75)
    assert 0.1 < said.saves.low < said.saves.high


@pytest.mark.parametrize(
    ("stages", "cores", "others"),
    [
        (FOREST, 1, 0.0),
        (FOREST, 2, 1.5),  # others have them
        ([stage("Pipeline.fit", 10.2, cpu=35.0), *FOREST[1:]], 4, 0.0),  # it does already
        ([stage("RandomForestClassifier.fit", 10.0, n_jobs=4)], 4, 0.0),
        ([stage("LogisticRegression.fit", 10.0)], 4, 0.0),  # its work does not divide
        ([stage("RandomForestClassifier.fit", 0.5)], 4, 0.0),
    ],
)
def test_n_jobs_is_silent_where_it_is_of_no_use(ask, stages, cores, others):
    assert ask("n_jobs", stages=stages, cores=cores, others_cores=others) is None


def test_of_a_search_and_the_forest_in_it_the_search_is_divided(ask):
    search = [stage("GridSearchCV.fit", 10.0), stage("RandomForestClassifier.fit", 9.9, depth=1)]
    assert ask("n_jobs", stages=search, cores=4, others_cores=0.0).how == "GridSearchCV(..., n_jobs=-1)"


def test_what_was_transformed_before_could_have_been_kept(ask):
    again = stage("StandardScaler.transform", 6.0, kind="transform", calls=3, repeated_seconds=4.0)
    said = ask("repeated_stage", stages=[again])
    assert said.saves.high == pytest.approx(0.2)
    assert "StandardScaler.transform" in said.title
    assert ask("repeated_stage", stages=[{**again, "repeated_seconds": 0.0}]) is None
    assert ask("repeated_stage", stages=[{**again, "kind": "fit"}]) is None  # fitting again may be meant


def line(function, rows_share, **changes):
    return {
        "function": function, "file": "/home/a/features.py", "line": 12, "role": "main", "window": "startup", "share": 0.5,
        "self_share": rows_share, "rows_share": rows_share, "samples": 100, **changes,
    }  # fmt: skip


RUN = [{"name": "script", "seconds": 8.0, "share": 0.8}, {"name": "imports", "seconds": 2.0, "share": 0.2}]


def test_a_table_that_is_gone_through_by_rows_is_told_with_the_line(ask):
    said = ask("row_wise", hot_lines=[line("<lambda>", 0.4), line("main", 0.0)], run_breakdown=RUN)
    assert said.evidence["at"] == "<lambda> (features.py:12)"
    assert 0.2 < said.saves.low < said.saves.high <= 0.48
    assert ask("row_wise", hot_lines=[line("<lambda>", 0.02)], run_breakdown=RUN) is None
    assert ask("row_wise", hot_lines=[line("main", 0.0, self_share=0.9)], run_breakdown=RUN) is None


def test_float64_tables_of_methods_that_keep_float32_are_told(ask):
    said = ask("table_precision", stages=[stage("PCA.fit_transform", 8.0, kind="transform")])
    assert (said.saves.low, said.saves.high) == pytest.approx((0.04, 0.2))
    assert ask("table_precision", stages=[stage("PCA.fit", 8.0, dtype="float32")]) is None
    assert ask("table_precision", stages=[stage("RandomForestClassifier.fit", 8.0)]) is None  # converts by itself


def test_a_stage_within_another_is_not_counted_twice(ask):
    nested = [stage("Ridge.fit", 8.0), stage("LinearRegression.fit", 7.0, depth=1)]
    assert ask("table_precision", stages=nested).saves.high == pytest.approx(0.2)
