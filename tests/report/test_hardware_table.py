"""The table of devices, from a document alone."""

import json
from pathlib import Path

import pytest

from perfkit.hardware import calibration, catalog
from perfkit.hardware.overview import compose
from perfkit.model.records import Device
from perfkit.report import hardware_table

HOST = {
    "cpu": "AMD EPYC 9554 64-Core Processor", "instruction_sets": ["avx2", "avx512", "avx512_bf16"], "physical_cores": 64,
    "usable_cores": 16.0, "memory_bytes": 137438953472, "virtual": True,
}  # fmt: skip
SHOWN = [Device(name="NVIDIA H100 80GB HBM3", kind="cuda", index=index, memory_bytes=85045477376) for index in range(8)]


@pytest.fixture
def kept():
    file = Path(__file__).parents[1] / "hardware" / "made_up_calibration.json"
    return calibration.of(json.loads(file.read_text()), file)


def lines(document, width=100):
    return [line.plain for line in hardware_table.render(document, width=width)]


def row(shown, name):
    return next(line for line in shown if line.strip().startswith(name))


def test_each_figure_stands_beside_what_can_be_at_most(kept):
    shown = lines(compose(HOST, SHOWN, kept))
    assert "8 × NVIDIA H100 80GB HBM3, 79.2 GiB" in shown[1]
    assert "listed as H100 SXM5" in shown[1]
    assert row(shown, "bf16").split() == ["bf16", "989", "TFLOP/s", "724", "TFLOP/s", "73.2", "%"]
    assert row(shown, "memory").split() == ["memory", "3.35", "TB/s", "2.91", "TB/s", "86.8", "%"]
    assert row(shown, "start of a kernel").endswith("4.600 µs")
    assert any("one thread" in line for line in shown)
    assert any("JPEG 256x256 decoded in" in line for line in shown)
    assert shown[-1] == "next    perfkit profile SCRIPT"


def test_why_a_figure_is_missing_is_told(kept):
    shown = lines(compose(HOST, SHOWN, kept))
    assert row(shown, "fp8").split() == ["fp8", "1979", "TFLOP/s", "–"]
    assert any("SIGSEGV" in line for line in shown)


def test_without_a_calibration_the_catalogue_stands_alone(kept):
    shown = lines(compose(HOST, SHOWN, None))
    assert "989 TFLOP/s" in row(shown, "bf16")
    assert shown[-1] == "next    perfkit hardware calibrate"
    assert any("nothing was measured on this machine yet" in line for line in shown)


def test_a_device_in_no_catalogue_says_so():
    shown = lines(compose(HOST, [Device(name="NVIDIA Unheard-of", kind="cuda")], None))
    assert "NVIDIA Unheard-of  not listed" in shown[1]
    assert any("not in the catalogue" in line for line in shown)


def test_an_impossible_figure_is_not_shown_as_if_nothing_were(kept):
    kept.document["suspect"]["devices[0].flops.fp32"] = "4e14 per second, above the 6.7e13 that H100 SXM5 can do"
    assert "cannot be" in row(lines(compose(HOST, SHOWN, kept)), "fp32")


def test_a_device_that_only_the_calibration_knows_is_shown(kept):
    document = compose(HOST, [], kept)
    assert [device["count"] for device in document["devices"]] == [8, 1]
    assert "NVIDIA H100 80GB HBM3" in "\n".join(lines(document))


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_nothing_is_wider_than_the_page(kept, width):
    room = max(60, min(width, 100))
    assert all(len(line) <= room for line in lines(compose(HOST, SHOWN, kept), width))
    assert all(len(line.plain) <= room for line in hardware_table.catalogue(catalog.devices(), width=width))
    assert all(len(line.plain) <= room for line in hardware_table.entry(catalog.find("h100"), width=width))


def test_every_figure_of_an_entry_has_its_source():
    shown = "\n".join(line.plain for line in hardware_table.entry(catalog.find("h200")))
    for said in ("bf16 989 TFLOP/s", "bandwidth 4.8", "141 GiB", "H200 datasheet", "as the H100 SXM5"):
        assert said in shown
