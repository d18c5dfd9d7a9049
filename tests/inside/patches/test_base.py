"""What every fix does alike: it is proven, gives its reasons once, takes itself off when it breaks, and never raises."""

import json

import pytest

from perfkit.inside import patches
from perfkit.inside.patches.base import MOST_REASONS, Patch
from perfkit.inside.replace import replace
from perfkit.runs.fixes import fixes
from perfkit.runs.reader import Run


class Session:
    """As much of a session as a fix needs."""

    def __init__(self):
        self.facts, self.undo, self.patches, self.broken = [], [], [], []

    def fact(self, kind, **values):
        self.facts.append({"fact": kind, **values})

    def broke(self, probe, error):
        self.broken.append((probe, error))


class Owner:
    def inherited(self):
        return "plain"


class Heir(Owner):
    pass


class Doubling(Patch):
    name = "doubling"
    idle = "nothing was doubled"

    def place(self):
        self.replace(Heir, "inherited", lambda original: lambda heir: original(heir) * (2 if self.active else 1))
        if self.parameters.get("breaks"):
            raise ValueError("as asked")


@pytest.fixture
def session():
    return Session()


def test_a_fix_is_taken_off_as_it_was_put_on(session):
    patch = Doubling(session, None, None, {})
    assert patch.arm()
    assert Heir().inherited() == "plainplain"
    patch.off()
    assert Heir().inherited() == "plain"
    patch.on()
    assert Heir().inherited() == "plainplain"
    patch.disarm()
    assert Heir().inherited() == "plain"
    assert "inherited" not in vars(Heir)
    patch.disarm()  # twice does no harm


def test_the_end_of_the_session_takes_it_off_in_the_order_of_all_probes(session):
    patch = Doubling(session, None, None, {})
    patch.arm()
    session.undo.append(("probe", replace(Heir, "inherited", lambda original: lambda heir: original(heir) + "!")))
    while session.undo:
        session.undo.pop()[1]()
    assert "inherited" not in vars(Heir)
    assert not patch.active


def test_below_somebody_elses_replacement_it_stays_and_does_nothing(session):
    patch = Doubling(session, None, None, {})
    patch.arm()
    theirs = replace(Heir, "inherited", lambda original: lambda heir: original(heir) + "!")
    patch.disarm()
    assert Heir().inherited() == "plain!"
    theirs()
    del Heir.inherited


def test_a_fix_that_breaks_as_it_is_put_on_leaves_nothing_and_says_why(session):
    patch = Doubling(session, None, None, {"breaks": True})
    assert not patch.arm()
    assert "inherited" not in vars(Heir)
    patch.finish()
    assert [fact["state"] for fact in session.facts] == ["failed", "failed"]
    assert session.facts[-1]["reason"] == "ValueError: as asked"


def test_it_is_said_once_that_it_acted_and_at_the_end_how_often(session):
    patch = Doubling(session, None, None, {"by": 2})
    patch.arm()
    for _ in range(3):
        patch.applied(size=7)
    patch.finish()
    first, last = session.facts
    assert (first["state"], first["parameters"], first["size"]) == ("applied", {"by": 2}, 7)
    assert (last["count"], last["final"], last["reason"], last["size"]) == (3, True, None, 7)


def test_reasons_are_given_once_each_and_not_without_end(session):
    patch = Doubling(session, None, None, {})
    for number in range(2 * MOST_REASONS):
        patch.not_applicable(f"reason {number % (MOST_REASONS + 2)}")
    patch.finish()
    assert len(session.facts) == MOST_REASONS + 1
    assert session.facts[-1]["state"] == "not-applicable"


def test_one_that_never_acted_says_what_it_waited_for(session):
    patch = Doubling(session, None, None, {})
    patch.arm()
    patch.finish()
    assert session.facts[-1]["reason"] == "nothing was doubled"
    patch.disarm()


def test_a_fix_that_cannot_be_made_is_a_fact_and_no_error(session):
    assert patches.arm(session, "torch", None, [{"name": "no-such"}, {"name": "nothing"}]) == ["fix nothing"]
    assert [(fact["name"], fact["state"]) for fact in session.facts] == [("no-such", "failed"), ("nothing", "applied")]


def test_a_fix_of_another_framework_waits_for_that(session):
    assert patches.arm(session, "keras", None, [{"name": "nothing"}]) == []
    assert session.facts == []


class TestReadBack:
    def make(self, tmp_path, *ranks):
        (tmp_path / "fixes.json").write_text(json.dumps([{"name": "threads", "parameters": {"num_threads": 2}}]))
        for number, lines in enumerate(ranks):
            folder = tmp_path / f"rank-{number:05d}"
            folder.mkdir()
            facts = [{"fact": "fix", "name": "threads", **line} for line in lines]
            (folder / "facts.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts))
        (row,) = fixes(Run(tmp_path))
        return row

    def test_of_a_process_that_was_killed_the_first_word_counts(self, tmp_path):
        row = self.make(tmp_path, [{"state": "applied", "was": 1}])
        assert (row["state"], row["count"], row["detail"]) == ("applied", 1, {"was": 1})

    def test_the_last_word_counts(self, tmp_path):
        early = {"state": "not-applicable", "reason": "not yet"}
        row = self.make(tmp_path, [early, {"state": "applied"}, {"state": "applied", "reason": None, "count": 5}])
        assert (row["state"], row["reason"], row["count"]) == ("applied", None, 5)

    def test_of_several_ranks_the_worst_counts(self, tmp_path):
        row = self.make(tmp_path, [{"state": "applied", "count": 1}], [{"state": "failed", "reason": "no", "count": 0}])
        assert (row["state"], row["reason"], row["count"]) == ("failed", "no", 1)

    def test_where_nobody_said_anything_it_is_unknown(self, tmp_path):
        row = self.make(tmp_path)
        assert row["state"] is None
        assert row["reason"]

    def test_a_plain_run_has_none(self, tmp_path):
        assert fixes(Run(tmp_path)) == []
