"""steps-per-execution: so many steps in one call of Keras' train function (``compile(steps_per_execution=32)``).

Callbacks see the ends of executions then, not of steps.
"""

from .base import CompilePatch, backend

STEPS = 32


class StepsPerExecution(CompilePatch):
    """Where the script leaves it at one."""

    name = "steps-per-execution"
    argument = "steps_per_execution"

    @property
    def value(self):
        """How many."""
        return int(self.parameters.get("steps") or STEPS)

    def why_not(self, arguments):
        """The torch backend has no such thing."""
        now = arguments.get("steps_per_execution") or 1
        if backend() == "torch":
            return "Keras has no such thing where it computes with torch"
        if arguments.get("run_eagerly"):
            return "the model runs eagerly (run_eagerly=True)"
        if now >= self.value:
            return "the script makes %d steps in one call already" % now
        return None


PATCH = StepsPerExecution
