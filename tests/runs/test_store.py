"""Which run a name means, and what may be removed."""

from datetime import timedelta

import pytest

from perfkit.errors import RunNotFound, UsageError
from perfkit.runs.store import Store, parse_age

A, B, C = "20260101T000000Z-train-aaa111", "20260102T000000Z-train-bbb222", "20260103T000000Z-eval-ccc333"


@pytest.fixture
def store(tmp_path, make_run):
    for age, run_id in ((3 * 86400, A), (2 * 86400, B), (3600, C)):
        make_run(tmp_path, run_id, age_s=age)
    return Store(tmp_path)


def test_a_run_answers_to_id_prefix_end_and_path(store):
    for name in (B, "20260102", "bbb", str(store.folder / B), str(store.folder / B / "run.json")):
        assert store.resolve(name) == store.folder / B


def test_latest_is_what_the_file_says_also_when_it_is_not_the_newest(store):
    store.set_latest(A)
    assert store.resolve("latest") == store.resolve(None) == store.folder / A


def test_latest_falls_back_to_the_newest_when_its_run_is_gone(store):
    store.set_latest("20250101T000000Z-gone-000000")
    assert store.resolve() == store.folder / C


def test_an_ambiguous_prefix_names_the_candidates(store):
    with pytest.raises(UsageError, match=f"means 3 runs: {A}, {B}, {C}"):
        store.resolve("2026")


def test_an_unknown_name_says_where_was_looked(store):
    with pytest.raises(RunNotFound, match=r"no run 'zzz' in .*perfkit runs list"):
        store.resolve("zzz")


def test_an_empty_store_says_how_to_make_a_run(tmp_path):
    with pytest.raises(RunNotFound, match="perfkit profile SCRIPT"):
        Store(tmp_path / "nothing").resolve()


def test_entries_come_newest_first_and_an_unreadable_run_is_listed_with_its_problem(store):
    (store.folder / B / "run.json").write_text("{torn")
    entries = store.entries()
    assert {entry.id for entry in entries} == {A, B, C}
    broken = next(entry for entry in entries if entry.id == B)
    assert broken.status == "unreadable" and "run.json" in broken.problem
    assert [e.id for e in entries if e.id != B] == [C, A]


def test_removing_takes_the_run_and_nothing_else(store):
    store.remove(store.folder / B)
    assert store.ids() == [A, C]


def test_nothing_outside_the_store_is_removed(store, tmp_path, make_run):
    elsewhere = make_run(tmp_path / "other", A)
    for path in (elsewhere, store.root, store.folder, store.folder / ".." / "runs"):
        with pytest.raises(UsageError, match="does not lie in"):
            store.remove(path)
    assert elsewhere.exists()


def test_a_link_into_the_store_is_not_followed_when_removing(store, tmp_path, make_run):
    precious = make_run(tmp_path / "other", "20260105T000000Z-precious-ddd444")
    link = store.folder / precious.name
    link.symlink_to(precious)
    with pytest.raises(UsageError, match="does not lie in"):
        store.remove(link)
    assert (precious / "run.json").exists()


def test_a_running_run_is_removed_only_by_force(store, make_run, own_pid):
    path = make_run(store.root, "20260104T000000Z-live-eee555", status="running", pid=own_pid, exit_code=None)
    with pytest.raises(UsageError, match="still running"):
        store.remove(path)
    store.remove(path, force=True)
    assert not path.exists()


def test_keep_spares_the_newest(store):
    assert [entry.id for entry in store.stale(keep=1)] == [B, A]


def test_age_alone_spares_the_young(store):
    assert [entry.id for entry in store.stale(older_than=parse_age("60h"))] == [A]


def test_keep_and_age_together_remove_what_is_both(store):
    assert [entry.id for entry in store.stale(keep=2, older_than=parse_age("1d"))] == [A]


def test_a_running_run_is_never_stale(store, make_run, own_pid):
    live = make_run(store.root, "20250101T000000Z-live-fff666", status="running", pid=own_pid, age_s=9e6)
    assert live.name not in [entry.id for entry in store.stale(keep=0)]


@pytest.mark.parametrize(("text", "hours"), [("7d", 168), ("12h", 12), ("90m", 1.5), ("2w", 336), ("1.5d", 36)])
def test_ages_are_read(text, hours):
    assert parse_age(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "7", "d", "-3d", "7 days", "9" * 30 + "w"])
def test_what_is_no_age_is_said(text):
    with pytest.raises(UsageError):
        parse_age(text)
