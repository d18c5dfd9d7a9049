"""A screening in the script's process: whose turn it is, what is left out, and that the fixes are really on and off."""

import json
from collections import deque
from types import SimpleNamespace

import pytest

from perfkit.inside.screening import LEAST_ROUNDS, MOST_ROUNDS, Screening

MS = 1_000_000


class Fix:
    """A fix by what a step takes with it."""

    switchable = in_every_step = screened = active = placed = True

    def __init__(self, name, step_ms=10, *, acts=True, breaks_at=None):
        self.name, self.step_ms, self.acts, self.breaks_at = name, step_ms, acts, breaks_at
        self.count, self.on_now, self.error = 0, True, None

    def on(self):
        self.on_now = True

    def off(self):
        self.on_now = False

    def begin(self):
        pass

    def failed(self, error):
        self.error, self.placed = error, False


class Script:
    """A session whose steps take what the fix that is on makes them take."""

    def __init__(self, *fixes, plain_ms=10, steps=10, seconds=0.1):
        self.patches, self.plain_ms = list(fixes), plain_ms
        self.options = SimpleNamespace(screen_steps=steps, screen_seconds=seconds)
        self.recent, self.facts, self.now, self.step = deque(maxlen=33), [], 0, 0
        self.seen = []  # (when the step ended, fixes that were on)

    def fact(self, kind, **values):
        self.facts.append({"fact": kind, **values})

    def of(self, kind):
        return [fact for fact in self.facts if fact["fact"] == kind]

    def one_step(self):
        on = [fix for fix in self.patches if fix.on_now]
        self.now += (on[0].step_ms if on else self.plain_ms) * MS
        self.step += 1
        self.recent.append(self.now)
        self.seen.append((self.now, [fix.name for fix in on]))
        for fix in on:
            fix.count += fix.acts
            if fix.breaks_at is not None and fix.count >= fix.breaks_at:
                fix.failed("as asked")

    def run(self, most=100_000):
        screening = Screening(self)
        for _ in range(16):
            self.one_step()
        due = screening.look(self.step, self.now)
        while due is not None and self.step < most:
            self.one_step()
            due = screening.look(self.step, self.now)
        return self


def names(script):
    return [fact["fix"] for fact in script.of("screen-stretch")]


def test_every_stretch_of_a_fix_lies_between_two_plain_ones_and_no_fix_comes_twice_running():
    script = Script(Fix("a"), Fix("b"), Fix("c")).run()
    found = names(script)
    assert set(found[::2]) == {None}
    assert found[-1] is None
    assert None not in found[1::2]
    assert all(one != other for one, other in zip(found[1::2], found[3::2], strict=False))


def test_after_the_warm_up_each_fix_has_as_many_rounds_as_it_must_in_an_order_that_changes():
    script = Script(Fix("a"), Fix("b"), Fix("c")).run()
    rounds = {}
    for fact in script.of("screen-stretch"):
        if fact["fix"] is not None:
            rounds.setdefault(fact["round"], []).append(fact["fix"])
    assert sorted(rounds) == list(range(LEAST_ROUNDS + 1))
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds.values())
    assert len({tuple(order) for order in rounds.values()}) > 1


def test_it_goes_on_as_long_as_there_is_time_and_not_for_ever():
    long = Script(Fix("a"), seconds=1e9).run()
    assert max(fact["round"] for fact in long.facts if "round" in fact) == MOST_ROUNDS


def test_a_stretch_is_of_the_steps_asked_for_with_its_fix_alone_on_and_the_settling_left_out():
    script = Script(Fix("a"), Fix("b", 7), steps=12).run()
    for fact in script.of("screen-stretch"):
        assert fact["steps"] == 12
        inside = [on for at, on in script.seen if fact["from_ns"] < at <= fact["to_ns"]]
        assert inside == [[] if fact["fix"] is None else [fact["fix"]]] * 12
    turns = [on for _, on in script.seen[16:] if on == ["a"]]
    assert len(turns) == (12 + 3) * (LEAST_ROUNDS + 1)


def test_what_takes_longer_three_rounds_running_gets_no_more_turns():
    script = Script(Fix("terrible", 40), Fix("slow", 15), Fix("fair", 11)).run()
    found = names(script)
    assert (found.count("terrible"), found.count("slow")) == (4, 4)
    assert found.count("fair") == LEAST_ROUNDS + 1
    out = {fact["fix"]: fact["times"] for fact in script.of("screen-out")}
    assert out == {"terrible": pytest.approx(4.0), "slow": pytest.approx(1.5)}


def test_a_stretch_that_takes_too_long_is_cut_short():
    script = Script(Fix("terrible", 1000), Fix("fair"), steps=40).run()
    found = [fact["steps"] for fact in script.of("screen-stretch") if fact["fix"] == "terrible"]
    assert found == [2] * 4


def test_one_that_was_slow_for_a_while_goes_on():
    passing = Fix("passing")
    script = Script(passing, Fix("fair"))
    original = script.one_step

    def one_step():
        passing.step_ms = 100 if passing.count < 15 else 10
        original()

    script.one_step = one_step
    assert names(script.run()).count("passing") == LEAST_ROUNDS + 1


def test_a_fix_that_does_nothing_is_out_after_its_warm_up():
    script = Script(Fix("idle", acts=False), Fix("fair")).run()
    assert names(script).count("idle") == 1
    assert script.of("screen-out")[0]["reason"] == "it did nothing in 10 steps"


def test_a_fix_that_breaks_in_its_turn_is_out_and_those_steps_count_for_nothing():
    script = Script(Fix("broken", breaks_at=20), Fix("fair")).run()
    found = names(script)
    assert found.count("broken") == 1
    assert found.count("fair") == LEAST_ROUNDS + 1


def test_without_a_fix_that_can_be_switched_it_is_over_at_once():
    fixed = Fix("fixed")
    fixed.screened = False
    script = Script(fixed).run()
    assert names(script) == [None]
    assert fixed.on_now


def test_all_is_off_at_the_end_and_when_another_clock_begins():
    script = Script(Fix("a"), Fix("b")).run()
    assert not any(fix.on_now for fix in script.patches)

    script = Script(Fix("a"))
    screening = Screening(script)
    for _ in range(16):
        script.one_step()
    while not script.patches[0].on_now:
        script.one_step()
        screening.look(script.step, script.now)
    screening.abandon()
    assert not script.patches[0].on_now


# Prints of each step when it ended and what zero_grad had left.
TRAIN = """
import gc
class Rows(nn.Module):
    def forward(self, x): return x.view(len(x), -1)
model = nn.Sequential(nn.Conv2d(3, 4, 3), Rows(), nn.Linear(4 * 16, 4)); opt = torch.optim.SGD(model.parameters(), 0.01)
for step in range(5000):
    opt.zero_grad(set_to_none=False)
    print(time.monotonic_ns(), all(p.grad is None for p in model.parameters()), gc.get_freeze_count() > 0)
    lossf(model(torch.randn(8, 3, 6, 6)), torch.zeros(8, dtype=torch.long)).backward(); opt.step()
"""


@pytest.mark.slow
def test_in_a_real_script_each_fix_is_on_in_its_own_stretches_and_the_others_are_untouched(record, tmp_path):
    (tmp_path / "run").mkdir()
    asked = ("zero-grad-none", "nothing", "channels-last", "threads", "gc-freeze")
    rows = [{"name": name, "parameters": {"num_threads": 1} if name == "threads" else {}} for name in asked]
    (tmp_path / "run" / "fixes.json").write_text(json.dumps(rows))
    outcome = record(TRAIN, fixes=1, no_trace=1, trial_steps=8, screen_steps=8, screen_seconds=0.01)
    told = [line.split() for line in outcome.stdout.splitlines()]
    stretches = outcome.rank.facts_of("screen-stretch")
    for fact in stretches:
        dropped = [none == "True" for at, none, _ in told if fact["from_ns"] < int(at) <= fact["to_ns"]]
        assert len(dropped) == fact["steps"] == 8
        assert set(dropped) == {fact["fix"] == "zero-grad-none"}
    found = [fact["fix"] for fact in stretches]
    assert found.count("zero-grad-none") == found.count("nothing") == LEAST_ROUNDS + 1
    assert found.count("threads") == 1  # it has one already
    assert "channels-last" not in found  # it broke at its first call: the model views its pictures as rows
    states = {fact["name"]: fact["state"] for fact in outcome.rank.facts_of("fix") if fact.get("final")}
    assert states == {
        "zero-grad-none": "applied", "nothing": "applied", "channels-last": "failed", "threads": "not-applicable",
        "gc-freeze": "applied",
    }  # fmt: skip
    assert {frozen for _, _, frozen in told[5:]} == {"True"}  # what does not show in every step is on all the time
    assert outcome.rank.facts_of("trial")[-1]["state"] == "complete"
