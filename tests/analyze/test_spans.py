import numpy as np
import pytest

from perfkit.analyze.spans import own_parts, union


def ints(*values):
    return np.array(values, np.int64)


def test_overlapping_and_touching_intervals_become_one_span():
    spans = union(ints(5, 0, 10, 30), ints(12, 6, 20, 31))
    assert spans.starts.tolist() == [0, 30]
    assert spans.ends.tolist() == [20, 31]
    assert spans.total == 21


def test_gaps_are_what_the_spans_leave_open():
    gaps = union(ints(10, 30), ints(20, 40)).gaps(0, 100)
    assert list(zip(gaps.starts.tolist(), gaps.ends.tolist(), strict=True)) == [(0, 10), (20, 30), (40, 100)]
    assert union(ints(), ints()).gaps(3, 7).total == 4


def test_cover_of_an_interval_counts_each_moment_once():
    spans = union(ints(0, 10), ints(5, 20))
    assert spans.covered(ints(0, 3, 15, 50), ints(100, 12, 16, 60)).tolist() == [15, 4, 1, 0]


def test_own_parts_are_disjoint_and_together_the_union():
    random = np.random.default_rng(0)
    starts = random.integers(0, 1000, 300)
    ends = starts + random.integers(0, 30, 300)
    own_starts, own_ends = own_parts(starts, ends)
    assert (own_ends - own_starts).sum() == union(starts, ends).total
    assert (own_starts >= starts).all()


@pytest.mark.parametrize(("moment", "inside"), [(0, True), (5, True), (6, False), (-1, False)])
def test_a_span_contains_its_ends(moment, inside):
    assert union(ints(0), ints(5)).contains(ints(moment)).tolist() == [inside]
