"""NVML is tested against a module with recorded answers: no GPU and no driver exist where these tests run."""

import time
from types import SimpleNamespace

import pytest

from perfkit.analyze.utilization import energy, utilization
from perfkit.errors import CollectorError
from perfkit.hardware.nvidia import Nvml
from perfkit.launch.nvml import NvmlSampler
from perfkit.model.records import Collector, RunInfo
from perfkit.runs.reader import Run, write_info


class NVMLError(Exception):
    def __init__(self, value, text="Not Supported"):
        super().__init__(text)
        self.value = value


class FakeNvml:
    """Answers as an H100 and an A100 give them; ``unsupported`` and ``broken`` functions raise."""

    NVMLError = NVMLError
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
    NVML_ERROR_TIMEOUT, NVML_ERROR_UNKNOWN = 10, 999

    def __init__(self, unsupported=(), driver=True, mig=()):
        self.unsupported, self.driver, self.mig = set(unsupported), driver, list(mig)
        self.calls, self.flaky = [], 0
        self.started = time.monotonic()

    def __getattribute__(self, name):
        found = object.__getattribute__(self, name)
        if name.startswith("nvml"):
            self.calls.append(name)
            if name in self.unsupported:

                def refuse(*_):
                    raise NVMLError(3)

                return refuse
        return found

    def nvmlInit(self):
        if not self.driver:
            raise NVMLError(9, "Driver Not Loaded")

    def nvmlShutdown(self): ...
    def nvmlSystemGetDriverVersion(self):
        return "575.57"

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, i):
        return f"GPU-{'abcd'[i]}000"

    def nvmlDeviceGetUUID(self, h):
        return h.encode()

    def nvmlDeviceGetName(self, h):
        return {"a": "NVIDIA H100 80GB HBM3"}.get(h[4], "NVIDIA A100-SXM4-40GB")

    def nvmlDeviceGetUtilizationRates(self, h):
        return SimpleNamespace(gpu=80 if h[4] == "a" else 40, memory=30)

    def nvmlDeviceGetMemoryInfo(self, h):
        return SimpleNamespace(used=10 * 2**30, total=80 * 2**30)

    def nvmlDeviceGetPowerUsage(self, h):
        return 500_000

    def nvmlDeviceGetTotalEnergyConsumption(self, h):
        return int(1e9 + 500_000 * (time.monotonic() - self.started))

    def nvmlDeviceGetClockInfo(self, h, which):
        return {1: 1755, 2: 2619}[which]

    def nvmlDeviceGetMaxClockInfo(self, h, which):
        return {1: 1980, 2: 2619}[which]

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, h):
        return 0x4

    def nvmlDeviceGetTemperature(self, h, which):
        return 61

    def nvmlDeviceGetCudaComputeCapability(self, h):
        return (9, 0)

    def nvmlDeviceGetEnforcedPowerLimit(self, h):
        return 700_000

    def nvmlDeviceGetPersistenceMode(self, h):
        return 1

    def nvmlDeviceGetEccMode(self, h):
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, h):
        return len(self.mig)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, h, i):
        return self.mig[i]


@pytest.mark.parametrize(
    ("setting", "handles"),
    [
        (None, ["GPU-a000", "GPU-b000"]),
        ("1,0", ["GPU-b000", "GPU-a000"]),
        ("1", ["GPU-b000"]),
        ("0,7,1", ["GPU-a000"]),  # what names nothing ends the list, as for CUDA
        ("GPU-b", ["GPU-b000"]),
        ("MIG-x", ["MIG-x111"]),
        ("", []),
        ("-1", []),
        ("GPU-zzz", []),
    ],
)
def test_only_the_visible_devices_are_read(setting, handles):
    environ = {} if setting is None else {"CUDA_VISIBLE_DEVICES": setting}
    found = Nvml(environ, FakeNvml(mig=["MIG-x111", "MIG-y222"]))
    assert [gpu.handle for gpu in found.gpus] == handles
    assert [gpu.index for gpu in found.gpus] == list(range(len(handles)))


def test_what_a_device_is():
    nvml = Nvml({}, FakeNvml(unsupported=["nvmlDeviceGetEccMode"]))
    device = nvml.device(nvml.gpus[0])
    assert (device.name, device.kind, device.memory_bytes) == ("NVIDIA H100 80GB HBM3", "cuda", 80 * 2**30)
    assert device.details["capability"] == [9, 0]
    assert "ecc" not in device.details


def test_no_driver_is_a_reason():
    with pytest.raises(CollectorError, match="Driver Not Loaded"):
        Nvml({}, FakeNvml(driver=False))


@pytest.fixture
def sampled(tmp_path, monkeypatch):
    def sample(fake, seconds=0.6, visible=None):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        sampler = NvmlSampler(tmp_path, module=fake)
        start = time.monotonic_ns()
        sampler.start()
        time.sleep(seconds)
        end = time.monotonic_ns()
        collector = sampler.stop()
        info = RunInfo(
            schema_version=1, id="x", command=[], script="", status="finished", created_utc="", collectors=[collector]
        )
        write_info(tmp_path, info)
        return collector, Run(tmp_path), start, end

    return sample


def test_readings_reach_utilization_and_energy(sampled):
    collector, run, start, end = sampled(FakeNvml())
    assert collector.state == "on"
    found = utilization(run, start, end)
    assert found["gpu_percent"] == pytest.approx(60)
    assert found["devices"][0] == {
        "index": 0, "gpu_percent": 80.0, "memory_percent": 30.0, "used_bytes": 10 * 2**30, "power_w": 500.0,
        "sm_clock_mhz": 1755.0, "memory_clock_mhz": 2619.0, "temperature_c": 61.0, "throttled": {"power cap": 1.0},
    }  # fmt: skip
    used = energy(run, start, end, steps=10)
    assert used["watts"] == pytest.approx(1000, rel=0.1)
    assert used["joules_per_step"] == pytest.approx(1000 * (end - start) / 1e9 / 10, rel=0.1)
    assert "counter" in used["how"]


def test_one_unsupported_reading_does_not_lose_the_others(sampled):
    lost = ["nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetUtilizationRates"]
    fake = FakeNvml(unsupported=lost)
    collector, run, start, end = sampled(fake)
    assert collector.state == "on"
    assert "energy_mj, utilization" in collector.reason
    found = utilization(run, start, end)
    assert found["gpu_percent"] is None
    assert found["devices"][0]["power_w"] == 500.0
    used = energy(run, start, end, steps=1)
    assert used["watts"] == pytest.approx(1000, rel=0.1)
    assert "power over time" in used["how"]
    assert fake.calls.count("nvmlDeviceGetTotalEnergyConsumption") == 2  # asked once per device, then never again


def test_a_reading_that_fails_now_and_then_is_asked_for_again():
    fake = FakeNvml()
    nvml = Nvml({}, fake)
    answers = iter([NVMLError(10, "Timeout"), 61])

    def moody(*_):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    fake.nvmlDeviceGetTemperature = moody
    assert nvml.read(nvml.gpus[0], "temperature_c") is None
    assert nvml.read(nvml.gpus[0], "temperature_c") == 61


def test_no_driver_and_no_visible_device_are_off_with_the_reason(sampled):
    assert sampled(FakeNvml(driver=False))[0] == Collector(
        name="nvml", state="off", reason="no NVIDIA driver: Driver Not Loaded"
    )
    collector, run, start, end = sampled(FakeNvml(), visible="")
    assert (collector.state, "CUDA_VISIBLE_DEVICES" in collector.reason) == ("off", True)
    assert energy(run, start, end, 1)["joules_per_step"] is None
    assert "CUDA_VISIBLE_DEVICES" in energy(run, start, end, 1)["reason"]
    assert "CUDA_VISIBLE_DEVICES" in utilization(run, start, end)["unavailable"]["gpu_percent"]


def test_a_device_that_goes_missing_is_a_failed_collector_and_not_the_runs_end(sampled):
    fake = FakeNvml()
    fake.nvmlDeviceGetMemoryInfo = lambda h: 1 / 0
    collector, *_ = sampled(fake)
    assert (collector.state, "ZeroDivisionError" in collector.reason) == ("failed", True)
