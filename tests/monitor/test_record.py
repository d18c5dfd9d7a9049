"""The record: whole after a kill, tolerant of what is torn."""

import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from perfkit.model.monitoring import Alert, Event, Point, Status
from perfkit.monitor import record
from perfkit.runs import layout


def point(value, step):
    return Point(values={"train/loss": value}, time_ns=time.time_ns(), monotonic_ns=time.monotonic_ns(), step=step)


def event(message):
    return Event(kind="note", severity="info", metric="", source="test", message=message, time_ns=1, monotonic_ns=2)


def test_what_is_written_is_read_again(tmp_path):
    writer = record.Writer(tmp_path)
    writer.card({"layers": 3}, time_ns=1, monotonic_ns=1)
    writer.point(point(2.5, 1))
    writer.point(point(float("nan"), 2))
    writer.write(event("hello"))
    writer.write(Status(state="running", time_ns=1, monotonic_ns=1, pid=7, step=2))
    writer.close()
    found = record.read(tmp_path)
    assert found.cards == [{"layers": 3}]
    assert found.history["loss"][0] == 2.5
    assert math.isnan(found.history["loss"][1])
    assert found.events == [event("hello")]
    assert found.statuses[-1].pid == 7
    assert found.damaged == 0


def test_a_torn_line_is_passed_over_and_the_next_writer_begins_a_new_one(tmp_path):
    writer = record.Writer(tmp_path)
    writer.point(point(1.0, 1))
    writer.close()
    with (tmp_path / layout.MONITOR).open("ab") as file:
        file.write(b'{"k":"point","t":1')
    again = record.Writer(tmp_path)
    again.point(point(2.0, 2))
    again.close()
    found = record.read(tmp_path)
    assert found.history["loss"].tolist() == [1.0, 2.0]
    assert found.damaged == 1


def test_a_process_killed_while_it_writes_loses_at_most_its_last_line(tmp_path):
    code = (
        "import pathlib, sys, time\n"
        "from perfkit.model.monitoring import Point\n"
        "from perfkit.monitor.record import Writer\n"
        "writer = Writer(pathlib.Path(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "for n in range(10**9):\n"
        "    writer.point(Point(values={'train/loss': float(n)}, time_ns=1, monotonic_ns=1, step=n))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    steps = record.read(tmp_path).history.series("loss").steps.tolist()
    assert len(steps) > 10
    assert steps == list(range(len(steps)))


def test_a_full_disk_costs_lines_and_is_told(tmp_path):
    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    code = (
        "import pathlib, sys\n"
        "from perfkit.model.monitoring import Point\n"
        "from perfkit.monitor.record import Writer\n"
        "writer = Writer(pathlib.Path(sys.argv[1]))\n"
        "for n in range(100):\n"
        "    writer.point(Point(values={'train/loss': float(n)}, time_ns=1, monotonic_ns=1, step=n))\n"
        "print(writer.lost, writer.failure)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], preexec_fn=limited, capture_output=True, text=True, check=True
    )
    lost = int(done.stdout.split()[0])
    kept = len(record.read(tmp_path).history["loss"])
    assert "File too large" in done.stdout
    assert lost > 0
    assert kept + lost == 100


def test_a_growing_record_is_followed(tmp_path):
    writer, found = record.Writer(tmp_path), record.Recorded()
    writer.point(point(1.0, 1))
    offset = record.follow(tmp_path, found, 0)
    os.write(writer._fd, b'{"k":"point","t":1,"m":1,"s":2')
    offset = record.follow(tmp_path, found, offset)
    os.write(writer._fd, b',"v":{"train/loss":3.0}}\n')
    record.follow(tmp_path, found, offset)
    writer.close()
    assert found.history["loss"].tolist() == [1.0, 3.0]


FOLLOW = """
import pathlib, resource, sys
from perfkit.monitor import record
run = pathlib.Path(sys.argv[1])
small = pathlib.Path(sys.argv[2])
record.read(small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = record.read(run)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(found.history), found.damaged)
"""


def peak_growth_kib(run, small):
    """By how much the peak of memory grew in a process that read *run* after *small*."""
    command = [sys.executable, "-c", FOLLOW, str(run), str(small)]
    return [int(word) for word in subprocess.check_output(command, text=True).split()]


def test_reading_takes_memory_for_what_it_finds_and_not_for_the_file(tmp_path):
    large, small = tmp_path / "large", tmp_path / "small"
    for run, lines in ((small, 1), (large, 20_000)):
        run.mkdir()
        with (run / layout.MONITOR).open("wb") as file:
            for _ in range(lines):
                file.write(b'{"k":"of a newer perfkit","t":1,"m":1,"x":"' + b"x" * 5000 + b'"}\n')
    assert (large / layout.MONITOR).stat().st_size > 100_000_000
    growth_kib, metrics, damaged = peak_growth_kib(large, small)
    assert growth_kib < 5_000
    assert (metrics, damaged) == (0, 0)


def test_many_points_take_little_more_than_their_arrays(tmp_path):
    large, small = tmp_path / "large", tmp_path / "small"
    for run, lines in ((small, 1), (large, 200_000)):
        run.mkdir()
        with (run / layout.MONITOR).open("w") as file:
            file.writelines(
                f'{{"k":"point","t":{n},"m":{n},"s":{n},"v":{{"train/loss":{n / 7}}}}}\n' for n in range(lines)
            )
    growth_kib, metrics, damaged = peak_growth_kib(large, small)
    assert growth_kib < 3 * 200_000 * 32 / 1024  # four numbers of 8 bytes each, and what growing arrays need
    assert (metrics, damaged) == (1, 0)


def test_a_point_costs_little(tmp_path):
    writer = record.Writer(tmp_path)
    points = [point(1 / (n + 1), n) for n in range(1000)]
    costs = []
    for _ in range(20):
        began = time.thread_time()
        for one in points:
            writer.point(one)
        costs.append((time.thread_time() - began) / len(points))
    writer.close()
    assert min(costs) < 20e-6
    assert len(record.read(tmp_path).history["loss"]) == 20_000


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # it is what is tested
def test_a_forked_process_neither_writes_into_the_record_nor_closes_it(tmp_path):
    writer = record.Writer(tmp_path)
    writer.point(point(1.0, 1))
    writer._lock.acquire()  # as by another thread, in the middle of a line
    child = os.fork()
    if not child:
        writer.point(point(9.0, 9))
        writer.write(event("of the worker"))
        writer.close()
        os._exit(writer.lost if writer.failure else 0)
    writer._lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    writer.point(point(2.0, 2))
    writer.close()
    found = record.read(tmp_path)
    assert found.history["loss"].tolist() == [1.0, 2.0]
    assert found.events == []
    assert writer.lost == 0


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"[]", b"1", b"\xff\xfe", b'{"k":"point"}', b'{"k":"point","t":1,"m":1,"v":{"a":"high"}}', b'{"k":1,"t":1,"m":1}',
        b'{"k":"point","t":1,"m":1,"v":[1]}', b'{"k":"event","t":1,"m":1,"is":{}}', b'{"k":"card","t":1,"m":1}',
        b'{"k":"alert","t":1,"m":1}', b"\0" * 100, b'{"k":"card","t":1,"m":1,"facts":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)  # fmt: skip
def test_a_damaged_line_costs_itself_alone(tmp_path, line):
    writer = record.Writer(tmp_path)
    writer.point(point(1.0, 1))
    os.write(writer._fd, line + b"\n")
    writer.point(point(2.0, 2))
    writer.close()
    found = record.read(tmp_path)
    assert found.history["loss"].tolist() == [1.0, 2.0]
    assert found.damaged == bool(line)
    assert len(list(record.entries(tmp_path))) == 2


def test_lines_are_standard_json_whatever_numbers_are_in_them_and_are_read_as_they_were(tmp_path):
    writer = record.Writer(tmp_path)
    numbers = {"a/b": np.float32(0.5), "c/d": np.float64("nan"), "e/f": 3, 'ü/"\n': float("-inf"), "g/h": 1e-300}
    writer.point(Point(values=numbers, time_ns=np.int64(1), monotonic_ns=2, step=np.int64(3), epoch=np.int32(4)))
    alert = Alert(
        rule="r", state="firing", severity="info", metric="", message="", time_ns=1, since_ns=1, duration_s=0, value=math.nan,
        evidence={"level": np.float64(2.5), "steps": np.int64(7), "odd": math.inf, "path": Path("/x")},
    )  # fmt: skip
    writer.write(alert)
    writer.close()

    def refuse(text):
        raise AssertionError(text)

    for line in (tmp_path / layout.MONITOR).read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    (first, second) = record.entries(tmp_path)
    assert list(first.values) == list(numbers)
    assert (first.values["a/b"], first.values["e/f"], first.values["g/h"]) == (0.5, 3, 1e-300)
    assert math.isnan(first.values["c/d"])
    assert first.values['ü/"\n'] == -math.inf
    assert (first.step, first.epoch) == (3, 4)
    assert math.isnan(second.value)
    assert second.evidence == {"level": 2.5, "steps": 7, "odd": "inf", "path": "/x"}


def test_a_line_that_somebody_else_wrote_with_nan_is_read(tmp_path):
    (tmp_path / layout.MONITOR).write_text('{"k":"point","t":1,"m":1,"v":{"train/loss":NaN}}\n')
    assert math.isnan(record.read(tmp_path).history["loss"][0])


def test_a_line_that_did_not_fit_does_not_spoil_the_next(tmp_path):
    code = (
        "import pathlib, resource, sys\n"
        "from perfkit.model.monitoring import Point\n"
        "from perfkit.monitor.record import Writer\n"
        "writer = Writer(pathlib.Path(sys.argv[1]))\n"
        "def put(n): writer.point(Point(values={'train/loss': float(n)}, time_ns=1, monotonic_ns=1, step=n))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))\n"
        "for n in range(10): put(n)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "put(10)\n"
        "print(writer.lost)\n"
    )
    lost = int(subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], text=True))
    steps = record.read(tmp_path).history.series("loss").steps.tolist()
    assert steps == [*range(10 - lost), 10]


def test_a_last_line_that_grows_while_it_is_read_is_not_taken_for_two(tmp_path):
    path = tmp_path / layout.MONITOR
    path.write_bytes(b'{"k":"point","t":1,"m":1,"v":{"train/loss":1}}\n{"k":"point","t":1,')
    found = record.Recorded()
    offset = record.follow(tmp_path, found, 0)
    with path.open("ab") as file:
        file.write(b'"m":1,"v":{"train/loss":2}}\n')
    record.follow(tmp_path, found, offset)
    assert found.history["loss"].tolist() == [1, 2]
    assert found.damaged == 0


def test_nothing_was_monitored(tmp_path):
    assert len(record.read(tmp_path).history) == 0
