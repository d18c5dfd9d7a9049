"""What a person could do about it, with what it rests on; and the command that tries it where the script has a matching argument."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

#: Arguments by what scripts call them.
RATES = ("--lr", "--learning-rate", "--learning_rate", "--base-lr", "--base_lr")
DECAYS = ("--weight-decay", "--weight_decay", "--wd", "--l2")
DROPOUTS = ("--dropout", "--drop-rate", "--drop_rate", "--p-dropout")
CLIPS = ("--clip", "--clip-grad", "--clip_grad", "--max-grad-norm", "--max_grad_norm", "--grad-clip", "--grad_clip")
LOADERS = ("--num-workers", "--num_workers", "--workers", "-j")


@dataclass(frozen=True, kw_only=True)
class Script:
    """The monitored command: what `perfkit tune` would be given. Empty where it is not known (a notebook)."""

    words: tuple[str, ...] = ()

    def value(self, names: Sequence[str]) -> tuple[str, str] | None:
        """The argument among *names* that the command has, with its value."""
        for position, word in enumerate(self.words):
            name, equals, value = word.partition("=")
            if name in names and equals:
                return name, value
            if word in names and position + 1 < len(self.words):
                return word, self.words[position + 1]
        return None

    def sweep(self, names: Sequence[str], factors: Sequence[float]) -> str:
        """The command that tries *factors* times the argument's value; "" where there is no such argument or it is no number."""
        found = self.value(names)
        if found is None:
            return ""
        try:
            value = float(found[1])
        except ValueError:
            return ""
        if value == 0:
            return ""
        tried = ",".join(f"{value * factor:.6g}" for factor in factors)
        return f'; try it: perfkit tune --sweep "{found[0]}={tried}" {shlex.join(self.words)}'


def divergence(script: Script, *, grad_norm_rose: bool | None = None) -> str:
    """The loss goes up for good."""
    clip = " and clip the gradients (their norm rose with it)" if grad_norm_rose else ", or clip the gradients"
    return f"lower the learning rate (a third to a tenth){clip}" + script.sweep(RATES, (0.1, 0.3))


def not_finite(script: Script, *, rose_before: bool, metric: str) -> str:
    """A metric is NaN or infinite."""
    if rose_before:
        return "it rose before it was lost: " + divergence(script)
    if metric.endswith(("loss", "grad_norm", "perplexity")):
        return (
            "it was lost without having risen: look for a division by zero or log(0), a bad sample, or float16 without loss scaling "
            "(torch.amp.GradScaler, or bfloat16); torch.autograd.set_detect_anomaly(True) names the operation"
        )
    return "find the first value that is not finite in what the metric is computed from"


def overfitting(script: Script, best_epoch: int) -> str:
    """Validation gets worse while training gets better."""
    text = f"stop at epoch {best_epoch} and keep its weights; more regularisation (weight decay, dropout, augmentation) or more data"
    return text + (script.sweep(DECAYS, (3, 10)) or script.sweep(DROPOUTS, (1.5, 2)))


def underfitting(script: Script) -> str:
    """Training itself stands still, high."""
    return (
        "training does no better on its own data: a larger model, a higher learning rate, less regularisation, or better features; "
        "more data alone will not help" + script.sweep(RATES, (3, 10))
    )


def plateau(script: Script, *, train_falls: bool) -> str:
    """Validation no longer improves."""
    if train_falls:
        return "stop here, or regularise: only training still gains" + script.sweep(DECAYS, (3, 10))
    return "lower the learning rate now (a schedule), or stop" + script.sweep(RATES, (0.1, 0.3))


def imbalance(labels: Sequence[str]) -> str:
    """Some classes are hardly found."""
    named = ", ".join(labels)
    return f"classes {named}: more data of them, class weights in the loss, or oversampling; judge by macro-averaged recall, not accuracy"


def unfinished() -> str:
    """It ended while it was still getting better."""
    return "train longer: nothing has levelled off yet"


def leak() -> str:
    """Memory grows."""
    return (
        "something keeps what it should drop: losses summed as tensors (use .item() or .detach()), outputs kept in a list, a cache without "
        "a bound; tracemalloc, or torch.cuda.memory._record_memory_history, names the place"
    )


def slow_stage(stage: str, script: Script) -> str:
    """Steps have become slower, and a stage that is measured beside them has."""
    if "data" in stage or "input" in stage:
        return (
            "the loader keeps the model waiting: has a worker died, or the disk or network become slower?"
            + script.sweep(LOADERS, (2, 4))
        )
    if "checkpoint" in stage or "logging" in stage:
        return "saving or logging takes longer: look at the disk, or do it less often"
    return f"look at {stage}: it accounts for most of what steps take longer"


def slow(busy_memory: bool = False) -> str:
    """Steps have become slower, and nothing tells where."""
    return "look for a busy neighbour, a throttled processor or a full disk; perfkit profile on the script says where a step's time goes"
