"""Training libraries from PyPI, driven by scripts that know nothing of perfkit."""

import importlib.util
import os

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def needs(*names):
    """Skips a test where one of these libraries is not installed."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@needs("lightning")
@pytest.mark.parametrize("accumulate", [1, 4])
def test_lightning_trains_through_a_closure_and_validates_between_epochs(pair, accumulate):
    found = pair("lightning_automatic.py", str(accumulate))
    found.check()
    assert found.document["steps"]["micro_steps"] == accumulate
    assert found.shares["backward"] > 0


@needs("lightning")
def test_lightning_with_two_optimizers_by_hand_has_one_step_a_batch(pair):
    pair("lightning_manual.py").check()


@needs("lightning")
def test_perfkit_stands_aside_for_lightnings_own_profiler(pair):
    found = pair("lightning_automatic.py", "1", "pytorch")
    found.check()
    assert "profiler" in found.collectors["trace"]["reason"]


@needs("transformers", "accelerate")
def test_the_trainer_accumulates_evaluates_and_saves(pair):
    found = pair("trainer.py")
    found.check()
    assert found.shares["evaluation"] > 0
    assert found.shares["checkpoint"] > 0
    assert found.document["steps"]["micro_steps"] == 2


@needs("accelerate")
def test_a_loop_on_accelerate_steps_once_per_accumulated_batch(pair):
    found = pair("accelerate_loop.py")
    found.check()
    assert found.document["steps"]["micro_steps"] == 4


@needs("timm")
def test_a_timm_network_trains_with_timms_own_parts(pair):
    path = os.pathsep.join(filter(None, (os.environ.get("TORCHVISION_PATH"), os.environ.get("PYTHONPATH"))))
    pair("timm_train.py", PYTHONPATH=path).check()


@needs("transformers")
def test_generate_is_inference_with_one_step_a_token(pair):
    found = pair("generate.py")
    found.check(other=0.5)  # choosing a token and keeping the books lies between the model's calls
    assert found.document["mode"] == "inference"
