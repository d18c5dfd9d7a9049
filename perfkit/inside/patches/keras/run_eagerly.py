"""run-eagerly: graphs where the script asks for step by step (``compile(run_eagerly=True)``, ``tf.config.run_functions_eagerly(True)``).

A step that is written outside any tf.function is the script's to wrap: nothing can be done about it from inside.
"""

import functools

from .base import CompilePatch

OF_TENSORFLOW = "run_functions_eagerly"


class RunEagerly(CompilePatch):
    """Armed with TensorFlow: a script may say it before Keras is there."""

    name = "run-eagerly"
    argument = "run_eagerly"
    value = False
    idle = "the script does not ask for it: a step outside a tf.function is the script's to wrap"

    def place(self):
        """Take over both places where a script says so."""
        if self.parameters.get("run_eagerly"):
            raise ValueError("run_eagerly=true is nothing that makes a step faster")
        super().place()
        self.replace(self.framework.config, OF_TENSORFLOW, self._make)

    def why_not(self, arguments):
        """Where it is not asked for."""
        return None if arguments.get("run_eagerly") else "the script does not ask for it"

    def _make(self, original):
        @functools.wraps(original)
        def run_functions_eagerly(run_eagerly):
            if self.active and run_eagerly:
                self.applied(run_functions_eagerly=False, was=True)
                return original(False)
            return original(run_eagerly)

        return run_functions_eagerly


PATCH = RunEagerly
