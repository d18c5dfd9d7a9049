"""nothing: changes nothing and says that it was applied, so that a comparison with itself can be measured."""

from .base import Patch


class Nothing(Patch):
    """A fix in name only."""

    name = "nothing"
    switchable = True

    def place(self):
        """Nothing to put on."""
        self.applied()

    def on(self):
        """Nothing again."""
        super().on()
        self.applied()


PATCH = Nothing
