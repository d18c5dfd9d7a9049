"""The recorded samples: one small file that grows round by round, over several days."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perfkit.bench.gate.selftest import PLAN

# Of the stored times: some 0.003 % of a call of 3 ms, a tenth of what it scatters by.
TICK_S = 1e-7
# Blocks of a pair in turns; calls of processes that ran one after the other.
WAYS = ("turns", "alone")
SAMPLE_S = {"turns": PLAN.block_s, "alone": 0.0}
SIDES = ("base", "head")


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """All rounds of one condition that were recorded in one way."""

    #: The work that head has more of, of each benchmark.
    cases: tuple[float, ...]
    #: Seconds of a call: round, side (base, head), case, sample.
    seconds: np.ndarray
    #: Whether the calls had settled before: round, side, case.
    settled: np.ndarray
    #: Seconds that a sample covers, at least; 0 where it is one call.
    sample_s: float
    #: Of each round {at, order, load_average, seconds, cpu}.
    told: list[dict]

    def __len__(self):
        return len(self.told)

    def of(self, effect):
        """Numbers of the cases with that *effect*."""
        return [number for number, own in enumerate(self.cases) if own == effect]

    def effects(self):
        return list(dict.fromkeys(self.cases))


def load(path):
    """{(condition, way): Recorded}; empty where nothing was recorded yet."""
    if not Path(path).exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        cases = tuple(float(value) for value in file["cases"])
        keys = [key.removesuffix(".told").split(".") for key in file.files if key.endswith(".told")]
        return {
            (condition, way): Recorded(
                cases=cases,
                seconds=file[f"{condition}.{way}.ticks"] * TICK_S,
                settled=file[f"{condition}.{way}.settled"],
                sample_s=SAMPLE_S[way],
                told=json.loads(str(file[f"{condition}.{way}.told"])),
            )
            for condition, way in keys
        }


def added(known, key, cases, seconds, settled, told):
    """*known* with one more round of *key*. Raises ValueError where it has other benchmarks than those before."""
    before = known.get(key)
    if any(each.cases != tuple(cases) for each in known.values()):
        raise ValueError("the recording has other benchmarks: give the same --aa and --each, or another --samples")
    seconds, settled = np.asarray(seconds)[None], np.asarray(settled, dtype=bool)[None]
    if before is not None:
        seconds, settled = np.concatenate([before.seconds, seconds]), np.concatenate([before.settled, settled])
    rows = [*(before.told if before is not None else []), told]
    return known | {
        key: Recorded(cases=tuple(cases), seconds=seconds, settled=settled, sample_s=SAMPLE_S[key[1]], told=rows)
    }


def save(path, known):
    """Replace the file at once: whoever reads it, and whoever interrupts, finds all of a round or nothing."""
    arrays = {"cases": np.array(next(iter(known.values())).cases)}
    for (condition, way), each in known.items():
        arrays[f"{condition}.{way}.ticks"] = np.round(each.seconds / TICK_S).astype(np.uint32)
        arrays[f"{condition}.{way}.settled"] = each.settled
        arrays[f"{condition}.{way}.told"] = np.array(json.dumps(each.told))
    path = Path(path)
    scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with scratch.open("wb") as file:
        np.savez_compressed(file, **arrays)
    scratch.replace(path)
