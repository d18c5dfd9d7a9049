"""What may be benchmarked, and how its inputs are made."""

import numpy as np
import pytest
import torch

from perfkit.bench import inputs, outputs, subject
from perfkit.errors import UsageError

SERVED = """
import torch
model = torch.nn.Linear(4, 2)
def make_model(): return torch.nn.Dropout(0.5)
def double(x): return x * 2
number = 3
"""


@pytest.fixture
def served(tmp_path):
    file = tmp_path / "served.py"
    file.write_text(SERVED)
    return str(file)


def test_a_module_of_a_file_is_asked_in_eval_mode_without_gradients(served):
    model = subject.load(f"{served}:model")
    assert (model.kind, model.framework) == ("torch module", "torch")
    assert not model.ask((torch.zeros(3, 4),)).requires_grad
    dropped = subject.load(f"{served}:make_model")
    assert torch.equal(dropped.ask(torch.ones(8)), torch.ones(8))


def test_a_function_gets_a_tuple_by_place_and_a_mapping_by_name(served):
    asked = subject.load(f"{served}:double")
    assert asked.ask((3,)) == asked.ask({"x": 3}) == asked.ask(3) == 6


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, of TorchScript itself
def test_exported_programs_and_torchscript_are_loaded(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(4, 2)).eval()
    given = torch.ones(3, 4)
    torch.export.save(torch.export.export(model, (given,)), tmp_path / "m.pt2")
    torch.jit.trace(model, (given,)).save(tmp_path / "m.pt")
    for name in ("m.pt2", "m.pt"):
        assert torch.allclose(subject.load(str(tmp_path / name)).ask((given,)), model(given))


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("no_such_module_here:model", "no such module"),
        ("nothing.pt2", "no such file"),
        ("alone", "write module:name"),
        ("{}:nothing", "has no"),
        ("{}:number", "cannot be called"),
    ],
)
def test_what_is_not_there_is_told(served, spec, word):
    with pytest.raises(UsageError, match=word):
        subject.load(spec.format(served))


def test_inputs_are_made_from_their_shapes_the_same_each_time():
    specs = [inputs.parse("ids:int64[{batch},5]<7"), inputs.parse("mask:bool[{batch},5]")]
    make = inputs.maker(specs, None)
    made = make(3)
    assert made["ids"].shape == (3, 5)
    assert made["ids"].max() < 7
    assert made["mask"].dtype == bool
    assert np.array_equal(made["ids"], make(3)["ids"])


def test_inputs_without_names_go_by_place_and_become_tensors():
    made = inputs.maker([inputs.parse("bfloat16[{batch},3]"), inputs.parse("float32[2,{batch}]")], "torch")(4)
    assert (made[0].dtype, tuple(made[0].shape), tuple(made[1].shape)) == (torch.bfloat16, (4, 3), (2, 4))


@pytest.mark.parametrize("text", ["float32", "float32[a]", "floaty[{batch}]", "x:[3]"])
def test_what_is_no_shape_is_told(text):
    with pytest.raises(UsageError, match="--input"):
        inputs.parse(text)


def test_some_names_are_too_few():
    with pytest.raises(UsageError, match="every input"):
        inputs.maker([inputs.parse("a:int8[1]"), inputs.parse("int8[1]")], None)


def test_outputs_are_kept_and_compared(tmp_path):
    answer = {"b": torch.ones(3), "a": [torch.zeros(2, dtype=torch.bfloat16)]}
    outputs.keep(tmp_path / "o.npz", answer)
    expected = outputs.kept(tmp_path / "o.npz")
    assert outputs.difference(answer, expected, rtol=None, atol=None) is None
    answer["b"][1] = 1.5
    found = outputs.difference(answer, expected, rtol=None, atol=None)
    assert (found["output"], found["worst_index"], found["got"], found["expected"]) == (1, (1,), 1.5, 1.0)
    assert outputs.difference(answer, expected, rtol=1.0, atol=0.0) is None
    with pytest.raises(UsageError, match="1 outputs, where 2"):
        outputs.difference([torch.ones(3)], expected, rtol=None, atol=None)
    (tmp_path / "bad.npz").write_text("no")
    with pytest.raises(UsageError, match="no outputs"):
        outputs.kept(tmp_path / "bad.npz")
    with pytest.raises(UsageError, match="no arrays"):
        outputs.arrays({"text": "hello"})
