"""`perfkit compare RUN --on DEVICE`, as a person calls it."""

import copy
import json
from pathlib import Path

import pytest

from perfkit.cli.main import run
from perfkit.trace.importer import import_trace

TRACES = Path(__file__).parents[1] / "data" / "traces"
CALIBRATION = Path(__file__).parents[1] / "hardware" / "made_up_calibration.json"


@pytest.fixture
def perfkit(capsys, monkeypatch):
    """``perfkit("compare", "latest", folder=place)``: exit code, stdout and stderr."""

    def call(*words, folder):
        monkeypatch.chdir(folder)
        code = run([str(word) for word in words])
        return code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A folder whose newest run is a launch-bound trace of an H100, of which the plain step is known."""
    folder = tmp_path_factory.mktemp("imported")
    import_trace(TRACES / "mlp_small_2steps.json.gz", folder / ".perfkit", step_time_s=0.010)
    return folder


def test_devices_are_set_beside_each_other_and_the_host_is_named(perfkit, imported):
    code, out, err = perfkit("compare", "latest", "--on", "h200,l40s", folder=imported)
    assert (code, err) == (0, "")
    assert "H200 SXM" in out
    assert "L40S" in out
    assert "projected, not measured" in out
    rows = [line for line in out.splitlines() if line.startswith(("H200", "L40S"))]
    assert all(line.rstrip().endswith("host") for line in rows[:2])
    assert all(len(line) <= 100 for line in out.splitlines())


def test_the_document_has_its_keys(perfkit, imported):
    code, out, _ = perfkit("compare", "latest", "--on", "h200", "--json", "-", folder=imported)
    found = json.loads(out)
    assert code == 0
    assert found["from"]["device"] == "H100 SXM5"
    (row,) = found["projections"]
    assert row["from_step_s"] == 0.010
    assert row["step_s"]["low"] < row["step_s"]["expected"] < row["step_s"]["high"]
    assert row["device_s"]["expected"] + row["host_s"]["expected"] == pytest.approx(row["step_s"]["expected"])
    assert row["memory"]["fits"] is None
    assert row["memory"]["reason"]


def test_other_settings_are_asked_for_on_the_same_device(perfkit, imported):
    code, out, _ = perfkit(
        "compare", "latest", "--on", "h100", "--batch", "x2", "--dtype", "bf16", "--json", "-", folder=imported
    )
    found = json.loads(out)
    assert (code, found["settings"]) == (0, {"batch": 2.0, "dtype": "bf16", "compiled": None})
    assert found["projections"][0]["speedup"]["expected"] > 1.2  # more samples in a step that waits for its host


def test_a_calibrated_machine_tells_its_host(perfkit, imported, tmp_path):
    here, there = json.loads(CALIBRATION.read_text()), None
    there = copy.deepcopy(here)
    there["host_speed"] = {**here["host_speed"], "dispatch_s": 2 * here["host_speed"]["dispatch_s"]}
    for name, document in (("here.json", here), ("there.json", there)):
        (tmp_path / name).write_text(json.dumps(document))
    code, out, _ = perfkit(
        "compare",
        "latest",
        "--on",
        tmp_path / "there.json",
        "--from",
        tmp_path / "here.json",
        "--json",
        "-",
        folder=imported,
    )
    (row,) = json.loads(out)["projections"]
    assert (code, row["host_factor"]) == (0, 2.0)
    assert row["step_s"]["expected"] == pytest.approx(0.020, rel=0.05)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["latest", "--on", "h700"], "did you mean"),
        (["latest", "latest", "--on", "h200"], "one run, not 2"),
        (["latest", "--on", "h200", "--batch", "many"], "no number of samples"),
        (["latest", "--on", "h200", "--batch", "64"], "as a factor: --batch x4"),
        (["latest", "--batch", "64"], "--on"),
        (["latest", "--on", "nowhere.json"], "cannot be read"),
        (["latest", "--on", "h200", "--price", "h200=3"], "--price"),
    ],
)
def test_what_cannot_be_meant_is_one_line(perfkit, imported, words, said):
    code, out, err = perfkit("compare", *words, folder=imported)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_trace_without_a_known_step_says_so_and_its_range_is_wider(perfkit, tmp_path):
    import_trace(TRACES / "bert_inf_fp32_b1.json.gz", tmp_path / ".perfkit")
    _, out, _ = perfkit("compare", "latest", "--on", "h100", "--json", "-", folder=tmp_path)
    (row,) = json.loads(out)["projections"]
    assert any("without the profiler is not known" in note for note in row["notes"])
    assert row["step_s"]["high"] / row["step_s"]["low"] > 1.3


@pytest.mark.slow
def test_a_run_on_a_processor_needs_both_calibrations(perfkit, tmp_path):
    (tmp_path / "train.py").write_text(
        "import torch\nmodel = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 8))\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.01)\nx, y = torch.randn(256, 256), torch.randint(8, (256,))\n"
        "for _ in range(150):\n    optimizer.zero_grad()\n    torch.nn.functional.cross_entropy(model(x), y).backward()\n    optimizer.step()\n"
    )
    assert perfkit("profile", "-q", "train.py", folder=tmp_path)[0] == 0
    code, _, err = perfkit("compare", "latest", "--on", "h100", folder=tmp_path)
    assert code == 2
    assert "computes on its processor" in err
    here = json.loads(CALIBRATION.read_text())
    here["devices"] = [row for row in here["devices"] if row["kind"] == "cpu"]
    there = copy.deepcopy(here)
    there["devices"][0]["flops"]["fp32"] *= 2
    there["devices"][0]["one_thread"]["flops"]["fp32"] *= 2
    for name, document in (("here.json", here), ("there.json", there)):
        (tmp_path / name).write_text(json.dumps(document))
    code, out, err = perfkit(
        "compare", "latest", "--on", "there.json", "--from", "here.json", "--json", "-", folder=tmp_path
    )
    assert code == 0, err
    (row,) = json.loads(out)["projections"]
    products = next(part for part in row["classes"] if part["name"] == "products")
    assert products["from_s"] / products["seconds_per_step"] == pytest.approx(2.0, rel=0.01)
    assert row["step_s"]["expected"] < row["from_step_s"]
