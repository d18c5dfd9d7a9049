"""What every fix has in common: a reversible pair that says what it did."""

from ..replace import replace

# Different reasons that one fix may give before it is silent; a script can make loaders by the thousand.
MOST_REASONS = 8


class Patch:
    """One fix in one process.

    A fix is a subclass in a file of its own that names itself as ``PATCH`` there. It overrides ``place`` (put the replacements
    on, with ``self.replace`` and ``self.on_undo``), and ``on`` and ``off`` where it is ``switchable``. Its replacements ask
    ``self.active`` before they act; ``work_began`` is where settings are judged that a script may still change before. Both say ``applied`` each time they did and ``not_applicable`` where there was nothing to do,
    and never raise into the script: what may fail is in a ``try`` that ends in ``failed``.
    """

    name = ""
    #: Whether the change can be taken back and made again while the script runs.
    switchable = False
    #: Whether what it saves shows in every step, so that short stretches with it and without it can be compared.
    in_every_step = True
    #: Why it never acted, when nothing more exact was said.
    idle = "the script never did what it changes"

    def __init__(self, session, torch, watch, parameters):
        self.session, self.torch, self.watch = session, torch, watch
        self.parameters = dict(parameters)
        self.active = False  # armed, and not switched off
        self.placed = False  # armed, and not taken off for good
        self.began = False  # `work_began` was called
        self.count = 0  # how often it acted
        self.error = None  # why it disarmed itself
        self._detail = {}
        self._reasons = []
        self._undo = []
        self._finished = False

    # -- the reversible pair ---------------------------------------------------------------------------------------

    def place(self):
        """Put the replacements on. May raise: the fix has failed then, and what was put on is taken off."""
        raise NotImplementedError

    def arm(self):
        """Put the fix on. Never raises; returns whether it is on."""
        self.active = self.placed = True
        self.on_undo(self._end)  # also when it is the session that ends
        try:
            self.place()
        except Exception as error:
            self.failed(error)
        return self.active

    def disarm(self):
        """Take the fix off: every attribute and setting is as it was before ``arm``."""
        self._end()
        while self._undo:
            self._undo.pop()()

    def _end(self):
        self.active = self.placed = False

    def on(self):
        """Make the change again after ``off``."""
        self.active = True

    def off(self):
        """Take the change back for a while. What is in the script's hands already may keep it until it is made anew."""
        self.active = False

    def replace(self, owner, attribute, make):
        """Replace ``owner.attribute`` by ``make(original)`` until the fix is disarmed or the session ends."""
        self.on_undo(replace(owner, attribute, make))

    def on_undo(self, function):
        """Call *function* once, when the fix is disarmed or the session ends."""

        def once():
            if waiting:
                waiting.pop()()

        waiting = [function]
        self._undo.append(once)
        # One by one and not as a whole: what a probe replaced later than us must be taken off before ours.
        self.session.undo.append((self.name, once))

    def work_began(self):
        """The process has taken its first step: the model, and what CUDA needs, are there. May raise, as ``place``."""

    def begin(self):
        """Call ``work_began`` once the fix is on. Never raises."""
        if self.active and not self.began:
            self.began = True
            try:
                self.work_began()
            except Exception as error:
                self.failed(error)

    @property
    def screened(self):
        """Whether a screening can compare it with the plain script within one process."""
        return self.switchable and self.in_every_step

    # -- what it did -----------------------------------------------------------------------------------------------

    def applied(self, **detail):
        """The fix has acted. The first time is noted at once, as a proof that outlives a killed process."""
        self.count += 1
        if self.count == 1:
            self._detail = detail
            self._note("applied", **detail)

    def not_applicable(self, reason):
        """There was something that it could not act on: noted once for each reason."""
        if reason not in self._reasons and len(self._reasons) < MOST_REASONS:
            self._reasons.append(reason)
            if not self.count:
                self._note("not-applicable", reason=reason)

    def failed(self, error):
        """The fix is broken in this script: it says why and takes itself off."""
        if self.error is None:
            text = "%s: %s" % (type(error).__name__, error) if isinstance(error, BaseException) else str(error)
            self.error = text[:500]
            self._note("failed", reason=self.error)
        try:
            self.disarm()
        except Exception as fault:
            self.session.broke(self.name, fault)

    @property
    def state(self):
        """``failed``, ``applied`` or ``not-applicable``, as of now."""
        return "failed" if self.error else "applied" if self.count else "not-applicable"

    def finish(self):
        """The session ends: the last word, with how often it acted."""
        if not self._finished:
            self._finished = True
            reason = self.error or "; ".join(self._reasons) or (None if self.count else self.idle)
            self._note(self.state, reason=reason, count=self.count, final=True, **self._detail)

    def forget_after_fork(self):
        """This process is a forked child: what the parent did is not its own."""
        self.count = 0
        self.began = False
        self._reasons, self._detail, self._finished = [], {}, False

    def _note(self, state, **values):
        try:
            self.session.fact("fix", name=self.name, state=state, parameters=self.parameters, **values)
        except Exception as error:
            self.session.broke(self.name, error)
