import json

import pytest

from perfkit.analyze.stacks import excluded, hot_lines, is_users
from perfkit.runs.reader import Run

MAIN = "process 1;thread (1): MainThread;<module> (/home/me/train.py:40)"
FORKED = (
    "process 1;process 2;thread (2): MainThread;<module> (/home/me/train.py:40);main (/home/me/train.py:30);"
    "BaseProcess._bootstrap (/usr/lib/python3.11/multiprocessing/process.py:314);"
    "_worker_loop (/env/lib/python3.11/site-packages/torch/utils/data/_utils/worker.py:374)"
)
LINES = [
    f"{MAIN};main (/home/me/train.py:30);Module.forward (/env/lib/python3.11/site-packages/torch/nn/modules/module.py:1) 6",
    f"{MAIN};main (/home/me/train.py:31) 3",
    f"{MAIN};main (/home/me/train.py:30);mark (/src/perfkit/inside/session.py:9) 1",
    f"{FORKED};Images.__getitem__ (/home/me/data.py:12) 8",
    f"{FORKED};wait (/usr/lib/python3.11/selectors.py:1) 2",
    "process 1;thread (9): Thread-1;Thread._bootstrap (/usr/lib/python3.11/threading.py:1);spin (/home/me/train.py:99) 50",
    "process 3;thread (3): MainThread;<module> (/env/bin/torchrun:8);run (/env/lib/python3.11/site-packages/torch/x.py:1) 9",
    "torn line without a coun",
]


@pytest.fixture
def run(tmp_path):
    (tmp_path / "stacks-steady.txt").write_text("\n".join(LINES))
    window = {"name": "steady", "start_ns": 5, "end_ns": 9, "file": "stacks-steady.txt"}
    (tmp_path / "stacks.json").write_text(json.dumps({"windows": [window]}))
    return Run(tmp_path)


def by_place(run):
    return {(line["file"].rpartition("/")[2], line["line"]): line for line in hot_lines(run)}


def test_a_line_has_what_it_calls_in_libraries_as_its_own(run):
    line = by_place(run)["train.py", 30]
    assert (line["role"], line["function"]) == ("main", "main")
    assert line["self_share"] == pytest.approx(7 / 10)
    assert by_place(run)["train.py", 40]["share"] == pytest.approx(1)
    assert by_place(run)["train.py", 40]["self_share"] == 0


def test_a_worker_has_its_own_shares_and_none_of_its_parents_frames(run):
    line = by_place(run)["data.py", 12]
    assert (line["role"], line["self_share"]) == ("loader worker", pytest.approx(0.8))
    assert {line["role"] for line in hot_lines(run) if line["file"].endswith("train.py")} == {"main"}


def test_other_threads_launchers_libraries_and_perfkit_itself_are_left_out(run):
    assert {place[0] for place in by_place(run)} == {"train.py", "data.py"}
    assert ("train.py", 99) not in by_place(run)


@pytest.mark.parametrize(
    ("file", "users"),
    [
        ("/home/me/train.py", True),
        ("train.py", True),
        ("/home/me/lib/models.py", True),
        ("<frozen importlib._bootstrap>", False),
        ("<string>", False),
        ("/env/lib/python3.12/site-packages/torch/optim/sgd.py", False),
        ("/usr/lib/python3/dist-packages/numpy/x.py", False),
        ("/usr/lib/python3.11/threading.py", False),
        ("/src/perfkit/inside/probes/_torch.py", False),
        ("/src/perfkit/examples/train.py", True),
        ("/env/bin/torchrun", False),
    ],
)
def test_whose_file_it_is(file, users):
    assert is_users(file) is users


def test_a_window_that_never_closed_excludes_everything_after_its_start(run):
    assert excluded(run) == [(5, 9)]
    (run.path / "stacks.json").write_text('{"windows": [{"name": "steady", "start_ns": 5, "end_ns": null}]}')
    assert excluded(run)[0][1] > 10**18


def test_a_run_without_stacks_has_no_hot_lines(tmp_path):
    assert hot_lines(Run(tmp_path)) == []
    (tmp_path / "stacks.json").write_text("{torn")
    assert excluded(Run(tmp_path)) == []


def test_samples_in_which_a_line_imports_modules_are_told_apart(tmp_path):
    deep = "process 1;thread (1): MainThread;main (/me/train.py:9);Adam.__init__ (/env/lib/python3.12/site-packages/a.py:3)"
    importing = (
        f"{deep};_find_and_load (<frozen importlib._bootstrap>:9);<module> (/env/lib/python3.12/site-packages/b.py:1)"
    )
    own = "process 1;thread (1): MainThread;_load (<frozen importlib._bootstrap>:9);<module> (/me/data.py:4)"
    (tmp_path / "stacks-startup.txt").write_text(f"{deep} 1\n{importing} 3\n{own} 4")
    window = {"name": "startup", "start_ns": 5, "end_ns": 9, "file": "stacks-startup.txt"}
    (tmp_path / "stacks.json").write_text(json.dumps({"windows": [window]}))
    lines = by_place(Run(tmp_path))
    assert (lines["train.py", 9]["self_share"], lines["train.py", 9]["import_share"]) == (0.5, 0.375)
    assert lines["data.py", 4]["import_share"] == 0


def test_samples_below_a_loader_that_makes_a_batch_are_told_apart(tmp_path):
    thread = "process 7;thread (0x1): MainThread;<module> (train.py:9)"
    fetch = "fetch (/x/lib/python3.11/site-packages/torch/utils/data/_utils/fetch.py:52)"
    (tmp_path / "stacks-steady.txt").write_text(f"{thread};{fetch};draw (shapes.py:4) 3\n{thread};draw (shapes.py:4) 1")
    window = {"name": "steady", "file": "stacks-steady.txt", "start_ns": 1, "end_ns": 2, "state": "done"}
    (tmp_path / "stacks.json").write_text(json.dumps({"windows": [window]}))
    lines = {row["file"]: row for row in hot_lines(Run(tmp_path))}
    assert (lines["shapes.py"]["self_share"], lines["shapes.py"]["loading_share"]) == (1.0, 0.75)
    assert lines["train.py"]["loading_share"] == 0
