"""The catalogue against what drivers call devices, and against what units times clocks come to."""

import tomllib
from collections import Counter
from importlib import resources

import pytest

from perfkit.hardware import catalog

KEYS = {
    "name", "names", "short", "peaks", "bandwidth", "memory_bytes", "l2_bytes", "multiprocessors", "boost_mhz", "plain_boost_mhz",
    "power_w", "capability", "source",
}  # fmt: skip
FORMATS = {"fp64", "fp64_matrix", "fp32", "fp32_matrix", "tf32", "bf16", "fp16", "fp8", "fp4", "int8"}

# Dense operations of 16-bit matrix units per clock and multiprocessor: V100 whitepaper (8 cores of 64 fused multiply-adds), A100
# (4 of 256), H100 (4 of 512), GA10x, AD10x and GB20x (4 of 128); AMD's white papers of CDNA 2, 3 and 4.
PER_CLOCK = {
    "7.0": 1024, "7.5": 1024, "8.0": 2048, "8.6": 1024, "8.9": 1024, "9.0": 4096, "12.0": 1024,
    "gfx90a": 1024, "gfx942": 2048, "gfx950": 4096,
}  # fmt: skip
# Their makers let these add up in fp32 at half of the rate.
HALVED = {"RTX 2080 Ti", "RTX 3090", "RTX 3090 Ti", "RTX 4080", "RTX 4090", "RTX 5090", "L40", "A10G"}


@pytest.mark.parametrize(
    ("driver_says", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 SXM5"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA H200", "H200 SXM"),
        ("NVIDIA H200 NVL", "H200 NVL"),
        ("NVIDIA H800", "H800 SXM5"),
        ("NVIDIA H20", "H20"),
        ("NVIDIA GH200 480GB", "GH200 96 GB"),
        ("NVIDIA GH200 120GB", "GH200 96 GB"),
        ("NVIDIA GH200 144G HBM3e", "GH200 144 GB"),
        ("NVIDIA A100-SXM4-40GB", "A100 SXM4 40 GB"),
        ("A100-SXM4-40GB", "A100 SXM4 40 GB"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM4 80 GB"),
        ("NVIDIA A100-PCIE-40GB", "A100 PCIe 40 GB"),
        ("NVIDIA A100 80GB PCIe", "A100 PCIe 80 GB"),
        ("NVIDIA A800-SXM4-80GB", "A800 SXM4 80 GB"),
        ("NVIDIA A30", "A30"),
        ("NVIDIA A40", "A40"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA A2", "A2"),
        ("NVIDIA RTX A6000", "RTX A6000"),
        ("RTX A6000", "RTX A6000"),
        ("Tesla V100-SXM2-16GB", "V100 SXM2 16 GB"),
        ("Tesla V100-SXM2-32GB", "V100 SXM2 32 GB"),
        ("Tesla V100-PCIE-16GB", "V100 PCIe 16 GB"),
        ("Tesla V100S-PCIE-32GB", "V100S PCIe 32 GB"),
        ("Tesla T4", "T4"),
        ("Quadro RTX 8000", "Quadro RTX 8000"),
        ("NVIDIA TITAN RTX", "Titan RTX"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40", "L40"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("GeForce RTX 3090", "RTX 3090"),
        ("NVIDIA GeForce RTX 3090 Ti", "RTX 3090 Ti"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 5090", "RTX 5090"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000 Blackwell Workstation"),
        ("NVIDIA B200", "B200"),
        ("NVIDIA GB200", "GB200 (one device)"),
        ("NVIDIA B300 SXM6 AC", "B300"),
        ("AMD Instinct MI210", "MI210"),
        ("AMD Instinct MI250", "MI250 (one die)"),
        ("AMD Instinct MI250X", "MI250X (one die)"),
        ("AMD Instinct MI300A", "MI300A"),
        ("AMD Instinct MI300X", "MI300X"),
        ("AMD Instinct MI325X", "MI325X"),
        ("AMD Instinct MI355X", "MI355X"),
        ("nvidia h100 80gb hbm3", "H100 SXM5"),
    ],
)
def test_a_device_is_found_by_what_its_driver_calls_it(driver_says, name):
    assert catalog.match(driver_says).name == name


@pytest.mark.parametrize(
    "driver_says",
    [
        "NVIDIA L", "NVIDIA A100", "NVIDIA A10-24Q", "NVIDIA H100", "NVIDIA L20", "NVIDIA H20-3e", "NVIDIA GB300", "NVIDIA T4G",
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "NVIDIA H100 80GB HBM3 MIG 3g.40gb", "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA A100-PG509-200", "NVIDIA RTX PRO 6000 Blackwell Server Edition",
        "AMD Radeon Graphics", "AMD Instinct MI300", "", "H100 80GB", "h100",
    ],
)  # fmt: skip
def test_a_neighbour_or_a_part_of_a_device_is_not_taken_for_it(driver_says):
    assert catalog.match(driver_says) is None


@pytest.mark.parametrize("spec", catalog.devices(), ids=lambda spec: spec.name)
def test_every_entry_is_whole_and_consistent(spec):
    assert set(spec.peak_flops) <= FORMATS
    assert "default" in spec.source
    assert all(peak > 0 for peak in spec.peak_flops.values())
    assert 100e9 < spec.bandwidth < 10e12
    assert spec.memory_bytes > 10e9
    assert spec.l2_bytes is None or 1e6 < spec.l2_bytes < 1e9
    assert spec.power_w is None or 50 <= spec.power_w <= 1500
    assert spec.matrix_peak("fp16") > spec.peak_flops["fp32"]
    assert spec.short
    if spec.plain_boost_mhz:
        assert spec.plain_boost_mhz > spec.boost_mhz


@pytest.mark.parametrize("spec", catalog.devices(), ids=lambda spec: spec.name)
def test_formats_of_half_the_bits_are_twice_as_fast(spec):
    """Of what is published they are, or as fast; a figure with sparsity beside one without would be four times."""
    half = spec.matrix_peak("fp16")
    assert spec.peak_flops.get("bf16", half) == half
    for dtype, least, most in (("fp8", 1.9, 2.1), ("int8", 0.99, 4.1), ("fp4", 3.9, 8.1)):
        if dtype in spec.peak_flops:
            assert least * half <= spec.peak_flops[dtype] <= most * half
    if "tf32" in spec.peak_flops:
        assert spec.peak_flops["tf32"] == pytest.approx(half / 2, rel=0.02)


@pytest.mark.parametrize(
    "spec",
    [spec for spec in catalog.devices() if spec.boost_mhz and spec.capability in PER_CLOCK],
    ids=lambda spec: spec.name,
)
def test_peaks_are_dense_as_units_and_clocks_have_it(spec):
    """A figure with sparsity would be twice as high. The L40S's datasheet says a little less than it comes to."""
    per_clock = PER_CLOCK[spec.capability] / (2 if spec.name in HALVED else 1)
    expected = spec.multiprocessors * per_clock * spec.boost_mhz * 1e6
    assert spec.peak_flops["fp16"] == pytest.approx(expected, rel=0.013 if spec.name == "L40S" else 0.01)


def test_most_entries_can_be_held_against_units_and_clocks():
    held = [spec for spec in catalog.devices() if spec.boost_mhz and spec.capability in PER_CLOCK]
    assert len(held) > 0.8 * len(catalog.devices()) > 35


def test_every_number_names_its_source_and_nothing_else_is_written():
    for file in resources.files(catalog).iterdir():
        if file.name.endswith(".toml"):
            for entry in tomllib.loads(file.read_text())["device"]:
                assert set(entry) <= KEYS, entry["name"]
                assert set(entry["source"]) - {"default"} <= KEYS | set(entry["peaks"])
                assert all(entry["source"].values())


def test_matrix_units_count_where_they_are_faster():
    h100 = catalog.match("NVIDIA H100 80GB HBM3")
    assert h100.matrix_peak("fp64") == pytest.approx(66.9e12)
    assert h100.matrix_peak("bf16") == pytest.approx(989.4e12)
    assert h100.matrix_peak("fp4") is None


# --- what people call them


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("h100", "H100 SXM5"),
        ("H200", "H200 SXM"),
        ("l40s", "L40S"),
        ("a100", "A100 SXM4 80 GB"),
        ("a100-40gb", "A100 SXM4 40 GB"),
        ("a100-80gb-pcie", "A100 PCIe 80 GB"),
        ("A100 PCIe 40 GB", "A100 PCIe 40 GB"),
        ("a100 40gb pcie", "A100 PCIe 40 GB"),
        ("v100", "V100 SXM2 16 GB"),
        ("v100 32gb", "V100 SXM2 32 GB"),
        ("mi300x", "MI300X"),
        ("Instinct MI300X", "MI300X"),
        ("rtx4090", "RTX 4090"),
        ("4090", "RTX 4090"),
        ("geforce rtx 4090", "RTX 4090"),
        ("h100 nvl", "H100 NVL"),
        ("gh200", "GH200 96 GB"),
        ("a6000", "RTX A6000"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM4 80 GB"),
        ("t4", "T4"),
    ],
)
def test_a_person_need_not_know_the_drivers_name(text, name):
    assert catalog.find(text).name == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("6000", "rtx6000ada"),
        ("pcie", "may be one of several"),
        ("h300", "did you mean h"),
        ("l40x", "l40"),
        ("zzz", "perfkit hardware list"),
        ("", "perfkit hardware list"),
    ],
)
def test_what_means_several_or_none_is_told_with_names_to_choose_from(text, said):
    with pytest.raises(ValueError, match=said):
        catalog.find(text)
    with pytest.raises(catalog.UnknownDevice) as raised:
        catalog.find(text)
    assert raised.value.exit_code == 2


def test_no_short_name_means_two_devices():
    counted = Counter(name.replace("-", "") for spec in catalog.devices() for name in spec.short)
    assert [name for name, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("spec", catalog.devices(), ids=lambda spec: spec.name)
def test_every_entry_is_found_by_its_own_names(spec):
    assert all(catalog.find(name) is spec for name in (spec.name, *spec.short))
