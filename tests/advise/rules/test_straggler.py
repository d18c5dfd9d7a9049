"""The straggler rule, judged by literal evidence."""

import polars as pl
import pytest

CPU = {"devices": {"cpu": 1000}}
PHASES = ("wall", "data", "prepare", "forward", "backward", "other")


def steps(rank, **ms):
    """Ten steady steps with phases of so many ms."""
    times = {f"{name}_ns": [int(ms.get(name, 0.0) * 1e6)] * 10 for name in PHASES}
    wall = int(sum(ms.values()) * 1e6)
    return pl.DataFrame({**times, "wall_ns": [wall] * 10, "rank": [rank] * 10, "steady": [True] * 10})


FAST, SLOW = steps(0, data=3.0, forward=0.3, backward=11.2), steps(1, data=11.7, forward=0.3, backward=2.5)


def test_it_speaks_of_the_rank_that_the_others_wait_for(ask):
    """The phases are those of two ranks whose second one read 0.5 ms more per sample; cured, 37 % less time."""
    said = ask("straggler", rank_steps={"rank-00000": FAST, "rank-00001": SLOW}, model=CPU)
    assert said.title == "Rank 1 holds up the others"
    assert said.evidence["most of it in"] == "data, 11.7 ms"
    assert said.saves.low < 0.37 < said.saves.high
    assert said.saves.high - said.saves.low < 0.25


@pytest.mark.parametrize(
    "other",
    [steps(1, data=3.1, forward=0.3, backward=11.1), steps(1, data=11.7, forward=0.3, backward=11.2)],
    ids=["balanced", "of another length, so not waiting"],
)
def test_it_is_silent_where_no_rank_waits_for_another(ask, other):
    assert ask("straggler", rank_steps={"rank-00000": FAST, "rank-00001": other}, model=CPU) is None


def test_it_is_silent_with_one_rank_however_often_it_was_started(ask):
    assert ask("straggler", rank_steps={"rank-00000": FAST}, model=CPU) is None
    again = {"rank-00000": FAST, "rank-00000.1": steps(0, data=11.7, forward=0.3, backward=2.5)}
    assert ask("straggler", rank_steps=again, model=CPU) is None


def test_it_is_silent_on_gpus(ask):
    given = {"rank-00000": FAST, "rank-00001": SLOW}
    assert ask("straggler", rank_steps=given, model={"devices": {"cuda:0": 1}}) is None
