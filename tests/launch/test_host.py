"""The host sampler against independent readings: the kernel's smaps, and work of a known size."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from perfkit.analyze.host_memory import host_memory
from perfkit.analyze.samples import growth
from perfkit.analyze.utilization import utilization
from perfkit.launch.host import HostSampler
from perfkit.launch.sampler import interval_s
from perfkit.launch.tree import Tree, role_of
from perfkit.runs.reader import Run

MB = 2**20


def python(source: str, *args: str) -> subprocess.Popen:
    argv = [sys.executable, "-c", textwrap.dedent(source), *args]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def smaps_pss(pid: int) -> int:
    """Summed from the full smaps, entry by entry: not the file the sampler reads."""
    lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


SHARING = """
    import os, sys
    data = os.urandom(1) * (200 * 2**20)
    pids = []
    for _ in range(3):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            mine = b"x" * (30 * 2**20)
            os.write(write, b"x")
            sys.stdin.readline()
            os._exit(0)
        os.read(read, 1)
        pids.append(pid)
    print(" ".join(map(str, pids)), flush=True)
    sys.stdin.readline()
    for pid in pids:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
"""


def test_forked_workers_sharing_pages_are_counted_as_smaps_counts_them(tmp_path):
    process = python(SHARING)
    sampler = HostSampler(tmp_path, process.pid)
    sampler.start()
    workers = [int(pid) for pid in process.stdout.readline().split()]
    time.sleep(1.5)
    exact = sum(smaps_pss(pid) for pid in (process.pid, *workers))
    process.communicate("\n")
    assert sampler.stop().state == "on"
    found = host_memory(_run(tmp_path))
    assert found["host_peak_bytes"] == pytest.approx(exact, rel=0.05)
    assert found["processes"] == 4
    assert found["host_rss_peak_bytes"] > 2 * exact  # what summing resident sets would have claimed


def test_a_spike_between_samples_shows_for_a_single_process(tmp_path):
    source = """
        import sys
        print(flush=True)
        sys.stdin.readline()
        big = b"x" * (300 * 2**20); del big
        print(flush=True)
        sys.stdin.readline()
    """
    process = python(source)
    process.stdout.readline()
    sampler = HostSampler(tmp_path, process.pid)
    sampler.start()
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()
    time.sleep(1.2)
    process.communicate("\n")
    sampler.stop()
    found = host_memory(_run(tmp_path))
    assert 300 * MB < found["host_peak_bytes"] < 330 * MB
    assert "high-water" in found["how"]


def test_a_short_spike_at_the_very_end_is_in_the_kernels_account(supervised):
    supervised.run("import time; time.sleep(0.3); n = 300 * 2**20; big = b'x' * n")
    found = host_memory(supervised.recorded)
    assert 300 * MB < found["host_peak_bytes"] < 330 * MB


def test_cpu_time_includes_children_that_have_come_and_gone(tmp_path):
    burn = "import time; t = time.process_time()\\nwhile time.process_time() - t < 0.25: pass"
    source = f"""
        import resource, subprocess, sys
        sys.stdin.readline()
        for _ in range(3):
            subprocess.run([sys.executable, "-S", "-c", "{burn}"])
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(used.ru_utime + used.ru_stime, flush=True)
        sys.stdin.readline()
    """
    process = python(source)
    sampler = HostSampler(tmp_path, process.pid)
    sampler.start()
    time.sleep(0.3)
    before = time.monotonic_ns()
    process.stdin.write("\n")
    process.stdin.flush()
    # With the start of three interpreters, which a loaded machine makes longer.
    spent = float(process.stdout.readline())
    time.sleep(0.3)
    after = time.monotonic_ns()
    process.communicate("\n")
    sampler.stop()
    used = growth(_run(tmp_path).jsonl("host.jsonl"), "cpu", before, after)
    assert spent >= 0.75
    assert used == pytest.approx(spent * 1e9, rel=0.2)


def test_cpu_use_agrees_with_an_independent_reading(tmp_path):
    process = python("while True: pass")
    sampler = HostSampler(tmp_path, process.pid)
    sampler.start()
    time.sleep(0.3)
    began, used = time.monotonic_ns(), cpu_seconds(process.pid)
    time.sleep(2)
    ended, used = time.monotonic_ns(), cpu_seconds(process.pid) - used
    time.sleep(0.2)
    process.kill()
    process.communicate()
    sampler.stop()
    found = utilization(_run(tmp_path), began, ended)
    assert found["cpu_percent"] == pytest.approx(100 * used / ((ended - began) / 1e9), rel=0.1)
    assert found["roles"]["main"] == pytest.approx(found["cores_used"], rel=0.3)
    assert found["machine_percent"] == pytest.approx(found["cpu_percent"] / 2)
    assert found["unavailable"].keys() == {"gpu_percent"}


def cpu_seconds(pid: int) -> float:
    import psutil

    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def test_the_sampler_reports_its_own_cost_and_stays_small(tmp_path):
    process = python("import time; time.sleep(30)")
    sampler = HostSampler(tmp_path, process.pid)
    sampler.start()
    time.sleep(2)
    told = sampler.stop().reason
    process.kill()
    process.communicate()
    cost = float(told.split("own cost ")[1].split(" %")[0])
    assert cost < 5
    assert "samples" in told


def test_long_runs_are_sampled_less_often():
    assert [interval_s(age) for age in (0, 299, 600, 1800, 7200)] == [0.1, 0.1, 0.2, 0.5, 1.0]


def test_a_directory_that_cannot_be_written_is_a_failed_collector(tmp_path):
    sampler = HostSampler(tmp_path / "missing", os.getpid())
    sampler.start()
    sampler._thread.join(5)
    found = sampler.stop()
    assert (found.state, "host.jsonl" in found.reason) == ("failed", True)


def test_every_line_is_whole_json_with_a_time(supervised):
    supervised.run("import time; time.sleep(1)")
    lines = (supervised.recorded.path / "host.jsonl").read_text().splitlines()
    times = [json.loads(line)["t"] for line in lines]
    assert times == sorted(times)
    assert json.loads(lines[-1])["end"] is True


def test_roles_of_processes():
    train = ["python", "train.py"]
    assert role_of("pt_data_worker", train, train) == "loader worker"
    assert role_of("python", train, train) == "worker"
    spawned = ["python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()", "--multiprocessing-fork"]
    assert role_of("python", spawned, train) == "worker"
    tracker = ["python", "-c", "from multiprocessing.resource_tracker import main;main(5)"]
    assert role_of("python", tracker, train) == "other"
    compiler = ["python", "/x/torch/_inductor/compile_worker/__main__.py"]
    assert role_of("python", compiler, train) == "compile worker"
    assert role_of("sh", ["sh", "-c", "x"], train) == "other"


def test_the_tree_keeps_a_grandchild_whose_parent_has_died():
    source = """
        import os, subprocess, sys
        child = subprocess.Popen(["sh", "-c", "sleep 20 & echo $!; read x"], stdin=-1, stdout=-1, text=True)
        print(child.stdout.readline().strip(), flush=True)
        sys.stdin.readline()
        child.kill(); child.wait()
        print(flush=True)
        sys.stdin.readline()
    """
    process = python(source)
    grandchild = int(process.stdout.readline())
    tree = Tree(process.pid)
    assert {stat.pid for stat in tree.read()} >= {process.pid, grandchild}
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()
    assert {stat.pid for stat in tree.read()} == {process.pid, grandchild}
    os.kill(grandchild, 9)
    process.communicate("\n")
    assert tree.read() == []


def _run(folder: Path) -> Run:
    from perfkit.model.records import RunInfo
    from perfkit.runs.reader import write_info

    info = RunInfo(
        schema_version=1, id="x", command=[], script="x", status="finished", created_utc="", host={"usable_cores": 2}
    )
    write_info(folder, info)
    return Run(folder)
