"""The whole of `perfkit tune`: a recorded baseline, the candidates, the search, and the document of what came of it."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..advise.evidence import Evidence
from ..advise.registry import advise
from ..errors import PerfkitError, RunError, UsageError
from ..launch import trial as launch
from ..launch.command import display_name, typed
from ..launch.effects import effects, repeated
from ..launch.privacy import mask_command
from ..launch.rundir import make_tune
from ..launch.stdin import Stdin
from ..model.records import Fix
from ..runs.reader import Run
from ..runs.store import Store
from . import candidates as choice
from . import document, figures, interrupts, ledger, plan, screen, trial
from .changes import changes
from .processes import Processes
from .screen import Screened, Screening
from .search import SMALL, Search
from .trial import Interrupted, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..launch.request import Request
    from ..model.records import Finding
    from .candidates import Candidate

Row = dict[str, Any]

# The recorded baseline: steps enough for the trace and stack windows, and for the rules.
BASELINE_STEPS, BASELINE_STEADY_S = 96, 4.0
# The share of the time that it may take.
BASELINE_SHARE = 0.3
#: With these kept, what else is worth trying can only be seen of the changed script.
MAKES_ANOTHER_STEP = ("run-eagerly",)
DEFAULT_MINUTES = 15.0
EFFECTS_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asked of the search."""

    #: Just these; empty: what the findings and the standard list say.
    fixes: tuple[Fix, ...] = ()
    #: Sweeps over the script's own arguments, as ``--name=value,value``.
    sweeps: tuple[str, ...] = ()
    #: Steady steps of a trial; None: chosen.
    steps: int | None = None
    max_minutes: float = DEFAULT_MINUTES
    #: Whether larger batches are tried unasked, and kept together with the rest.
    batch: bool = False
    #: Whether a script with effects outside its folder may be run again.
    allow: bool = False
    #: Begin anew although an interrupted tune of the same command is there.
    fresh: bool = False

    def row(self) -> Row:
        """What of it makes another search another one, as plain data."""
        return {
            "fixes": [asdict(fix) for fix in self.fixes],
            "sweeps": list(self.sweeps),
            "steps": self.steps,
            "batch": self.batch,
        }

    @classmethod
    def from_row(cls, row: Row, **others: Any) -> Asked:
        """The same again, with *others* (max_minutes, allow) as they are now."""
        fixes = tuple(Fix(**fix) for fix in row["fixes"])
        return cls(fixes=fixes, sweeps=tuple(row["sweeps"]), steps=row["steps"], batch=row["batch"], **others)


def tune(request: Request, asked: Asked, *, say: Callable[[str], None] = lambda _line: None) -> Row:
    """Tune *request*; returns the document, also after Ctrl-C (``interrupted`` is true then). *say* gets progress.

    Raises PerfkitError when the unchanged script cannot be measured, UsageError for what cannot be meant.
    """
    for sweep in asked.sweeps:  # what is wrong with one is said before anything runs
        choice.swept(sweep, request.args)
    with interrupts.handled() as held:
        return _Session(request, asked, say, held).run()


class _Session:
    """One tune from its folder to its document."""

    def __init__(self, request: Request, asked: Asked, say: Callable[[str], None], held: interrupts.Interrupts) -> None:
        self._asked, self._say, self._held = asked, say, held
        self._root = request.results_root
        self._ledger = self._ledger_of(request)
        self._stdin = self._captured()
        self._request = replace(request, results_root=self._ledger.path)
        self._processes = Processes(
            request=self._request,
            stdin=self._stdin,
            method=launch.method_for(request),
            cache=self._ledger.path / "cache",
            left_s=self._left_s,
            announce=self._announced,
            length=plan.Length(steps=asked.steps or plan.LEAST_STEPS, process_s=10.0),
        )
        self._began = time.monotonic()
        self._known = {(row["arm"], row["round"]) for row in self._ledger.processes}  # told when they were measured
        self._notes: list[str] = []

    def _ledger_of(self, request: Request) -> ledger.Ledger:
        key, resume = ledger.identity(request, self._asked.row())
        found = None if self._asked.fresh else ledger.unfinished(self._root, key)
        if found is not None:
            self._say(f"going on with {found.path.name}: {len(found.processes)} processes are measured already")
            return found
        try:
            made = make_tune(self._root, display_name(request))
        except OSError as error:
            raise PerfkitError(
                f"{self._root}: cannot record there: {error.strerror}; another place: --results-dir"
            ) from error
        return ledger.Ledger(path=made, key=key, resume=resume)

    def _captured(self) -> Stdin:
        """What the script reads: of a tune that goes on, what it read before."""
        kept = list(self._ledger.path.glob("stdin-*"))
        if kept:
            return Stdin(path=kept[0])
        if _is_pipe(0):
            self._say("reading stdin to its end, so that every trial reads the same (nothing to read: < /dev/null)")
        return Stdin.capture(self._ledger.path)

    # --- the course of it

    def run(self) -> Row:
        """The document."""
        base = self._baseline()
        self._refuse_to_repeat(base)
        evidence = Evidence(base)
        read = figures.read(evidence)
        if read.seconds is None or read.step_s is None:
            raise PerfkitError(f"{base.info.script}: cannot be tuned: {read.problem or 'its steps were not seen'}")
        epoch = figures.epoch_batches(evidence)
        self._processes.settle_on(read, epoch, self._asked.steps, evidence)
        findings = advise(evidence).findings
        self._read, self._epoch, self._ranks = read, epoch, evidence.rank_count or 1
        found, by_hand = self._candidates(evidence, findings)
        search = Search(
            candidates=found,
            runner=self._ledger.remembering(self._processes.alone),
            before_round=self._in_turns,
            process_s=self._processes.process_s,
            limit_s=self._left_s(),
            screener=self._screened,
            allow_other_training=self._asked.batch or bool(self._asked.fixes or self._asked.sweeps),
            say=self._say,
            counted=self._tell,
        )
        self._turns = self._turns_of(found) if self._ledger.screening is None else None
        self._announce(found)
        interrupted = self._measured(search)
        search.settle()
        found_out = self._document(base, search, by_hand, interrupted=interrupted)
        self._ledger.document, self._ledger.finished = found_out, not interrupted
        self._ledger.write()
        if self._ledger.finished and self._stdin.path.parent == self._ledger.path:
            self._stdin.path.unlink(missing_ok=True)  # the user's data: kept no longer than it is needed
        return {"schema_version": ledger.SCHEMA_VERSION, "id": self._ledger.path.name, **found_out}

    def _measured(self, search: Search) -> bool:
        """Measure; whether a person broke it off. Whenever that is, nothing interrupts what comes after it."""
        try:
            search.measure()
            self._held.close()
        except (Interrupted, KeyboardInterrupt):
            self._held.close()
            return True
        return False

    def _baseline(self) -> Run:
        """The recorded run of the unchanged script that the findings come from."""
        if self._ledger.baseline_run is not None:
            return Run(Store(self._ledger.path).folder / self._ledger.baseline_run)
        self._say("running the unchanged script once, recorded")
        limit_s = self._asked.max_minutes * 60 * BASELINE_SHARE
        limits = launch.Limits(steps=BASELINE_STEPS, steady_s=BASELINE_STEADY_S, seconds=limit_s, wall_s=2 * limit_s)
        request = replace(
            self._request, options={**self._request.options, "no_trace": False, "watch": True}, stacks=True
        )
        done = self._processes.launched(request, limits)
        if done.state in ("failed", "stopped"):
            raise PerfkitError(f"the unchanged script cannot be measured: {done.reason}")
        self._ledger.baseline_run = done.run.name
        self._ledger.write()
        return Run(done.run)

    def _refuse_to_repeat(self, base: Run) -> None:
        """Raises UsageError when the script did to the outside what each trial would do again, unless that is allowed."""
        found = [str(effect) for effect in repeated(effects(base), self._processes.method.way)]
        if not found:
            return
        shown = ", ".join(found[:EFFECTS_SHOWN]) + (" …" if len(found) > EFFECTS_SHOWN else "")
        if not self._asked.allow:
            raise UsageError(
                f"{base.info.script} {shown}: every trial would do that again; where that may be, say --allow"
            )
        self._say(f"warning: every trial {shown}")

    def _candidates(self, evidence: Evidence, findings: list[Finding]) -> tuple[list[Candidate], list[Finding]]:
        advised, by_hand = choice.from_findings(findings, evidence)
        swept = [found for sweep in self._asked.sweeps for found in choice.swept(sweep, self._request.args)]
        if self._asked.fixes:
            return [*choice.given(self._asked.fixes, evidence, findings), *swept], []
        if swept:
            return swept, []
        return choice.merged(advised, choice.standard(evidence, batch=self._asked.batch)), by_hand

    # --- the screening

    def _turns_of(self, found: Sequence[Candidate]) -> plan.Turns | None:
        """The turns that those which can be switched are to take within one process; None where that is not worth it."""
        fixes = screen.chosen(found)
        read = self._read
        if not fixes or self._ranks > 1 or read.step_s is None:  # ranks would have to switch together
            return None
        return plan.turns(
            len(fixes), read.startup_s or 1.0, read.step_s, self._processes.process_s, self._left_s(), self._epoch
        )

    def _screened(self, found: Sequence[Candidate]) -> dict[str, Screened]:
        """What the screening says by label: the one that the ledger has, or a new one. One that broke says nothing."""
        if self._ledger.screening is None:
            if self._turns is None:
                return {}
            self._ledger.screening = self._screen(screen.chosen(found), self._turns).row()
            self._ledger.write()
        made = Screening.from_row(self._ledger.screening)
        if made.broken:
            self._notes.append(f"the screening within one process broke, so all fixes go to the rounds: {made.broken}")
            return {}
        return {fix.label: fix for fix in made.fixes}

    def _screen(self, chosen: list[Candidate], turns: plan.Turns) -> Screening:
        fixes = tuple(candidate.fixes[0] for candidate in chosen)
        self._say(
            f"screening within one process, in turns of {turns.steps} steps: {', '.join(c.label for c in chosen)}"
        )
        seconds = self._processes.patience(fixes) + 2 * turns.seconds
        limits = launch.Limits(
            steps=turns.steps, screen_steps=turns.steps, screen_s=turns.seconds, seconds=seconds, wall_s=1.5 * seconds
        )
        started = time.monotonic()
        done = self._processes.launched(replace(self._request, fixes=fixes, stacks=False), limits)
        wall_s = time.monotonic() - started
        run, broken = Run(done.run), ""
        if done.state in ("failed", "stopped"):
            culprit = screen.on_when_it_broke(run)
            broken = f"{culprit} was on: {done.reason}" if culprit else done.reason or done.state
        judged = [] if broken else screen.judged(run, chosen, SMALL)
        return Screening(run=done.run.name, steps=turns.steps, wall_s=wall_s, broken=broken, fixes=judged)

    # --- the rounds

    def _in_turns(self, number: int, order: Sequence[Candidate | None]) -> None:
        """Run a round's processes in turns where that can be: the ledger has them then. Not one that was begun otherwise."""
        if self._ledger.measured(number):
            return
        try:
            self._ledger.add(self._processes.in_turns(order, number))
        except RunError as error:
            self._processes.legs = None
            self._notes.append(f"from round {number + 1} on one process ran after the other: {error}")

    def _announced(self, line: str) -> None:
        if line.startswith(("warning", "error")):
            self._say(line)

    # --- what is said meanwhile

    def _announce(self, found: list[Candidate]) -> None:
        if not found:
            self._say("no fix is worth trying here")
            return
        turns = self._turns
        low, high = plan.expected(
            len(found),
            self._processes.process_s,
            self._left_s(),
            screened=len(screen.chosen(found)) if turns is not None else 0,
            screening_s=turns.process_s if turns is not None else 0.0,
        )
        span = _minutes(low) if _minutes(low) == _minutes(high) else f"{_minutes(low)} to {_minutes(high)}"
        names = ", ".join(candidate.label for candidate in found)
        self._say(f"to try: {names}")
        self._say(
            f"{len(found)} {'fix' if len(found) == 1 else 'fixes'}, about {self._processes.process_s:.0f} s a process "
            f"({self._processes.steady_steps}): {span} (at most {self._asked.max_minutes:g} min)"
        )

    def _tell(self, found: Trial) -> None:
        if (found.arm, found.round) in self._known:
            return
        if found.figures.seconds is None or found.state != "measured":
            text = found.state if found.state == "not-applicable" else "failed"
            self._say(f"round {found.round + 1}  {found.arm}: {text}: {found.reason}")
        else:
            self._say(f"round {found.round + 1}  {found.arm}: {1 / found.figures.seconds:.4g} {found.figures.per}s/s")

    def _left_s(self) -> float:
        return max(0.0, self._asked.max_minutes * 60 - (time.monotonic() - self._began))

    # --- the document

    def _document(self, base: Run, search: Search, by_hand: list[Finding], *, interrupted: bool) -> Row:
        kept = search.together.candidates if search.together is not None else ()
        kept = kept if search.together is not None and search.together.verdict.state == "keep" else ()
        measured = search.trials[trial.BASELINE]
        if any(fix.name in MAKES_ANOTHER_STEP for candidate in kept for fix in candidate.fixes):
            self._notes.append("with graphs the step is another one: tune the changed script again, more may help now")
        return {
            "path": str(self._ledger.path),
            "command": mask_command(typed(self._request)),
            "script": base.info.script,
            "interrupted": interrupted,
            "baseline": document.baseline(base.path.name, measured, self._read),
            "screening": self._ledger.screening,
            "trials": [document.of_trial(found, search.verdicts[found.label]) for found in search.candidates],
            "together": document.together(search),
            "by_hand": document.by_hand(by_hand, kept),
            "changes": asdict(changes(self._source(), self._request.target, kept)),
            "notes": [*self._notes, *search.notes],
            "steps": self._processes.steps,
            "seconds": time.monotonic() - self._began,
            "sandbox": str(self._processes.method.way),
        }

    def _source(self) -> str | None:
        if self._request.kind != "script":
            return None
        try:
            return Path(self._request.target).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None


def _is_pipe(descriptor: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except OSError:  # closed
        return False


def interrupted(root: Path) -> Row:
    """How to go on with the newest interrupted tune below *root* (`Ledger.resume`). Raises UsageError when that cannot be."""
    found = ledger.unfinished(root)
    if found is None:
        raise UsageError(f"no interrupted tune in {root}; start one with: perfkit tune SCRIPT")
    if found.resume is None:
        raise UsageError(f"{found.path.name}: its command held a secret and was not kept; give the same command again")
    return found.resume


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
