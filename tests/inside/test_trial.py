"""A trial in the script's process: its losses, its clock, and the layer of names that it writes into."""

import json
import os
from types import SimpleNamespace

import pytest

from perfkit.inside.function_losses import FunctionLosses
from perfkit.inside.layer import Layer


def losses_of(outcome):
    return json.loads((outcome.rank.path / "losses.json").read_text())


@pytest.mark.slow
def test_losses_are_what_the_script_computed_with_the_samples_seen_by_then(record):
    script = """
    net = net(); optimizer = torch.optim.SGD(net.parameters(), 0.1); said = []
    for x, y in DataLoader(data(60), 8):
        loss = lossf(net(x), y); optimizer.zero_grad(); loss.backward(); optimizer.step(); said.append(loss.item())
    print(said)
    """
    outcome = record(script, trial_steps=1000, no_trace=1)
    found = losses_of(outcome)
    assert found["loss"] == pytest.approx(json.loads(outcome.stdout), rel=1e-6)
    assert found["samples"] == [8, 16, 24, 32, 40, 48, 56, 60]


@pytest.mark.slow
def test_a_loss_that_a_scaler_multiplied_is_noted_as_it_was_and_nan_as_null(record):
    script = """
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    weight = torch.ones(1, requires_grad=True); optimizer = torch.optim.SGD([weight], 0.0)
    for factor in (1.0, float("nan"), 3.0):
        loss = (weight * factor).sum(); optimizer.zero_grad(); scaler.scale(loss).backward()
        scaler.step(optimizer); scaler.update()
    """
    found = losses_of(record(script, trial_steps=1000, no_trace=1))
    assert found == {"unit": "backwards", "samples": [1, 2, 3], "loss": [1.0, None, 3.0]}


@pytest.mark.slow
def test_noting_losses_changes_no_result_and_is_undone(record):
    script = """
    net = net(); optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for x, y in DataLoader(data(), 8):
        optimizer.zero_grad(); lossf(net(x), y).backward(); optimizer.step()
    print(sum(p.double().sum().item() for p in net.parameters()))
    sys.modules["_perfkit.inside.session"].current.end(0)
    print(torch.autograd.backward.__module__, hasattr(torch.autograd.backward, "__wrapped__"))
    """
    plain, trial = record(script, no_trace=1).stdout, record(script, no_trace=1, trial_steps=1000).stdout
    assert plain == trial
    assert trial.split()[1:] == ["torch.autograd", "False"]


@pytest.mark.slow
def test_a_trial_stops_at_a_time_where_it_does_not_become_steady_before(record):
    script = """
    weight = torch.ones(1, requires_grad=True); optimizer = torch.optim.SGD([weight], 0.0)
    while True:
        optimizer.zero_grad(); weight.sum().backward(); optimizer.step(); time.sleep(0.05)
    """
    (note,) = record(script, no_trace=1, trial_steps=10**6, trial_seconds=0.5).rank.facts_of("trial")
    assert note["state"] == "time is up"


@pytest.mark.slow
def test_an_evaluation_before_the_training_is_not_taken_for_it(record):
    script = """
    net = net(); optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with torch.no_grad():
        for _ in range(300):
            net(torch.randn(8, 16))
    for _ in range(10_000):
        optimizer.zero_grad(); lossf(net(torch.randn(8, 16)), torch.zeros(8, dtype=torch.long)).backward(); optimizer.step()
    """
    outcome = record(script, no_trace=1, trial_steps=40)
    (note,) = outcome.rank.facts_of("trial")
    assert (note["state"], note["losses"]) == ("complete", note["steps"])


@pytest.fixture
def layer(tmp_path):
    below = tmp_path / "below"
    (below / "folder").mkdir(parents=True)
    (below / "file").write_text("below")
    (below / "folder" / "inner").write_text("inner")
    (tmp_path / "scratch").mkdir()
    return below, Layer(str(tmp_path / "scratch"), [])


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def read(path):
    with open(path) as file:
        return file.read()


def test_what_is_written_is_read_back_and_what_lies_below_stays(layer):
    below, over = layer
    name = str(below / "file")
    assert read(over.visible(name)) == "below"
    write(over.writable(name, keep=False), "above")
    assert (read(over.visible(name)), (below / "file").read_text()) == ("above", "below")


def test_a_file_that_is_changed_is_copied_first(layer):
    below, over = layer
    with open(over.writable(str(below / "file"), keep=True), "a") as file:
        file.write(", above")
    assert read(over.visible(str(below / "file"))) == "below, above"


def test_a_removed_file_is_gone_and_can_be_made_again(layer):
    below, over = layer
    name = str(below / "file")
    over.remove(name, os.remove)
    assert not over.exists(name)
    assert over.entries(str(below)) == ["folder"]
    with pytest.raises(FileNotFoundError):
        over.remove(name, os.remove)
    write(over.writable(name, keep=True), "again")
    assert read(over.visible(name)) == "again"
    assert (below / "file").read_text() == "below"


def test_a_folder_is_removed_only_when_empty_and_comes_back_empty(layer):
    below, over = layer
    name = str(below / "folder")
    with pytest.raises(OSError, match="not empty"):
        over.remove(name, os.rmdir)
    over.remove(name + "/inner", os.remove)
    over.remove(name, os.rmdir)
    assert not over.exists(name)
    assert not over.exists(name + "/inner")
    os.mkdir(over.writable(name, keep=False))
    assert over.entries(name) == []


def test_a_folder_moves_with_what_is_in_it(layer):
    below, over = layer
    source, target = str(below / "folder"), str(below / "moved")
    over.move((source, source), (target, target), os.rename)
    assert read(over.visible(target + "/inner")) == "inner"
    assert over.entries(str(below)) == ["file", "moved"]
    assert (below / "folder" / "inner").exists()


def test_devices_and_the_scratch_folder_itself_pass(layer, tmp_path):
    _, over = layer
    assert over.name("/dev/null") is None
    assert over.name(str(tmp_path / "scratch" / "tmp")) is None
    assert over.name(str(tmp_path / "scratch" / "files") + "/home/x") == "/home/x"


class KerasModel:
    def train_step(self):
        """As one that is inherited from Keras."""


KerasModel.train_step.__module__ = "keras.src.backend.tensorflow.trainer"


def told(losses, sizes, epochs, owner, folder):
    """What is written of *losses* told as Keras does: the mean over the samples since the epoch began."""
    kept = FunctionLosses(SimpleNamespace(recorder=SimpleNamespace(folder=folder)))
    for _ in range(epochs):
        kept.epoch_begins()
        total = seen = 0
        for loss, size in zip(losses, sizes, strict=True):
            total, seen = total + loss * size, seen + size
            kept.note({"loss": total / seen, "accuracy": 0.5}, size, owner)
    kept.write()
    return json.loads((folder / "losses.json").read_text())


def test_of_means_that_keras_tells_the_losses_of_the_steps_are_kept(tmp_path):
    losses, sizes = [2.0, 1.0, 4.0, 0.5], [32, 32, 32, 8]
    found = told(losses, sizes, 2, KerasModel(), tmp_path)
    assert found["loss"] == pytest.approx(losses * 2)
    assert found["samples"] == [32, 64, 96, 104, 136, 168, 200, 208]


def test_what_a_train_step_of_the_users_own_tells_is_left_as_it_is(tmp_path):
    class Own(KerasModel):
        def train_step(self):
            """Tells a loss that is no mean."""

    assert told([2.0, 1.0], [1, 1], 1, Own(), tmp_path)["loss"] == pytest.approx([2.0, 1.5])
