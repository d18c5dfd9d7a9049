"""perfkit profile --with: what there is, and what cannot be meant."""

import pytest
from click.testing import CliRunner

from perfkit.cli.profile import command
from perfkit.errors import UsageError
from perfkit.launch.fixes import KINDS


def test_help_lists_every_fix_and_runs_nothing():
    result = CliRunner().invoke(command, ["--with", "help"], standalone_mode=False)
    assert (result.exception, result.return_value) == (None, 0)
    lines = result.stdout.splitlines()
    headings = [line for line in lines if line.endswith(":")]
    assert headings == ["PyTorch:", "Keras:", "TensorFlow:"]
    listed = [line.split("=")[0].split()[0] for line in lines if line not in headings]
    assert sorted(listed) == sorted(KINDS)


@pytest.mark.parametrize("asked", ["loader_worker=2", "tf32=1", "threads:number=2"])
def test_what_there_is_not_is_said_before_anything_runs(asked, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit('it ran')")
    arguments = ["--results-dir", str(tmp_path / "results"), "--with", asked, str(script)]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert isinstance(result.exception, UsageError)
    assert not (tmp_path / "results").exists()
