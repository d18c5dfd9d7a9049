import math

import numpy as np
import pytest

from perfkit.model.records import Fix
from perfkit.tune.candidates import Candidate
from perfkit.tune.figures import Figures
from perfkit.tune.search import Search
from perfkit.tune.trial import BASELINE, Trial


def candidate(label, *, fix=None, **settings):
    return Candidate(label=label, fixes=(Fix(name=fix or label),), **settings)


def figures(seconds=0.01, *, losses=(), **settings):
    given = {
        "per": "sample", "steps": 50, "samples_per_step": 32.0, "step_s": 0.3, "startup_s": 2.0, "drift": 0.0,
        "host_peak_bytes": 1_000_000_000, "losses": list(losses),
    }  # fmt: skip
    return Figures(seconds=seconds, **{**given, **settings})


def trial(arm=BASELINE, number=0, seconds=0.01, *, state="measured", reason="", wall_s=5.0, **settings):
    return Trial(
        arm=arm, round=number, state=state, reason=reason, figures=figures(seconds, **settings), run=f"{arm}-{number}",
        exit_code=0, wall_s=wall_s,
    )  # fmt: skip


class Machine:
    """A clock and processes that take time on it. `saves` says what each fix saves; fixes together multiply."""

    def __init__(self, saves, *, sigma=0.01, drift=0.03, startup_s=3.0, seed=0):
        self.saves, self.sigma, self.drift, self.startup_s = saves, sigma, drift, startup_s
        self.chance = np.random.default_rng(seed)
        self.now = 0.0
        self.ran = []
        self.special = {}  # arm → what it gives instead of a measured trial
        self.common = {}
        self.fixes = {}  # arm → what its processes say of their fixes

    def clock(self):
        return self.now

    def __call__(self, arm, found, number):
        self.ran.append((number, arm))
        wall_s = self.startup_s + 3.0
        self.now += wall_s
        if arm in self.special:
            return self.special[arm](arm, number)
        left = 1.0
        for part in [] if found is None else arm.split(" + "):
            left *= 1 - self.saves[part]
        common = self.common.setdefault(number, self.chance.normal(0, self.drift))
        noise = common + self.chance.normal(0, self.sigma)
        return trial(arm, number, 0.01 * left * math.exp(noise), wall_s=wall_s, fixes=self.fixes.get(arm, []))

    def search(self, candidates=None, *, limit_s=900.0, **settings):
        made = candidates or [candidate(name) for name in self.saves]
        return Search(
            candidates=made, runner=self, process_s=self.startup_s + 3.0, limit_s=limit_s, clock=self.clock, **settings
        )


@pytest.fixture
def machine():
    return Machine
