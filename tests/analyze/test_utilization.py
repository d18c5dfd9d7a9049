"""Shares and rates from literal samples: 0 to 10 s, one sample per second."""

import json

import pytest

from perfkit.analyze.utilization import energy, utilization
from perfkit.model.records import Collector, RunInfo
from perfkit.runs.reader import Run, write_info

S = 10**9


def host_line(t):
    """Main 0.6 cores, a worker 0.3 from 4 s on; 4 processors, all of them busy by 1.5; 100 bytes/s read."""
    processes = [[1, "main", int(0.6 * t * S), 10, 10]]
    if t >= 4:
        processes.append([2, "loader worker", int(0.3 * (t - 4) * S), 10, 10])
    cpu = sum(p[2] for p in processes)
    return {"t": t * S, "n": len(processes), "cpu": cpu, "rss": 20, "busy": int(1.5 * t * S), "total": 4 * t * S,
            "p": processes, "rd": 100 * t, "wr": 0, "load": 1.0, "joules": 30.0 * t}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    def make(host=True, devices=(), collectors=(), cores=2):
        lines = [host_line(t) for t in range(11)] if host else []
        (tmp_path / "host.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (tmp_path / "nvml.jsonl").write_text("".join(json.dumps(line) + "\n" for line in devices))
        info = RunInfo(
            schema_version=1, id="x", command=[], script="", status="finished", created_utc="",
            host={"usable_cores": cores}, collectors=list(collectors),
        )  # fmt: skip
        write_info(tmp_path, info)
        return Run(tmp_path)

    return make


def test_shares_of_processors(run):
    found = utilization(run(), 5 * S, 9 * S)
    assert found["cpu_percent"] == pytest.approx(90)
    assert found["machine_percent"] == pytest.approx(45)
    assert found["machine_busy_percent"] == pytest.approx(37.5)
    assert found["others_cores"] == pytest.approx(0.6)
    assert found["roles"] == pytest.approx({"main": 0.6, "loader worker": 0.3})
    assert found["read_bytes_per_s"] == pytest.approx(100)
    assert found["processes"] == 2


def test_a_worker_that_lived_for_a_part_counts_for_that_part(run):
    found = utilization(run(), 2 * S, 6 * S)
    assert found["roles"]["loader worker"] == pytest.approx(0.15, abs=0.02)


def test_what_was_not_measured_is_null_with_its_reason(run):
    off = [Collector(name="nvml", state="off", reason="no NVIDIA driver: x")]
    found = utilization(run(host=False, collectors=off), 5 * S, 9 * S)
    assert found["cpu_percent"] is None
    assert found["unavailable"]["gpu_percent"] == "no NVIDIA driver: x"
    nulls = {key for key, value in found.items() if value is None} - {"usable_cores"}
    assert nulls <= found["unavailable"].keys()


def gpu(t, **readings):
    return {"t": t * S, "d": [{"i": 0, **readings}]}


def test_throttling_is_a_share_of_samples_and_idle_is_none(run):
    lines = [gpu(t, gpu=50, why=0x1 if t % 2 else 0x4) for t in range(11)]
    device = utilization(run(devices=lines), 0, 10 * S)["devices"][0]
    assert device["throttled"] == {"power cap": pytest.approx(6 / 11)}


def test_energy_prefers_the_counter_and_adds_the_packages(run):
    lines = [gpu(t, power=999_000, energy=200_000 * t) for t in range(11)]
    found = energy(run(devices=lines), 2 * S, 8 * S, steps=60)
    assert found["gpu_joules_per_step"] == pytest.approx(20)
    assert found["cpu_joules_per_step"] == pytest.approx(3)
    assert found["joules_per_step"] == pytest.approx(23)
    assert found["watts"] == pytest.approx(230)


def test_energy_by_power_is_the_area_under_uneven_samples(run):
    watts = {0: 100, 2: 100, 3: 300, 5: 300, 8: 0, 10: 0}  # second -> watts, straight lines between
    lines = [gpu(t, power=1000 * power, gpu=power // 10) for t, power in watts.items()]
    by_hand = (100 + 300) / 2 * 1 + 300 * 2 + (300 + 0) / 2 * 3
    assert energy(run(devices=lines), 2 * S, 8 * S, 1)["gpu_joules_per_step"] == pytest.approx(by_hand)
    (device,) = utilization(run(devices=lines), 2 * S, 8 * S)["devices"]
    assert device["gpu_percent"] == pytest.approx((10 + 30 + 30 + 0) / 4)  # a mean over samples, not over time


def test_energy_of_some_of_the_devices_is_not_called_the_whole(run):
    lines = [{"t": t * S, "d": [{"i": 0, "power": 1000}, {"i": 1, "gpu": 3}]} for t in range(11)]
    assert energy(run(devices=lines), 2 * S, 8 * S, 1)["gpu_joules_per_step"] is None


def test_no_energy_says_why(run):
    reasons = [
        Collector(name="nvml", state="off", reason="no NVIDIA driver"),
        Collector(name="rapl", state="off", reason="readable by root only"),
    ]
    found = energy(run(host=False, collectors=reasons), 2 * S, 8 * S, 1)
    assert found["joules_per_step"] is None
    assert found["reason"] == "no NVIDIA driver; readable by root only"
