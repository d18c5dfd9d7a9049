"""What one run of pytest measured: gathered by the fixture, written when the run is over."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runs.baton import Baton

if TYPE_CHECKING:
    from .timing import Timed

Row = dict[str, Any]

#: In the folder of a run that `perfkit bench` started: what it asks, what came of it, and the file that stands for a wait.
ASKED, RESULTS, WAITS, OUTPUTS = "asked.json", "results.json", "waits", "outputs"
#: Likewise, while it waits: how many benchmarks it is through with.
AT = "at"
#: What can be done with a benchmark: how long it takes, what it takes besides (`bench.counting`), where the time goes (`bench.tracing`);
#: or it only runs, since others run beside it.
TIMED, COUNTED, TRACED, UNTIMED = "timed", "counted", "traced", "untimed"
#: Property of a test that only ran.
NOT_TIMED = ("perfkit", UNTIMED)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a benchmark is timed (`bench.timing`)."""

    #: Seconds of a block, at least one call. Short ones, and many: where neighbours use a machine's cores too, two blocks differ by as much however long
    #: they are (see `tune.plan`), and their number is what makes a comparison sure.
    block_s: float = 0.025
    blocks: int = 60


@dataclass
class Session:
    """The benchmarks of one run."""

    #: Given by `perfkit bench`; None for a plain run of pytest.
    folder: Path | None = None
    #: The benchmarks wanted, by node id; None: all.
    only: frozenset[str] | None = None
    #: Whether to hand over between blocks.
    in_turns: bool = False
    #: What is done with them: TIMED, COUNTED, TRACED.
    mode: str = TIMED
    #: Whether what is timed is counted too.
    counts: bool = False
    plan: Plan = field(default_factory=Plan)
    collected: list[str] = field(default_factory=list)
    benchmarks: dict[str, Row] = field(default_factory=dict)
    problems: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._baton = Baton(str(self.folder / WAITS)) if self.folder is not None else None

    @classmethod
    def of(cls, folder: Path | None) -> Session:
        """The session that *folder* asks for; without one a plain run."""
        if folder is None:
            return cls()
        asked = json.loads((folder / ASKED).read_text(encoding="utf-8"))
        plan = Plan(block_s=asked["block_s"], blocks=asked["blocks"])
        return cls(
            folder=folder, only=frozenset(asked["only"]), in_turns=asked["in_turns"], mode=asked["mode"], plan=plan
        )

    def wants(self, name: str) -> bool:
        """Whether that benchmark is to run."""
        return self.only is None or name in self.only

    def hand_over(self) -> None:
        """Wait for the next turn; ends the process when nobody is left who would give it one."""
        assert self._baton is not None
        assert self.folder is not None
        (self.folder / AT).write_text(str(len({*self.benchmarks, *self.problems})), encoding="utf-8")
        if not self._baton.hand_over():
            os._exit(1)

    def add(self, item: Any, timed: Timed, kind: str, counts: Row) -> None:
        """Note what was measured of a benchmark, pytest's *item*."""
        called = getattr(item, "callspec", None)
        self.benchmarks[item.nodeid] = {
            "name": item.name,
            "param": called.id if called is not None else None,
            "params": {key: _plain(value) for key, value in called.params.items()} if called is not None else None,
            "kind": kind,
            "blocks_s": timed.blocks,
            "calls": timed.calls,
            "warm_up_calls": timed.warm_up_calls,
            "settled": timed.settled,
            "first_s": timed.first_s,
            "counts": counts,
            "outputs": self._kept(timed),
        }

    def add_looked_at(self, item: Any, found: Any) -> None:
        """Note what was counted, or where the time goes."""
        self.benchmarks[item.nodeid] = {self.mode: found}

    def failed(self, name: str, when: str, outcome: str, text: str) -> None:
        """Note that a benchmark failed or was skipped."""
        self.problems[name] = {"when": when, "outcome": outcome, "text": text}

    def write(self) -> None:
        """Write the results, for `perfkit bench`."""
        if self.folder is None:
            return
        found = {"collected": self.collected, "benchmarks": self.benchmarks, "problems": self.problems}
        scratch = self.folder / f"{RESULTS}.tmp"
        scratch.write_text(json.dumps(found), encoding="utf-8")
        scratch.replace(self.folder / RESULTS)

    def _kept(self, timed: Timed) -> str | None:
        """File that holds what the benchmark computed; None where that is no arrays, or another thing each time."""
        from ..errors import UsageError
        from . import outputs

        if self.folder is None:
            return None
        path = self.folder / OUTPUTS / f"{len(self.benchmarks)}.npz"
        path.parent.mkdir(exist_ok=True)
        try:
            outputs.keep(path, timed.result)
            if outputs.difference(timed.earlier, outputs.kept(path), rtol=None, atol=None) is not None:
                return None
        except UsageError:
            return None
        return str(path)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
