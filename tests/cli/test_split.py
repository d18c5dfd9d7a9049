"""Where perfkit's options end and the script's begin."""

import pytest

from perfkit.cli.script import split

VALUES = {"--json", "-o", "--steps"}


@pytest.mark.parametrize(
    ("args", "own", "kind", "words"),
    [
        (["train.py"], [], "script", ["train.py"]),
        (["-v", "train.py", "-v", "--json", "x"], ["-v"], "script", ["train.py", "-v", "--json", "x"]),
        (["--json", "out", "train.py"], ["--json", "out"], "script", ["train.py"]),
        (["--json=out", "train.py"], ["--json=out"], "script", ["train.py"]),
        (["-m", "pkg.train", "--lr", "1"], [], "module", ["pkg.train", "--lr", "1"]),
        (["-mpkg.train", "--lr"], [], "module", ["pkg.train", "--lr"]),
        (["-qm", "pkg.train"], ["-q"], "module", ["pkg.train"]),
        (["--module", "pkg"], [], "module", ["pkg"]),
        (["--module=pkg", "-x"], [], "module", ["pkg", "-x"]),
        (["-q", "--", "torchrun", "--nproc", "2"], ["-q"], "command", ["torchrun", "--nproc", "2"]),
        (["train.py", "--", "x"], [], "script", ["train.py", "--", "x"]),
        (["train.py", "-m", "x"], [], "script", ["train.py", "-m", "x"]),
        (["-o", "-m", "train.py"], ["-o", "-m"], "script", ["train.py"]),
        (["-q"], ["-q"], None, []),
        (["-m"], [], "module", []),
    ],
)
def test_options_after_the_script_belong_to_the_script(args, own, kind, words):
    assert split(args, VALUES) == (own, kind, words)
