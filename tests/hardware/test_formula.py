"""Estimates of devices that no table lists, held against those that one does."""

import re

import pytest

from perfkit.hardware import catalog
from perfkit.hardware.formula import PER_CLOCK, estimate, spec_of
from perfkit.model.records import Device

# Bus width in bits and the highest memory and multiprocessor clocks in MHz, as drivers report them.
CLOCKS = {
    "A100 SXM4 80 GB": (5120, 1593, 1410),
    "H100 SXM5": (5120, 2619, 1980),
    "V100 SXM2 16 GB": (4096, 877, 1530),
    "T4": (256, 5001, 1590),
    "A10": (384, 6251, 1695),
    "RTX A6000": (384, 8001, 2100),
    "L4": (192, 6251, 2040),
    "L40S": (384, 9001, 2520),
    "H200 SXM": (6144, 3201, 1980),
    "RTX 4090": (384, 10501, 3105),
}
MOST_OVER = {"H100 SXM5": 0.09, "H200 SXM": 0.09, "RTX A6000": 0.18, "RTX 4090": 0.25}


def device(spec, clock_mhz, bits=4096, memory_mhz=1000, name=None, **details):
    told = {
        "capability": [int(part) for part in spec.capability.split(".")],
        "multiprocessors": spec.multiprocessors,
        "max_sm_clock_mhz": clock_mhz,
        "max_memory_clock_mhz": memory_mhz,
        "memory_bus_bits": bits,
    }
    geforce = re.fullmatch(r"RTX \d0\d0( Ti)?", spec.name)
    name = name or ("NVIDIA GeForce Unheard-of" if geforce else "NVIDIA Unheard-of")
    return Device(name=name, kind="cuda", memory_bytes=spec.memory_bytes, details=told | details)


@pytest.mark.parametrize(
    "spec",
    [
        spec
        for spec in catalog.devices()
        if spec.capability in PER_CLOCK and spec.boost_mhz and spec.name not in {"L40", "A10G"}
    ],
    ids=lambda spec: spec.name,
)
def test_at_the_makers_clocks_it_meets_the_makers_figures(spec):
    """Within 2 %: datasheets cut their figures to whole numbers."""
    found = estimate(device(spec, spec.boost_mhz))
    plain = estimate(device(spec, spec.plain_boost_mhz or spec.boost_mhz))
    for dtype, peak in spec.peak_flops.items():
        made = plain if dtype in ("fp32", "fp64", "fp64_matrix") else found
        if dtype in made.peak_flops:
            assert made.peak_flops[dtype] == pytest.approx(peak, rel=0.02), dtype


@pytest.mark.parametrize("name", CLOCKS)
def test_at_the_drivers_clocks_it_is_an_upper_limit(name):
    spec = next(spec for spec in catalog.devices() if spec.name == name)
    bits, memory_mhz, clock_mhz = CLOCKS[name]
    found = estimate(device(spec, clock_mhz, bits, memory_mhz))
    assert 0.99 < found.peak_flops["fp16"] / spec.peak_flops["fp16"] < 1.02 + MOST_OVER.get(name, 0)
    assert found.bandwidth == pytest.approx(spec.bandwidth, rel=0.026)
    assert found.estimated
    assert "formula" in found.source["default"]


def test_drivers_count_cores_and_multiprocessors_follow():
    spec = catalog.find("a100")
    from_cores = device(spec, 1410, multiprocessors=None, cuda_cores=6912)
    assert estimate(from_cores) == estimate(device(spec, 1410))
    assert estimate(from_cores).multiprocessors == 108


@pytest.mark.parametrize(
    "missing", ["capability", "multiprocessors", "max_sm_clock_mhz", "max_memory_clock_mhz", "memory_bus_bits"]
)
def test_what_is_not_told_is_not_guessed(missing):
    assert estimate(device(catalog.find("a100"), 1410, **{missing: None})) is None


def test_a_part_of_a_device_or_an_architecture_not_known_stays_unknown():
    spec = catalog.find("a100")
    assert estimate(device(spec, 1410, mig=True)) is None
    assert estimate(device(spec, 1410, capability=[99, 0])) is None
    assert spec_of(Device(name="NVIDIA Unheard-of", kind="cuda")) is None


def test_what_is_listed_is_taken_from_the_list():
    listed = spec_of(device(catalog.find("h100"), 1980, name="NVIDIA H100 80GB HBM3"))
    assert listed is catalog.find("h100")
    assert not listed.estimated


def test_a_partition_has_the_name_of_the_whole_but_not_its_peaks():
    whole = Device(name="AMD Instinct MI300X", kind="rocm", details={"multiprocessors": 304})
    part = Device(name="AMD Instinct MI300X", kind="rocm", details={"multiprocessors": 38})
    assert spec_of(whole).name == "MI300X"
    assert spec_of(part) is None
