"""The evaluation rule, judged by literal evidence."""

import pytest

LOADER = {"length": 100}


@pytest.fixture
def often(phases):
    return {
        "breakdown": phases(forward=0.02, backward=0.03, evaluation=0.05),
        "evaluations": {"steps_between": 5.0, "with_grad": 0.0},
        "loader": LOADER,
    }


def test_it_speaks_when_the_script_evaluates_many_times_in_an_epoch(ask, often):
    said = ask("evaluation", **often)
    assert said.cause == "evaluation" and said.evidence["steps between evaluations"] == 5
    # From a quarter as often to once in 100 steps, and then what it costs beside its own time: 15 % of the rest.
    assert (said.saves.low, said.saves.high) == pytest.approx((0.5 * 0.75, (0.5 + 0.15 * 0.5) * 0.95))


def test_twice_an_epoch_becomes_once(ask, often):
    said = ask("evaluation", **{**often, "evaluations": {"steps_between": 50.0}})
    assert (said.saves.low, said.saves.high) == pytest.approx((0.25, 0.25 + 0.15 * 0.25))


def test_once_an_epoch_is_usual_and_stays(ask, often, phases):
    rarely = {**often, "evaluations": {"steps_between": 100.0}}
    assert ask("evaluation", **{**rarely, "breakdown": phases(forward=0.08, evaluation=0.015)}) is None
    assert ask("evaluation", **rarely).title.startswith("Make evaluation cheaper")


def test_with_gradients_on_the_other_cure_comes_first(ask, often):
    rarely = {**often, "evaluations": {"steps_between": 100.0, "with_grad": 1.0}}
    assert ask("evaluation", **rarely) is None


def test_without_evaluation_it_is_silent(ask, phases):
    assert ask("evaluation", breakdown=phases(forward=0.02, backward=0.03)) is None


def test_a_rare_evaluation_is_the_cure_applied(ask, often, phases):
    cured = {**often, "evaluations": {"steps_between": 25.0}, "breakdown": phases(forward=0.05, evaluation=0.002)}
    assert ask("evaluation", **cured) is None


def test_an_endless_loader_says_nothing_of_epochs(ask, phases):
    given = {"evaluations": {"steps_between": 100.0}, "loader": {"length": 312_500_000}}
    assert ask("evaluation", breakdown=phases(forward=0.09, evaluation=0.01), **given) is None


def test_without_a_loader_only_much_evaluation_is_worth_a_word(ask, phases):
    given = {"evaluations": {"steps_between": 250.0}}
    assert ask("evaluation", breakdown=phases(forward=0.09, evaluation=0.01), **given) is None
    assert ask("evaluation", breakdown=phases(forward=0.07, evaluation=0.03), **given).confidence == "medium"


def test_of_keras_fit_it_names_its_argument(ask, phases):
    said = ask("evaluation", breakdown=phases(function=0.06, evaluation=0.06), compiled_model={"class": "Sequential"})
    assert "validation_freq" in said.how
