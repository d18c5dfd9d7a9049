"""How a calibration is put together from what the measuring processes say."""

import pytest

from perfkit.hardware import calibrate as measuring
from perfkit.hardware import calibration, children, measure, nvidia, overview
from perfkit.hardware.children import Gathered
from perfkit.model.records import Device

H100 = {
    "index": 0, "name": "NVIDIA H100 80GB HBM3", "kind": "cuda", "memory_bytes": 85 * 10**9, "details": {"capability": [9, 0]},
}  # fmt: skip
PER_FIGURE = {
    "flops.fp32": 1e11, "flops.bf16": 5e10, "flops.fp64": 5e10, "bandwidth": 1e10, "interpreter_s": 1e-4, "dispatch_s": 1e-6,
    "decode_s": 1e-3, "read_bytes_per_s": 1e9, "h2d_pinned": 5e10, "h2d_pageable": 8e9, "launch_s": 5e-6,
}  # fmt: skip
NO_TORCH = "torch is not installed"


@pytest.fixture
def answers(monkeypatch):
    """``answers(torch=False, devices=[…])``: stands for the measuring processes; the groups that were asked are returned."""

    def give(*, torch=True, devices=(), shown=(), without=()):
        asked = []

        def gather(group, wanted, *, seconds, **settings):
            asked.append((group, settings.get("device")))
            if group in ("processor", "accelerator") and not torch:
                return Gathered(reasons=dict.fromkeys(wanted, NO_TORCH))
            told = {"torch": "2.9.1", "cuda": "12.8" if devices else None, "hip": None, "devices": list(devices)}
            values = {name: PER_FIGURE.get(name.removeprefix("one_thread."), 1e12) for name in wanted}
            values["devices"] = told
            found = {
                name: {"value": values[name], "spread": 0.02, "what": "JPEG 256x256", "python": "3.12.3"}
                for name in wanted
                if name not in without
            }
            return Gathered(found=found, reasons=dict.fromkeys(set(wanted) & set(without), "killed by SIGSEGV"))

        monkeypatch.setattr(children, "gather", gather)
        monkeypatch.setattr(measure, "crowding", lambda: {"interpreter": 1.2, "matrix": 1.1})
        monkeypatch.setattr(measure, "is_idle", lambda: True)
        monkeypatch.setattr(nvidia, "devices", lambda: list(shown))
        return asked

    return give


def calibrated(tmp_path, **settings):
    return measuring.calibrate(measuring.Asked(cache=tmp_path, folder=tmp_path, **settings))


def nulls(row, path=""):
    """Paths of all nulls of a document."""
    items = row.items() if isinstance(row, dict) else enumerate(row) if isinstance(row, list) else ()
    for key, value in items:
        inner = f"{path}[{key}]" if isinstance(row, list) else f"{path}.{key}" if path else key
        if value is None:
            yield inner
        else:
            yield from nulls(value, inner)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"torch": False},
        {"devices": [H100]},
        {
            "devices": [H100],
            "without": ["flops.fp8", "bandwidth", "interpreter_s", "decode_s", "devices", "dispatch_s"],
        },
        {"torch": False, "shown": [Device(name="NVIDIA L4", kind="cuda")]},
    ],
)
def test_every_null_has_its_reason(answers, tmp_path, settings):
    answers(**settings)
    made = calibrated(tmp_path)
    assert set(nulls(made.document)) == set(made.unavailable)
    shown = overview.overview(cache=tmp_path)
    assert set(nulls(shown)) <= set(shown["unavailable"]) | {
        f"host.{key}" for key, value in shown["host"].items() if value is None
    }


def test_what_was_measured_is_kept_and_found_again(answers, tmp_path):
    answers(devices=[H100])
    made = calibrated(tmp_path)
    assert calibration.kept(calibration.fingerprint([]), cache=tmp_path).document == made.document
    assert made.device("cuda").flops["bf16"] == 5e10
    assert made.device("cpu").one_thread["bandwidth"] == 1e10
    assert made.spread["devices[0].flops.fp32"] == 0.02
    assert made.host["torch"] == "2.9.1"


def test_one_of_several_alike_is_measured_and_they_are_counted(answers, tmp_path):
    asked = answers(devices=[H100, H100 | {"index": 1}, H100 | {"index": 2, "name": "NVIDIA L4"}])
    made = calibrated(tmp_path)
    assert [(device.name, device.count) for device in made.devices[:2]] == [(H100["name"], 2), ("NVIDIA L4", 1)]
    assert [device for group, device in asked if group == "accelerator"] == ["cuda:0", "cuda:2"]


def test_without_torch_the_processor_is_measured_with_numpy_and_a_gpu_says_why_not(answers, tmp_path):
    answers(torch=False, shown=[Device(name="NVIDIA L4", kind="cuda", memory_bytes=24 << 30)])
    made = calibrated(tmp_path)
    gpu, cpu = made.devices
    assert gpu.flops == {}
    assert NO_TORCH in made.unavailable["devices[0].flops.bf16"]
    assert set(cpu.flops) == {"fp32", "fp64"}
    assert made.unavailable["devices[1].flops.bf16"] == NO_TORCH
    assert made.host["torch"] is None


def test_a_torch_for_the_processor_only_says_so(answers, tmp_path):
    answers(shown=[Device(name="NVIDIA L4", kind="cuda", memory_bytes=24 << 30)])
    assert "built for the processor only" in calibrated(tmp_path).unavailable["devices[0].bandwidth"]


def test_a_figure_that_cannot_be_is_marked(answers, tmp_path, monkeypatch):
    answers(devices=[H100])
    monkeypatch.setitem(PER_FIGURE, "flops.bf16", 2e15)
    assert "devices[0].flops.bf16" in calibrated(tmp_path).suspect


@pytest.mark.parametrize(("seconds", "each"), [(20, 20 / 26), (0.1, 0.05), (600, 1.5)])
def test_the_time_is_divided(seconds, each):
    assert measuring.Asked(seconds=seconds).each_s == pytest.approx(each)
