"""ModelMonitor on PyTorch: the training is the same bit for bit, and what is known of it is right."""

import copy
import io
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from perfkit.errors import MonitorError, UsageError
from perfkit.monitor import KeepBest, ModelMonitor, StopOn
from perfkit.monitor import record as records
from perfkit.monitor.watching import Watching

CLASSES = 4


def data(seed=1, count=96):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 12, generator=generator)
    y = (x[:, :CLASSES] + 0.5 * torch.randn(count, CLASSES, generator=generator)).argmax(1)
    return x, y


def loader(seed=1, shuffle=True, count=96):
    return DataLoader(TensorDataset(*data(seed, count)), batch_size=16, shuffle=shuffle)


def network():
    return nn.Sequential(nn.Linear(12, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, CLASSES))


def seeded():
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    model = network()
    return model, torch.optim.Adam(model.parameters(), lr=0.01)


def step(model, batch):
    x, y = batch
    logits = model(x)
    return {"loss": functional.cross_entropy(logits, y), "y_true": y, "y_pred": logits}


def plainly_trained(epochs=3):
    model, optimizer = seeded()
    batches, model = loader(), model.train()
    for _ in range(epochs):
        for batch in batches:
            optimizer.zero_grad()
            step(model, batch)["loss"].backward()
            optimizer.step()
    return model, (torch.rand(1), np.random.rand(), random.random())


def same(first, second):
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def watched(tmp_path):
    def make(model, **settings):
        return ModelMonitor(model, results_dir=tmp_path, quiet=True, **settings)

    return make


def test_weights_and_random_numbers_are_the_same_bit_for_bit_with_probe_and_validation(watched):
    expected, drawn = plainly_trained()
    model, optimizer = seeded()
    x, y = data(3)
    monitor = watched(model, probe=(x, y), alerts="default")
    noisy = DataLoader(
        TensorDataset(*data(2)), batch_size=40, shuffle=True
    )  # draws random numbers each time it is gone through
    returned = monitor.fit(step, loader(), epochs=3, optimizer=optimizer, validation=noisy)
    assert returned is model
    assert same(model, expected)
    assert (torch.rand(1), np.random.rand(), random.random()) == drawn
    assert model.training


def test_a_step_function_that_does_all_of_it_gives_the_same_weights(watched):
    expected, _ = plainly_trained()
    model, optimizer = seeded()

    def all_of_it(model, batch):
        said = step(model, batch)
        optimizer.zero_grad()
        said["loss"].backward()
        optimizer.step()
        return said

    monitor = watched(model, probe=data(3))
    monitor.fit(all_of_it, loader(), epochs=3, validation=loader(2), evaluate=step)
    assert same(model, expected)
    assert len(monitor.history["val/loss"]) == 3


def test_a_step_function_that_trains_cannot_evaluate_and_the_error_says_what_to_give(watched):
    model, optimizer = seeded()

    def all_of_it(model, batch):
        loss = step(model, batch)["loss"]
        loss.backward()
        optimizer.step()
        return loss

    with pytest.raises(RuntimeError, match="does not require grad") as raised:
        watched(model).fit(all_of_it, loader(), validation=loader(2))
    assert "evaluate=" in raised.value.__notes__[0]


def test_layers_that_the_user_has_frozen_stay_frozen(watched):
    model, optimizer = seeded()
    model[1].eval()
    before = model[1].running_mean.clone()
    watched(model).fit(step, loader(), epochs=2, optimizer=optimizer, validation=loader(2))
    assert torch.equal(model[1].running_mean, before)
    assert not model[1].training
    assert model.training


def test_metrics_are_those_of_scikit_learn(watched):
    model, optimizer = seeded()
    shown = [[], []]

    def noting(model, batch):
        said = step(model, batch)
        if model.training:
            shown[0].append(batch[1])
            shown[1].append(said["y_pred"].argmax(1))
        return said

    monitor = watched(model)
    monitor.fit(noting, loader(), optimizer=optimizer, validation=loader(2, shuffle=False))
    history = monitor.history
    assert history.last("train/accuracy") == pytest.approx(accuracy_score(*map(torch.cat, shown)), abs=1e-12)
    model.eval()
    x, y = data(2)
    logits = model(x)
    precision, recall, f1, _ = precision_recall_fscore_support(y, logits.argmax(1), average="macro", zero_division=0)
    assert history.last("val/precision") == pytest.approx(precision, abs=1e-12)
    assert history.last("val/recall") == pytest.approx(recall, abs=1e-12)
    assert history.last("val/f1") == pytest.approx(f1, abs=1e-12)
    assert history.last("val/loss") == pytest.approx(functional.cross_entropy(logits, y).item(), abs=1e-6)


def test_each_step_has_its_loss_and_its_time_on_one_axis(watched):
    model, optimizer = seeded()
    losses = []

    def noting(model, batch):
        said = step(model, batch)
        losses.append(said["loss"].item())
        return said

    monitor = watched(model)
    monitor.fit(noting, loader(), epochs=2, optimizer=optimizer)
    loss, time_s, rate = (monitor.history.series(n) for n in ("loss", "perf/step_time_s", "samples_per_s"))
    assert loss.values.tolist() == losses
    assert loss.steps.tolist() == time_s.steps.tolist() == rate.steps.tolist() == list(range(12))
    assert loss.epochs.tolist() == [0] * 6 + [1] * 6
    assert (time_s.values * rate.values) == pytest.approx(16)
    assert monitor.history.series("perf/epoch_time_s").steps.tolist() == [5, 11]
    assert monitor.history.last("system/host_memory_bytes") > 50e6


def test_a_second_training_goes_on_counting(watched):
    model, optimizer = seeded()
    monitor = watched(model)
    for _ in range(2):
        monitor.fit(step, loader(), epochs=2, optimizer=optimizer)
    assert monitor.history.series("train/loss").steps.tolist() == list(range(24))
    assert monitor.history.series("train/accuracy").epochs.tolist() == [0, 1, 2, 3]


def test_no_step_waits_for_its_loss(watched, monkeypatch):
    """Every way in which a tensor reaches the host is counted; all steps of an epoch are read together."""
    read_at = []
    for name in ("item", "tolist", "__float__", "numpy", "cpu"):
        plain = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor, name, lambda t, *a, _plain=plain, **k: (read_at.append(len(steps)), _plain(t, *a, **k))[1]
        )
    steps = []

    def counted(model, batch):
        steps.append(1)
        return functional.mse_loss(model(batch[0]), batch[0][:, :CLASSES])

    model = nn.Linear(12, CLASSES)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    read_at.clear()
    watched(model).fit(counted, loader(count=32 * 16), epochs=1, optimizer=optimizer)
    assert set(read_at) <= {0, 32}  # the card, before the first step and at the end; the losses, at the end


def test_large_predictions_are_read_before_they_fill_the_memory(watched, monkeypatch):
    monkeypatch.setattr("perfkit.monitor.watching.MOST_BYTES", 3 * 16 * CLASSES * 4)
    flushed = []
    flush = Watching.flush
    monkeypatch.setattr(Watching, "flush", lambda self: (flushed.append(len(self._kept)), flush(self))[1])
    model, optimizer = seeded()
    watched(model).fit(step, loader(), optimizer=optimizer)
    assert max(flushed) <= 3


def test_the_record_is_the_history(watched, tmp_path):
    model, optimizer = seeded()
    monitor = watched(model)
    monitor.fit(step, loader(), epochs=2, optimizer=optimizer, validation=loader(2))
    found = records.read(monitor.run)
    assert monitor.run.is_relative_to(tmp_path)
    assert set(found.history) == set(monitor.history)
    for name in found.history:
        ours, theirs = monitor.history.series(name), found.history.series(name)
        assert ours.values.tolist() == theirs.values.tolist()
        assert ours.steps.tolist() == theirs.steps.tolist()
        assert ours.times_ns.tolist() == theirs.times_ns.tolist()
    assert found.statuses[0].state == "starting"
    assert (found.statuses[-1].state, found.statuses[-1].step) == ("finished", 11)
    first, last = found.cards
    assert first["optimizer"]["learning_rate"] == 0.01
    assert first["data"]["batch_size"] == 16
    assert first["fingerprints"]["structure"] == last["fingerprints"]["structure"]
    assert first["fingerprints"]["weights"] != last["fingerprints"]["weights"]
    assert monitor.card == last


def test_within_a_supervised_run_it_is_part_of_that_run(watched, tmp_path, monkeypatch):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    monkeypatch.setenv("PERFKIT_GUEST_RUN", str(theirs))
    model, optimizer = seeded()
    monitor = watched(model)
    monitor.fit(step, loader(), optimizer=optimizer)
    found = records.read(theirs)
    assert monitor.run == theirs
    assert found.history["train/loss"].tolist() == monitor.history["train/loss"].tolist()
    assert found.statuses == []  # the script goes on; who runs it says how it stands


def test_without_a_place_to_record_the_training_goes_on_and_the_history_is_there(tmp_path):
    (tmp_path / "file").write_text("")
    model, optimizer = seeded()
    monitor = ModelMonitor(model, results_dir=tmp_path / "file", quiet=True)
    with pytest.warns(RuntimeWarning, match="cannot record"):
        monitor.fit(step, loader(), optimizer=optimizer)
    assert monitor.run is None
    assert len(monitor.history["train/loss"]) == 6


def test_an_error_of_the_step_function_comes_out_as_it_is(watched):
    model, optimizer = seeded()
    error = ZeroDivisionError("mine")

    def failing(model, batch, seen=[]):  # noqa: B006
        seen.append(1)
        if len(seen) == 3:
            raise error
        return step(model, batch)

    monitor = watched(model)
    with pytest.raises(ZeroDivisionError) as raised:
        monitor.fit(failing, loader(), optimizer=optimizer)
    assert raised.value is error
    assert raised.value.__cause__ is raised.value.__context__ is None
    found = records.read(monitor.run)
    assert (found.statuses[-1].state, found.statuses[-1].reason) == ("failed", "ZeroDivisionError")
    assert len(found.history["train/loss"]) == 2  # what was known until then
    monitor.fit(step, loader(), optimizer=optimizer)  # and it can be used again
    assert len(monitor.history["train/loss"]) == 8


def test_early_stop_and_keep_best(watched):
    model, optimizer = seeded()
    stop = StopOn("val_loss", patience=2, min_delta=10.0)
    best = KeepBest("val_loss", save=lambda: copy.deepcopy(model.state_dict()), restore=model.load_state_dict)
    monitor = watched(model, stop=stop, keep_best=best)
    monitor.fit(step, loader(), epochs=50, optimizer=optimizer, validation=loader(2))
    assert len(monitor.history["val_loss"]) == 3
    assert best.best == min(monitor.history["val_loss"])
    best.restore_best()


@pytest.mark.parametrize("rule", [StopOn("val_f1", patience=3), KeepBest("val_f1")])
def test_a_metric_that_never_appears_is_an_error_after_the_first_epoch(watched, rule):
    model, optimizer = seeded()
    settings = {"stop": rule} if isinstance(rule, StopOn) else {"keep_best": rule}
    monitor = watched(model, **settings)
    with pytest.raises(MonitorError, match="no metric 'val_f1' at the end of epoch 0; did you mean 'train/f1'"):
        monitor.fit(step, loader(), epochs=9, optimizer=optimizer)
    assert records.read(monitor.run).statuses[-1].state == "failed"


def test_a_loop_of_ones_own(watched):
    model, optimizer = seeded()
    x, y = data(2)
    with watched(model) as monitor:
        for number in range(3):
            with monitor.epoch(number) as epoch:
                for batch in loader():
                    said = step(model, batch)
                    optimizer.zero_grad()
                    said["loss"].backward()
                    optimizer.step()
                    monitor.step(**said, lr=0.01)
                values = monitor.validate(y, model.eval()(x), loss=1.5)
                model.train()
                monitor.log({"val_bleu": 0.25})
            assert not epoch.stop
        assert monitor.run is not None
    history = monitor.history
    assert history.series("train/loss").steps.tolist() == list(range(18))
    assert history["train/learning_rate"].tolist() == [0.01] * 18
    assert history.last("val/accuracy") == values["accuracy"]
    assert history["val/loss"].tolist() == [1.5] * 3
    assert history.series("val/bleu").epochs.tolist() == [0, 1, 2]
    assert records.read(monitor.run).statuses[-1].state == "finished"


def test_an_error_in_a_loop_of_ones_own_is_in_the_record(watched):
    monitor = watched(network())
    with pytest.raises(KeyboardInterrupt), monitor, monitor.epoch(0):
        monitor.step(0.5, samples=4)
        raise KeyboardInterrupt
    found = records.read(monitor.run)
    assert (found.statuses[-1].state, found.statuses[-1].reason) == ("failed", "KeyboardInterrupt")
    assert found.history["train/loss"].tolist() == [0.5]


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "state"), [("", "finished"), ("raise ValueError('late')", "failed")])
def test_a_loop_that_nobody_closes_ends_as_the_program_does(tmp_path, ending, state):
    code = f"""
import sys
from perfkit.monitor import ModelMonitor
class Model: pass
monitor = ModelMonitor(Model(), quiet=True, results_dir=sys.argv[1])
with monitor.epoch(0):
    monitor.step(0.5)
print(monitor.run)
{ending}
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == (1 if ending else 0)
    (run,) = (tmp_path / "runs").iterdir()
    assert str(run) == done.stdout.strip()
    assert records.read(run).statuses[-1].state == state


def test_pickled_and_copied_it_is_the_model(watched):
    model, optimizer = seeded()
    monitor = watched(model)
    monitor.fit(step, loader(), optimizer=optimizer)
    again = pickle.loads(pickle.dumps(monitor))
    assert type(again) is nn.Sequential
    assert same(again, model)
    copied = copy.deepcopy(monitor)
    assert copied is not model
    assert same(copied, model)
    file = io.BytesIO()
    torch.save(monitor, file)
    file.seek(0)
    assert same(torch.load(file, weights_only=False), model)
    pickle.dumps(model)  # nothing of ours was left on it


def test_everything_else_is_the_models_own(watched):
    model, _ = seeded()
    monitor = watched(model)
    x, _ = data()
    model.eval()
    assert torch.equal(monitor(x), model(x))
    assert monitor.state_dict().keys() == model.state_dict().keys()
    assert monitor[0] is model[0]
    monitor.head = nn.Linear(2, 2)
    assert model.head is monitor.head
    del monitor.head
    assert not hasattr(model, "head")
    assert "state_dict" in dir(monitor)
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = monitor.nothing_such


def test_a_loss_that_is_lost_is_told_once_and_alerted(watched, capsys):
    model, optimizer = seeded()

    def lost(model, batch, seen=[]):  # noqa: B006
        seen.append(1)
        loss = step(model, batch)["loss"]
        return loss * float("nan") if len(seen) > 8 else loss

    monitor = watched(model, alerts="default")
    monitor.fit(lost, loader(), epochs=4, optimizer=optimizer)
    lost_events = [e for e in monitor.history.events if e.kind == "validity" and e.metric == "train/loss"]
    assert len(lost_events) == 1
    assert lost_events[0].step == 8
    assert lost_events[0].advice
    alerts = [a for a in records.read(monitor.run).alerts if a.state == "firing"]
    assert len(alerts) == 1
    assert capsys.readouterr().err.count("FIRING") == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"detectors": "all"}, "detectors='all'"),
        ({"alerts": ["val_loss ~ 3"]}, "val_loss"),
        ({"probe": "auto"}, "probe='auto'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(watched, settings, message):
    model, optimizer = seeded()
    with pytest.raises(UsageError, match=message):
        watched(model, **settings).fit(step, loader(), optimizer=optimizer)


def test_a_step_function_without_a_loss_is_told_so(watched):
    model, optimizer = seeded()
    with pytest.raises(UsageError, match="returned no loss"):
        watched(model).fit(lambda m, b: {"y_pred": m(b[0])}, loader(), optimizer=optimizer)
    with pytest.raises(UsageError, match="step is a function"):
        watched(model).fit(loader(), step)


def test_what_is_no_model_is_told_so(watched):
    with pytest.raises(UsageError, match="dict is no Keras model"):
        watched({}).fit([1])
