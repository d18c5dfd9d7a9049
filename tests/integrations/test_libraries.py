"""Training libraries from PyPI, driven by scripts that know nothing of perfkit."""

import importlib.util
import os

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def needs(*names):
    """Skips a test where one of these libraries is not installed."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


# What lies between the phases is the library's own Python (callbacks, token counts, schedulers: 2 ms of a 40 ms step under the
# Trainer), and whatever a busy machine takes away there.
MOST_OTHER = 0.15


def check(pair, *, other=MOST_OTHER):
    """What holds for every script: steps and samples as it says, shares that sum to one and leave little unnamed."""
    steps = pair.document["steps"]
    assert steps["count"] == pair.result["steps"]
    assert steps["samples_per_step"] == pair.result["samples_per_step"]
    tokens = pair.result.get("tokens_per_step")
    assert steps["tokens_per_step"] == (tokens and pytest.approx(tokens, rel=0.25))
    assert sum(pair.shares.values()) == pytest.approx(1, abs=0.01)
    assert pair.shares["other"] <= other
    assert not [row for row in pair.document["collectors"] if row["state"] == "failed"]


@needs("lightning")
@pytest.mark.parametrize("accumulate", [1, 4])
def test_lightning_trains_through_a_closure_and_validates_between_epochs(pair, accumulate):
    found = pair("lightning_automatic.py", str(accumulate))
    check(found)
    assert found.document["steps"]["micro_steps"] == accumulate
    assert found.shares["backward"] > 0


@needs("lightning")
def test_lightning_with_two_optimizers_by_hand_has_one_step_a_batch(pair):
    check(pair("lightning_manual.py"))


@needs("lightning")
def test_perfkit_stands_aside_for_lightnings_own_profiler(pair):
    found = pair("lightning_automatic.py", "1", "pytorch")
    check(found)
    assert "profiler" in found.collectors["trace"]["reason"]


@needs("transformers", "accelerate")
def test_the_trainer_accumulates_evaluates_and_saves(pair):
    found = pair("trainer.py")
    check(found)
    assert found.shares["evaluation"] > 0
    assert found.shares["checkpoint"] > 0
    assert found.document["steps"]["micro_steps"] == 2


@needs("accelerate")
def test_a_loop_on_accelerate_steps_once_per_accumulated_batch(pair):
    found = pair("accelerate_loop.py")
    check(found)
    assert found.document["steps"]["micro_steps"] == 4


@needs("timm")
def test_a_timm_network_trains_with_timms_own_parts(pair):
    path = os.pathsep.join(filter(None, (os.environ.get("TORCHVISION_PATH"), os.environ.get("PYTHONPATH"))))
    check(pair("timm_train.py", PYTHONPATH=path))


@needs("transformers")
def test_generate_is_inference_with_one_step_a_token(pair):
    found = pair("generate.py")
    check(found, other=0.5)  # choosing a token and keeping the books lies between the model's calls
    assert found.document["mode"] == "inference"
