"""Which changes are worth trying: what the findings advise, and a few that seldom hurt and often help.

A change that the rules did not advise is tried for a reason of its own, and without a prediction. What cannot be applied from
inside is left to a person's hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..launch.fixes import KINDS
from ..model.records import Fix, Interval
from . import guesses, keras_guesses
from .labels import label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..advise.evidence import Evidence
    from ..model.records import Finding

BATCH_TIMES = (2, 4)
#: Other names of the same change: of each family only one can be kept.
FAMILY = {"fused-optimizer": "optimizer"}
#: Ways to the same end, of which only one can act: each is tried, and the best is kept.
RIVALS = {"sample-cache": "loading", "loader-workers": "loading"}
#: Fixes that make another training of it, however right each is in itself.
OTHER_TRAINING = frozenset({"batch-size", "fit-batch-size"})


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One change to try."""

    #: As a person reads it; no two candidates bear the same.
    label: str
    fixes: tuple[Fix, ...]
    #: Arguments of the script that are given another value: (name, value).
    sets: tuple[tuple[str, str], ...] = ()
    #: What the finding said it would save of the time per sample.
    predicted: Interval | None = None
    #: What speaks for trying it.
    why: str = ""
    rule: str | None = None
    #: The lines that a person would write, from the finding.
    how: str = ""

    @property
    def family(self) -> str:
        """Candidates of one family exclude each other."""
        names = [FAMILY.get(fix.name, fix.name) for fix in self.fixes] + [name for name, _ in self.sets]
        return "+".join(sorted(names))

    @property
    def rivalry(self) -> str:
        """Of candidates with the same one only one is kept."""
        return RIVALS.get(self.family, self.family)

    @property
    def is_other_training(self) -> bool:
        """Whether the optimisation is another one with it: fewer updates for the same samples."""
        return any(fix.name in OTHER_TRAINING for fix in self.fixes)


def from_findings(findings: Iterable[Finding], evidence: Evidence) -> tuple[list[Candidate], list[Finding]]:
    """Candidates of the findings whose cure can be applied from inside, and the findings left to a person's hand."""
    found: list[Candidate] = []
    by_hand: list[Finding] = []
    for finding in findings:
        if finding.fix is None or finding.fix.name not in KINDS or finding.basis == "run":
            by_hand.append(finding)
            continue
        found.append(
            Candidate(
                label=label(finding.fix, evidence),
                fixes=(finding.fix,),
                predicted=finding.saves,
                why=finding.title,
                rule=finding.rule,
                how=finding.how,
            )
        )
    return _distinct(found), by_hand


def standard(evidence: Evidence, *, batch: bool = False) -> list[Candidate]:
    """What is worth trying although no rule asks for it, the cheapest first."""
    module = keras_guesses if evidence.tensorflow is not None and not evidence.model else guesses
    found = [guess(evidence) for guess in module.STANDARD]
    if batch:
        found += [module.batch(evidence, times) for times in BATCH_TIMES]
    return _distinct(
        Candidate(label=label(fix, evidence), fixes=(fix,), why=why) for fix, why in (g for g in found if g)
    )


def merged(*lists: Sequence[Candidate]) -> list[Candidate]:
    """The candidates of all *lists* in their order; of one family the later lists add nothing to the earlier."""
    found: list[Candidate] = []
    for candidates in lists:
        known = {candidate.family for candidate in found}
        found += [candidate for candidate in candidates if candidate.family not in known]
    return _distinct(found)


def given(fixes: Iterable[Fix], evidence: Evidence, findings: Sequence[Finding]) -> list[Candidate]:
    """Just the *fixes* that a person asked for; those that a finding advises too bear its prediction."""
    known = {finding.fix.name: finding for finding in findings if finding.fix is not None}
    found = []
    for fix in fixes:
        finding = known.get(fix.name)
        whole = finding.fix if finding is not None and finding.fix is not None and not fix.parameters else fix
        same = finding is not None and finding.fix == whole
        found.append(
            Candidate(
                label=label(whole, evidence),
                fixes=(whole,),
                predicted=finding.saves if finding is not None and same else None,
                why="asked for",
                rule=finding.rule if finding is not None and same else None,
                how=finding.how if finding is not None and same else "",
            )
        )
    return _distinct(found)


def joined(candidates: Sequence[Candidate]) -> Candidate:
    """All of them as one."""
    return Candidate(
        label=" + ".join(candidate.label for candidate in candidates),
        fixes=tuple(fix for candidate in candidates for fix in candidate.fixes),
        sets=tuple(pair for candidate in candidates for pair in candidate.sets),
    )


def swept(text: str, args: Sequence[str]) -> list[Candidate]:
    """``--batch-size=16,32,64``: the script's argument with each value that it does not have already. Raises UsageError."""
    name, equals, values = text.partition("=")
    wanted = [value for value in values.split(",") if value]
    if not equals or not wanted or not name.startswith("-"):
        raise UsageError(f'--sweep {text!r}: write the script\'s argument and its values, such as "--batch-size=16,32"')
    return [
        Candidate(label=f"{name}={value}", fixes=(), sets=((name, value),), why="asked for")
        for value in wanted
        if arguments(args, ((name, value),)) != tuple(args)
    ]


def arguments(args: Sequence[str], sets: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """*args* with each name set to its value, in the form that it has there; appended where it is not."""
    made = tuple(args)
    for name, value in sets:
        made = _with_argument(made, name, value)
    return made


def _with_argument(args: tuple[str, ...], name: str, value: str) -> tuple[str, ...]:
    for position, word in enumerate(args):
        if word == name and position + 1 < len(args):
            return (*args[: position + 1], value, *args[position + 2 :])
        if word.startswith(name + "="):
            return (*args[:position], f"{name}={value}", *args[position + 1 :])
    return (*args, f"{name}={value}") if name.startswith("--") else (*args, name, value)


def _distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    return list({candidate.label: candidate for candidate in reversed(list(candidates))}.values())[::-1]
