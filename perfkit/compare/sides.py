"""A side of a comparison: one run, or runs of the same configuration whose scatter tells how sure its figures are."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from . import differences, facts, parts, scatter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .scatter import Shift

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Side:
    """Runs of one configuration, by their documents; at least one. Of several the first stands for what they have in common."""

    number: int
    documents: tuple[Row, ...]
    #: Their places among the runs that were given, from 1.
    runs: tuple[int, ...]
    #: What tells it from the other sides.
    label: str = ""

    @property
    def first(self) -> Row:
        """The document that stands for all."""
        return self.documents[0]

    @property
    def timed(self) -> list[Row]:
        """The documents of those runs that have a step time."""
        return [document for document in self.documents if parts.step_s(document) is not None]

    @property
    def steps_s(self) -> list[float]:
        """Mean steady step of each run that has one."""
        return [step for document in self.documents if (step := parts.step_s(document)) is not None]

    @property
    def step_s(self) -> float | None:
        """Mean steady step, the mean over the runs."""
        return fmean(self.steps_s) if self.steps_s else None

    @property
    def batch(self) -> float | None:
        """Samples of a step, over all runs."""
        known = [found for document in self.timed if (found := facts.batch(document))]
        return fmean(known) if known else None

    @property
    def on_processor(self) -> bool:
        """Whether a processor computes, no accelerator."""
        return facts.accelerator(self.first) is None

    @property
    def why_untimed(self) -> str:
        """Why it has no step time."""
        document = self.first
        told = document["unavailable"]
        reason = told.get("steps.median_s") or told.get("trace") or "no step was seen"
        status = document["run"]["status"]
        ended = {
            "killed": "it was killed",
            "failed": f"it failed with exit code {document['run']['exit_code']}",
            "running": "it is still running",
        }
        return f"{ended[status]}: {reason}" if status in ended else str(reason)

    def parts(self, level: parts.Level) -> parts.Parts:
        """The mean step divided (see `parts`), the mean over the runs."""
        return parts.mean_of([parts.parts(document, level) for document in self.timed])

    def values(self, read: Callable[[Row], float | None]) -> list[float]:
        """What *read* tells of each run that tells it."""
        return [value for document in self.documents if (value := read(document)) is not None]

    def value(self, read: Callable[[Row], float | None]) -> float | None:
        """The median of it over the runs."""
        found = self.values(read)
        return float(median(found)) if found else None


def sides(documents: Sequence[Row], *, group: bool) -> list[Side]:
    """A side per document; with *group* one for all that agree in everything that was set, in the order of their first runs."""
    keys = [differences.configuration(document) if group else number for number, document in enumerate(documents)]
    made = []
    for number, key in enumerate(dict.fromkeys(keys), 1):
        mine = [place for place, other in enumerate(keys) if other == key]
        made.append(
            Side(
                number=number,
                documents=tuple(documents[place] for place in mine),
                runs=tuple(place + 1 for place in mine),
            )
        )
    return made


def ratio(before: Side, after: Side, *, per_sample: bool = False) -> Shift | None:
    """Log of the mean step of *after* over that of *before*, or of what a sample of it takes; None where either has none.

    The interval is about the ratio of the means, which is what the parts of the steps add up to.
    """
    first, second = before.step_s, after.step_s
    if not first or not second:
        return None
    batches = ((before.batch or 1.0), (after.batch or 1.0)) if per_sample else (1.0, 1.0)
    found = (
        scatter.between(before.steps_s, after.steps_s)
        if max(len(before.steps_s), len(after.steps_s)) > 1
        else scatter.within(_interval(before.timed[0], first), _interval(after.timed[0], second))
    )
    return scatter.moved(found, first / batches[0], second / batches[1])


def _interval(document: Row, step: float) -> tuple[float, float, float] | None:
    """The mean step with an interval as wide, in proportion, as that of its median; None where that is not known."""
    told = document["steps"]
    middle, low, high = (told.get(key) for key in ("median_s", "median_low_s", "median_high_s"))
    if not middle or not low or not high:
        return None
    return step, step * low / middle, step * high / middle
