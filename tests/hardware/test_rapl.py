"""The processor's energy counter, from a tree as the kernel lays it out (machines without one are common)."""

import os

import pytest

from perfkit.errors import CollectorError
from perfkit.hardware.rapl import Rapl


@pytest.fixture
def powercap(tmp_path):
    for name, energy in (("intel-rapl:0", 1_000_000), ("intel-rapl:1", 5_000_000), ("intel-rapl:0:0", 7)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{energy}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("9999999\n")
    return tmp_path


def test_packages_are_added_and_their_parts_are_not(powercap):
    rapl = Rapl(powercap)
    (powercap / "intel-rapl:0/energy_uj").write_text("3000000\n")
    (powercap / "intel-rapl:1/energy_uj").write_text("5500000\n")
    (powercap / "intel-rapl:0:0/energy_uj").write_text("900000\n")
    assert rapl.joules() == pytest.approx(2.5)


def test_a_counter_that_wraps_around_goes_on_growing(powercap):
    rapl = Rapl(powercap)
    (powercap / "intel-rapl:1/energy_uj").write_text("9000000\n")
    rapl.joules()
    (powercap / "intel-rapl:1/energy_uj").write_text("1000000\n")
    assert rapl.joules() == pytest.approx(4 + 2)


def test_none_is_a_reason(tmp_path):
    with pytest.raises(CollectorError, match="no energy counter"):
        Rapl(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else here")
def test_one_that_only_root_may_read_says_how_to_allow_it(powercap):
    for folder in (powercap, *powercap.parents):
        folder.chmod(folder.stat().st_mode | 0o055) if folder.stat().st_uid == 0 and str(folder) != "/" else None
    (powercap / "intel-rapl:0/energy_uj").chmod(0o400)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresuid(65534, 65534, 65534)
            Rapl(powercap)
            said = "could read it"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    assert "CollectorError" in said
    assert "chmod a+r" in said
