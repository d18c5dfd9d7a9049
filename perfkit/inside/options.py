"""What the launcher asks of the guest, from one environment variable. Python 3.9, standard library."""

from urllib.parse import unquote

DEFAULT_TRACE_STEPS = 5
# A window of more events than this is too large to export quickly and to look at.
DEFAULT_TRACE_EVENTS = 50000


class Options:
    """The guest's settings, each with the default that holds when the launcher says nothing."""

    def __init__(self, text=""):
        given = dict(pair.split("=", 1) for pair in text.split(";") if "=" in pair)
        given = {key: unquote(value) for key, value in given.items()}
        self.trace_steps = int(given.get("trace_steps") or DEFAULT_TRACE_STEPS)
        self.trace_events = int(given.get("trace_events") or DEFAULT_TRACE_EVENTS)
        self.no_trace = given.get("no_trace", "0") == "1"
        self.trace_stacks = given.get("trace_stacks", "0") == "1"
        self.trace_at_step, self.trace_at_seconds = _trace_at(given.get("trace_at", ""))
        self.steps = int(given["steps"]) if given.get("steps") else None
        self.seconds = float(given["seconds"]) if given.get("seconds") else None
        self.step_on = given.get("step_on") or None
        # A trial ends the process after so many steady steps, and (where given) no sooner than so many seconds of them;
        # at the latest after trial_seconds.
        self.trial_steps = int(given.get("trial_steps") or 0)
        self.trial_steady_seconds = float(given.get("trial_steady_seconds") or 0)
        self.trial_seconds = float(given.get("trial_seconds") or 0)
        # A screening: fixes and the plain script take turns of so many steps each, until so many seconds are over.
        self.screen_steps = int(given.get("screen_steps") or 0)
        self.screen_seconds = float(given.get("screen_seconds") or 0)
        # A relay: this process and others take turns, each for so many legs of so many steps, meant to take so many seconds.
        self.legs = int(given.get("legs") or 0)
        self.leg_steps = int(given.get("leg_steps") or 0)
        self.leg_seconds = float(given.get("leg_seconds") or 0)
        self.stream = given.get("stream", "0") == "1"  # monitored: losses and learning rates are marked, too
        self.fixes = given.get("fixes", "0") == "1"  # there is a fixes.json
        self.launcher = int(given.get("launcher") or 0)


def _trace_at(text):
    """``step:N`` or ``seconds:N`` to a pair, one of which is None."""
    kind, _, value = text.partition(":")
    if not value:
        return None, None
    return (int(value), None) if kind == "step" else (None, float(value))
