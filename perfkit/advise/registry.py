"""Finds the rules, gives each the evidence it asks for, and ranks what they say."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from . import rules as rules_package
from .calibration import calibrated
from .evidence import Evidence
from .lazy import DEBUG_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.records import Finding

WHOLE = "evidence"
# Advice from fewer steady steps than this would be advice from noise.
MIN_STEADY_STEPS = 5


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule: its name, its manual, its function, and the evidence that this asks for."""

    name: str
    manual: str
    check: Callable[..., Finding | None]
    #: Parameter name -> whether the rule cannot do without it.
    asks: dict[str, bool]
    #: Whether it judges steady steps; not what a script died of before it had any (NEEDS_STEPS = False in its module).
    needs_steps: bool = True
    #: Frameworks that its cures are for (FRAMEWORKS in its module); empty: any.
    frameworks: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The first line of its manual."""
        return self.manual.strip().splitlines()[0].rstrip(".")


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What the rules say about a run."""

    #: Warnings first, then the most to gain, judged by the low end of what it would save.
    findings: list[Finding]
    #: Rules there are.
    count: int
    #: Rule -> why it could not judge. Silence because all is well is not among these.
    skipped: dict[str, str] = field(default_factory=dict)
    #: Rule -> the fault in it. Never hidden.
    failed: dict[str, str] = field(default_factory=dict)


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule in advise/rules, by name. Raises TypeError for one that is not made as a rule is."""
    names = sorted(module.name for module in pkgutil.iter_modules(rules_package.__path__))
    return {name: _load(name) for name in names if not name.startswith("_")}


def _load(name: str) -> Rule:
    module = importlib.import_module(f"{rules_package.__name__}.{name}")
    check = getattr(module, "check", None)
    if not callable(check) or not (module.__doc__ or "").strip():
        raise TypeError(f"rule {name}: needs a module docstring and a function check()")
    known = {WHOLE, *Evidence.names()}
    parameters = inspect.signature(check).parameters
    for asked in parameters:
        if asked not in known:
            raise TypeError(f"rule {name}: no such evidence as {asked!r}")
    asks = {key: parameter.default is parameter.empty for key, parameter in parameters.items()}
    needs_steps = getattr(module, "NEEDS_STEPS", True)
    return Rule(
        name=name, manual=inspect.cleandoc(module.__doc__ or ""), check=check, asks=asks, needs_steps=needs_steps,
        frameworks=getattr(module, "FRAMEWORKS", ()),
    )  # fmt: skip


def judge(rule: Rule, evidence: Evidence) -> Finding | str | None:
    """What *rule* says: a Finding, None when all is well or it is about something that the script does not
    have, or the reason why it cannot judge.
    """
    steady = (evidence.headline or {}).get("steady_count", MIN_STEADY_STEPS)
    if rule.needs_steps and steady < MIN_STEADY_STEPS:
        return f"{steady} steady steps are too few to judge by"
    # Of an imported trace it may not be known: then it is judged as PyTorch's, as most are.
    if rule.frameworks and evidence.framework not in (None, *rule.frameworks):
        return None
    given: dict[str, Any] = {}
    for name, required in rule.asks.items():
        given[name] = evidence if name == WHOLE else getattr(evidence, name)
        if given[name] is None and required and evidence.is_absent(name):
            return None
        if given[name] is None and required:
            return f"{name}: {evidence.why(name)}"
    return rule.check(**given)


def advise(evidence: Evidence, *, calibrate: bool = True) -> Advice:
    """Judge *evidence* by every rule. Without *calibrate* the intervals are as the rules tell them."""
    findings: list[Finding] = []
    skipped: dict[str, str] = {}
    failed: dict[str, str] = {}
    for rule in all_rules().values():
        try:
            said = judge(rule, evidence)
        except Exception as error:
            if os.environ.get(DEBUG_VARIABLE):
                raise
            failed[rule.name] = f"{type(error).__name__}: {error}"
            continue
        if isinstance(said, str):
            skipped[rule.name] = said
        elif said is not None:
            findings.append(calibrated(said, evidence) if calibrate else said)
    findings.sort(key=_rank)
    return Advice(findings=findings, count=len(all_rules()), skipped=skipped, failed=failed)


def _rank(finding: Finding) -> tuple[object, ...]:
    """Warnings before gains, and of them those about the whole run before those about its steps."""
    about_run = finding.warning and finding.basis == "run"
    return not finding.warning, not about_run, -finding.saves.low, -finding.saves.high, finding.rule


def explain(name: str) -> str:
    """The manual of the rule *name*. Raises UsageError naming the rules there are."""
    rules = all_rules()
    if name not in rules:
        raise UsageError(f"no rule {name!r}; there are: {', '.join(rules)}")
    return rules[name].manual
