"""Replaced ``__call__`` methods of module classes, and how they hide from the compiler.

The compiler takes a short way through modules whose ``__call__`` is nn.Module's own, guards what it has seen of any other,
and remembers nn.Module's when it is itself imported. So for the time of each compilation every replacement is
taken off, and what the compiler remembers is put right: its graphs, guards and recompilations stay those of the plain script.
"""

_MISSING = object()


class CallPatches:
    """Replacements in the order in which they were made."""

    def __init__(self, torch):
        self._patches = []
        self._suspended = False
        self._plain = torch.nn.Module.__dict__["__call__"]
        self._skip = None  # the compiler's way to leave a function's frames alone, once it is imported
        self._functions = []

    def put(self, cls, function):
        """Make *function* the class's ``__call__``; returns what takes it off again."""
        self.never_compile(function)
        patch = [cls, function, _MISSING]
        self._patches.append(patch)
        if not self._suspended:
            _on(patch)

        def remove():
            if patch in self._patches:
                self._patches.remove(patch)
                _off(patch)

        return remove

    def suspend(self, *_):
        """A compilation begins."""
        self._suspended = True
        for patch in reversed(self._patches):
            _off(patch)

    def resume(self, *_):
        """It has ended."""
        if self._suspended:
            self._suspended = False
            for patch in self._patches:
                _on(patch)

    def compiler_imported(self, eval_frame, *_):
        """After ``torch._dynamo.eval_frame`` was imported: our functions are run, never compiled as frames of their own."""
        self._skip = getattr(eval_frame, "skip_code", None)
        for function in self._functions:
            self._leave_alone(function)

    def never_compile(self, function):
        """A function of ours that may run in the midst of what the compiler looks at is run, not made a frame of."""
        self._functions.append(function)
        self._leave_alone(function)

    def _leave_alone(self, function):
        codes = [function.__code__] if self._skip is not None else []
        while codes:
            code = codes.pop()
            self._skip(code)
            codes.extend(each for each in code.co_consts if isinstance(each, type(code)))  # of functions within it

    def correct_compiler(self, utils, *_):
        """After ``torch._dynamo.utils`` was imported, perhaps while nn.Module's call was replaced."""
        if hasattr(utils, "unpatched_nn_module_call"):
            utils.unpatched_nn_module_call = self._plain


def _on(patch):
    cls, function, _ = patch
    patch[2] = cls.__dict__.get("__call__", _MISSING)
    cls.__call__ = function


def _off(patch):
    cls, function, own = patch
    if cls.__dict__.get("__call__") is not function:
        return  # somebody wrapped it after us; ours stays below theirs, harmless
    if own is _MISSING:
        del cls.__call__
    else:
        cls.__call__ = own
