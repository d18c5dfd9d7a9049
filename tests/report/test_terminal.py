"""The card: what it says in each case, and that it fits."""

import io
import itertools
import os

import pytest

from perfkit import api
from perfkit.model.records import Collector
from perfkit.report import terminal
from perfkit.report.layout import width_of

FINDING = {
    "rule": "input", "cause": "input", "title": "Load batches in 4 worker processes", "basis": "steady",
    "evidence": {"waiting for data": "6 ms of the 10 ms step (60 %)", "num_workers": 0, "cores allowed": 8},
    "saves": {"low": 0.38, "high": 0.52}, "confidence": "high", "fix": None, "how": "DataLoader(..., num_workers=4)\nmore",
    "links": [],
}  # fmt: skip


def joined(lines):
    return "\n".join(lines)


def test_the_headline_says_step_rate_and_warm_up(make_run, card):
    text = joined(card(make_run()))
    assert "perfkit · train.py · 60 steps" in text
    assert "steady step 10.00 ms (p95 10.00 ms) · 3200 samples/s" in text
    assert "data 60.0 %   forward 15.0 %   backward 20.0 %   optimizer 5.0 %" in text


def test_a_finding_says_what_it_saves_why_and_how(make_run, card):
    text = joined(card(make_run(), findings=[FINDING]))
    assert "1. Load batches in 4 worker processes" in text and "saves 38–52 % · high confidence" in text
    assert "num_workers 0 · cores allowed 8" in text and "DataLoader(..., num_workers=4)" in text


def test_three_findings_are_shown_and_the_rest_behind_v(make_run, card):
    run = make_run()
    text = joined(card(run, findings=[FINDING] * 5))
    assert "3. Load" in text and "4. Load" not in text and "and 2 more: perfkit report -v" in text
    assert "5. Load" in joined(card(run, findings=[FINDING] * 5, verbose=1))


def test_what_all_findings_give_together_is_said_where_there_are_several(make_run, card):
    whole = {"low": 0.46, "high": 0.58, "basis": "steady", "findings": 2}
    text = joined(card(make_run(), findings=[FINDING] * 2, together=whole))
    assert "all together: saves 46–58 %" in text
    assert "all together" not in joined(card(make_run(), findings=[FINDING]))


def test_of_cures_for_the_same_trouble_the_card_says_that_one_is_enough(make_run, card):
    pair = [{**FINDING, "alternatives": "launches"}, {**FINDING, "alternatives": "launches"}]
    text = joined(card(make_run(), findings=[FINDING, *pair]))
    assert "high confidence · instead of 2" in text and "instead of 1" not in text


def test_a_healthy_script_gets_one_line_of_praise(make_run, card):
    rules = {"count": 3, "skipped": {}, "failed": {}}
    assert "nothing worth changing" in joined(card(make_run(), findings=[], rules=rules))


def test_a_rule_about_what_the_script_does_not_have_takes_nothing_from_the_praise(make_run, card):
    run = make_run(data_ms=0.0, forward_ms=8.0)
    (run.path / "rank-00000" / "facts.jsonl").write_text('{"fact": "torch", "version": "2.13.0", "num_threads": 4}\n')
    assert "input" not in api.document(run)["rules"]["skipped"]


def test_a_step_that_is_not_steady_is_said_to_be_so(make_run, card):
    run = make_run()
    steps = {**api.document(run)["steps"], "p95_s": 0.051}
    lines = card(run, steps=steps, utilization={"others_cores": 1.5, "usable_cores": 2.0})
    text = " ".join(lines)
    assert "not steady: one step in twenty takes 5.1× the median or more" in text
    assert "other processes kept 1.5 of 2 cores busy" in text


def test_rules_that_could_not_judge_are_no_praise(make_run, card):
    rules = {"count": 3, "skipped": {"input": "no loader"}, "failed": {}}
    text = joined(card(make_run(), findings=[], rules=rules))
    assert "nothing found, but 1 of 3 rules could not judge" in text and "nothing worth" not in text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"status": "killed", "exit_code": 137, "end": False}, "the script was killed by SIGKILL"),
        ({"status": "killed", "exit_code": 143, "end": False}, "the script was killed by SIGTERM"),
        ({"status": "failed", "exit_code": 3}, "the script failed with exit code 3"),
    ],
)
def test_a_bad_end_is_the_first_thing_said(make_run, card, settings, said):
    lines = card(make_run(**settings))
    assert any(line.startswith(said) for line in lines[1:3])


def test_a_run_still_going_says_so_and_how_to_look_again(make_run, card):
    run = make_run(status="running", exit_code=None, end=False, info={"pid": os.getpid()})
    text = joined(card(run))
    assert "still running: figures up to now" in text and "perfkit trace abc123" in text


def test_a_script_without_steps_says_why_and_where_the_run_went(make_run, card):
    guest = Collector(name="guest", state="off", reason="torch was not imported")
    text = joined(card(make_run(steps=0, collectors=[guest])))
    assert "no step times: torch was not imported" in text and "where the run goes" in text
    assert "cannot be said" in text and "nothing worth" not in text


def test_steps_without_a_steady_one_are_said_to_be_so(make_run, card):
    run = make_run()
    steps = {**api.document(run)["steps"], "median_s": None, "count": 9}
    text = joined(card(run, steps=steps, unavailable={"steps.median_s": "all were warm-up"}, breakdown=[]))
    assert "9 steps, none of them steady: all were warm-up" in text


def test_very_few_steady_steps_are_a_warning_and_give_no_advice(make_run, card):
    text = joined(card(make_run(steps=3)))
    assert "only" in text and "saves" not in text and "could not judge" in text


def test_what_could_not_be_measured_is_one_line_with_its_reason(make_run, card):
    collectors = [
        Collector(name="guest", state="on", reason="armed"),
        Collector(name="nvml", state="off", reason="no NVIDIA driver"),
        Collector(name="stacks", state="failed", reason="ptrace is not permitted"),
    ]
    text = joined(card(make_run(collectors=collectors)))
    assert "not measured: Python stacks (ptrace is not permitted) · GPU (no NVIDIA driver)" in text
    assert "perfkit doctor" in text


def test_a_framework_without_steps_is_told_how_to_name_them(make_run, card):
    armed = Collector(name="guest", state="on", reason="armed in 1 process")
    assert "--step-on MODULE:FUNCTION" in card(make_run(steps=0, collectors=[armed]))[-1]
    failed = make_run(steps=0, collectors=[armed], status="failed", exit_code=1)
    assert "--step-on" not in joined(card(failed)) and "--step-on" not in joined(card(make_run()))


def test_ranks_are_shown_side_by_side(make_run, card):
    text = joined(card(make_run(ranks=2)))
    assert "rank 0 10.00 ms" in text and "rank 1 10.00 ms" in text


def test_a_dilated_trace_is_said_to_be_dilated(make_run, card):
    known = joined(card(make_run(), trace={"dilation": 1.97, "notes": []}))
    assert "under the profiler a step took 1.97× as long" in known
    guessed = joined(card(make_run(), trace={"dilation": None, "dilation_estimate": [1.2, 2.1], "notes": []}))
    assert "dilated" in guessed and "1.20–2.10×" in guessed and "--step-time" in guessed


def test_a_fault_of_our_own_is_said_aloud(make_run, card):
    assert "a fault in perfkit cost this report its trace: KeyError" in joined(
        card(make_run(), faults={"trace": "KeyError: 1"})
    )


def full(make_run):
    """A card with everything on it that can be."""
    run = make_run(ranks=8, script="a_rather_long_name_of_a_training_script_by_somebody.py")
    document = api.document(run)
    rows = [
        {"name": f"class {i}", "kind": k, "seconds_per_step": 0.01, "share": 0.06}
        for i in range(8)
        for k in ("busy", "idle")
    ]
    hot = {"name": "aten::_scaled_dot_product_flash_attention_backward", "module": "model.encoder.layers.11.self_attention",
           "kind": "operator", "share": 0.2, "seconds_per_step": 0.01, "calls_per_step": 3.0, "line": "train.py:3"}  # fmt: skip
    lines = [{"file": "train.py", "line": i, "function": "main", "self_share": 0.2, "share": 0.3} for i in range(9)]
    collectors = [
        {"name": f"collector{i}", "state": "failed", "reason": "a reason of some length " * 3} for i in range(9)
    ]
    document.update(
        device_breakdown=rows, hotspots=[hot] * 9, hot_lines=lines, collectors=collectors,
        findings=[{**FINDING, "evidence": {f"fact {i}": "a value of some length" for i in range(9)}}] * 6,
        trace={"dilation": 1.5, "notes": []},
    )  # fmt: skip
    document["run"]["status"] = "killed"
    return document


def test_the_fullest_card_fits_thirty_lines_of_a_hundred_columns(make_run):
    lines = terminal.render(full(make_run), width=100)
    assert len(lines) <= 30


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
@pytest.mark.parametrize("verbose", [0, 1])
def test_no_line_is_wider_than_the_terminal(make_run, width, verbose):
    for line in terminal.render(full(make_run), width=width, verbose=verbose):
        assert width_of(line.plain) <= width


def test_wide_characters_are_measured_in_columns(make_run, card):
    run = make_run(script="学習スクリプト" * 10 + ".py")
    assert all(width_of(line) <= 60 for line in card(run, width=60))


def test_text_from_a_run_cannot_drive_the_terminal(make_run, card):
    run = make_run(script="evil\x1b[2J\x07\u202ename.py")
    assert all(line.isprintable() for line in card(run))


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def shown(document, stream, **options):
    terminal.show(document, stream, **options)
    return stream.getvalue()


def test_a_terminal_gets_colour_and_a_pipe_does_not(make_run, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    document = api.document(make_run())
    assert "\x1b[" in shown(document, Terminal(), width=100)
    pipe = io.StringIO()
    terminal.show(document, pipe)
    assert "\x1b[" not in pipe.getvalue()


def test_no_color_and_the_option_are_respected(make_run, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    document = api.document(make_run())
    assert "\x1b[" not in shown(document, Terminal(), color=False, width=100)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in shown(document, Terminal(), width=100)


def test_a_terminal_with_colours_gets_a_bar_of_the_phases_and_nothing_else_does(make_run, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    document = api.document(make_run())
    text = shown(document, Terminal(), width=100)
    assert text.count("█") == 100 - 22
    assert "█" * 47 in text and "█" * 48 not in text  # 60 % of 78 columns are data
    assert "█" not in shown(document, Terminal(), color=False, width=100)
    assert "█" not in shown(document, io.StringIO(), width=100)


def test_a_card_never_has_two_empty_lines_in_a_row(make_run):
    for document in (full(make_run), api.document(make_run(steps=0)), api.document(make_run())):
        plain = [line.plain.strip() for line in terminal.render(document, width=80, bars=True)]
        assert all(one or other for one, other in itertools.pairwise(plain))


def test_the_fullest_card_fits_with_its_bar(make_run):
    assert len(terminal.render(full(make_run), width=100, bars=True)) <= 30


def test_a_terminal_that_speaks_no_unicode_gets_ascii(make_run):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    terminal.show(api.document(make_run(script="größe.py")), stream)
    stream.flush()
    text = raw.getvalue().decode("ascii")
    assert "steady step 10.00 ms" in text and "gr??e.py" in text and "-- perfkit | " in text


def hot(window, function, line, self_share):
    place = {"file": "/x/train.py", "line": line, "function": function, "role": "main", "window": window}
    return {**place, "share": self_share, "self_share": self_share, "samples": 9}


STARTUP = [hot("startup", "<module>", 1, 0.7), hot("startup", "prepare", 20, 0.2)]


def test_hot_lines_are_those_among_the_steps(make_run, card):
    lines = [*STARTUP, hot("steady", "decode", 30, 0.5), hot("steady", "<module>", 40, 0.3)]
    text = joined(card(make_run(), hot_lines=lines))
    assert "hot lines, steady     train.py:30 decode 50.0 %   train.py:40 <module> 30.0 %" in text
    assert "train.py:20 prepare" not in text
    later = [*lines, hot("steady-2", "augment", 31, 0.6)]
    assert "hot lines, steady     train.py:31 augment 60.0 %\n" in joined(card(make_run(), hot_lines=later))


def test_a_run_too_short_for_them_shows_its_start_up_less_the_imports(make_run, card):
    text = joined(card(make_run(), hot_lines=STARTUP))
    assert "hot lines, start-up   train.py:20 prepare 20.0 %\n" in text
    assert "hot lines" not in joined(card(make_run(), hot_lines=STARTUP[:1]))


def test_without_steps_the_whole_run_is_one_window(make_run, card):
    text = joined(card(make_run(steps=0), hot_lines=STARTUP))
    assert "hot lines             train.py:1 <module> 70.0 %   train.py:20 prepare 20.0 %\n" in text


@pytest.mark.parametrize(
    ("overhead", "said"),
    [
        ({"steady_share": 0.001, "startup_s": 0.3, "window_s": 0.09}, "own cost 0.1 % of a step · 0.39 s once"),
        ({"steady_share": None, "startup_s": 0.3, "window_s": None}, "own cost 0.30 s once"),
        ({"steady_share": 0.0001, "startup_s": None, "window_s": None}, "own cost <0.1 % of a step"),
    ],
)
def test_perfkits_own_cost_is_told_per_step_and_once(make_run, card, overhead, said):
    text = joined(card(make_run(), overhead={"per_step_s": 1e-6, "share": 0.3, **overhead}))
    assert said in text and "30.0 %" not in text


def test_a_trace_that_cannot_be_read_is_said_with_its_reason(make_run, card):
    run = make_run()
    (run.path / "rank-00000" / "trace-000.json").write_text("")
    document = api.document(run)
    assert document["trace"]["steps"] is None and "empty" in document["unavailable"]["trace.steps"]
    assert "empty" in document["unavailable"]["hotspots"]
    assert "rank-00000/trace-000.json: the file is empty" in joined(card(run))


def test_why_there_are_no_steps_is_said_once(make_run, card):
    steps = Collector(name="steps", state="off", reason="no optimizer step was seen")
    text = joined(card(make_run(steps=0, collectors=[Collector(name="guest", state="on", reason="armed"), steps])))
    assert "no step times: no optimizer step was seen" in text and "not measured" not in text


def test_what_a_machine_does_not_have_is_told_in_few_words(make_run, card):
    reason = "no energy counter in /sys/class/powercap (a virtual machine, or no driver)"
    text = joined(card(make_run(collectors=[Collector(name="rapl", state="off", reason=reason)])))
    assert "not measured: CPU energy (no energy counter)\n" in text


def test_a_long_path_stays_on_one_line_by_its_end(make_run, card):
    run = make_run()
    identity = {**api.document(run)["run"], "path": "/a/very/long/way" * 20 + "/runs/the-id"}
    lines = [line.plain for line in terminal.render({**api.document(run), "run": identity}, width=80)]
    assert lines[1].strip().startswith("…") and lines[1].endswith("/runs/the-id") and len(lines[1]) == 80


def test_operators_in_full_stand_in_columns(make_run, card):
    row = {"name": "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", "kind": "annotation", "module": None,
           "share": 0.7, "seconds_per_step": 0.0158, "calls_per_step": 1.0, "line": "/a/long/way/train.py:12"}  # fmt: skip
    text = joined(card(make_run(), hotspots=[row], verbose=1))
    assert "70.0 %  15.80 ms   1.00×  SingleProcessDataLoaderIter.__next__  train.py:12" in text


def test_an_operator_of_many_modules_is_named_once(make_run, card):
    hot = {"name": "aten::mm", "kind": "operator", "seconds_per_step": 0.001, "calls_per_step": 1.0}
    rows = [{**hot, "module": f"layers.{i}", "share": 0.1} for i in range(4)]
    rows += [{**hot, "name": "DataLoader", "kind": "annotation", "module": None, "share": 0.5}]
    text = joined(card(make_run(), hotspots=rows))
    assert "hot operators         mm 40.0 % in 4 modules\n" in text
    rows = [{**hot, "module": name, "modules": 6, "share": 0.1} for name in ("layers.*.attention", "layers.*.mlp")]
    assert "mm 20.0 % in 12 modules\n" in joined(card(make_run(), hotspots=rows))
