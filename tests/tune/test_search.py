import math

import pytest

from perfkit.errors import PerfkitError
from perfkit.tune.screen import Screened
from perfkit.tune.trial import BASELINE, Interrupted

from .conftest import Machine, candidate, trial


def test_gains_are_kept_and_losses_dropped_and_the_kept_are_measured_together():
    machine = Machine({"workers": 0.44, "compile": 0.12, "autocast": -0.05, "slow": -0.6})
    search = machine.search()
    search.run()
    states = {name: verdict.state for name, verdict in search.verdicts.items()}
    assert states["workers"] == states["compile"] == "keep"
    assert states["autocast"] == states["slow"] == "drop"
    assert search.verdicts["workers"].measured.low < 0.44 < search.verdicts["workers"].measured.high
    assert [c.label for c in search.together.candidates] == ["workers", "compile"]
    found = search.together.verdict
    assert found.state == "keep"
    assert found.measured.low < 1 - 0.56 * 0.88 < found.measured.high


def test_what_is_clearly_slower_gets_one_process_and_no_more():
    machine = Machine({"good": 0.2, "terrible": -3.0})
    search = machine.search()
    search.run()
    assert sum(arm == "terrible" for _, arm in machine.ran) == 1
    assert search.verdicts["terrible"].measured.high < 0


def test_rounds_go_forwards_and_backwards_in_turn():
    machine = Machine({"a": 0.2, "b": 0.1})
    machine.search().run()
    rounds = [[arm for number, arm in machine.ran if number == n] for n in (0, 1)]
    assert rounds[0] == [BASELINE, "a", "b"]
    assert rounds[1] == ["b", "a", BASELINE]


def test_a_fix_that_does_nothing_is_never_kept():
    kept = 0
    for seed in range(40):
        search = Machine({"nothing": 0.0}, sigma=0.02, seed=seed).search()
        search.run()
        kept += search.verdicts["nothing"].state == "keep"
    assert kept == 0


def test_five_percent_are_kept_on_a_quiet_machine():
    kept = 0
    for seed in range(40):
        search = Machine({"planted": 0.05}, sigma=0.008, seed=seed).search()
        search.run()
        kept += search.verdicts["planted"].state == "keep"
    assert kept >= 36


def test_five_fixes_on_a_script_that_starts_for_a_minute_take_fifteen_minutes():
    saves = {"workers": 0.44, "threads": 0.3, "compile": 0.0, "autocast": -0.1, "fused": 0.01}
    for seed in range(10):
        machine = Machine(saves, startup_s=60.0, seed=seed)
        search = machine.search(limit_s=900.0)
        search.run()
        assert machine.now <= 900.0
        assert search.together.verdict.state == "keep"
        assert {c.label for c in search.together.candidates} == {"workers", "threads"}
        assert all(search.verdicts[name].state != "keep" for name in ("compile", "autocast", "fused"))


def test_what_is_not_applicable_was_no_trial():
    machine = Machine({"good": 0.3, "absent": 0.0})
    machine.special["absent"] = lambda arm, n: trial(arm, n, state="not-applicable", reason="no DataLoader was made")
    search = machine.search()
    search.run()
    verdict = search.verdicts["absent"]
    assert (verdict.state, verdict.reason) == ("not-applicable", "no DataLoader was made")
    assert (verdict.measured, verdict.processes) == (None, 0)
    assert search.trials["absent"] == []


def test_a_candidate_that_runs_out_of_memory_is_an_answer():
    machine = Machine({"good": 0.3, "huge": 0.5})
    machine.special["huge"] = lambda arm, n: trial(arm, n, None, state="failed", reason="out of memory")
    search = machine.search()
    search.run()
    assert (search.verdicts["huge"].state, search.verdicts["huge"].reason) == ("drop", "out of memory")
    assert search.verdicts["good"].state == "keep"


def test_what_was_not_warm_in_its_time_stays_open_and_costs_no_more():
    machine = Machine({"good": 0.3, "compile": 0.5})
    machine.special["compile"] = lambda arm, n: trial(
        arm, n, None, state="late", reason="its steps had not settled after 300 s"
    )
    search = machine.search()
    search.run()
    assert search.verdicts["compile"].state == "inconclusive"
    assert "not settled" in search.verdicts["compile"].reason
    assert sum(arm == "compile" for _, arm in machine.ran) == 1


def test_a_baseline_that_fails_is_an_error_at_first_and_a_note_later():
    machine = Machine({"good": 0.3})
    machine.special[BASELINE] = lambda arm, n: trial(arm, n, None, state="failed", reason="it raised ValueError")
    with pytest.raises(PerfkitError, match="it raised ValueError"):
        machine.search().run()

    machine = Machine({"good": 0.3})
    plain = Machine({"good": 0.3})
    machine.special[BASELINE] = lambda arm, n: (
        trial(arm, n, None, state="failed", reason="killed") if n == 2 else plain(arm, None, n)
    )
    search = machine.search()
    search.run()
    assert any("round 3" in note for note in search.notes)
    assert search.verdicts["good"].state == "keep"


def test_an_interruption_keeps_what_is_known():
    machine = Machine({"good": 0.4, "other": 0.1})
    search = machine.search()

    def stop(arm, number):
        raise Interrupted

    original = search.runner
    search.runner = lambda arm, found, n: stop(arm, n) if n == 3 else original(arm, found, n)
    with pytest.raises(Interrupted):
        search.run()
    assert set(search.verdicts) == {"good", "other"}
    assert search.verdicts["good"].measured.low < 0.4 < search.verdicts["good"].measured.high


def test_what_was_not_reached_says_so():
    machine = Machine({"a": 0.4})
    search = machine.search()
    search.runner = lambda arm, found, n: (_ for _ in ()).throw(Interrupted())
    with pytest.raises(Interrupted):
        search.run()
    assert search.verdicts["a"].reason == "not tried: interrupted"


def test_fixes_that_get_in_each_others_way_are_not_kept_together():
    machine = Machine({"a": 0.4, "b": 0.3})
    machine.special["a + b"] = lambda arm, n: trial(arm, n, 0.0099)
    search = machine.search()
    search.run()
    assert [c.label for c in search.together.candidates] == ["a"]
    assert search.together.verdict == search.verdicts["a"]
    assert any("b was left out" in note for note in search.notes)


def test_of_one_family_only_the_best_is_kept_together():
    machine = Machine({"workers 2": 0.2, "workers 4": 0.4, "fused": 0.2})
    made = [candidate("workers 2", fix="workers"), candidate("workers 4", fix="workers"), candidate("fused")]
    search = machine.search(made)
    search.run()
    assert {c.label for c in search.together.candidates} == {"workers 4", "fused"}


def test_of_two_ways_to_load_faster_the_better_one_is_kept_and_what_it_costs_at_first_is_said():
    machine = Machine({"workers": 0.2, "cache": 0.6, "fused": 0.1})
    machine.fixes["cache"] = [{"name": "sample-cache", "detail": {"fill_s": 3.94, "samples": 60_000}}]
    made = [candidate("workers", fix="loader-workers"), candidate("cache", fix="sample-cache"), candidate("fused")]
    search = machine.search(made)
    search.run()
    assert {c.label for c in search.together.candidates} == {"cache", "fused"}
    assert search.verdicts["workers"].state == "keep"
    assert "before the first batch, in 3.9 s: it pays from the second pass" in search.verdicts["cache"].told


def test_a_loss_that_leaves_the_numbers_is_not_kept():
    machine = Machine({"fast": 0.5})
    machine.special["fast"] = lambda arm, n: trial(arm, n, 0.005, losses=[(32.0, 1.0), (64.0, None)])
    machine.special[BASELINE] = lambda arm, n: trial(arm, n, 0.01 + n * 1e-5, losses=[(32.0, 1.0), (64.0, 0.9)])
    search = machine.search()
    search.run()
    assert search.verdicts["fast"].state == "drop"
    assert "finite" in search.verdicts["fast"].reason


def test_another_training_is_said_to_be_one_and_stays_out_of_the_whole():
    machine = Machine({"batch": 0.5, "fused": 0.2})
    machine.special["batch"] = lambda arm, n: trial(arm, n, 0.005 + n * 1e-6, samples_per_step=64.0)
    search = machine.search()
    search.run()
    assert search.verdicts["batch"].state == "keep"
    assert search.verdicts["batch"].loss.state in ("other training", "unknown")
    assert [c.label for c in search.together.candidates] == ["fused"]


def test_steps_that_never_settle_are_named():
    machine = Machine({"a": 0.3})
    machine.special["a"] = lambda arm, n: trial(arm, n, 0.007, drift=0.4)
    search = machine.search()
    search.run()
    assert any("never settled in: a" in note for note in search.notes)


def test_a_drop_that_later_noise_puts_in_doubt_is_open_again():
    machine = Machine({"unlucky": -0.02, "open": 0.1})
    calm, wild = 3, [0.5, -0.6, 0.4, -0.5, 0.6, -0.4, 0.5]

    def times(level, sign):
        def run(arm, n):
            noise = sign * wild[n % len(wild)] if n >= calm else 0.0
            return trial(arm, n, 0.01 * level * math.exp(noise))

        return run

    machine.special = {BASELINE: times(1.0, 0), "unlucky": times(1.03, 0), "open": times(0.985, 1)}
    search = machine.search()
    search.run()
    found = search.verdicts["unlucky"]
    assert found.processes == calm  # dropped after these
    assert found.measured.high > 0.1
    assert found.state == "inconclusive"
    assert "leaves it open" in found.reason


def test_a_gain_that_is_likely_and_not_proven_is_not_said_to_be_none():
    likely = []
    for seed in range(30):
        search = Machine({"some": 0.03}, sigma=0.03, seed=seed).search()
        search.run()
        found = search.verdicts["some"]
        likely += [found] if found.state == "inconclusive" and found.measured.low > 0 else []
    assert likely
    assert all("probably faster" in found.reason for found in likely)


def screened(label, state="survives", estimate=None, reason="screened within one process: saves 0.1%"):
    return Screened(label=label, state=state, reason=reason, estimate=estimate)


def test_what_the_screening_dropped_gets_no_process_and_the_others_go_by_what_they_promise():
    machine = Machine({"some": 0.1, "useless": 0.0, "absent": 0.0, "much": 0.3, "workers": 0.4})
    told = [
        screened("some", estimate=0.1), screened("useless", "drop", 0.001), screened("much", estimate=0.3),
        screened("absent", "not-applicable", reason="no model"),
    ]  # fmt: skip
    search = machine.search(screener=lambda _: {each.label: each for each in told})
    search.run()
    assert [arm for number, arm in machine.ran if number == 0] == [BASELINE, "much", "some", "workers"]
    assert not {"useless", "absent"} & {arm for _, arm in machine.ran}
    found = search.verdicts["useless"]
    assert (found.state, found.processes, found.measured) == ("drop", 0, None)
    assert "within one process" in found.reason
    assert (search.verdicts["absent"].state, search.verdicts["absent"].reason) == ("not-applicable", "no model")
    assert [c.label for c in search.together.candidates] == ["workers", "much", "some"]


def test_a_gain_that_was_only_screened_is_never_kept():
    machine = Machine({"luck": 0.0, "other": 0.0})
    told = {"luck": screened("luck", estimate=0.5), "other": screened("other", "drop")}
    search = machine.search(screener=lambda _: told)
    search.run()
    assert search.verdicts["luck"].state != "keep"
    assert search.verdicts["luck"].processes >= 3


def test_where_the_screening_leaves_nothing_no_round_is_run():
    machine = Machine({"a": 0.0, "b": 0.0})
    search = machine.search(screener=lambda found: {c.label: screened(c.label, "drop") for c in found})
    search.run()
    assert machine.ran == []
    assert {verdict.state for verdict in search.verdicts.values()} == {"drop"}


def test_an_interruption_of_the_screening_leaves_all_untried():
    def stop(_):
        raise KeyboardInterrupt

    search = Machine({"a": 0.4}).search(screener=stop)
    with pytest.raises(KeyboardInterrupt):
        search.run()
    assert search.verdicts["a"].reason == "not tried: interrupted"


RESTLESS = [{"name": "compile", "detail": {"recompiles": 23, "recompile_reasons": ["size of x"]}}]


def test_a_compiler_that_never_comes_to_rest_is_the_reason_to_drop_what_is_not_surely_faster():
    machine = Machine({"compile": 0.0}, sigma=0.02)
    machine.fixes["compile"] = RESTLESS
    search = machine.search()
    search.run()
    found = search.verdicts["compile"]
    assert found.state == "drop"
    assert found.told.count("compiled anew again and again (23 times in one process, such as: size of x)") == 1
    assert max(number for number, _ in machine.ran) < 4  # no time is spent on telling how little it saves


def test_it_is_noted_where_it_is_faster_all_the_same():
    machine = Machine({"compile": 0.3})
    machine.fixes["compile"] = RESTLESS
    search = machine.search()
    search.run()
    assert search.verdicts["compile"].state == search.together.verdict.state == "keep"
    assert search.verdicts["compile"].told.startswith("faster; it is compiled anew")


def test_a_round_may_be_run_before_its_processes_are_asked_for():
    machine = Machine({"a": 0.4, "b": 0.2})
    search = machine.search()
    rounds = []
    search.before_round = lambda number, order: rounds.append((number, [c and c.label for c in order]))
    search.run()
    assert rounds[:2] == [(0, [None, "a", "b"]), (1, ["b", "a", None])]
    assert len(rounds) == len({number for number, _ in machine.ran})
