"""Losses and learning rates of a monitored process, as marks."""

import json

import numpy as np
import pytest

from perfkit.inside.stream import Late
from perfkit.model import marks

slow = pytest.mark.slow


class Number:
    """A host tensor of one number."""

    value = 0.0

    def copy_(self, other, non_blocking):
        assert non_blocking
        self.value = other

    def item(self):
        return self.value


class Event:
    def __init__(self):
        self.recorded, self.arrived = 0, False

    def record(self):
        self.recorded += 1
        self.arrived = False

    def query(self):
        return self.arrived


def test_numbers_on_a_device_are_read_when_they_have_arrived_and_never_waited_for():
    emitted = []
    slots = [(Number(), Event()), (Number(), Event())]
    late = Late(slots, lambda: True, lambda *told: emitted.append(told))
    late.copy(1.5, 10, 0)
    late.copy(2.5, 20, 0)
    late.copy(3.5, 30, 0)  # no slot is free: passed over
    late.read_completed()
    assert emitted == []
    slots[0][1].arrived = True  # the second launched has arrived, the first not: order stays
    late.read_completed()
    assert emitted == []
    slots[1][1].arrived = True
    late.read_completed()
    assert emitted == [(10, 0, 1.5), (20, 0, 2.5)]
    late.copy(4.5, 40, 0)
    assert sum(event.recorded for _, event in slots) == 3


def test_nothing_is_copied_while_a_graph_is_captured():
    event = Event()
    late = Late([(Number(), event)], lambda: False, None)
    late.copy(1.0, 1, 0)
    assert event.recorded == 0


def values_of(outcome, kind):
    found = outcome.rank.marks
    found = found[(found[:, 1] & 0xFF) == kind]
    return np.ascontiguousarray(found[:, 2]).view(np.float64).tolist()


@slow
def test_losses_and_rates_are_what_the_script_computed_and_nothing_else_changes(record):
    script = """
    import json
    net = net(); optimizer = torch.optim.SGD(net.parameters(), 0.1); said = []
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 4, 0.5)
    for x, y in DataLoader(data(80), 8):
        time.sleep(0.002)
        loss = lossf(net(x), y); optimizer.zero_grad(); loss.backward(); optimizer.step(); schedule.step(); said.append(loss.item())
    print(json.dumps([said, sum(p.double().sum().item() for p in net.parameters())]))
    """
    monitored = record(script, no_trace=1, stream=1)
    said, _ = json.loads(monitored.stdout)
    assert values_of(monitored, marks.LOSS) == pytest.approx(said, rel=1e-6)
    assert values_of(monitored, marks.RATE) == pytest.approx([0.1, 0.05, 0.025])
    assert monitored.run.jsonl("guests.jsonl")[0]["armed"][-1] == "stream"
    plain = record(script, no_trace=1)
    assert plain.stdout == monitored.stdout
    (_, unmonitored) = plain.ranks
    assert not np.any((unmonitored.marks[:, 1] & 0xFF) == marks.LOSS)


@slow
def test_a_scaled_loss_is_told_as_it_was_and_nan_as_nan(record):
    script = """
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    weight = torch.ones(1, requires_grad=True); optimizer = torch.optim.SGD([weight], torch.tensor(0.25))
    for factor in (1.0, float("nan"), 3.0):
        loss = (weight * factor).sum() * 0 + factor; optimizer.zero_grad(); scaler.scale(loss).backward()
        scaler.step(optimizer); scaler.update()
    """
    outcome = record(script, no_trace=1, stream=1)
    found = values_of(outcome, marks.LOSS)
    assert found[::2] == [1.0, 3.0]
    assert np.isnan(found[1])
    assert values_of(outcome, marks.RATE) == [0.25]


@slow
def test_it_is_undone_and_what_it_cannot_read_without_waiting_is_said(record):
    script = """
    weight = torch.ones(2, device="meta", requires_grad=True); optimizer = torch.optim.SGD([weight], 0.1)
    for _ in range(4):
        optimizer.zero_grad(); weight.sum().backward(); optimizer.step()
    session = sys.modules["_perfkit.inside.session"].current
    print(session.failed); session.end(0)
    print(hasattr(torch.autograd.backward, "__wrapped__"), len(sys.modules["torch.optim.optimizer"]._global_optimizer_pre_hooks))
    """
    outcome = record(script, no_trace=1, stream=1)
    assert outcome.stdout == "{}\nFalse 0\n"
    assert [line["why"] for line in outcome.rank.facts_of("unread")] == ["a tensor on meta"]


@slow
def test_a_forked_child_tells_nothing_of_the_parents(record):
    script = """
    weight = torch.ones(1, requires_grad=True); optimizer = torch.optim.SGD([weight], 0.1)
    def step(): optimizer.zero_grad(); (weight * 2).sum().backward(); optimizer.step()
    step(); step()
    pid = os.fork()
    if pid == 0:
        step(); os._exit(0)
    os.waitpid(pid, 0); step()
    """
    outcome = record(script, no_trace=1, stream=1)
    parent, child = (rank.marks for rank in outcome.ranks)
    assert [int(np.count_nonzero((found[:, 1] & 0xFF) == marks.LOSS)) for found in (parent, child)] == [3, 1]


@slow
def test_during_an_evaluation_signs_of_life_are_written(record, tmp_path):
    script = """
    net = net(); optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for x, y in DataLoader(data(1600), 8):
        optimizer.zero_grad(); lossf(net(x), y).backward(); optimizer.step()
    session = sys.modules["_perfkit.inside.session"].current
    assert session.roots.settled
    path = os.path.join(session.recorder.folder, "marks.bin")
    net.eval(); before = os.path.getsize(path)
    with torch.no_grad():
        for _ in range(13):
            time.sleep(0.1); net(x)
    print(os.path.getsize(path) > before)
    """
    assert record(script, no_trace=1, stream=1).stdout == "True\n"
    assert record(script, no_trace=1).stdout == "False\n"


@slow
def test_a_compiled_step_that_holds_its_backward_has_the_graphs_and_breaks_that_it_has_in_a_profile(record):
    script = """
    import torch._dynamo.utils
    net = net(); optimizer = torch.optim.SGD(net.parameters(), 0.1); compiled = torch.compile(net, backend="eager")
    @torch.compile(backend="eager")
    def step(x, y):
        loss = lossf(net(x), y); loss.backward(); optimizer.step(); optimizer.zero_grad()
    for x, y in DataLoader(data(80), 8):
        step(x, y); lossf(compiled(x), y).backward(); optimizer.step(); optimizer.zero_grad()
    counted = torch._dynamo.utils.counters
    print(dict(counted["frames"]), dict(counted["stats"]), sum(counted["graph_break"].values()))
    """
    assert record(script, no_trace=1, stream=1).stdout == record(script, no_trace=1).stdout
