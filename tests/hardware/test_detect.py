import os
import subprocess
import sys

from perfkit.hardware import cgroup, detect


def test_the_facts_are_those_of_this_machine():
    facts = detect.host_facts()
    assert facts["logical_cores"] == os.cpu_count()
    assert facts["allowed_cores"] == len(os.sched_getaffinity(0))
    with open("/proc/meminfo") as file:
        total_kib = int(file.readline().split()[1])
    assert facts["memory_bytes"] == total_kib * 1024
    assert facts["cpu"]
    assert 0 < facts["usable_cores"] <= facts["logical_cores"]


def test_affinity_and_quota_both_bound_what_is_usable():
    code = "from perfkit.hardware import detect; print(detect.usable_cores())"
    done = subprocess.run(
        ["taskset", "-c", "0", sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) <= 1.0
    assert detect.usable_cores(cgroup.Limits(cpus=0.5)) == 0.5
    assert detect.usable_cores(cgroup.Limits(cpus=10_000.0)) == detect.allowed_cores()


def test_the_cpu_is_a_device():
    device = detect.cpu_device(detect.host_facts())
    assert (device.kind, device.index) == ("cpu", 0)
    assert device.details["usable_cores"] > 0
