import ast
import subprocess

import pytest

from perfkit.launch.fixes import KINDS
from perfkit.model.records import Fix
from perfkit.tune.candidates import Candidate
from perfkit.tune.changes import changes
from perfkit.tune.edits import EDITS, lines

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
        (
            "sample-cache", {},
            "train = DataLoader([data[i] for i in range(len(data))], batch_size=8, shuffle=True, num_workers=0)",
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
        ("interop-threads", {}, "torch.set_num_interop_threads(len(os.sched_getaffinity(0)))"),
        ("matmul-precision", {}, 'torch.set_float32_matmul_precision("high")'),
        ("cudnn-benchmark", {}, "torch.backends.cudnn.benchmark = True"),
        ("gc-freeze", {}, "gc.freeze()"),
        ("allocator", {"host": "keep"}, "ctypes.CDLL(None).mallopt(-4, 0)"),
        (
            "allocator", {"cuda": "expandable_segments:True"},
            'os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")',
        ),
        ("attention-backend", {"backend": "efficient"}, "torch.backends.cuda.enable_flash_sdp(False)"),
        ("float32", {}, "    out = model(as_float32(x))"),
        ("float32", {}, "    loss = nn.functional.cross_entropy(as_float32(out), as_float32(y))"),
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
        # A list has no classes.
        (SCRIPT + "print(len(train.dataset), train.dataset.classes)\n", "sample-cache", {}),
        (SCRIPT.replace("DataLoader(data, ", "DataLoader(made(), "), "sample-cache", {}),
        (SCRIPT.replace("batch_size=8", "batch_size=SIZE"), "batch-size", {"batch_size": 32}),
        # Which model the optimizer is for cannot be told.
        (SCRIPT.replace("model.parameters()", "both()"), "compile", {}),
        (SCRIPT.replace("loss.backward()", "engine.backward(loss)"), "autocast", {}),
        (SCRIPT + "other = torch.optim.SGD(more, lr=1)\n", "optimizer", {"fused": True}),
        (SCRIPT.replace("import torch\n", "import torch as t\n"), "tf32", {}),
        ("not a program (", "tf32", {}),
        # Two loops train, and a statement that is not alone on its line.
        (SCRIPT + "for x in more:\n    model(x).sum().backward()\n", "gc-freeze", {}),
        (SCRIPT.replace("\noptimizer =", "; optimizer ="), "compile", {}),
        # Without a scaler small gradients would be lost.
        (SCRIPT, "autocast", {"device": "cuda", "dtype": "float16"}),
        # The script chooses by itself.
        (SCRIPT + "torch.backends.cuda.enable_flash_sdp(False)\n", "attention-backend", {"backend": "math"}),
        (SCRIPT.replace("import torch\n", "import os, torch\nos.environ['PYTORCH_CUDA_ALLOC_CONF'] = 'x'\n"), "allocator", {}),
        # Somebody else calls the model too; a part of it wants float64.
        (SCRIPT + "evaluate(model)\n", "float32", {}),
        (SCRIPT + "model.encode(x)\n", "float32", {}),
        (SCRIPT + "class Net(nn.Module):\n    def forward(self, x): return x.double()\n", "float32", {}),
        (SCRIPT, "zero-grad-none", {}),
        (None, "tf32", {}),
    ],
)  # fmt: skip
def test_where_the_place_is_not_certain_the_finding_says_what_to_write(source, name, parameters):
    found = change(source, name, how="write this", **parameters)
    assert (found.diff, found.by_hand) == ("", {"it": "write this"})


def test_settings_that_the_script_makes_itself_are_changed_where_they_are(tmp_path):
    source = SCRIPT + "torch.backends.cudnn.benchmark = False\ntorch.set_float32_matmul_precision('highest')\n"
    for name, line in (
        ("cudnn-benchmark", "torch.backends.cudnn.benchmark = True"),
        ("tf32", 'torch.set_float32_matmul_precision("high")'),
    ):
        made = patched(source, change(source, name).diff, tmp_path).splitlines()
        assert len(made) == len(source.splitlines())
        assert line in made


def test_settings_stand_below_the_import_of_torch(tmp_path):
    source = SCRIPT.replace("import torch\n", "import os\nos.environ['A'] = 'b'\nimport torch\n", 1)
    made = patched(source, change(source, "cudnn-benchmark").diff, tmp_path).splitlines()
    assert made.index("torch.backends.cudnn.benchmark = True") > made.index("import torch")


def test_gradients_that_are_filled_with_zeros_are_dropped(tmp_path):
    source = SCRIPT.replace("zero_grad()", "zero_grad(set_to_none=False)") + "model.zero_grad(False)\n"
    made = patched(source, change(source, "zero-grad-none").diff, tmp_path)
    assert "optimizer.zero_grad(set_to_none=True)" in made
    assert "model.zero_grad(True)" in made


def test_the_collector_is_told_once_above_the_loop_over_epochs(tmp_path):
    source = """\
import torch

def train(model, opt, loader):
    for x in loader:
        model(x).sum().backward()
        opt.step()

def main():
    model = make()
    for epoch in range(3):
        train(model, opt, loader)
        model.eval()

main()
"""
    made = patched(source, change(source, "gc-freeze").diff, tmp_path).splitlines()
    assert made[0] == "import gc"
    at = made.index("    for epoch in range(3):")
    assert made[at - 2 : at] == ["    gc.collect()", "    gc.freeze()"]


def test_without_gradients_in_a_training_step_is_left_as_it_is(tmp_path):
    source = SCRIPT.replace(
        "    out = model(x)", "    with torch.no_grad():\n        y = teacher(x)\n    out = model(x)"
    )
    made = patched(source, change(source, "inference-mode").diff, tmp_path)
    assert made.count("torch.inference_mode") == made.count("torch.no_grad") == 1
    assert made.index("torch.no_grad") < made.index("torch.inference_mode")


def test_copies_to_the_device_need_not_be_waited_for(tmp_path):
    source = SCRIPT.replace("    out = model(x)", "    x = x.to(device)\n    out = model(x)")
    made = patched(source, change(source, "pin-memory", pin_memory=True, non_blocking=True).diff, tmp_path)
    assert "pin_memory=True" in made
    assert "x = x.to(device, non_blocking=True)" in made


def test_a_file_whose_last_line_has_no_end(tmp_path):
    source = "import torch\nmodel.zero_grad(False)"
    assert patched(source, change(source, "zero-grad-none").diff, tmp_path) == "import torch\nmodel.zero_grad(True)"


KERAS = """\
import keras
import tensorflow as tf
keras.config.set_floatx("float64")
class Slices(keras.utils.PyDataset):
    def __init__(self, n, **kwargs):
        super().__init__(**kwargs)
train = Slices(3)
data = (
    tf.data.Dataset.from_tensor_slices((x, y))
    .map(lambda a, b: (a * 2, b))
    .shuffle(100).batch(32)
)
model = keras.Sequential([])
model.compile("adam", loss, run_eagerly=True)
model.fit(train, epochs=2)
"""


@pytest.mark.parametrize(
    ("name", "parameters", "lines"),
    [
        ("jit-compile", {}, ['model.compile("adam", loss, run_eagerly=True, jit_compile=True)']),
        (
            "steps-per-execution",
            {"steps": 16},
            ['model.compile("adam", loss, run_eagerly=True, steps_per_execution=16)'],
        ),
        ("run-eagerly", {}, ['model.compile("adam", loss, run_eagerly=False)']),
        ("floatx", {}, ['keras.config.set_floatx("float32")']),
        ("mixed-precision", {"dtype": "float16"}, ['keras.config.set_dtype_policy("mixed_float16")']),
        ("dataset-workers", {"workers": 2}, ["train = Slices(3, workers=2, use_multiprocessing=True)"]),
        ("tf-threads", {"num_threads": 2}, ["tf.config.threading.set_intra_op_parallelism_threads(2)"]),
        (
            "tf-data",
            {},
            [
                "    .map(lambda a, b: (a * 2, b), num_parallel_calls=tf.data.AUTOTUNE)",
                "    .shuffle(100).batch(32).prefetch(tf.data.AUTOTUNE)",
            ],
        ),
    ],
)
def test_lines_of_a_keras_script(name, parameters, lines, tmp_path):
    made = patched(KERAS, change(KERAS, name, **parameters).diff, tmp_path).splitlines()
    assert [line for line in lines if line not in made] == []
    assert len(made) - len(KERAS.splitlines()) == (2 if name in ("mixed-precision", "tf-threads") else 0)


def test_the_batch_size_of_fit(tmp_path):
    source = KERAS.replace(".batch(32)", "").replace("fit(train, epochs=2)", "fit(x, y, batch_size=8)")
    assert "model.fit(x, y, batch_size=64)" in patched(
        source, change(source, "fit-batch-size", batch_size=64).diff, tmp_path
    )


@pytest.mark.parametrize(
    ("source", "name", "parameters"),
    [
        # Which model, which data set, whose batches.
        (KERAS + 'other.compile("sgd")\n', "jit-compile", {}),
        (KERAS + "more = Slices(4)\n", "dataset-workers", {"workers": 2}),
        (KERAS.replace("super().__init__(**kwargs)", "super().__init__()"), "dataset-workers", {"workers": 2}),
        (KERAS, "fit-batch-size", {"batch_size": 64}),
        (KERAS + "valid = table.batch(32)\n", "tf-data", {}),
        # The script chooses by itself.
        (KERAS + 'keras.config.set_dtype_policy("float64")\n', "mixed-precision", {}),
        (KERAS.replace(", run_eagerly=True", ""), "run-eagerly", {}),
    ],
)
def test_where_the_place_in_a_keras_script_is_not_certain(source, name, parameters):
    found = change(source, name, how="write this", **parameters)
    assert (found.diff, found.by_hand) == ("", {"it": "write this"})


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"nothing"}))
def test_every_fix_ends_with_something_to_write(name):
    fix = Fix(name=name)
    assert name in EDITS
    assert "torch" in lines(fix) or "gc" in lines(fix) or "(" in lines(fix)
    assert change(None, name).by_hand == {"it": lines(fix)}
