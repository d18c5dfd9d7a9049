"""How busy the processors were, against what the kernel told the script itself of the same steps."""

import pytest

pytestmark = pytest.mark.slow

# A step is 20 ms of work by processor time, in the script and in a process of its own, and 10 ms of sleep.
SCRIPT = """
import json, os, subprocess, sys, time
import perfkit

BESIDE = '''
import sys, time
for line in sys.stdin:
    until = time.process_time() + 0.01
    while time.process_time() < until: pass
    print(time.process_time(), flush=True)
'''
beside = subprocess.Popen([sys.executable, "-S", "-c", BESIDE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
readings = []
for _ in range(150):
    until = time.process_time() + 0.01
    while time.process_time() < until:
        pass
    beside.stdin.write("work\\n"); beside.stdin.flush()
    others = float(beside.stdout.readline())
    time.sleep(0.01)
    perfkit.step()
    own = os.times()
    readings.append((time.monotonic(), own.user + own.system + others))
beside.stdin.close(); beside.wait()
print(json.dumps(readings))
"""


def test_the_processors_use_is_what_the_kernel_counted(profiled):
    run = profiled(SCRIPT)
    steady = [number for number, step in enumerate(run.steps) if step["steady"]]
    assert len(steady) > 50
    (began, used_before), (ended, used) = run.own[steady[0] - 1], run.own[steady[-1]]
    cores = (used - used_before) / (ended - began)
    assert run.document["utilization"]["cores_used"] == pytest.approx(cores, rel=0.05)
    assert run.document["utilization"]["cpu_percent"] == pytest.approx(100 * cores, rel=0.05)
