"""What the fixes of Keras have in common."""

import functools
import inspect

from ..base import Patch


class KerasPatch(Patch):
    """A fix that is armed when Keras, or TensorFlow, has been imported: ``self.framework`` is that module."""

    def __init__(self, session, framework, watch, parameters):
        super().__init__(session, None, watch, parameters)
        self.framework = framework

    def take_over(self, module, owner, method, change):
        """Once *module* is there, let ``change(arguments)`` act on what *method* of its class *owner* is called with.

        *arguments* are by name, ``self`` among them, without those that were left out; a call that does not fit the method
        reaches it as it is. *change* may return what is to be called with the result.
        """

        def place(found, *_):
            self.replace(getattr(found, owner), method, functools.partial(_changed, self, change))

        self.watch.when(module, place)


def _changed(patch, change, original):
    signature = inspect.signature(original)

    @functools.wraps(original)
    def call(*args, **kwargs):
        if not patch.active:
            return original(*args, **kwargs)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # the script's error, which the method itself will tell
            return original(*args, **kwargs)
        after = None
        try:
            after = change(bound.arguments)
            args, kwargs = bound.args, bound.kwargs
        except Exception as error:
            patch.failed(error)
        result = original(*args, **kwargs)
        if after is not None and patch.active:
            try:
                after(result)
            except Exception as error:
                patch.failed(error)
        return result

    return call


class CompilePatch(KerasPatch):
    """A fix that is an argument of ``Model.compile``: it counts as applied where the model has it afterwards."""

    argument = ""
    idle = "no Keras model was compiled"

    @property
    def value(self):
        """What the argument is to be."""
        raise NotImplementedError

    def why_not(self, arguments):
        """Why nothing is to be done for a model that is compiled with *arguments*; None where it is."""
        raise NotImplementedError

    def place(self):
        """Take over ``compile``."""
        self.take_over("keras.src.trainers.trainer", "Trainer", "compile", self._change)

    def _change(self, arguments):
        reason = self.why_not(arguments)
        if reason:
            self.not_applicable(reason)
            return None
        was, model = arguments.get(self.argument), arguments["self"]
        arguments[self.argument] = self.value

        def after(_):
            found = getattr(model, self.argument)
            if found == self.value:
                self.applied(**{self.argument: self.value, "was": was})
            else:
                self.not_applicable("Keras leaves %s at %s for this model" % (self.argument, found))

        return after


def backend():
    """The name of Keras' backend."""
    import keras

    return keras.backend.backend()


def is_the_scripts(frame):
    """Whether a call comes from the script, and not from within a framework."""
    return not frame.f_globals.get("__name__", "").startswith(("keras.", "tensorflow."))
