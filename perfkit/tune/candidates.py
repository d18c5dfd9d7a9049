"""Which changes are worth trying: what the findings advise, and a few that seldom hurt and often help.

A change that the rules did not advise is tried for a reason of its own, and without a prediction. What cannot be applied from
inside is left to a person's hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..advise.rules.precision import CPU_SETS
from ..errors import UsageError
from ..launch.fixes import KINDS
from ..model.records import Fix, Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..advise.evidence import Evidence
    from ..model.records import Finding

Row = dict[str, Any]
Guess = tuple[Fix, str] | None

# A part of the step smaller than this is not worth a process.
WORTH = 0.05
# Steps shorter than this are of operators too small to be divided between threads.
SHORT_STEP_S = 5e-3
# More workers than this take memory and seldom help a single process.
MOST_WORKERS = 4
AMPERE = 8.0
FUSED = ("Adam", "AdamW", "SGD", "Adagrad")
BATCH_TIMES = (2, 4)
#: Classes of data sets whose samples lie in memory already.
IN_MEMORY = ("TensorDataset", "list", "tuple")
#: Other names of the same change: of each family only one can be kept.
FAMILY = {"fused-optimizer": "optimizer"}
#: Ways to the same end, of which only one can act: each is tried, and the best is kept.
RIVALS = {"sample-cache": "loading", "loader-workers": "loading"}
#: Fixes that make another training of it, however right each is in itself.
OTHER_TRAINING = frozenset({"batch-size"})


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
    guesses = [guess(evidence) for guess in STANDARD]
    if batch:
        guesses += [_batch(evidence, times) for times in BATCH_TIMES]
    return _distinct(
        Candidate(label=label(fix, evidence), fixes=(fix,), why=why) for fix, why in (g for g in guesses if g)
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


# --- what a change is called


def label(fix: Fix, evidence: Evidence) -> str:
    """The change in a few words, with what is there now where that is known: ``loader workers 0 → 2, persistent``."""
    if fix.name == "loader-workers":
        return _workers_label(fix.parameters, evidence.loader or {})
    if fix.name == "batch-size":
        return _batch_label(fix.parameters, (evidence.loader or {}).get("batch_size"))
    if fix.name == "threads":
        return f"threads {_arrow((evidence.torch or {}).get('num_threads'), fix.parameters.get('num_threads'))}".strip()
    if fix.name == "autocast":
        short = {"bfloat16": "bf16", "float16": "fp16"}
        return f"{short.get(str(fix.parameters.get('dtype')), 'bf16')} autocast"
    if fix.name == "sample-cache":
        return "samples kept in memory"
    words = [key if value is True else str(value) for key, value in fix.parameters.items() if value is not False]
    if fix.name == "fused-optimizer":
        return "optimizer fused"
    return " ".join([fix.name.replace("-", " "), *words])


def _workers_label(parameters: Row, loader: Row) -> str:
    workers = parameters.get("num_workers")
    head = f"loader workers {_arrow(loader.get('num_workers'), workers)}" if workers is not None else "loader workers"
    kinds = {"persistent_workers": "persistent", "pin_memory": "pinned"}
    return ", ".join([head, *(word for key, word in kinds.items() if parameters.get(key))])


def _batch_label(parameters: Row, now: int | None) -> str:
    if parameters.get("batch_size") is not None:
        return f"batch size {_arrow(now, parameters['batch_size'])}"
    return f"batch size ×{parameters.get('times', 2)}"


def _arrow(before: object, after: object) -> str:
    return "" if after is None else str(after) if before is None else f"{before} → {after}"


# --- changes that no rule asked for


def _share(evidence: Evidence, *names: str) -> float:
    return float(sum(row["share"] for row in evidence.breakdown or [] if row["name"] in names))


def _on_gpu(evidence: Evidence) -> bool:
    devices = (evidence.model or {}).get("devices") or {}
    return any(str(name).startswith("cuda") for name in devices)


def _capability(evidence: Evidence) -> float:
    devices = (evidence.torch or {}).get("devices") or []
    return float(devices[0].get("capability") or 0) if devices else 0.0


def _threads(evidence: Evidence) -> Guess:
    now, cores, step = (evidence.torch or {}).get("num_threads"), evidence.cores, evidence.step_s
    if not now or not cores or step is None or _on_gpu(evidence):
        return None
    if now > 1 and step < SHORT_STEP_S:
        return Fix(name="threads", parameters={"num_threads": 1}), "operators this small are not worth dividing"
    if now < cores and step >= SHORT_STEP_S:
        return Fix(name="threads", parameters={"num_threads": cores}), f"{cores} cores are free to use"
    return None


def _workers(evidence: Evidence) -> Guess:
    loader, cores, waits = evidence.loader or {}, evidence.cores or 1, _share(evidence, "data")
    if loader.get("num_workers") != 0 or cores < 2 or waits < WORTH:
        return None
    parameters = {"num_workers": min(cores, MOST_WORKERS), "persistent_workers": True}
    return Fix(name="loader-workers", parameters=parameters), f"{waits:.0%} of the step waits for data"


def _cache(evidence: Evidence) -> Guess:
    loader, waits = evidence.loader or {}, _share(evidence, "data")
    if loader.get("num_workers") != 0 or loader.get("iterable") or waits < WORTH:
        return None
    if str(loader.get("dataset")).rpartition(".")[2] in IN_MEMORY:
        return None
    return Fix(name="sample-cache"), f"{waits:.0%} of the step prepares samples, perhaps the same in each epoch"


def _pin(evidence: Evidence) -> Guess:
    loader = evidence.loader or {}
    if not _on_gpu(evidence) or not loader or loader.get("pin_memory"):
        return None
    parameters = {"pin_memory": True, "non_blocking": True}
    return Fix(name="pin-memory", parameters=parameters), "batches are copied to the GPU from pageable memory"


def _optimizer(evidence: Evidence) -> Guess:
    optimizer = evidence.optimizer or {}
    if not optimizer or optimizer.get("foreach") or optimizer.get("fused") or _share(evidence, "optimizer") < WORTH:
        return None
    kind = "fused" if str(optimizer.get("class", "")).rpartition(".")[2] in FUSED else "foreach"
    if kind == "foreach" and _on_gpu(evidence):
        return None  # there it is the default
    return Fix(
        name="optimizer", parameters={kind: True}
    ), f"{_share(evidence, 'optimizer'):.0%} of the step is the update"


def _inference(evidence: Evidence) -> Guess:
    evaluation = _share(evidence, "evaluation")
    return (Fix(name="inference-mode"), f"{evaluation:.0%} of the time is evaluation") if evaluation >= WORTH else None


def _channels_last(evidence: Evidence) -> Guess:
    model = evidence.model or {}
    if not model.get("conv_parameters") or (model.get("channels_last") or 0) > 0.5:
        return None
    return Fix(name="channels-last"), "the model has convolutions"


def _tf32(evidence: Evidence) -> Guess:
    now = evidence.torch or {}
    if not _on_gpu(evidence) or _capability(evidence) < AMPERE or now.get("allow_tf32_matmul"):
        return None
    return Fix(name="tf32"), "float32 products can run on tensor cores"


def _cudnn(evidence: Evidence) -> Guess:
    now = evidence.torch or {}
    if not _on_gpu(evidence) or now.get("cudnn_benchmark") or not (evidence.model or {}).get("conv_parameters"):
        return None
    return Fix(name="cudnn-benchmark"), "the model has convolutions"


def _autocast(evidence: Evidence) -> Guess:
    model = evidence.model or {}
    if model.get("autocast") or set(model.get("dtypes") or {}) - {"float32"}:
        return None
    if _on_gpu(evidence):
        device, able = "cuda", _capability(evidence) >= AMPERE
    else:
        device, able = "cpu", any(name in CPU_SETS for name in evidence.instruction_sets or [])
    parameters = {"device": device, "dtype": "bfloat16"}
    return (Fix(name="autocast", parameters=parameters), "the processor multiplies in bfloat16") if able else None


def _compile(evidence: Evidence) -> Guess:
    model = evidence.model or {}
    if not model or model.get("compiled") or _share(evidence, "forward", "backward") < 0.5:
        return None
    return Fix(name="compile"), "forward and backward are most of the step"


def _batch(evidence: Evidence, times: int) -> Guess:
    size = (evidence.loader or {}).get("batch_size")
    if not size:
        return None
    return Fix(name="batch-size", parameters={"batch_size": size * times}), "asked for with --batch"


STANDARD: tuple[Callable[[Evidence], Guess], ...] = (
    _threads, _workers, _cache, _pin, _optimizer, _inference, _tf32, _cudnn, _channels_last, _autocast, _compile,
)  # fmt: skip
