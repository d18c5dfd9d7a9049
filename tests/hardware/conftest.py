"""A calibration as a file has it; its figures are made up."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def document():
    return json.loads((Path(__file__).parent / "made_up_calibration.json").read_text())
