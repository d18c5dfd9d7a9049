"""The examples of model monitoring: a planted fault is found with advice, and without one nothing is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perfkit.monitor import record as records

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "examples"
#: What each fault is told as: the event's source, and a word of what to do.
FAULTS = {
    "nan": ("validity:not-finite", "lost"),
    "overfit": ("learning:overfitting", "stop at epoch"),
    "slow": ("", "perfkit profile"),
}


def trained(framework, fault, root):
    """What the example prints, and its record."""
    command = [sys.executable, str(EXAMPLES / f"monitor_{framework}.py"), "--fault", fault]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PERFKIT_RESULTS": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, env=environment, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    (run,) = (root / "runs").iterdir()
    return done, records.read(run)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("framework", ["torch", "keras", "sklearn", "text"])
def test_a_planted_fault_is_found_told_and_advised_on(framework, fault, tmp_path):
    done, found = trained(framework, fault, tmp_path)
    source, advice = FAULTS[fault]
    events = [
        e
        for e in found.events
        if e.severity != "info" and (e.source == source or (not source and e.metric == "perf/step_time_s"))
    ]
    assert any(advice in event.advice for event in events)
    assert any(alert.state == "firing" for alert in found.alerts)
    assert "FIRING" in done.stderr
    assert events[0].message in done.stdout


@pytest.mark.parametrize("framework", ["torch", "keras", "sklearn", "text"])
def test_without_a_fault_nothing_is_found(framework, tmp_path):
    _, found = trained(framework, "none", tmp_path)
    # The machine's own speed is not the example's: a neighbour that makes its steps slower is rightly found.
    told = [e.message for e in found.events if e.severity != "info" and not e.metric.startswith("perf/")]
    assert told == []
    assert found.statuses[-1].state == "finished"
