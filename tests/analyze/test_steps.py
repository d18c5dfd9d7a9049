"""Steps and phases from literal marks: every instant belongs to one phase, and sleeps land where they were planted."""

import numpy as np
import polars as pl
import pytest

from perfkit.analyze.boundaries import cycle_ends
from perfkit.analyze.breakdown import breakdown, headline, overhead, run_breakdown
from perfkit.analyze.intervals import decode, intervals, union
from perfkit.analyze.steps import derive, samples_from
from perfkit.model import marks
from perfkit.model.records import RunInfo
from perfkit.model.tables import STEPS

MS = 1_000_000


class Tape:
    """Writes marks with a clock that only moves when told to; stands in for a recorded rank."""

    rank = 0
    pid = 7

    def __init__(self, start_ms=1000):
        self.now = start_ms * MS
        self.rows = []
        self.notes = []

    def facts_of(self, fact):
        return [note for note in self.notes if note["fact"] == fact]

    @property
    def marks(self):
        return np.array(self.rows, dtype=np.int64).reshape(-1, 4)

    def mark(self, kind, obj=0, a=0, b=0, thread=0):
        self.rows.append((self.now, marks.tag(kind, obj, thread), a, b))

    def span(self, kind, ms, obj=0, enter_a=0, a=0, b=0):
        self.mark(kind, obj, enter_a)
        self.wait(ms)
        self.mark(kind + 1, obj, a, b)

    def wait(self, ms):
        self.now += round(ms * MS)

    def train_step(self, data=3.0, prepare=0.5, forward=4.0, backward=6.0, optimizer=1.0, other=0.5, samples=32):
        self.wait(other)
        self.span(marks.LOADER_ENTER, data, a=samples, b=-1)
        self.wait(prepare)
        self.span(marks.FORWARD_ENTER, forward * 0.75, enter_a=marks.FLAG_GRAD | marks.FLAG_TRAINING, a=samples, b=-1)
        self.wait(forward * 0.25)
        self.span(marks.BACKWARD_ENTER, backward)
        self.span(marks.OPTIMIZER_ENTER, optimizer)

    def evaluate(self, calls=5, each=2.0):
        for _ in range(calls):
            self.span(marks.LOADER_ENTER, each / 2, obj=1, a=64, b=-1)
            self.span(marks.FORWARD_ENTER, each / 2, a=64, b=-1)
        self.span(marks.LOADER_ENTER, 0.1, obj=1, a=-2, b=-2)


def test_the_table_has_the_schemas_columns_in_order():
    tape = Tape()
    tape.train_step()
    assert derive(tape).columns == [column.name for column in STEPS.columns]
    assert derive(Tape()).columns == [column.name for column in STEPS.columns]


def test_each_phase_gets_its_time_and_loss_belongs_to_forward():
    tape = Tape()
    for _ in range(20):
        tape.train_step()
    last = derive(tape).row(-1, named=True)
    told = {k: v for k, v in last.items() if k.endswith("_ns") and k not in ("start_ns", "end_ns")}
    # A loop that its script writes itself has no function and no callbacks to be told of.
    assert [k for k, v in told.items() if v is None] == ["function_ns", "callbacks_ns"]
    got = {k[:-3]: v / MS for k, v in told.items() if v is not None}
    assert got == {
        "wall": 15.0, "duration": 15.0, "data": 3.0, "prepare": 0.5, "forward": 4.0, "backward": 6.0,
        "optimizer": 1.0, "evaluation": 0.0, "checkpoint": 0.0, "logging": 0.0, "perfkit": 0.0, "other": 0.5,
    }  # fmt: skip


def test_what_perfkit_did_after_a_step_is_named_and_not_other():
    tape = Tape()
    for _ in range(20):
        tape.train_step(other=0.5)
        tape.rows[-1] = (*tape.rows[-1][:3], round(0.2 * MS))  # as the guest carries it in the next step's end
    steps = derive(tape)
    assert steps["perfkit_ns"].to_list() == [0] + [0.2 * MS] * 19
    assert steps["other_ns"].to_list()[1:] == [0.3 * MS] * 19
    assert steps["duration_ns"].to_list()[1:] == [15 * MS] * 19


def test_a_call_that_is_a_step_tells_what_perfkit_did_before_it():
    tape = Tape()
    for _ in range(20):
        tape.mark(marks.FORWARD_ENTER, 0, 0, round(0.1 * MS))
        tape.wait(3)
        tape.mark(marks.FORWARD_EXIT, 0, 8, -1)
        tape.wait(1)
    steps = derive(tape)
    assert steps["mode"].unique().to_list() == ["inference"]
    assert steps["perfkit_ns"].to_list()[1:] == [0.1 * MS] * 19


@pytest.mark.parametrize(("gap_us", "optimizer_us"), [(20, 1020), (80, 1000)])
def test_the_way_into_the_optimizer_is_its_own_time_if_short(gap_us, optimizer_us):
    tape = Tape()
    for _ in range(5):
        tape.span(marks.FORWARD_ENTER, 2.0, enter_a=marks.FLAG_GRAD | marks.FLAG_TRAINING)
        tape.span(marks.BACKWARD_ENTER, 3.0)
        tape.wait(gap_us / 1000)
        tape.span(marks.OPTIMIZER_ENTER, 1.0)
    assert derive(tape)["optimizer_ns"].to_list() == [optimizer_us * 1000] * 5


def short_steps(tape, count=160, every=8):
    """As the guest marks steps under a millisecond: one in *every* in full."""
    for number in range(count):
        if number % every == 0:
            tape.train_step(data=0.1, prepare=0.01, forward=0.1, backward=0.2, optimizer=0.05, other=0.01)
            continue
        tape.wait(0.01)
        tape.span(marks.LOADER_ENTER, 0.1, a=32, b=-1)
        tape.wait(0.27)
        tape.span(marks.OPTIMIZER_ENTER, 0.05, a=marks.FLAG_SPARSE)


def test_phases_of_short_steps_are_those_of_the_steps_marked_in_full():
    tape = Tape()
    short_steps(tape)
    steps = derive(tape)
    assert steps["detailed"].to_list() == [n % 8 == 0 for n in range(160)]
    assert steps["forward_ns"].null_count() == steps["micro_steps"].null_count() == 140
    steady = steps.filter(steps["steady"])
    assert headline(steps)["detailed_count"] == steady["detailed"].sum() > 10
    assert headline(steps)["micro_steps"] == 1
    assert steps["samples"].to_list() == [32] * 160
    shares = {row["name"]: row["seconds_per_step"] * 1e6 for row in breakdown(steps)}
    assert sum(shares.values()) == pytest.approx(float(steady["wall_ns"].mean()) / 1e3)
    # Data is known of every step; the other 330 us are divided as the full steps divide their 370.
    assert shares["data"] == pytest.approx(100)
    mean_rest = float((steady["wall_ns"] - steady["data_ns"]).mean()) / 1e3
    assert shares["backward"] == pytest.approx(200 * mean_rest / 370)


def test_without_one_step_in_full_the_phases_stay_undivided():
    tape = Tape()
    short_steps(tape)
    steps = derive(tape).with_columns(steady=pl.lit(value=True)).filter(~pl.col("detailed"))
    assert [row["name"] for row in breakdown(steps)] == ["data", "other"]


def test_evaluations_between_short_steps_are_seen():
    tape = Tape()
    for _ in range(4):
        short_steps(tape, count=40)
        tape.evaluate(calls=5, each=2.0)
    steps = derive(tape)
    assert steps.filter(steps["evaluation_ns"] > 10 * MS)["step"].to_list() == [40, 80, 120]


def test_shares_sum_to_one_and_follow_the_order_of_a_step():
    tape = Tape()
    for n in range(40):
        tape.train_step(data=1 + n % 3)
    found = breakdown(derive(tape))
    assert [row["name"] for row in found] == ["data", "prepare", "forward", "backward", "optimizer", "other"]
    assert sum(row["share"] for row in found) == pytest.approx(1.0)


def test_periodic_evaluation_counts_in_the_mean_but_not_in_the_step():
    tape = Tape()
    for n in range(60):
        tape.train_step()
        if n % 10 == 9:
            tape.evaluate()
    steps = derive(tape)
    assert headline(steps)["median_s"] == pytest.approx(0.015)
    shares = {row["name"]: row["seconds_per_step"] for row in breakdown(steps)}
    assert 0.0008 < shares["evaluation"] < 0.0013
    assert steps["samples"].sum() == 60 * 32


def test_a_window_is_neither_in_the_headline_nor_in_a_phase():
    tape = Tape()
    for n in range(60):
        if n == 20:
            tape.span(marks.WINDOW_START_ENTER, 50, enter_a=0, a=0)
        if n == 25:
            tape.span(marks.WINDOW_STOP_ENTER, 80, enter_a=0, a=0)
        tape.train_step(forward=40 if 20 <= n < 25 else 4)
    steps = derive(tape)
    assert steps["traced"].to_list() == [20 <= n <= 26 for n in range(60)]
    assert headline(steps)["p95_s"] == pytest.approx(0.015)
    assert sum(row["share"] for row in breakdown(steps)) == pytest.approx(1.0)


def test_perfkits_own_cost_is_its_windows_and_not_the_steps_that_only_a_sampler_saw():
    tape = Tape(start_ms=0)
    for n in range(60):
        if n == 20:
            tape.span(marks.WINDOW_START_ENTER, 50)
        if n == 25:
            tape.span(marks.WINDOW_STOP_ENTER, 80)
        tape.train_step(forward=40 if 20 <= n < 25 or n >= 50 else 4)
    tape.notes = [
        {"fact": "window", "start_cost_ns": 50 * MS, "stop_cost_ns": 80 * MS},
        {"fact": "ended", "startup_ns": 20 * MS},
    ]
    sampled = derive(tape, excluded=[(tape.now - 500 * MS, tape.now)])
    info = RunInfo(
        schema_version=1, id="x", command=[], script="s", status="finished", created_utc="",
        started_monotonic_ns=0, ended_monotonic_ns=10_000 * MS,
    )  # fmt: skip
    cost = overhead(tape, sampled, info)
    assert cost["window_s"] == pytest.approx(0.050 + 0.080 + 5 * 0.036)
    assert cost["share"] == pytest.approx((0.020 + cost["window_s"]) / 10)


def test_a_window_that_never_closed_excludes_all_that_follows():
    tape = Tape()
    for n in range(30):
        if n == 20:
            tape.span(marks.WINDOW_START_ENTER, 50)
        tape.train_step()
    assert derive(tape)["traced"].to_list() == [n >= 20 for n in range(30)]


def test_excluded_times_count_as_traced():
    tape = Tape(start_ms=0)
    for _ in range(30):
        tape.train_step()
    steps = derive(tape, excluded=[(100 * MS, 130 * MS)])
    assert steps.filter(steps["traced"])["step"].to_list() == [6, 7, 8, 9]


def test_the_time_a_relay_made_it_wait_is_no_part_of_a_step_and_such_steps_are_not_timed():
    tape = Tape()
    for number in range(20):
        if number == 10:
            began = tape.now
            tape.wait(5000)
            tape.notes.append({"fact": "pause", "from_ns": began, "to_ns": tape.now})
        tape.train_step()
    table = derive(tape)
    assert table["traced"].to_list() == [number in (10, 11) for number in range(len(table))]
    assert table["duration_ns"][10] == table["duration_ns"][9]
    assert table["wall_ns"][10] == table["duration_ns"][9] + 5000 * MS


def test_a_run_that_lies_wholly_in_an_excluded_time_is_still_timed():
    tape = Tape(start_ms=0)
    for n in range(30):
        if n == 20:
            tape.span(marks.WINDOW_START_ENTER, 50)
        tape.train_step()
    steps = derive(tape, excluded=[(0, tape.now)])
    assert steps["traced"].to_list() == [n >= 20 for n in range(30)]
    assert headline(steps)["steady_count"] > 10


def test_batches_fetched_ahead_count_in_the_step_that_uses_them():
    tape = Tape()
    batch = lambda: tape.span(marks.LOADER_ENTER, 1.0, a=8, b=-1)  # noqa: E731
    for _ in range(
        2
    ):  # two epochs of three steps of two micro-steps; the next batch is fetched before this one is used
        tape.span(marks.LOADER_START_ENTER, 0.5)
        batch()
        for micro in range(6):
            if micro < 5:
                batch()
            tape.span(marks.FORWARD_ENTER, 2.0, enter_a=marks.FLAG_GRAD | marks.FLAG_TRAINING, a=8, b=-1)
            tape.span(marks.BACKWARD_ENTER, 3.0)
            if micro % 2:
                tape.span(marks.OPTIMIZER_ENTER, 1.0)
    assert derive(tape)["samples"].to_list() == [16] * 6


def test_clipping_gradients_is_part_of_the_optimizers_time():
    tape = Tape()
    for _ in range(10):
        tape.span(marks.FORWARD_ENTER, 2.0, enter_a=marks.FLAG_GRAD | marks.FLAG_TRAINING)
        tape.span(marks.BACKWARD_ENTER, 3.0)
        tape.span(marks.CLIP_ENTER, 0.5)
        tape.span(marks.OPTIMIZER_ENTER, 1.0)
    last = derive(tape).row(-1, named=True)
    assert (last["optimizer_ns"], last["other_ns"]) == (1.5 * MS, 0)


def test_an_exception_in_a_step_loses_that_step_only():
    tape = Tape()
    for n in range(20):
        if n == 7:  # the optimizer raised: its hook never said that it ended
            tape.mark(marks.OPTIMIZER_ENTER)
            tape.wait(1)
        tape.train_step()
    assert len(derive(tape)) == 20


def test_the_thread_that_steps_is_the_one_that_counts():
    tape = Tape()
    for _ in range(10):
        tape.mark(marks.LOG_ENTER, thread=5)
        tape.train_step()
        tape.mark(marks.LOG_EXIT, thread=5)
    steps = derive(tape)
    assert steps["logging_ns"].sum() == 0
    assert len(steps) == 10


def test_without_marks_there_is_nothing_and_it_is_said_so():
    steps = derive(Tape())
    assert len(steps) == 0
    assert headline(steps)["median_s"] is None
    assert breakdown(steps) == []


@pytest.mark.parametrize(
    ("objects", "ends"),
    [
        ("AAAA", [0, 1, 2, 3]),
        ("ABABAB", [1, 3, 5]),
        ("AAAAABAAAAAB", [5, 11]),
        ("ABCABCAB", [2, 5]),
        ("AB", [0, 1]),
    ],
)
def test_the_cycle_of_several_optimizers(objects, ends):
    assert cycle_ends(np.array([ord(c) for c in objects])).tolist() == ends


def test_the_run_is_divided_without_gap_or_overlap():
    tape = Tape(start_ms=5000)
    for n in range(30):
        tape.train_step()
        if n == 14:
            tape.span(marks.SAVE_ENTER, 20)
    tape.evaluate(calls=10)
    tape.wait(100)
    info = RunInfo(
        schema_version=1, id="x", command=[], script="s", status="finished", created_utc="",
        started_monotonic_ns=1000 * MS, ended_monotonic_ns=tape.now,
    )  # fmt: skip
    guests = [{"pid": 7, "armed": [], "import_ns": [1500 * MS, 2500 * MS]}]
    parts = {row["name"]: row["seconds"] for row in run_breakdown(info, [tape], derive(tape), guests)}
    assert sum(parts.values()) == pytest.approx((tape.now - 1000 * MS) / 1e9)
    assert parts["imports"] == pytest.approx(1.5)
    assert parts["preparation"] == pytest.approx(2.5, abs=0.01)
    assert parts["checkpoint"] == pytest.approx(0.02)
    assert parts["evaluation"] == pytest.approx(0.0201, abs=1e-4)
    assert parts["teardown"] == pytest.approx(0.1, abs=0.001)


def test_overlapping_intervals_merge():
    starts, ends = union(np.array([0, 5, 20]), np.array([10, 12, 30]))
    assert (starts.tolist(), ends.tolist()) == ([0, 20], [12, 30])


def test_nested_marks_of_one_kind_are_one_interval():
    tape = Tape()
    tape.mark(marks.SAVE_ENTER)
    tape.span(marks.SAVE_ENTER, 3)
    tape.mark(marks.SAVE_EXIT)
    assert len(intervals(decode(tape.marks), marks.SAVE_ENTER)) == 1


def test_the_document_can_say_where_the_samples_were_counted():
    with_loader, without, neither = Tape(), Tape(), Tape()
    for _ in range(10):
        with_loader.train_step()
        without.span(marks.FORWARD_ENTER, 2.0, enter_a=marks.FLAG_GRAD | marks.FLAG_TRAINING, a=35, b=-1)
        neither.span(marks.FORWARD_ENTER, 2.0, enter_a=marks.FLAG_GRAD | marks.FLAG_TRAINING, a=-1, b=-1)
        for tape in (without, neither):
            tape.span(marks.BACKWARD_ENTER, 3.0)
            tape.span(marks.OPTIMIZER_ENTER, 1.0)
    assert samples_from(with_loader).startswith("the DataLoader's batches")
    assert "sequence-first" in samples_from(without)
    assert samples_from(neither) is None
