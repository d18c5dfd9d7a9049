"""The pace of a record, the expected end, what the script says, how memory grows: small parts, literal figures."""

import json

import pytest

from perfkit.monitor.history import History
from perfkit.monitor.live.feed import Feed
from perfkit.monitor.live.growth import slope
from perfkit.monitor.live.pace import LONGEST_S, SHORTEST_S, Pace
from perfkit.monitor.live.progress import Progress
from perfkit.monitor.live.samples import Samples
from perfkit.monitor.live.script_logs import Said, ScriptLogs
from perfkit.monitor.live.steps import Step
from perfkit.monitor.live.tail import Bytes, Lines
from perfkit.monitor.pipeline import Pipeline

S = 1_000_000_000


# -- the pace


def test_a_record_gets_many_points_at_first_and_two_a_second_in_the_long_run():
    pace = Pace(0.0)
    counts = [pace.points(float(second)) for second in range(1, 100_000)]
    assert counts[0] == 202
    assert sum(counts) < 20_000 + 2.5 * 100_000
    assert counts[-1] in (2, 3)


def test_a_look_that_costs_much_makes_the_next_one_later():
    pace = Pace(0.0)
    pace.cost(1.0, 0.0001)
    assert (pace.due(1.0 + SHORTEST_S - 0.01), pace.due(1.0 + SHORTEST_S)) == (False, True)
    pace.cost(1.0, 0.010)
    assert (pace.due(1.49), pace.due(1.51)) == (False, True)
    pace.cost(1.0, 10.0)
    assert pace.due(1.0 + LONGEST_S)


def test_points_that_cost_much_become_fewer():
    pace = Pace(0.0)
    assert pace.points(1.0) == 202
    pace.cost(1.0, 5.0)  # the first look imports, and counts for nothing
    assert pace.points(2.0) == 200
    pace.cost(2.0, 200 * 0.001)
    assert pace.points(3.0) == 20
    pace.cost(3.0, 20 * 0.003)
    assert pace.points(4.0) == 10


# -- the expected end


def test_the_expected_end_follows_from_the_epochs_asked_and_the_length_of_one():
    progress = Progress(total_epochs=4)
    assert progress.expected(0, 0).why_not == "the length of an epoch is not known before one is over"
    for number in range(1, 11):
        progress.step(number, number * S)
    progress.epochs([], 25)
    expected = progress.expected(10 * S, 1000 * S)
    assert (expected.steps, expected.end_ns) == (100, 1090 * S)
    progress.epochs([], 25, 5.0)  # of five batches each
    assert progress.expected(10 * S, 1000 * S).steps == 20
    progress.epochs([20, 20], 25)
    assert progress.expected(12 * S, 1000 * S).end_ns == (1000 + 70 - 2) * S


def test_without_a_length_the_end_is_not_known_and_why_is_said():
    progress = Progress()
    progress.step(1, S)
    assert progress.expected(S, S).end_ns is None
    assert "--epochs" in progress.expected(S, S).why_not
    known = Progress(total_steps=5)
    known.step(1, S)
    assert known.expected(S, S).why_not == "no two steps have ended yet"


# -- what is told


def step(number, end_s, epoch=1, **more):
    return Step(number=number, end_ns=round(end_s * S), duration_ns=S // 2, wall_ns=S, epoch=epoch, **more)


@pytest.fixture
def feed(tmp_path):
    made = Feed(Pipeline(tmp_path))
    made._offset_ns = 0
    return made


def test_steps_that_share_a_point_give_their_means_and_an_epochs_end_ends_one(feed):
    steps = [step(n, n, epoch=1 if n <= 4 else 2, loss=float(n), samples=10, learning_rate=0.1) for n in range(1, 9)]
    feed.tell(steps, [], 2)
    history = feed._pipeline.history
    assert history["train/loss"].tolist() == [2.5, 6.5]
    assert history.series("train/loss").steps.tolist() == [4, 8]
    assert history["perf/step_time_s"].tolist() == [0.5, 0.5]
    assert history["perf/samples_per_s"].tolist() == [20.0, 20.0]
    assert history["train/learning_rate"].tolist() == [0.1]  # told where it changes


def test_a_loss_that_is_no_number_is_not_hidden_by_its_neighbours(feed):
    feed.tell([step(n, n, loss=float("nan") if n == 3 else 1.0) for n in range(1, 9)], [], 1)
    assert feed._pipeline.history["train/loss"][0] != feed._pipeline.history["train/loss"][0]


def test_what_is_printed_between_two_looks_belongs_to_the_epoch_that_ended_between_them(feed):
    steps = [step(n, n, epoch=1 if n <= 4 else 2, loss=1.0) for n in range(1, 9)]
    said = [Said(since_ns=3 * S, at_ns=6 * S, values={"val/loss": 0.5, "train/loss": 9.0})]
    feed.tell(steps, said, 100)
    series = feed._pipeline.history.series("val/loss")
    assert (series.values.tolist(), series.steps.tolist(), series.epochs.tolist()) == ([0.5], [4], [1])
    assert 9.0 not in feed._pipeline.history["train/loss"]  # measured: what is printed of it is another figure


def test_of_lines_that_come_together_none_is_lost_unless_there_are_too_many(feed):
    said = [Said(since_ns=0, at_ns=S, values={name: float(n)}) for n in range(1, 4) for name in ("val/loss", "val/auc")]
    feed.tell([], said, 100)
    assert feed._pipeline.history["val/loss"].tolist() == [1.0, 2.0, 3.0]
    assert feed._pipeline.history["val/auc"].tolist() == [1.0, 2.0, 3.0]
    feed.tell([], [Said(since_ns=0, at_ns=S, values={"val/f1": float(n)}) for n in range(101)], 3)
    assert feed._pipeline.history["val/f1"].tolist() == [0.0, 50.0, 100.0]


def test_a_script_without_steps_has_the_series_that_it_prints(feed):
    feed.tell([], [Said(since_ns=0, at_ns=S, values={"train/loss": 2.0}, step=7, epoch=3)], 5)
    series = feed._pipeline.history.series("loss")
    assert (series.values.tolist(), series.steps.tolist(), series.epochs.tolist()) == ([2.0], [7], [3])


# -- what the script says


class Written:
    def __init__(self):
        self.pieces = []

    def read(self):
        return self.pieces.pop(0) if self.pieces else b""


def test_lines_cut_anywhere_are_read_whole_and_perfkits_own_are_left_out():
    source = Written()
    logs = ScriptLogs([source])
    source.pieces = [b"Epoch 3/20 val_lo", b"ss=0.25\nperfkit: FIRING val_loss=9\n", b"val_loss=0.2"]
    found = []
    for _ in range(3):
        logs.collect()
        found += logs.take()
    assert [said.values["val/loss"] for said in found] == [0.25]
    assert logs.total_epochs == 20
    assert [said.values["val/loss"] for said in logs.take(last=True)] == [0.2]


def test_a_file_is_followed_when_it_is_cut_or_replaced(tmp_path):
    path = tmp_path / "train.log"
    path.write_bytes(b"before\n")
    log = Bytes(path)
    assert log.read() == b""
    with path.open("ab") as file:
        file.write(b"one\n")
    assert log.read() == b"one\n"
    path.rename(tmp_path / "train.log.1")
    assert log.read() == b""
    path.write_bytes(b"two\n")
    assert log.read() == b"two\n"
    path.write_bytes(b"3\n")
    assert log.read() == b"3\n"
    assert Bytes(tmp_path / "none").read() == b""


# -- samples


def test_samples_become_memory_cores_and_devices(tmp_path):
    def write(name, *lines):
        with (tmp_path / name).open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    samples = Samples(tmp_path)
    assert samples.take() == {}
    write("host.jsonl", {"t": 0, "rss": 100, "cpu": 0, "wr": 0}, {"t": S, "rss": 120, "cpu": S, "wr": 10})
    assert samples.take() == {"system/host_memory_bytes": 120.0}
    assert not samples.saving
    write("host.jsonl", {"t": 3 * S, "rss": 300, "pss": 200, "cpu": 4 * S, "wr": 5_000_000})
    write("nvml.jsonl", {"t": S, "d": [{"i": 0, "gpu": 50, "power": 100_000}, {"i": 1, "gpu": 100, "power": 50_000}]})
    assert samples.take() == {
        "system/host_memory_bytes": 200.0, "system/cpu_cores": 1.5, "system/device_busy_ratio": 0.75, "system/device_power_w": 150.0,
    }  # fmt: skip
    assert samples.saving


def test_the_sample_of_a_process_that_is_exiting_is_no_memory_of_the_run(tmp_path):
    file = tmp_path / "host.jsonl"
    file.write_text(
        json.dumps({"t": 1 * S, "n": 1, "cpu": 1 * S, "rss": 100}) + "\n"
        + json.dumps({"t": 2 * S, "n": 1, "cpu": 2 * S, "rss": 0}) + "\n"
    )  # fmt: skip
    assert Samples(tmp_path).take()["system/host_memory_bytes"] == 100


def test_a_torn_line_is_left_until_it_is_whole(tmp_path):
    path = tmp_path / "lines.jsonl"
    lines = Lines(path)
    path.write_text('{"a": 1}\nnonsense\n{"b"')
    assert lines.read() == [{"a": 1}]
    with path.open("a") as file:
        file.write(": 2}\n")
    assert lines.read() == [{"b": 2}]


# -- memory


def test_how_memory_grows_is_told_with_an_interval():
    history = History()
    for number in range(200):
        noise = (number * 7919 % 13 - 6) * 4096
        held = 300e6 + 1e6 * number * 10 / 1000 + noise
        history.add({"system/host_memory_bytes": held}, step=number * 10, time_ns=number)
    found = slope(history)
    assert found.low < 1000 < found.high
    assert found.high - found.low < 100
    assert (found.since_step, found.until_step) == (500, 1990)
    assert slope(History()) is None
