import io

import pytest

from perfkit.report import tune_table


def trial(label="loader workers 0 → 2, persistent", verdict="keep", **settings):
    given = {
        "label": label, "predicted": {"low": 0.38, "high": 0.52}, "measured": {"low": 0.42, "high": 0.459},
        "estimate": 0.441, "loss": {"state": "same"}, "verdict": verdict, "reason": "faster",
        "memory": {"kind": "host", "bytes": 1_210_000_000, "baseline_bytes": 1_000_000_000, "change": 0.21},
    }  # fmt: skip
    return {**given, **settings}


def document(*trials, **settings):
    given = {
        "command": ["train.py", "--epochs", "3"], "path": "/results/tunes/x", "interrupted": False, "trials": list(trials),
        "baseline": {"seconds": 0.001, "per": "sample"}, "together": None, "by_hand": [], "notes": [],
        "changes": {"diff": "", "by_hand": {}, "arguments": []},
    }  # fmt: skip
    return {**given, **settings}


def text(found, **settings):
    return "\n".join(line.plain for line in tune_table.render(found, **settings))


def test_a_row_holds_prediction_measurement_loss_memory_and_verdict():
    (row,) = [line for line in text(document(trial())).splitlines() if "workers" in line]
    assert row.split("  ")[0] == "loader workers 0 → 2, persistent"
    for said in ("38…52 %", "44.1 % [42.0, 45.9]", "same", "+200 MiB", "keep"):
        assert said in row


def test_a_fix_that_costs_has_a_minus_and_a_reason():
    shown = text(
        document(
            trial(
                "bf16 autocast", "drop", estimate=-0.032, measured={"low": -0.044, "high": -0.021}, reason="slower here"
            )
        )
    )
    assert "−3.2 % [−4.4, −2.1]" in shown
    assert "bf16 autocast: slower here" in shown


def test_an_end_that_nothing_bounds_is_left_open():
    assert tune_table.measured(0.3, {"low": None, "high": 0.5}) == "30.0 % […, 50.0]"
    assert tune_table.measured(0.3, {"low": None, "high": None}) == "30.0 % […]"
    assert tune_table.measured(None, None) == "–"
    assert tune_table.measured(-13.4, {"low": None, "high": -9.7}) == "14.4× as long"


def test_what_did_not_apply_has_no_row_but_is_named():
    absent = trial("tf32", "not-applicable", estimate=None, measured=None, reason="no CUDA")
    shown = text(document(trial(), absent))
    assert "not applicable here: tf32" in shown
    assert "no CUDA" not in shown
    assert "tf32: no CUDA" in text(document(trial(), absent), verbose=1)


def test_the_whole_says_how_much_more_goes_through():
    whole = {**trial(), "fixes": ["a", "b"], "speedup": 1.85}
    assert "1.85× throughput" in next(
        line for line in text(document(trial(), together=whole)).splitlines() if "together" in line
    )


def test_a_diff_is_there_to_be_copied():
    line = "+train = DataLoader(" + "data, " * 30 + "num_workers=2)"
    shown = text(document(trial(), changes={"diff": f"--- a\n+++ a\n{line}\n", "by_hand": {}, "arguments": []}))
    assert line in shown.splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_the_page(width):
    long = trial("a fix with a very long name that says all that it does and more", reason="r" * 150, verdict="drop")
    shown = document(
        long,
        trial(),
        notes=["n" * 130],
        by_hand=[{"title": "t" * 120, "rule": "r", "predicted": {"low": 0.1, "high": 0.2}}],
    )
    for line in tune_table.render(shown, width=width):
        if not line.plain.startswith("ledger"):
            assert len(line.plain) <= min(width, tune_table.MAX_WIDTH)


def test_a_pipe_gets_no_colour_and_a_poor_one_only_ascii():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    tune_table.show(document(trial()), stream)
    stream.flush()
    stream.seek(0)
    shown = stream.read()
    assert "\x1b" not in shown
    assert "loader workers 0" in shown


def test_control_characters_of_a_script_do_not_reach_the_terminal():
    assert "\x1b" not in text(
        document(trial("a\x1b[31mb"), changes={"diff": "+a\x1b[2J\n", "by_hand": {}, "arguments": []})
    )


def test_an_interrupted_tune_says_how_to_go_on():
    assert "perfkit tune --resume" in text(document(trial(), interrupted=True))


def test_without_candidates_it_says_so():
    assert "nothing worth trying" in text(document())


def test_what_was_screened_is_said():
    fixes = [{"label": "autocast", "state": "survives"}, {"label": "threads", "state": "drop"}]
    shown = text(document(trial(), screening={"broken": "", "steps": 25, "fixes": fixes}))
    assert "2 fixes took turns with the plain script within one process, 25 steps each" in shown
    assert "went on to the rounds: autocast" in " ".join(shown.split())
    assert "took turns" not in text(document(trial(), screening={"broken": "it raised", "steps": 25, "fixes": []}))
