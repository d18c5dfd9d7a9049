"""What is to be profiled, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..model.records import Fix, Status

Kind = Literal["script", "module", "command"]
OptionValue = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command to run and record."""

    kind: Kind
    #: Path of the script, name of the module, or the program.
    target: str
    #: What follows it, untouched.
    args: tuple[str, ...] = ()
    #: The results root (`<root>/runs/<id>` is made in it).
    results_root: Path
    #: `--python`; None lets `interpreter.choose` decide.
    python: str | None = None
    #: Options of the guest (`trace_steps`, `no_trace`, `trace_at`, `steps`, `seconds`, `step_on`, `watch` …); None =
    #: not given.
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    #: Changes that are made to the script from inside while it runs (`inside.patches`); unknown names raise UsageError.
    fixes: tuple[Fix, ...] = ()
    #: Whether Python stacks are sampled (py-spy), in windows outside the timed steps.
    stacks: bool = True
    #: Whether to say also what goes without saying.
    verbose: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How it ended."""

    #: The run's directory; None when nothing could be recorded, and then `unrecorded` says why.
    path: Path | None
    #: The command's own; 128 + n when signal n ended it.
    exit_code: int
    status: Status
    unrecorded: str | None = None
