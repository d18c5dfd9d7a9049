"""The measuring itself: on this processor for real, and the way a GPU is measured with torch's own operators behind a device of its kind."""

import itertools
import time
from types import SimpleNamespace

import pytest

from perfkit.hardware.figures import child, disk, host
from perfkit.hardware.figures.timing import Unavailable, figure, grown, times_s


def test_a_figure_is_the_best_and_its_spread_how_much_longer_the_median_took():
    assert figure([0.4, 0.2, 0.3]) == {"value": 0.2, "spread": 0.5}
    assert figure([0.4, 0.2, 0.3], 6.0) == {"value": 30.0, "spread": 0.5}
    assert figure([0.4, 0.2, 0.3], 6.0, typical=True) == {"value": 20.0, "spread": 0.5}


def test_as_many_calls_as_the_time_holds_but_at_least_some():
    assert len(times_s(lambda: None, 0.0, least=3)) == 3
    assert len(times_s(lambda: None, 0.01)) > 3
    assert all(seconds >= 0.001 for seconds in times_s(lambda: time.sleep(0.001), 0.005))


@pytest.mark.parametrize(("enough", "size"), [(0.0, 256), (0.5, 512), (3.0, 4096), (100.0, 8192)])
def test_a_size_grows_until_a_call_takes_long_enough(enough, size):
    assert grown(lambda size: size / 1024, start=256, most=8192, enough_s=enough) == size


def test_one_figure_does_not_take_the_others_down():
    def broken(_budget_s):
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore lines")

    def too_large(_budget_s):
        raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA error: out of memory")

    def none(_budget_s):
        raise Unavailable("no such products")

    assert child.measured(lambda budget_s: {"value": budget_s, "spread": 0.0}, 0.5) == {"value": 0.5, "spread": 0.0}
    assert child.measured(none, 0.5) == {"unavailable": "no such products"}
    assert child.measured(broken, 0.5) == {
        "unavailable": "RuntimeError: CUDA error: an illegal memory access was encountered", "fault": True,
    }  # fmt: skip
    assert child.measured(too_large, 0.5)["fault"] is False


# --- the host


def test_the_picture_is_the_same_everywhere():
    """Figures of two machines compare only over the same work."""
    picture = host.picture()
    assert len(picture) == 3 * 256 * 256
    assert picture[:6] == host.picture()[:6]
    assert host.interpreter_loop() == sum(range(1000))


def test_a_picture_is_decoded_with_pil_and_without_it_bytes_are(monkeypatch):
    pytest.importorskip("PIL")
    found = host.decode(0.01)
    assert found["what"] == "JPEG 256x256"
    assert 1e-5 < found["value"] < 1

    def no_module(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(host, "import_module", no_module)
    assert host.decode(0.01)["what"] == "zlib 192 KiB"


# --- the disk


def test_a_disk_is_read_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "MOST_BYTES", disk.LEAST_BYTES)
    try:
        found = disk.read(str(tmp_path))
    except Unavailable as reason:  # a folder in memory, or a full disk
        assert "memory" in str(reason) or "room" in str(reason)
    else:
        assert 1e6 < found["value"] < 1e12
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_memory_is_seen(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x" * (1 << 20))
    with file.open("r+b") as opened:
        opened.read()
        assert disk.resident_share(opened.fileno(), 1 << 20) == 1.0


def test_a_file_that_stays_in_memory_is_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "resident_share", lambda *_: 1.0)
    monkeypatch.setattr(disk, "MOST_BYTES", disk.LEAST_BYTES)
    with pytest.raises(Unavailable, match="stays in memory"):
        disk.read(str(tmp_path))


def test_a_system_that_drops_no_pages_says_so(tmp_path, monkeypatch):
    monkeypatch.delattr("os.posix_fadvise")
    with pytest.raises(Unavailable, match="posix_fadvise"):
        disk.read(str(tmp_path))


# --- torch


class Torch:
    """torch as it would be with a GPU: what is made on that device is made on the processor, and events read a clock."""

    def __init__(self, capability=(8, 6), hip=None, architecture="gfx942:sramecc+", free_bytes=1 << 30):
        self.real = pytest.importorskip("torch")
        self.version = SimpleNamespace(cuda=None if hip else "12.8", hip=hip)
        self.waited = itertools.count()
        self.cuda = SimpleNamespace(
            Event=Event,
            set_device=lambda _device: None,
            synchronize=lambda _device: next(self.waited),
            empty_cache=lambda: None,
            mem_get_info=lambda _device: (free_bytes, free_bytes),
            get_device_capability=lambda _device: capability,
            is_available=lambda: True,
            device_count=lambda: 1,
            get_device_properties=lambda _device: SimpleNamespace(
                name="NVIDIA Unheard-of", gcnArchName=architecture, major=capability[0], minor=capability[1],
                multi_processor_count=84, total_memory=1 << 30, clock_rate=1_695_000,
            ),
        )  # fmt: skip

    def device(self, name):
        return SimpleNamespace(type=name.split(":")[0])

    def set_float32_matmul_precision(self, precision):
        self.precision = precision

    def __getattr__(self, name):
        found = getattr(self.real, name)
        if name not in ("randn", "ones", "zeros", "empty"):
            return found
        return lambda *args, device=None, **more: found(*args, **more)


class Event:
    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.at = time.perf_counter()

    def synchronize(self):
        pass

    def elapsed_time(self, other):
        return (other.at - self.at) * 1e3


@pytest.fixture
def on_gpu(monkeypatch):
    from perfkit.hardware.figures import torch_device

    monkeypatch.setattr(torch_device, "TRANSFER_BYTES", 1 << 20)
    monkeypatch.setattr(torch_device, "COPY_BYTES", 1 << 20)
    monkeypatch.setattr(torch_device, "MOST_SIZE", 512)
    return lambda **settings: torch_device.TorchDevice(Torch(**settings), "cuda:0")


@pytest.mark.parametrize("name", ["flops.fp32", "flops.tf32", "bandwidth", "h2d_pageable", "launch_s"])
def test_a_gpu_is_timed_by_events_and_waited_for(on_gpu, name):
    device = on_gpu()
    found = device.figures()[name](0.02)
    assert found["value"] > 0
    assert found["spread"] >= 0
    assert next(device.torch.waited) > 3
    if name.startswith("flops"):
        assert device.torch.precision == ("high" if name == "flops.tf32" else "highest")


@pytest.mark.parametrize(
    ("settings", "dtype", "said"),
    [
        ({"capability": (7, 5)}, "tf32", "need compute capability 8.0; this device has 7.5"),
        ({"capability": (7, 0)}, "bf16", "need compute capability 8.0"),
        ({"capability": (8, 6)}, "fp8", "need compute capability 8.9"),
        ({"hip": "6.4"}, "tf32", "under ROCm"),
        ({"hip": "6.4", "architecture": "gfx90a"}, "fp8", "gfx90a has no fp8"),
    ],
)
def test_what_a_gpu_does_not_compute_in_is_not_measured(on_gpu, settings, dtype, said):
    """torch would multiply all the same, in another format."""
    with pytest.raises(Unavailable, match=said):
        on_gpu(**settings).products(dtype, 0.01)


def test_matrices_leave_room_on_a_small_gpu(on_gpu, monkeypatch):
    from perfkit.hardware.figures import torch_device

    monkeypatch.setattr(torch_device, "MOST_SIZE", 16384)
    assert on_gpu(free_bytes=80 << 30)._largest("bf16") == 16384
    size = on_gpu(free_bytes=1 << 30)._largest("fp32")
    assert 3 * 4 * size**2 <= (1 << 30) / 4 < 4 * 3 * 4 * size**2
    assert on_gpu(free_bytes=1 << 20)._largest("fp32") == torch_device.START_SIZE


def test_what_torch_tells_of_a_device_is_enough_for_an_estimate_where_it_tells_all():
    from perfkit.hardware.figures.torch_device import described

    found = described(Torch())
    assert found["devices"][0]["details"] == {"capability": [8, 6], "multiprocessors": 84, "max_sm_clock_mhz": 1695.0}
    assert described(Torch(hip="6.4"))["devices"][0]["kind"] == "rocm"
    assert described(Torch(hip="6.4"))["devices"][0]["details"]["capability"] == "gfx942"
