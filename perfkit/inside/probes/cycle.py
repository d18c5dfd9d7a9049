"""Which of several optimizers, or functions that step, ends the script's cycle."""


class Cycle:
    """A cheap rule for the trace window only (the report finds the cycle from the marks): what steps least often ends it, the
    last to appear among equals. *clock* is what its steps are to the session (session.CLOCKS).
    """

    def __init__(self, session, clock):
        self.session, self._clock = session, clock
        self.counts = {}
        self.only = None  # the number of the one that steps, while there is only one

    def stepped(self, number, at_ns):
        """*number* has stepped; ends the cycle if it is the one that does."""
        counts = self.counts
        if self.only is not None and number != self.only:
            counts[self.only], self.only = self.session.steps, None  # not counted one by one until now
        counts[number] = counts.get(number, 0) + 1
        if len(counts) == 1:
            self.only = number
        if len(counts) == 1 or number == self._closing():
            self.session.step_ended(self._clock, at_ns)
        else:
            self.session.not_the_last(at_ns)

    def _closing(self):
        least = min(self.counts.values())
        # Counts of one cycle differ by one while it runs.
        return max(number for number, count in self.counts.items() if count <= least + 1)
