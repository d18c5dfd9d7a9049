import tomllib
from importlib import resources

import pytest

from perfkit.hardware import catalog

KEYS = {"name", "names", "peaks", "bandwidth", "memory_bytes", "multiprocessors", "boost_mhz", "power_w", "capability", "source"}  # fmt: skip
FORMATS = {"fp64", "fp64_matrix", "fp32", "fp32_matrix", "tf32", "bf16", "fp16", "fp8", "int8"}

# Dense operations of 16-bit tensor cores per clock and multiprocessor, by compute capability: V100 whitepaper (8 cores of
# 64 fused multiply-adds), A100 (4 of 256), H100 (4 of 512), GA10x and AD10x (4 of 128, half of it on GeForce).
PER_CLOCK = {"7.0": 1024, "7.5": 1024, "8.0": 2048, "8.6": 1024, "8.9": 1024, "9.0": 4096}


@pytest.mark.parametrize(
    ("driver_says", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 SXM5"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA H200", "H200 SXM"),
        ("NVIDIA A100-SXM4-40GB", "A100 SXM4 40 GB"),
        ("A100-SXM4-40GB", "A100 SXM4 40 GB"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM4 80 GB"),
        ("NVIDIA A100-PCIE-40GB", "A100 PCIe 40 GB"),
        ("NVIDIA A100 80GB PCIe", "A100 PCIe 80 GB"),
        ("Tesla V100-SXM2-16GB", "V100 SXM2 16 GB"),
        ("Tesla V100-SXM2-32GB", "V100 SXM2 32 GB"),
        ("Tesla V100-PCIE-16GB", "V100 PCIe 16 GB"),
        ("Tesla T4", "T4"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("GeForce RTX 3090", "RTX 3090"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA B200", "B200"),
        ("AMD Instinct MI250X", "MI250X (one die)"),
        ("AMD Instinct MI300X", "MI300X"),
        ("nvidia h100 80gb hbm3", "H100 SXM5"),
    ],
)
def test_a_device_is_found_by_what_its_driver_calls_it(driver_says, name):
    assert catalog.match(driver_says).name == name


@pytest.mark.parametrize(
    "driver_says",
    [
        "NVIDIA L40", "NVIDIA L", "NVIDIA A10G", "NVIDIA A100", "NVIDIA A10-24Q", "NVIDIA H100", "NVIDIA H200 NVL",
        "NVIDIA GH200 480GB", "NVIDIA GB200", "NVIDIA T4G", "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        "NVIDIA H100 80GB HBM3 MIG 3g.40gb", "NVIDIA GeForce RTX 3090 Ti", "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA A100-PG509-200", "AMD Radeon Graphics", "AMD Instinct MI250",
        "AMD Instinct MI300A", "", "H100 80GB",
    ],
)  # fmt: skip
def test_a_neighbour_or_a_part_of_a_device_is_not_taken_for_it(driver_says):
    assert catalog.match(driver_says) is None


@pytest.mark.parametrize("spec", catalog.devices(), ids=lambda spec: spec.name)
def test_every_entry_is_whole_and_consistent(spec):
    assert set(spec.peak_flops) <= FORMATS
    assert "default" in spec.source
    assert 100e9 < spec.bandwidth < 10e12
    assert spec.memory_bytes > 10e9
    assert spec.matrix_peak("fp16") > spec.peak_flops["fp32"]
    assert spec.peak_flops.get("int8", 0) in (0, spec.matrix_peak("fp16")) or spec.peak_flops[
        "int8"
    ] >= 1.9 * spec.matrix_peak("fp16")


@pytest.mark.parametrize(
    "spec",
    [spec for spec in catalog.devices() if spec.boost_mhz and spec.capability in PER_CLOCK],
    ids=lambda spec: spec.name,
)
def test_peaks_are_dense_as_cores_and_clocks_have_it(spec):
    """A figure with sparsity would be twice as high."""
    per_clock = PER_CLOCK[spec.capability] / (2 if spec.name.startswith("RTX") else 1)
    expected = spec.multiprocessors * per_clock * spec.boost_mhz * 1e6
    assert spec.peak_flops["fp16"] == pytest.approx(expected, rel=0.02)


def test_every_number_names_its_source_and_nothing_else_is_written():
    for file in resources.files(catalog).iterdir():
        if file.name.endswith(".toml"):
            for entry in tomllib.loads(file.read_text())["device"]:
                assert set(entry) <= KEYS, entry["name"]
                assert set(entry["source"]) - {"default"} <= KEYS


def test_matrix_units_count_where_they_are_faster():
    h100 = catalog.match("NVIDIA H100 80GB HBM3")
    assert h100.matrix_peak("fp64") == pytest.approx(66.9e12)
    assert h100.matrix_peak("bf16") == pytest.approx(989.4e12)
    assert h100.matrix_peak("fp4") is None
