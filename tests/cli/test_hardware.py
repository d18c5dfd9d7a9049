"""`perfkit hardware`: the machine as it is, measured for real in a few seconds, and the catalogue."""

import json
import sys

import pytest


@pytest.fixture
def hardware(perfkit, tmp_path):
    """``hardware("list")``: the finished process, with a cache of its own."""
    cache = tmp_path / "cache"
    return lambda *args, **settings: perfkit("hardware", *args, env={"XDG_CACHE_HOME": str(cache)}, **settings)


def test_before_anything_was_measured_it_says_how(hardware):
    shown = hardware()
    assert shown.returncode == 0, shown.stderr
    assert "perfkit hardware calibrate" in shown.stdout.splitlines()[-1]
    assert "at most" in shown.stdout
    assert all(len(line) <= 100 for line in shown.stdout.splitlines())


def test_the_document_has_a_reason_for_every_null(hardware):
    shown = hardware("--json", "-")
    document = json.loads(shown.stdout)
    assert document["schema_version"] == 1
    assert document["calibration"] is None
    assert "perfkit hardware calibrate" in document["unavailable"]["calibration"]
    processor = document["devices"][-1]
    assert processor["kind"] == "cpu"
    assert document["unavailable"][f"devices[{len(document['devices']) - 1}].figures[0].measured"]


@pytest.mark.slow
def test_measured_in_seconds_and_shown_beside_what_can_be(hardware, tmp_path):
    """One run of the whole, with as little time as it takes: orders of magnitude are all that can be held on a busy machine."""
    done = hardware("calibrate", "--seconds", "0.5", "-o", "copy.json", "--json", "-", "--python", sys.executable)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document == json.loads((tmp_path / "copy.json").read_text())
    assert document["suspect"] == {}
    processor = document["devices"][-1]
    assert 1e8 < processor["flops"]["fp32"] < 1e14
    # beside other work two threads that wait for each other may be much slower than one
    assert 1e8 < processor["one_thread"]["flops"]["fp32"] < 1e14
    assert 1e8 < processor["bandwidth"] < 1e13
    assert 1e-6 < document["host_speed"]["interpreter_s"] < 0.1
    assert 1e-8 < document["host_speed"]["dispatch_s"] < 1e-3
    assert 1e-5 < document["loader"]["decode_s"] < 1
    assert document["disk"]["read_bytes_per_s"] or document["unavailable"]["disk.read_bytes_per_s"]
    assert "measuring the processor" in done.stderr

    shown = hardware()
    assert "GFLOP/s" in shown.stdout or "TFLOP/s" in shown.stdout
    assert "JPEG 256x256" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "next    perfkit profile SCRIPT"
    assert json.loads(hardware("--json", "-").stdout)["calibration"]["measured"] == document["measured"]


def test_a_python_that_does_not_exist_is_one_line(hardware):
    done = hardware("calibrate", "--python", "/nowhere/python")
    assert done.returncode == 2
    assert done.stderr.startswith("perfkit: ")
    assert len(done.stderr.splitlines()) == 1


def test_the_catalogue_is_listed_and_an_entry_has_its_sources(hardware):
    listed = hardware("list")
    assert "H100 SXM5" in listed.stdout
    assert "MI300X" in listed.stdout
    one = hardware("list", "h100")
    assert "989 TFLOP/s" in one.stdout
    assert "whitepaper" in one.stdout
    document = json.loads(hardware("list", "l40s", "--json", "-").stdout)
    assert document["devices"][0]["peak_flops"]["bf16"] == 362.05e12


@pytest.mark.parametrize(("name", "said"), [("h300", "did you mean"), ("6000", "may be one of several")])
def test_a_name_that_means_none_or_several_is_one_line(hardware, name, said):
    done = hardware("list", name)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
