"""The trace window opens by itself, closes by itself, and stands aside."""

import gzip
import json

import pytest

pytestmark = pytest.mark.slow

LOOP = """
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
def train(n):
    for x, y in DataLoader(data(32 * n), 32):
        opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
"""


def windows(outcome, state=None):
    found = outcome.rank.facts_of("window")
    return [w for w in found if state is None or w["state"] == state]


def events(path):
    raw = path.read_bytes()
    return json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)["traceEvents"]


def test_it_opens_once_steady_and_traces_five_steps_after_a_probe(record):
    outcome = record(LOOP + "train(120)")
    probe, window = windows(outcome, "closed")
    assert (probe["steps"], window["steps"]) == (1, 5)
    assert window["replaces"] == 0
    assert probe["first_step"] in (16, 24, 32, 40, 48, 56, 64)
    names = [e["name"] for e in events(outcome.rank.traces[-1]) if e.get("ph") == "X"]
    assert sum(n.startswith("perfkit.step#") for n in names) == 5
    assert any(n.startswith("perfkit.module|0|Linear|") and "script.py:" in n for n in names)
    steps = outcome.steps()
    assert len(steps) == 120
    assert 6 <= steps["traced"].sum() <= 9


def test_no_trace_means_no_trace(record):
    outcome = record(LOOP + "train(90)", no_trace=1)
    assert outcome.rank.traces == []
    assert outcome.steps()["traced"].sum() == 0


def test_trace_at_a_step_and_for_so_many(record):
    outcome = record(LOOP + "train(90)", trace_at="step:40", trace_steps=3)
    probe, window = windows(outcome, "closed")
    assert probe["first_step"] == 40
    assert window["steps"] == 3


def test_a_window_is_kept_small_where_steps_have_many_events(record):
    outcome = record(LOOP + "train(90)", trace_events=1000)
    steps = [w["steps"] for w in windows(outcome, "closed")]
    assert steps[0] == 1
    assert steps[1:] in ([], [2])


def test_a_request_opens_one_more(record, tmp_path):
    outcome = record(
        LOOP
        + """
run = os.environ["PERFKIT_GUEST_RUN"]
train(90)
os.makedirs(run + "/control"); open(run + "/control/trace", "w").close()
time.sleep(0.3)
train(90)
print(os.path.exists(run + "/control/trace"))
"""
    )
    assert outcome.stdout == "False\n"
    assert [w["why"] for w in windows(outcome, "closed")][-1] == "requested"


def test_the_scripts_own_profiler_closes_ours_and_bars_it(record):
    outcome = record(
        LOOP
        + """
train(20)
with torch.profiler.profile() as prof:
    train(40)
print(len(prof.events()) > 1000)
train(40)
"""
    )
    assert outcome.stdout == "True\n"
    (barred,) = windows(outcome, "barred")
    assert "own profiler" in barred["reason"]


def test_the_scripts_own_profiler_opened_within_our_window_gets_all_its_events(record):
    outcome = record(
        LOOP
        + """
train(33)   # our window is open now
schedule = torch.profiler.schedule(wait=1, warmup=1, active=3, repeat=1)
with torch.profiler.profile(schedule=schedule) as prof:
    for _ in range(6):
        train(1); prof.step()
train(20)
print(sum(e.name == "Optimizer.step#SGD.step" for e in prof.events()))
""",
        trace_at="step:31",
    )
    assert outcome.stdout == "3\n"
    assert "barred" in [w["state"] for w in windows(outcome)]
    assert outcome.stderr == ""


def test_the_legacy_profiler_counts_too(record):
    outcome = record(
        LOOP
        + """
with torch.autograd.profiler.profile() as prof:
    train(40)
print(len(prof.function_events) > 100)
"""
    )
    assert outcome.stdout == "True\n"
    assert windows(outcome, "closed") == []


@pytest.mark.parametrize("leave", ["sys.exit(0)", "raise SystemExit", "pass"])
def test_exiting_with_the_window_open_is_safe_and_keeps_the_trace(record, leave):
    outcome = record(LOOP + "train(36)\n" + leave, trace_at="step:34")
    assert outcome.stderr == ""
    (window,) = [w for w in windows(outcome) if w["state"] == "cut short"]
    assert window["file"]
    assert events(outcome.rank.path / window["file"])


def test_an_exception_with_the_window_open_is_the_scripts_own(record):
    outcome = record(LOOP + "train(36)\nraise KeyError('mine')", trace_at="step:34", check=False)
    assert outcome.returncode == 1
    assert outcome.stderr.strip().endswith("KeyError: 'mine'")
    assert len(outcome.steps()) == 36


def test_os_exit_with_the_window_open_loses_the_trace_but_not_the_steps(record):
    outcome = record(LOOP + "train(36)\nos._exit(5)", trace_at="step:34", check=False)
    assert outcome.returncode == 5
    assert len(outcome.steps()) == 36


def test_forking_with_the_window_open_harms_neither(record):
    outcome = record(
        LOOP
        + """
train(36)
pid = os.fork()
if pid == 0:
    train(2); os._exit(0)
print(os.waitpid(pid, 0)[1])
train(20)
""",
        trace_at="step:34",
    )
    assert outcome.stdout == "0\n"
    parent = next(r for r in outcome.ranks if r.name == "rank-00000")
    assert [w["state"] for w in parent.facts_of("window")] == ["closed", "closed"]


def test_an_evaluation_before_training_does_not_use_up_the_window(record):
    outcome = record(
        LOOP
        + """
model.eval()
with torch.no_grad():
    for _ in range(100): model(torch.randn(8, 16))
model.train(); train(90)
"""
    )
    names = [e["name"] for e in events(outcome.rank.traces[-1])]
    assert any(n.startswith("Optimizer.step#") for n in names)


def test_an_inference_script_is_traced_as_well(record):
    outcome = record("""
        model = net().eval()
        with torch.inference_mode():
            for _ in range(100): model(torch.randn(8, 16))
    """)
    assert [w["state"] for w in windows(outcome)] == ["closed", "closed"]


def test_starting_a_window_does_not_import_a_compiler_that_the_script_does_without(record):
    outcome = record("""
        model = net().eval()
        with torch.no_grad():
            for _ in range(60):
                model(torch.randn(32, 16))
        print("torch._inductor" in sys.modules, hasattr(torch, "_inductor"))
    """)
    assert outcome.stdout.split() == ["False", "True"]
    closed = [note for note in outcome.rank.facts_of("window") if note["state"] == "closed"]
    assert closed


def test_it_waits_while_stacks_are_sampled(record):
    outcome = record(
        LOOP
        + """
run = os.environ["PERFKIT_GUEST_RUN"]
os.makedirs(run + "/control"); open(run + "/control/sampling-stacks", "w").close()
train(60)
os.unlink(run + "/control/sampling-stacks")
train(60)
""",
        trace_at="step:20",
    )
    probe, _ = windows(outcome, "closed")
    assert 60 <= probe["first_step"] <= 62
