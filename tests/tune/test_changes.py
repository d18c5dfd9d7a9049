import ast
import subprocess

import pytest

from perfkit.model.records import Fix
from perfkit.tune.candidates import Candidate
from perfkit.tune.changes import changes

SCRIPT = '''\
"""A script."""

import torch
from torch import nn
from torch.utils.data import DataLoader

model = nn.Linear(4, 2)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
train = DataLoader(data, batch_size=8, shuffle=True, num_workers=0)
held_out = DataLoader(other, batch_size=8)
for x, y in train:
    out = model(x)
    loss = nn.functional.cross_entropy(out, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    model(x)
'''


def change(source, name, how="", **parameters):
    fix = Fix(name=name, parameters=parameters)
    return changes(source, "train.py", [Candidate(label="it", fixes=(fix,), how=how)])


def patched(source, diff, tmp_path):
    """The source after `patch` has read the diff."""
    (tmp_path / "train.py").write_text(source)
    subprocess.run(["patch", "-s", "train.py"], input=diff, text=True, cwd=tmp_path, check=True)
    return (tmp_path / "train.py").read_text()


@pytest.mark.parametrize(
    ("name", "parameters", "line"),
    [
        (
            "loader-workers", {"num_workers": 2, "persistent_workers": True},
            "train = DataLoader(data, batch_size=8, shuffle=True, num_workers=2, persistent_workers=True)",
        ),
        ("batch-size", {"batch_size": 32}, "train = DataLoader(data, batch_size=32, shuffle=True, num_workers=0)"),
        ("optimizer", {"foreach": True}, "optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=True)"),
        ("fused-optimizer", {"fused": True}, "optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)"),
        ("channels-last", {}, "model = model.to(memory_format=torch.channels_last)"),
        ("compile", {"mode": "reduce-overhead"}, "model.compile(mode='reduce-overhead')"),
        ("threads", {"num_threads": 2}, "torch.set_num_threads(2)"),
        ("tf32", {}, 'torch.set_float32_matmul_precision("high")'),
        ("inference-mode", {}, "with torch.inference_mode():"),
        ("autocast", {"device": "cpu", "dtype": "bfloat16"}, '    with torch.autocast("cpu", dtype=torch.bfloat16):'),
    ],
)  # fmt: skip
def test_a_diff_that_applies_holds_the_change(name, parameters, line, tmp_path):
    found = change(SCRIPT, name, **parameters)
    assert found.by_hand == {}
    made = patched(SCRIPT, found.diff, tmp_path)
    assert line in made.splitlines()
    ast.parse(made)


def test_autocast_holds_forward_and_loss_and_not_backward(tmp_path):
    made = patched(SCRIPT, change(SCRIPT, "autocast", device="cpu", dtype="bfloat16").diff, tmp_path)
    (block,) = [
        node
        for node in ast.walk(ast.parse(made))
        if isinstance(node, ast.With) and "autocast" in ast.dump(node.items[0])
    ]
    assert [ast.unparse(node) for node in block.body] == [
        "out = model(x)", "loss = nn.functional.cross_entropy(out, y)",
    ]  # fmt: skip


def test_the_model_is_changed_before_its_optimizer_is_made(tmp_path):
    made = patched(SCRIPT, change(SCRIPT, "compile").diff, tmp_path).splitlines()
    assert made.index("model.compile()") == made.index("optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)") - 1


def test_several_changes_are_one_diff(tmp_path):
    both = [
        Candidate(label="a", fixes=(Fix(name="compile"),)),
        Candidate(label="b", fixes=(Fix(name="optimizer", parameters={"fused": True}),)),
        Candidate(label="--lr=3", fixes=(), sets=(("--lr", "3"),)),
    ]
    found = changes(SCRIPT, "train.py", both)
    made = patched(SCRIPT, found.diff, tmp_path)
    assert "model.compile()" in made
    assert "fused=True" in made
    assert found.arguments == ("--lr=3",)


@pytest.mark.parametrize(
    ("source", "name", "parameters"),
    [
        # Two loaders, and neither is known to train.
        (SCRIPT.replace("shuffle=True, ", ""), "loader-workers", {"num_workers": 2}),
        # The value is the user's own to choose.
        (SCRIPT.replace("num_workers=0", "num_workers=args.workers"), "loader-workers", {"num_workers": 2}),
        (SCRIPT.replace("num_workers=0", "**settings"), "loader-workers", {"num_workers": 2}),
        (SCRIPT.replace("batch_size=8", "batch_size=SIZE"), "batch-size", {"batch_size": 32}),
        # Which model the optimizer is for cannot be told.
        (SCRIPT.replace("model.parameters()", "both()"), "compile", {}),
        (SCRIPT.replace("loss.backward()", "engine.backward(loss)"), "autocast", {}),
        (SCRIPT + "other = torch.optim.SGD(more, lr=1)\n", "optimizer", {"fused": True}),
        (SCRIPT.replace("import torch\n", "import torch as t\n"), "tf32", {}),
        ("not a program (", "tf32", {}),
        (SCRIPT, "gc-freeze", {}),
        (None, "tf32", {}),
    ],
)  # fmt: skip
def test_where_the_place_is_not_certain_the_finding_says_what_to_write(source, name, parameters):
    found = change(source, name, how="write this", **parameters)
    assert (found.diff, found.by_hand) == ("", {"it": "write this"})
