"""A loop that stands still is told once, with where it stands; it is told again when it goes on."""

import subprocess
import sys

from perfkit.monitor.live.health import Health

S = 1_000_000_000


def test_a_deadlock_is_a_hang_with_its_stacks_and_ends_when_steps_go_on(monitored):
    source = """
    import threading
    def wait_for_ever(lock):
        lock.acquire()
    steps(30)
    lock = threading.Lock(); lock.acquire()
    threading.Timer(4, lock.release).start()
    wait_for_ever(lock)
    steps(30)
    """
    done = monitored.run(source, "--hang-after", "1.5")
    assert done.returncode == 0
    states = [status.state for status in monitored.record.statuses]
    assert list(dict.fromkeys(states)) == ["starting", "running", "hanging", "finished"]
    assert states.index("hanging") < len(states) - 2
    (hang,) = [event for event in monitored.record.events if event.kind == "fault"]
    assert "wait_for_ever (script.py:" in hang.message
    assert hang.step == 30
    assert "wait_for_ever" in (monitored.recorded.path / "hang-stacks.txt").read_text()
    assert monitored.alerts() == ["hang"]
    assert monitored.alerts("resolved") == ["hang"]
    assert monitored.standing.step == 60


def test_steps_that_have_not_been_read_yet_are_no_hang(monitored):
    slow = "from perfkit.monitor.live import pace; pace.SHORTEST_S = pace.LONGEST_S = 3.0; from perfkit.cli.main import main; main()"
    argv = monitored.argv("steps(600)", "--hang-after", "1.5")
    command = [sys.executable, "-c", slow, *argv[argv.index("monitor") :]]
    done = subprocess.run(command, cwd=monitored.folder, env=monitored.environ, timeout=120, check=False)
    assert done.returncode == 0
    assert "hanging" not in [status.state for status in monitored.record.statuses]
    assert monitored.standing.step == 600


def test_the_limit_is_the_longer_of_the_time_asked_and_twenty_usual_steps():
    health = Health(0, hang_after_s=60)
    for number in range(1, 11):
        health.step(number * S, S // 10)
    assert health.limit_s() == 60
    assert health.look(70 * S) == "running"
    assert health.look(71 * S) == "hanging"
    assert str(health.hang) == "no step for 61 s (usual step 100 ms, limit 60 s)"
    slow = Health(0, hang_after_s=60)
    for number in range(1, 11):
        slow.step(number * 10 * S, 10 * S)
    assert slow.limit_s() == 200


def test_an_evaluation_that_shows_batches_and_a_checkpoint_that_is_written_are_no_hang():
    health = Health(0, hang_after_s=60)
    health.step(S, S)
    health.sign(50 * S)
    assert health.look(100 * S) == "running"
    assert health.look(111 * S) == "hanging"
    health.sign(112 * S)
    assert health.look(113 * S) == "running"


def test_before_the_first_step_only_a_process_that_uses_no_processor_for_long_is_stuck():
    health = Health(0, hang_after_s=60)
    health.cores(1.0, 100 * S)
    health.cores(0.0, 200 * S)
    assert health.look(20 * S) == "starting"
    assert health.look(31 * S) == "running"
    assert health.look(399 * S) == "running"
    assert health.look(401 * S) == "hanging"
    assert str(health.hang) == "no step yet, and no processor used for 301 s"


def test_after_its_last_step_or_when_steps_cannot_be_seen_nothing_hangs():
    for attribute in ("complete", "blind"):
        health = Health(0, hang_after_s=1)
        health.step(S, S)
        setattr(health, attribute, True)
        assert health.look(1000 * S) == "running"
