"""Which files are read for a script's habits, what of them is kept, and what is not."""

import json
import time

import pytest

from perfkit.advise.evidence import Evidence
from perfkit.launch import script_facts
from perfkit.launch.request import Request
from perfkit.launch.script_facts import gather, masked, script_of

FOREVER = 1 << 62
LOADER = "from torch.utils.data import DataLoader\nloader = DataLoader(data)\n"


@pytest.fixture
def tree(tmp_path):
    """tree({"train.py": "...", ...}): files below a folder; returns it."""

    def tree(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return tree


def files_with(found, fact="num-workers-zero"):
    return [row["file"] for row in found["facts"] if row["fact"] == fact]


def test_modules_that_the_script_imports_from_its_own_folder_are_read(tree):
    root = tree({
        "train.py": "import helpers, torch\nfrom nets import resnet\nimport nets.blocks.wide\n",
        "helpers.py": LOADER, "unused.py": LOADER,
        "nets/__init__.py": "", "nets/resnet.py": "from . import common\n" + LOADER, "nets/common.py": LOADER,
        "nets/blocks/wide.py": "from ..common import x\n" + LOADER,
    })  # fmt: skip
    found = gather(root / "train.py", FOREVER)
    assert sorted(files_with(found)) == ["helpers.py", "nets/blocks/wide.py", "nets/common.py", "nets/resnet.py"]


def test_installed_packages_are_not_the_scripts_own(tree):
    root = tree({"train.py": "import lib\n", "lib/__init__.py": "import sys\n", "site-packages/other.py": LOADER})
    (root / "train.py").write_text("import other, lib\n")
    assert gather(root / "train.py", FOREVER)["files"] == ["train.py", "lib/__init__.py"]


def test_a_package_beside_the_scripts_folder_is_found_from_the_working_directory(tree, monkeypatch):
    root = tree({"tools/train.py": "import core\n", "core.py": LOADER})
    assert files_with(gather(root / "tools/train.py", FOREVER)) == []
    monkeypatch.chdir(root)
    assert files_with(gather(root / "tools/train.py", FOREVER)) == ["core.py"]


def test_a_row_says_what_where_and_with_which_line(tree):
    root = tree({"train.py": "def main():\n    loader = DataLoader(data)  # all of it\n"})
    row = next(row for row in gather(root / "train.py", FOREVER)["facts"] if row["fact"] == "num-workers-zero")
    assert row == {
        "fact": "num-workers-zero", "file": "train.py", "line": 2, "function": "main", "in_loop": False, "guarded": False,
        "code": "loader = DataLoader(data)  # all of it",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("wandb.login(key='abc')", "wandb.login(key='***')"),
        ('d["api_key"] = "hunter2"; x.item()', 'd["api_key"] = "***"; x.item()'),
        ("f('https://me:pw@host/x')", "f('https://***@host/x')"),
        ("token = 'hf_abcdefgh12345'", "token = '***'"),
        ("losses.append(loss, name='train')", "losses.append(loss, name='train')"),
    ],
)
def test_secrets_in_a_quoted_line_are_masked(code, kept):
    assert masked(code) == kept


def test_long_lines_are_cut(tree):
    root = tree({"train.py": "loader = DataLoader(data, sampler=[" + "1, " * 99 + "])\n"})
    assert {len(row["code"]) for row in gather(root / "train.py", FOREVER)["facts"]} == {120}


@pytest.mark.parametrize(
    ("text", "reason"),
    [("print 'old'\n", "SyntaxError"), (b"x = '\xff\xfe'\n", "UnicodeDecodeError"), (b"x\x00\n", "null bytes")],
)
def test_a_file_that_cannot_be_read_says_why_and_the_rest_is_read(tree, text, reason):
    root = tree({"train.py": "import helpers\n" + LOADER, "helpers.py": text})
    found = gather(root / "train.py", FOREVER)
    (unread,) = found["unread"]
    assert unread["file"] == "helpers.py"
    assert reason in unread["reason"]
    assert files_with(found) == ["train.py"]


def test_what_was_changed_meanwhile_is_not_what_ran(tree):
    root = tree({"train.py": LOADER})
    found = gather(root / "train.py", since_ns=time.time_ns() - 3600 * 10**9)
    assert (found["files"], found["facts"]) == ([], [])
    assert found["unread"] == [{"file": "train.py", "reason": "changed after the run began"}]


def test_no_more_than_a_bounded_amount_is_read(tree, monkeypatch):
    monkeypatch.setattr(script_facts, "MOST_FILES", 5)
    root = tree({"train.py": "import m0\n"} | {f"m{n}.py": f"import m{n + 1}\n" for n in range(20)})
    assert len(gather(root / "train.py", FOREVER)["files"]) <= 5
    monkeypatch.setattr(script_facts, "MOST_BYTES", 4)
    assert gather(root / "train.py", FOREVER)["unread"][0]["reason"] == "more source than is read"


def test_the_script_of_each_kind_of_command(tree, tmp_path):
    root = tree({"a/train.py": "", "pkg/__main__.py": "", "mod.py": ""})
    request = lambda kind, target, *args: Request(kind=kind, target=target, args=args, results_root=tmp_path)  # noqa: E731
    assert script_of(request("script", "a/train.py"), root) == root / "a/train.py"
    assert script_of(request("module", "pkg"), root) == root / "pkg/__main__.py"
    assert script_of(request("module", "mod"), root) == root / "mod.py"
    assert (
        script_of(request("command", "torchrun", "--nproc-per-node", "2", "a/train.py", "x"), root)
        == root / "a/train.py"
    )
    assert script_of(request("command", "make", "train"), root) is None
    assert script_of(request("script", "-"), root) is None


def test_a_supervised_run_holds_them_and_evidence_gives_them(supervised):
    done = supervised.run("if False:\n        loader = DataLoader(data, wandb(token='verysecret'))\n")
    assert done.returncode == 0, done.stderr
    run = supervised.recorded
    (row,) = [row for row in Evidence(run).script_facts if row["fact"] == "num-workers-zero"]
    assert (row["file"], row["line"]) == ("script.py", 2)
    assert "verysecret" not in (run.path / "script.json").read_text()
    assert json.loads((run.path / "script.json").read_text())["files"] == ["script.py"]


def test_a_command_without_a_python_file_says_that_there_is_none(supervised):
    supervised.run_words("command", "true")
    assert supervised.collector("script facts").reason == "the command names no Python file"
    evidence = Evidence(supervised.recorded)
    assert evidence.script_facts is None
    assert evidence.why("script_facts") == "the script's source was not read"


def test_the_digest_tells_two_states_of_the_source_apart(tmp_path):
    (tmp_path / "train.py").write_text("import lib\n")
    (tmp_path / "lib.py").write_text("RATE = 0.1\n")
    before = gather(tmp_path / "train.py", FOREVER)["digest"]
    assert gather(tmp_path / "train.py", FOREVER)["digest"] == before
    (tmp_path / "lib.py").write_text("RATE = 0.2\n")
    assert gather(tmp_path / "train.py", FOREVER)["digest"] != before
