"""The fixes that can be applied from inside: what a person may write for each, and how they reach the script."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..model.records import Fix
from ..runs import layout

Type = type[int] | type[str] | type[bool]

PYTORCH, KERAS, TENSORFLOW = "PyTorch", "Keras", "TensorFlow"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One fix that there is."""

    what: str
    #: What has to be imported for it to act: as a person calls it.
    framework: str = PYTORCH
    #: Parameter -> type of its value.
    parameters: Mapping[str, Type] = field(default_factory=dict)
    #: The parameter that ``NAME=VALUE`` sets.
    main: str | None = None
    #: Whether it can be compared with the plain script within one process: switched on and off, and seen in every step.
    screened: bool = False


#: By name; `inside.patches.MODULES` has a file for each.
KINDS: dict[str, Kind] = {
    "loader-workers": Kind(
        what="load batches in worker processes, in the same order",
        parameters={
            "num_workers": int, "persistent_workers": bool, "prefetch_factor": int, "pin_memory": bool,
            "non_blocking": bool,
        },
        main="num_workers",
    ),
    "sample-cache": Kind(what="prepare samples that are always the same once, and keep them in memory"),
    "batch-size": Kind(
        what="larger batches from every DataLoader; the learning rate is not changed",
        parameters={"batch_size": int, "times": int},
        main="batch_size",
    ),
    "pin-memory": Kind(
        what="batches in pinned memory, copied to the GPU without waiting",
        parameters={"pin_memory": bool, "non_blocking": bool},
    ),
    "threads": Kind(what="threads within an operator", parameters={"num_threads": int}, main="num_threads", screened=True),
    "interop-threads": Kind(what="threads between operators", parameters={"num_threads": int}, main="num_threads"),
    "gc-freeze": Kind(what="keep what was made before the first step out of garbage collections"),
    "zero-grad-none": Kind(what="let zero_grad drop gradients instead of filling them with zeros", screened=True),
    "cudnn-benchmark": Kind(what="let cuDNN try its algorithms for each shape"),
    "allocator": Kind(
        what="keep freed memory for the next step", parameters={"cuda": str, "host": str}
    ),
    "inference-mode": Kind(what="evaluate under inference_mode where the script says no_grad"),
    "autocast": Kind(
        what="compute the model in 16 bits", parameters={"device": str, "dtype": str}, main="dtype", screened=True,
    ),
    "channels-last": Kind(what="convolutions in channels-last layout", screened=True),
    "compile": Kind(
        what="torch.compile of the model", parameters={"mode": str, "dynamic": bool, "backend": str}, main="mode", screened=True,
    ),
    "fused-optimizer": Kind(what="the optimizer's update in one kernel", parameters={"fused": bool}, main="fused"),
    "optimizer": Kind(what="fused or foreach update", parameters={"fused": bool, "foreach": bool}),
    "tf32": Kind(what="float32 matrix products and convolutions in TF32", screened=True),
    "matmul-precision": Kind(
        what="float32 matrix products in lower precision", parameters={"precision": str}, main="precision", screened=True,
    ),
    "float32": Kind(what="a float64 model in float32"),
    "attention-backend": Kind(
        what="which implementation scaled_dot_product_attention takes", parameters={"backend": str}, main="backend", screened=True,
    ),
    "nothing": Kind(what="no change, to see what measuring alone does", screened=True),
    "jit-compile": Kind(what="Keras' train and predict functions compiled with XLA", framework=KERAS),
    "steps-per-execution": Kind(
        what="so many steps of Keras' fit in one call", framework=KERAS, parameters={"steps": int}, main="steps",
    ),
    "mixed-precision": Kind(
        what="Keras' layers compute in 16 bits", framework=KERAS, parameters={"dtype": str}, main="dtype",
    ),
    "floatx": Kind(what="Keras in float32 where the script sets float64", framework=KERAS),
    "run-eagerly": Kind(
        what="graphs where the script has Keras or TensorFlow run eagerly", framework=TENSORFLOW,
        parameters={"run_eagerly": bool}, main="run_eagerly",
    ),
    "fit-batch-size": Kind(
        what="larger batches in Keras' fit and from tf.data; the learning rate is not changed", framework=KERAS,
        parameters={"batch_size": int, "times": int}, main="batch_size",
    ),
    "dataset-workers": Kind(
        what="a PyDataset's batches made in worker processes, in the same order", framework=KERAS,
        parameters={"workers": int, "use_multiprocessing": bool}, main="workers",
    ),
    "tf-data": Kind(
        what="parallel map and prefetched batches in tf.data", framework=TENSORFLOW,
        parameters={"parallel": bool, "prefetch": bool},
    ),
    "tf-threads": Kind(
        what="threads within a TensorFlow operation", framework=TENSORFLOW, parameters={"num_threads": int}, main="num_threads",
    ),
}  # fmt: skip

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def parse(text: str) -> Fix:
    """``NAME``, ``NAME=VALUE`` or ``NAME:key=value,key=value`` as a Fix; ``-`` and ``_`` are alike. Raises UsageError."""
    name, _, rest = text.partition(":") if ":" in text.partition("=")[0] else (text.partition("=")[0], "", "")
    fix = Fix(name=_known(name.strip().replace("_", "-").lower(), KINDS, "fix"))
    kind = KINDS[fix.name]
    if rest:
        return Fix(name=fix.name, parameters=dict(_pair(fix.name, kind, pair) for pair in rest.split(",")))
    if "=" not in text:
        return fix
    if kind.main is None:
        raise UsageError(f"{text}: {_takes(fix.name, kind)}")
    return Fix(name=fix.name, parameters=dict([_pair(fix.name, kind, f"{kind.main}={text.partition('=')[2]}")]))


def check(asked: Iterable[Fix]) -> None:
    """Raises UsageError for a fix or a parameter that there is not, and for one that is asked for twice."""
    seen: set[str] = set()
    for fix in asked:
        kind = KINDS[_known(fix.name, KINDS, "fix")]
        for key in fix.parameters:
            _known(key, kind.parameters, f"parameter of {fix.name}")
        if fix.name in seen:
            raise UsageError(f"{fix.name} is asked for twice; give its parameters together, as {fix.name}:key=value,…")
        seen.add(fix.name)


def listing() -> str:
    """What there is, a line each, by framework."""
    rows = [(f"{name}{f'={kind.main.upper()}' if kind.main else ''}", kind) for name, kind in KINDS.items()]
    width = max(len(short) for short, _ in rows)
    lines: dict[str, list[str]] = {}
    for short, kind in rows:
        lines.setdefault(kind.framework, []).append(f"{short:{width}}  {kind.what}{_others(kind)}")
    return "\n".join(line for framework, these in lines.items() for line in (f"{framework}:", *these))


def write(run: Path, asked: tuple[Fix, ...]) -> None:
    """Leave *asked* where the guest reads it; without any there is no file."""
    if asked:
        text = json.dumps([asdict(fix) for fix in asked], ensure_ascii=False) + "\n"
        (run / layout.FIXES).write_text(text, encoding="utf-8")


def option(asked: tuple[Fix, ...]) -> dict[str, bool]:
    """The guest's option that says there are fixes."""
    return {"fixes": True} if asked else {}


def recorded(asked: tuple[Fix, ...]) -> dict[str, Any]:
    """What `RunInfo.options` says about them."""
    return {"fixes": [asdict(fix) for fix in asked]} if asked else {}


def _known(word: str, known: Iterable[str], what: str) -> str:
    names = list(known)
    if word in names:
        return word
    close = difflib.get_close_matches(word, names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(names) or 'none'}"
    raise UsageError(f"no {what} {word!r}; {hint}")


def _pair(name: str, kind: Kind, pair: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    key = key.strip().replace("-", "_")
    if not equals:
        raise UsageError(f"{name}:{pair}: write {name}:key=value; {_takes(name, kind)}")
    wanted = kind.parameters[_known(key, kind.parameters, f"parameter of {name}")]
    return key, _value(f"{name} {key}", value.strip(), wanted)


def _value(what: str, text: str, wanted: Type) -> Any:
    if wanted is bool:
        if text.lower() not in _WORDS:
            raise UsageError(f"{what}: {text!r} is neither true nor false")
        return _WORDS[text.lower()]
    if wanted is int:
        if not text.isdecimal():
            raise UsageError(f"{what}: {text!r} is not a number")
        return int(text)
    if not text:
        raise UsageError(f"{what}: a value is missing")
    return text


def _takes(name: str, kind: Kind) -> str:
    return f"{name} takes {', '.join(kind.parameters)}" if kind.parameters else f"{name} takes no value"


def _others(kind: Kind) -> str:
    others = [key for key in kind.parameters if key != kind.main]
    return f" (also {', '.join(others)})" if others and kind.main else f" ({', '.join(others)})" if others else ""
