"""The file of a calibration: what is written is read, and what is none is told so."""

import json

import pytest

from perfkit.errors import NewerSchema, PerfkitError, UsageError
from perfkit.hardware import calibration
from perfkit.model.records import Device


@pytest.fixture
def file(document, tmp_path):
    """``file(key=value)``: a calibration with something changed; None: left out."""

    def write(**changes):
        changed = {key: value for key, value in (document | changes).items() if value is not None}
        path = tmp_path / "calibration.json"
        path.write_text(json.dumps(changed))
        return path

    return write


def test_a_device_is_found_by_name_or_kind(file):
    found = calibration.load(file())
    assert found.device("NVIDIA H100 80GB HBM3").flops["bf16"] == 7.24e14
    assert found.device("cuda") is found.device("gpu") is found.device("nvidia h100 80gb hbm3")
    assert found.device("cpu").one_thread["flops"]["fp32"] == 1.2e11
    assert found.loader["what"] == "JPEG 256x256"
    with pytest.raises(UsageError, match="no device 'mps'; it has: NVIDIA H100 80GB HBM3"):
        found.device("mps")


def test_what_was_not_measured_is_no_peak_and_has_a_reason(file):
    found = calibration.load(file())
    assert "fp8" not in found.device("cuda").flops
    assert "SIGSEGV" in found.unavailable["devices[0].flops.fp8"]
    assert found.disk["read_bytes_per_s"] is None


def test_measured_peaks_are_those_of_an_entry(file):
    found = calibration.load(file())
    spec = found.as_spec()
    assert (spec.name, spec.matrix_peak("bf16"), spec.bandwidth) == ("NVIDIA H100 80GB HBM3", 7.24e14, 2.91e12)
    assert spec.matrix_peak("fp8") is None
    assert "measured 2026-11-28" in spec.source["default"]
    assert found.as_spec("cpu").matrix_peak("fp64") == 8.0e11


def test_a_machine_without_accelerators_is_its_processor(file, document):
    assert calibration.load(file(devices=document["devices"][1:])).as_spec().name.startswith("AMD EPYC")


def test_half_a_roofline_is_none(file, document):
    document["devices"][0]["bandwidth"] = None
    with pytest.raises(PerfkitError, match="no memory bandwidth"):
        calibration.load(file()).as_spec()


def test_what_is_written_is_read(document, tmp_path):
    made = calibration.of(document)
    written = calibration.write(made, tmp_path / "new" / "copy.json")
    again = calibration.load(tmp_path / "new" / "copy.json")
    assert again == written
    assert (again.document, again.measured) == (document, "2026-11-28T19:59:00Z")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["copy.json"]


def test_where_nothing_can_be_written_it_is_told(document, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PerfkitError, match="cannot be written"):
        calibration.write(calibration.of(document), tmp_path / "file" / "copy.json")


def test_it_is_told_before_anything_is_measured(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "copy.json", tmp_path):
        with pytest.raises(PerfkitError, match="cannot be written"):
            calibration.check_writable(place)
    calibration.check_writable(tmp_path / "copy.json")


def test_a_newer_file_is_refused(file):
    with pytest.raises(NewerSchema, match="upgrade"):
        calibration.load(file(schema_version=calibration.SCHEMA_VERSION + 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": None}, "schema_version"),
        ({"schema_version": "1"}, "schema_version"),
        ({"devices": None}, "devices"),
        ({"devices": [{"name": "x"}]}, "flops"),
        ({"devices": "x"}, "wrong"),
        ({"unavailable": None}, "unavailable"),
    ],
)
def test_what_is_no_calibration_is_told_with_how_one_is_made(file, change, said):
    with pytest.raises(UsageError, match=said) as raised:
        calibration.load(file(**change))
    assert "perfkit hardware calibrate -o FILE" in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "1"])
def test_another_file_is_none(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(UsageError, match="perfkit hardware calibrate -o FILE"):
        calibration.load(tmp_path / "other.json")


def test_no_file_is_told(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        calibration.load(tmp_path / "none.json")


def test_what_is_kept_is_of_the_machine_with_its_devices(document, tmp_path):
    gpu = Device(name="NVIDIA H100 80GB HBM3", kind="cuda")
    assert calibration.fingerprint([gpu]) == calibration.fingerprint([gpu]) != calibration.fingerprint([])
    assert calibration.fingerprint([gpu, gpu]) != calibration.fingerprint([gpu])
    assert calibration.kept("abc", cache=tmp_path) is None
    calibration.write(calibration.of(document), calibration.place("abc", cache=tmp_path))
    assert calibration.kept("abc", cache=tmp_path).document == document
    calibration.place("abc", cache=tmp_path).write_text("{damaged")
    assert calibration.kept("abc", cache=tmp_path) is None
