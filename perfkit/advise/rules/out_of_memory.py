"""The script ran out of memory.

Speaks when the run ended for want of memory: by an exception that says so, or killed by the kernel while its control group
was out of memory. It is about the run itself, so it comes first and promises no time.

What to do, by what held the memory where that is known:

- *activations*: a smaller batch, its gradients accumulated over several (the result is the same but for batch
  normalisation); 16-bit autocast, which halves them; ``torch.utils.checkpoint``, which computes them again in backward;
- *optimizer state and gradients*: an optimizer with less state, ``zero_grad(set_to_none=True)``, parameters sharded over several processes;
- *growth from step to step*: letting go of what steps made (rule memory_growth), for then no batch is small enough;
- on the host, *data*: reading it piece by piece (``np.load(…, mmap_mode="r")``), fewer loader workers.

It is silent about runs that ended otherwise.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Interval

# What a script died of, it may have died of before it had steady steps.
NEEDS_STEPS = False
PARTS = ("parameters", "gradients", "optimizer", "activations", "baseline")
HOW = {
    "activations": "batch_size={half}   # and step the optimizer every second batch\n"
    "with torch.autocast(…): …   # or torch.utils.checkpoint around the largest blocks",
    "optimizer": "# an optimizer with less state (SGD, Adafactor), or FullyShardedDataParallel over several processes",
    "baseline": '# read the data piece by piece: np.load(path, mmap_mode="r"), or a Dataset that opens one file at a time',
}
LINK = "https://docs.pytorch.org/docs/stable/notes/faq.html#my-model-reports-cuda-runtime-error-2-out-of-memory"

Row = dict[str, Any]


def check(
    out_of_memory: Row,
    memory: Row | None = None,
    memory_growth: Row | None = None,
    largest_batch: Row | None = None,
    loader: Row | None = None,
) -> Finding | None:
    """Tell what to do about a run that died for want of memory."""
    kind = "GPU" if out_of_memory.get("kind") == "device" else "host"
    evidence: Row = {"how it ended": out_of_memory["evidence"]}
    for name, key in (("peak seen", "peak_bytes"), ("there is", "limit_bytes")):
        if out_of_memory.get(key):
            evidence[name] = f"{out_of_memory[key] / 1e9:.3g} GB"
    part = _largest_part(memory or {}, out_of_memory)
    if part:
        evidence["most of it"] = f"{part}, {(memory or {})[part + '_bytes'] / 1e9:.3g} GB"
    return Finding(
        rule="out_of_memory",
        cause="memory",
        title=f"The script ran out of {kind} memory",
        evidence=evidence,
        saves=Interval(low=0.0, high=0.0),
        basis="run",
        confidence="high",
        fix=None,
        how=_how(part, memory_growth or {}, largest_batch or {}, loader or {}),
        links=[LINK],
        warning=True,
    )


def _largest_part(memory: Row, died: Row) -> str | None:
    """What held most, where the split is of the memory that ran out."""
    held = {name: memory.get(f"{name}_bytes") or 0 for name in PARTS}
    if memory.get("kind") != died.get("kind") or not any(held.values()):
        return None
    return max(held, key=lambda name: held[name])


def _how(part: str | None, growth: Row, largest: Row, loader: Row) -> str:
    if growth.get("grows"):
        return "# memory grew from step to step: losses.append(loss.item()), not the tensor with its graph"
    batch = largest.get("low") or (loader.get("batch_size") or 0) // 2
    key = "optimizer" if part in ("optimizer", "gradients", "parameters") else part or "activations"
    return HOW[key].format(half=batch or "half of it")
