"""Facts about what happens around the steps: evaluation, checkpoints, logging, garbage collection, compilations."""

from __future__ import annotations

from typing import Any

from .lazy import Absent, Facts, Unavailable, lazy

Row = dict[str, Any]

NOT_RECORDED = "not recorded"


class AroundFacts(Facts):
    """A part of `Evidence`; it relies on the facts ``lead`` and ``steps`` of the whole."""

    @lazy
    def probes(self) -> list[str]:
        """Names of the probes that were in place in the lead's process."""
        pid = self.need("lead").pid
        for guest in self.need("guests"):
            if guest.get("pid") == pid and "armed" in guest:
                return list(guest["armed"])
        raise Unavailable(NOT_RECORDED)

    @lazy
    def pauses(self) -> Row:
        """Python's garbage collection over the steady steps, pauses of 0.2 ms and more: seconds_per_step, collections,
        longest_s, generation2 (how many), steps_between, explicit (the script itself calls gc.collect),
        explicit_seconds_per_step, called_from (file:line of all callers, packages too).
        """
        from ..analyze import pauses

        if "pauses" not in self.need("probes"):
            raise Unavailable(NOT_RECORDED)
        return pauses.pauses(self.need("lead"), self.need("steps"))

    @lazy
    def compilations(self) -> Row:
        """Compilations of torch.compile: count, seconds, in_steady_count, in_steady_seconds_per_step, around_steady_seconds_per_step
        (with what follows them in the same steps, None where most steps have one), last_step (index of the last step with one, None outside of all); and as the compiler tells at the end, None if it could not:
        recompiles, graph_breaks, reasons and break_reasons (at most 5 short texts), functions (compiled anew).
        """
        from ..analyze import pauses

        told = (self.torch or {}).get("compiler")  # type: ignore[attr-defined]
        return _some(pauses.compilations(self.need("lead"), self.need("steps"), told), "nothing was compiled")

    @lazy
    def evaluations(self) -> Row:
        """Evaluation inside training, between the steady steps: seconds_per_step, count (bursts), steps_between, seconds_each,
        calls, with_grad (share of its calls made with gradients enabled), batches_per_burst.
        """
        from ..analyze import occasions

        found = occasions.evaluations(self.need("lead"), self.need("steps"))
        return _some(found, "no evaluation between the steady steps")

    @lazy
    def checkpoints(self) -> Row:
        """Saves between the steady steps: seconds_per_step, count (occasions), steps_between, seconds_each, calls, called."""
        from ..analyze import occasions

        return _some(occasions.checkpoints(self.need("lead"), self.need("steps")), "nothing was saved in steady steps")

    @lazy
    def logging_calls(self) -> Row:
        """Loggers and trackers: seconds_per_step, count (steps with any), steps_between, seconds_each, calls, called (names
        of what is called, most time first).
        """
        from ..analyze import occasions

        return _some(
            occasions.logging_calls(self.need("lead"), self.need("steps")), "nothing was logged in steady steps"
        )

    @lazy
    def steps_outliers(self) -> Row:
        """Slow steady steps (above 1.5 times the median wall time): share_of_time beyond the median, count, period (in
        steps; None when irregular), coincide {gc, compile, evaluation, checkpoint, logging, input, none}: how many are
        explained by each, by half of their excess at least.
        """
        from ..analyze import outliers

        found = outliers.outliers(self.need("lead"), self.need("steps"))
        if found is None:
            raise Unavailable("no step was steady")
        return found


def _some(found: Row | None, absence: str) -> Row:
    if found is None:
        raise Absent(absence)
    return found
