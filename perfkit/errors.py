"""Every error perfkit raises on purpose.

::

    PerfkitError                 one line for the person: the thing, the reason, the next step
    ├── UsageError               the command or call cannot be meant that way            (exit 2)
    ├── RunError                 a run directory cannot be used
    │   ├── RunNotFound          no run answers to that name
    │   ├── RunUnreadable        damaged, or not a run
    │   └── NewerSchema          written by a newer perfkit
    ├── TraceError               a trace file cannot be read at all
    ├── CollectorError           a sampler cannot work here (its reason goes to run.json, the run goes on)
    ├── MonitorError             what is to be watched never appears, or cannot be measured
    ├── CommandNotFound          the program to profile does not exist                   (exit 2)
    └── MissingDependency        an extra is not installed; the message has the pip line

Only `cli` turns them into output and an exit code.
"""


class PerfkitError(Exception):
    """Base of all. ``exit_code`` is what a command returns for it."""

    exit_code = 1


class UsageError(PerfkitError):
    """The command or call cannot be meant that way."""

    exit_code = 2


class RunError(PerfkitError):
    """A run directory cannot be used."""


class RunNotFound(RunError):  # noqa: N818 - reads as the fact it states
    """No run answers to that name."""


class RunUnreadable(RunError):  # noqa: N818
    """Damaged, or not a run."""


class NewerSchema(RunError):  # noqa: N818
    """Written by a newer perfkit than this one."""


class TraceError(PerfkitError):
    """A trace file cannot be read at all."""


class CollectorError(PerfkitError):
    """A sampler cannot work here; the run goes on without it."""


class MonitorError(PerfkitError):
    """What a monitor is to watch never appears, or cannot be measured: a metric's name that no epoch brings, scores of an unknown kind."""


class CommandNotFound(UsageError):  # noqa: N818
    """The program to profile does not exist."""


class MissingDependency(PerfkitError):  # noqa: N818
    """An extra is not installed."""
