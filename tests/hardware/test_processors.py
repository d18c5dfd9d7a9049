"""What instruction sets say that a processor can do at most."""

import pytest

from perfkit.hardware.processors import highest_clock_hz, instruction_sets, limit_of


@pytest.fixture
def cpus(tmp_path):
    """Two cores as the kernel tells of them, with different highest clocks."""
    for core, khz in ((0, 2_600_000), (1, 3_200_000)):
        folder = tmp_path / f"cpu{core}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "cpuinfo_max_freq").write_text(f"{khz}\n")
    (tmp_path / "cpufreq").mkdir()
    return tmp_path


def host(*sets, usable=8.0, physical=4, virtual=False):
    return {"instruction_sets": list(sets), "usable_cores": usable, "physical_cores": physical, "virtual": virtual}


def test_the_widest_set_counts_for_each_format(cpus):
    limit = limit_of(host("avx2", "avx512", "avx512_bf16", "amx_bf16"), cpus=cpus)
    assert limit.flop_per_cycle == {"fp64": 32, "fp32": 64, "bf16": 1024}
    assert limit.sets["bf16"] == "amx_bf16"
    assert limit.peak("fp32") == 4 * 3.2e9 * 64
    assert limit.peak("fp32", cores=1) == 3.2e9 * 64
    assert limit.peak("fp16") is None


def test_two_threads_of_a_core_are_one_and_a_virtual_machines_cores_are_not_trusted(cpus):
    assert limit_of(host("avx2"), cpus=cpus).cores == 4
    assert limit_of(host("avx2", usable=2.0), cpus=cpus).cores == 2
    assert limit_of(host("avx2", physical=1, virtual=True), cpus=cpus).cores == 8


def test_without_a_clock_there_is_no_peak_but_still_what_cannot_be(tmp_path):
    limit = limit_of(host("avx2"), cpus=tmp_path)
    assert highest_clock_hz(tmp_path) is None
    assert limit.peak("fp32") is None
    assert limit.surely("fp32") == 4 * 6.5e9 * 32
    assert limit.surely("bf16") == limit.surely("fp32")  # computed in fp32 where no set has it


def test_a_clock_that_cannot_be_read_is_left_out(cpus):
    (cpus / "cpu1" / "cpufreq" / "cpuinfo_max_freq").write_text("<unknown>\n")
    assert highest_clock_hz(cpus) == 2.6e9


def test_a_processor_of_another_kind_has_no_limit(cpus):
    assert limit_of(host(), cpus=cpus) is None
    assert limit_of({"instruction_sets": None}, cpus=cpus) is None


def test_every_set_has_a_source_and_narrow_cores_do_less():
    for found in instruction_sets():
        assert found.source
        assert all(rate > 0 for rate in found.flop_per_cycle.values())
        if found.narrow:
            assert found.narrow_on
            assert all(rate < found.flop_per_cycle[dtype] for dtype, rate in found.narrow.items())
