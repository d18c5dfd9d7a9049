"""Sinks that are down, refuse, hang and come back; processes that are killed; disks that are full."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perfkit.model.monitoring import Status
from perfkit.monitor.alerts.alerter import Alerter
from perfkit.monitor.alerts.courier import Courier, Rate, Retry
from perfkit.monitor.alerts.grammar import parse
from perfkit.monitor.alerts.sinks import Down
from perfkit.monitor.alerts.sinks.command import Command
from perfkit.monitor.alerts.sinks.file import File
from perfkit.monitor.alerts.sinks.stderr import Stderr
from perfkit.monitor.alerts.sinks.webhook import Webhook
from perfkit.monitor.alerts.spool import Spool

S = 1_000_000_000
SOON = Retry(first_s=0.02, longest_s=0.05)


def rules(count):
    return [parse(f"r{n}: status hanging breaches {n + 1}") for n in range(count)]


def alerts(alerter, count, at_s=0):
    """Let *count* rules fire, one after the other: r0, r1 …"""
    for n in range(count):
        alerter.status(Status(state="hanging", time_ns=(at_s + n) * S, monotonic_ns=0))


def spool_of(folder, kind=""):
    return next(folder.glob(f"{kind}*.spool"))


def names(lines):
    return [json.loads(line)["rule"] for line in lines.splitlines()]


# -- webhook


def test_alerts_arrive_as_json_in_order_and_the_spool_is_empty_then(receiver, tmp_path):
    alerter = Alerter(
        rules(5), [Webhook(receiver.url, headers={"Authorization": "Bearer s3cret"})], run="r", spool=tmp_path
    )
    alerts(alerter, 5)
    assert receiver.wait(5) == ["r0", "r1", "r2", "r3", "r4"]
    alerter.close()
    assert spool_of(tmp_path).read_bytes() == b""
    body, headers = receiver.seen[0]
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["X-Perfkit-Alert-Id"] == body["id"]
    assert body["text"] == "FIRING warning [r] r0: the run hangs"
    assert body["state"] == "firing"
    assert body["time"] == "1970-01-01T00:00:00.000+00:00"


@pytest.mark.parametrize("trouble", ["down", 500, 503, 401, 302])
def test_a_receiver_in_trouble_gets_all_in_order_when_it_is_back(receiver, tmp_path, capsys, trouble):
    if trouble == "down":
        receiver.stop()
    else:
        receiver.answer, receiver.headers = trouble, {"Location": "/elsewhere"} if trouble == 302 else {}
    alerter = Alerter(rules(8), [Webhook(receiver.url)], spool=tmp_path, retry=SOON)
    alerts(alerter, 8)
    time.sleep(0.2)
    assert receiver.taken == []
    if trouble == "down":
        receiver.start()
    receiver.answer = 200
    assert receiver.wait(8) == [f"r{n}" for n in range(8)]
    alerter.close()
    (delivery,) = alerter.deliveries()
    assert (delivery.delivered, delivery.waiting, delivery.dropped) == (8, 0, 0)
    assert delivery.failures > 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2  # once that it is down, once that it is back
    assert "they are kept and tried again" in said[0]
    assert "takes alerts again" in said[1]
    assert "s3cret" not in "".join(said)
    assert all(seen[0] != "GET" for seen in receiver.seen)


def test_a_receiver_that_hangs_holds_up_neither_the_caller_nor_other_sinks_nor_the_end(receiver, tmp_path):
    receiver.answer = "hang"
    file = File(tmp_path / "alerts.jsonl")
    alerter = Alerter(rules(3), [Webhook(receiver.url), file], spool=tmp_path / "spool")
    began = time.monotonic()
    alerts(alerter, 3)
    assert time.monotonic() - began < 0.1
    while not file.path.exists() or len(file.path.read_bytes().splitlines()) < 3:
        assert time.monotonic() - began < 5
        time.sleep(0.01)
    began = time.monotonic()
    alerter.close(timeout_s=0.3)
    assert time.monotonic() - began < 0.6
    assert len(spool_of(tmp_path / "spool", "webhook").read_bytes().splitlines()) == 3


def test_a_receiver_that_does_not_answer_in_time_is_down(receiver):
    receiver.answer = "hang"
    with pytest.raises(Down, match="no answer in time"):
        Webhook(receiver.url, timeout_s=0.05).send({"id": "1"})


def test_an_alert_that_the_receiver_will_never_take_is_given_up_and_told(receiver, tmp_path, capsys):
    receiver.answer = 400
    alerter = Alerter(rules(1), [Webhook(receiver.url)], spool=tmp_path)
    alerts(alerter, 1)
    alerter.close()
    (delivery,) = alerter.deliveries()
    assert (delivery.refused, delivery.waiting, len(receiver.seen)) == (1, 0, 1)
    assert "does not take an alert (HTTP 400): FIRING warning r0" in capsys.readouterr().err


def test_the_receiver_s_own_wish_to_wait_is_kept(receiver):
    receiver.answer, receiver.headers = 429, {"Retry-After": "7"}
    with pytest.raises(Down) as caught:
        Webhook(receiver.url).send({"id": "1"})
    assert caught.value.retry_after_s == 7


def test_no_secret_is_written_anywhere(receiver, tmp_path, capfd):
    receiver.stop()
    hook = Webhook(receiver.url.replace("//", "//me:s3cret@"), headers={"Authorization": "Bearer s3cret"})
    alerter = Alerter(rules(2), [hook], spool=tmp_path, retry=SOON)
    alerts(alerter, 2)
    time.sleep(0.1)
    alerter.close(timeout_s=1)
    written = b"".join(path.name.encode() + path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"r0" in written
    assert b"s3cret" not in written
    assert "s3cret" not in "".join(capfd.readouterr()) + repr(hook) + repr(alerter.deliveries())


# -- the spool over the ends of processes

SCRIPT = """
import pathlib, sys
from perfkit.model.monitoring import Status
from perfkit.monitor.alerts.alerter import Alerter
from perfkit.monitor.alerts.grammar import parse
from perfkit.monitor.alerts.sinks.webhook import Webhook
url, folder, count = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
alerter = Alerter([parse(f"r{n}: status hanging breaches {n + 1}") for n in range(count)], [Webhook(url)], run="r", spool=folder)
for n in range(count):
    alerter.status(Status(state="hanging", time_ns=n, monotonic_ns=0))
    if n == 50:
        print("many", flush=True)
alerter.close()
print(alerter.deliveries()[0])
"""


def test_what_a_process_killed_in_the_middle_of_spooling_left_is_delivered_in_order_and_once(receiver, tmp_path):
    receiver.stop()
    command = [sys.executable, "-c", SCRIPT, receiver.url, str(tmp_path), "900"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == b"many\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    left = [
        json.loads(line)["id"]
        for line in spool_of(tmp_path).read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    ]
    assert len(left) > 50
    with spool_of(tmp_path).open("ab") as file:
        file.write(b'{"id":"torn","al')  # what a kill in the middle of a write leaves
    receiver.start()
    alerter = Alerter([parse("later: status hanging")], [Webhook(receiver.url)], run="r", spool=tmp_path)
    alerts(alerter, 1)
    alerter.close(timeout_s=20)
    assert [body["id"] for body in receiver.taken[:-1]] == left
    assert [body["rule"] for body in receiver.taken] == [f"r{n}" for n in range(len(left))] + ["later"]
    assert spool_of(tmp_path).read_bytes() == b""


def test_a_process_killed_while_it_delivers_loses_none_and_repeats_one_at_most(receiver, tmp_path):
    command = [sys.executable, "-c", SCRIPT, receiver.url, str(tmp_path), "200"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == b"many\n"
    receiver.wait(5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    time.sleep(0.1)
    by_then = len(receiver.taken)
    alerter = Alerter([], [Webhook(receiver.url)], run="r", spool=tmp_path)
    alerter.close(timeout_s=20)
    got = [body["rule"] for body in receiver.taken]
    once = list(dict.fromkeys(got))
    assert once == [f"r{n}" for n in range(len(once))]
    assert len(once) > 50
    assert by_then >= 5
    assert len(got) - len(once) <= 1


@pytest.mark.parametrize("is_up", [True, False])
def test_a_full_disk_for_the_spool_keeps_alerts_in_memory_and_is_told(receiver, tmp_path, is_up):
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    if not is_up:
        receiver.stop()
    command = [sys.executable, "-c", SCRIPT, receiver.url, str(tmp_path), "60"]
    done = subprocess.run(command, preexec_fn=limited, capture_output=True, text=True, check=True)
    if is_up:
        assert receiver.wait(60) == [f"r{n}" for n in range(60)]
        assert "delivered=60" in done.stdout
        return
    kept = len(spool_of(tmp_path).read_bytes().splitlines())
    assert 0 < kept < 10
    assert done.stderr.count("is kept in memory only: File too large") == 1
    assert f"not delivered to webhook 127.0.0.1:{receiver.address[1]}" in done.stderr
    assert f": {kept} kept for the next process, {60 - kept} lost with this one\n" in done.stderr


def test_a_line_that_did_not_fit_is_taken_back_whole(tmp_path):
    code = (
        "import pathlib, resource, sys\n"
        "from perfkit.monitor.alerts.spool import Spool\n"
        "spool = Spool(pathlib.Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
        "for n in range(20):\n"
        "    spool.put({'id': str(n), 'text': 'x' * 100})\n"
        "print(len(spool), spool.failure)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "spool.put({'id': '20', 'text': ''})\n"
        "print(len(spool), spool.failure)\n"
    )
    path = tmp_path / "a.spool"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["20 File too large", "21 None"]
    assert [json.loads(line)["id"] for line in path.read_bytes().splitlines()] == [str(n) for n in range(21)]


def test_too_many_are_bounded_and_the_receiver_is_told_how_many_are_gone(receiver, tmp_path):
    spool = Spool(tmp_path / "a.spool", most=10, largest_bytes=2000)
    for n in range(1000):
        spool.put({"id": str(n), "text": "x" * 100})
    assert (len(spool), spool.dropped) == (10, 990)
    assert (tmp_path / "a.spool").stat().st_size < 10_000
    spool.close()
    again = Spool(tmp_path / "a.spool")
    assert (len(again), again.dropped) == (10, 990)
    courier = Courier(Webhook(receiver.url), again, print)
    courier.close(5)
    assert [body["id"] for body in receiver_bodies(receiver)] == [str(n) for n in range(990, 1000)]
    assert receiver_bodies(receiver)[0]["dropped_before"] == 990
    assert "dropped_before" not in receiver_bodies(receiver)[1]


def receiver_bodies(receiver):
    return [body for body, _ in receiver.seen]


def test_runs_at_the_same_time_have_a_file_each_and_the_next_takes_over_what_they_left(tmp_path):
    path = tmp_path / "a.spool"
    first, second = Spool(path), Spool(path)
    first.put({"id": "1"})
    second.put({"id": "2"})
    code = (
        "import os, pathlib, sys\n"
        "from perfkit.monitor.alerts.spool import Spool\n"
        "spool = Spool(pathlib.Path(sys.argv[1]))\n"
        "spool.put({'id': '3'})\n"
        "print(len(spool), spool.failure, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    other = subprocess.run([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, check=False)
    assert other.stdout == "1 None\n"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a-2.spool", "a-3.spool", "a.spool"]
    first.close()
    third = Spool(path)
    assert [entry.message["id"] for entry in third._waiting] == ["1", "3"]
    assert (tmp_path / "a-3.spool").read_bytes() == b""
    third.close()
    second.close()
    last = Spool(path)
    assert [entry.message["id"] for entry in last._waiting] == ["1", "3", "2"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # it is what is tested
def test_a_forked_worker_says_nothing_and_leaves_the_spool_alone(receiver, tmp_path):
    receiver.answer = 500
    alerter = Alerter(rules(2), [Webhook(receiver.url)], spool=tmp_path, retry=Retry(first_s=60))
    alerts(alerter, 1)
    before = spool_of(tmp_path).read_bytes()
    child = os.fork()
    if not child:
        said = alerter.status(Status(state="hanging", time_ns=5 * S, monotonic_ns=0))
        alerter.close()
        os._exit(len(said))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert spool_of(tmp_path).read_bytes() == before
    alerter.close(0.5)


def test_a_script_that_forgets_to_close_still_delivers_at_its_end(receiver, tmp_path):
    code = SCRIPT.replace("alerter.close()\n", "").replace("print(alerter.deliveries()[0])\n", "")
    subprocess.run([sys.executable, "-c", code, receiver.url, str(tmp_path), "3"], check=True, timeout=20)
    assert receiver.wait(3) == ["r0", "r1", "r2"]


# -- other sinks


def test_stderr_has_a_line_without_escapes_where_it_is_no_terminal(capfd):
    alerter = Alerter([parse('bad: status failed message "{reason}"')], [Stderr()])
    alerter.status(Status(state="failed", time_ns=0, monotonic_ns=0, reason="\x1b]0;title\x07boom\nand more"))
    alerter.close()
    assert capfd.readouterr().err == "perfkit: FIRING warning bad: ?]0;title?boom and more\n"


def test_stderr_has_colour_on_a_terminal_unless_no_color_is_set(monkeypatch):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    message = {"text": "FIRING", "state": "firing", "severity": "critical"}
    shown = Terminal()
    Stderr(shown).send(message)
    assert shown.getvalue() == "\x1b[31mperfkit: FIRING\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Stderr(plain).send(message)
    assert plain.getvalue() == "perfkit: FIRING\n"


def test_a_file_has_whole_lines_also_after_a_torn_one(tmp_path):
    path = tmp_path / "new" / "alerts.jsonl"
    file = File(path)
    file.send({"id": "1"})
    with path.open("ab") as torn:
        torn.write(b'{"id":')
    file.send({"id": "2"})
    assert path.read_bytes() == b'{"id":"1"}\n{"id":\n{"id":"2"}\n'


def test_a_full_disk_leaves_no_half_line_in_a_file(tmp_path):
    code = (
        "import pathlib, resource, sys\n"
        "from perfkit.monitor.alerts.sinks.file import File\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "file = File(pathlib.Path(sys.argv[1]))\n"
        "file.send({'id': 'x' * 60})\n"
        "try: file.send({'id': 'y' * 60})\n"
        "except Exception as error: print(error)\n"
    )
    path = tmp_path / "alerts.jsonl"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"
    assert names(path.read_bytes().replace(b'"id"', b'"rule"')) == ["x" * 60]


def test_a_command_gets_the_alert_on_its_standard_input_and_runs_again_when_it_fails(tmp_path):
    code = (
        "import pathlib, sys\n"
        "out = pathlib.Path(sys.argv[1])\n"
        "was_there = out.exists()\n"
        "out.open('a').write(sys.stdin.read() + '\\n')\n"
        "sys.exit(0 if was_there else 3)\n"
    )
    out = tmp_path / "got"
    alerter = Alerter(rules(1), [Command([sys.executable, "-c", code, str(out)])], spool=tmp_path / "s", retry=SOON)
    alerts(alerter, 1)
    deadline = time.monotonic() + 10
    while alerter.deliveries()[0].waiting and time.monotonic() < deadline:
        time.sleep(0.02)
    alerter.close()
    assert names(out.read_text()) == ["r0", "r0"]
    assert alerter.deliveries()[0].failures == 1


def test_a_command_that_takes_too_long_is_ended():
    with pytest.raises(Down, match=r"it did not end within 0.1 s"):
        Command(["sleep", "30"], timeout_s=0.1).send({"id": "1"})


def test_a_sink_of_one_s_own_that_breaks_is_told_once_and_counted(capsys):
    class Broken:
        name, durable, per_minute = "mine", False, 6000.0

        def send(self, message):
            raise RuntimeError("with a s3cret in it")

    alerter = Alerter(rules(3), [Broken()], retry=SOON)
    alerts(alerter, 3)
    time.sleep(0.3)
    alerter.close()
    said = capsys.readouterr().err
    assert said.count("mine does not take alerts (RuntimeError)") == 1
    assert "s3cret" not in said
    assert alerter.deliveries()[0].failures > 2


# -- waiting


def test_the_wait_between_tries_grows_and_is_drawn():
    retry = Retry(first_s=1, longest_s=60)
    assert [retry.wait_s(n, lambda: 1.0) for n in (1, 2, 3, 10, 1000)] == [2, 4, 8, 60, 60]
    assert [retry.wait_s(n, lambda: 0.0) for n in (1, 10)] == [1, 1]


def test_a_rate_lets_a_burst_through_and_then_so_many_a_minute():
    rate = Rate(60, now_s=0)
    for _ in range(10):
        assert rate.wait_s(0) == 0
        rate.took()
    assert rate.wait_s(0) == pytest.approx(1)
    assert rate.wait_s(0.5) == pytest.approx(0.5)
    assert rate.wait_s(1.0) == 0


def test_what_is_above_a_sink_s_rate_waits_and_goes_out_at_the_end(tmp_path):
    file = File(tmp_path / "a.jsonl")
    file.per_minute = 1.0
    alerter = Alerter(rules(15), [file])
    alerts(alerter, 15)
    time.sleep(0.3)
    assert len(names(file.path.read_bytes())) == 10
    alerter.close()
    assert names(file.path.read_bytes()) == [f"r{n}" for n in range(15)]


def test_paths_of_spools_have_no_odd_characters(tmp_path):
    alerter = Alerter([], [File(Path("/a b/ü/alerts.jsonl"))], spool=tmp_path)
    alerter.close()
    assert [path.name for path in tmp_path.iterdir()] == ["file-a-b-alerts.jsonl.spool"]
