"""The record: whole after a kill, tolerant of what is torn."""

import math
import os
import resource
import signal
import subprocess
import sys
import time

from perfkit.model.monitoring import Event, Point, Status
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


def test_nothing_was_monitored(tmp_path):
    assert len(record.read(tmp_path).history) == 0
