"""torch's profiler, for the trace window. While it runs, ``nn.Module.__call__`` names every module call in the trace."""

import sys

from .module_names import ModuleNames
from .profiler import Profiler
from .scopes import OpenScopes


class TorchProfiler(Profiler):
    """torch's."""

    ENDING = ".json"
    EVENT_BYTES = 300  # an exported event is about this long (measured: 260 to 360)

    def __init__(self, session, torch):
        super().__init__()
        self._session, self._torch = session, torch
        self._profile = None  # torch's, while it runs
        self._ours = False  # true while we construct it
        self._modules = ModuleNames(session, torch)
        self._scopes = OpenScopes(torch)

    def is_clear(self):
        """Whether nothing of an earlier window is left that a new one would harm."""
        return self._scopes.all_ended()

    def is_taken(self):
        """Whether another profiler is running."""
        return self._torch._C._autograd._profiler_enabled()

    def may_train_later(self):
        """Whether calls of models seem to be an evaluation, not the script's purpose."""
        return self._session.roots.may_train_later()

    def start(self):
        """Begin to record; raises what torch raises."""
        self._scopes.window_opens()
        self._profile = self._make()
        with _InductorUnasked(self._torch):
            self._profile.start()
        self._modules.name_calls()

    def _make(self):
        profiler = self._torch.profiler
        activities = [profiler.ProfilerActivity.CPU]
        if self._torch.cuda.is_available() and self._torch.cuda.is_initialized():
            activities.append(profiler.ProfilerActivity.CUDA)
        self._ours = True
        try:
            return profiler.profile(
                activities=activities, record_shapes=True, with_stack=self._session.options.trace_stacks
            )
        finally:
            self._ours = False

    def _named(self, step):
        return self._torch.autograd.profiler.record_function("perfkit.step#%d" % step)

    def stop(self):
        """Record no more."""
        self._modules.unname()
        self._profile.stop()

    def export(self, path):
        """Write what was recorded."""
        self._profile.export_chrome_trace(path)

    def closed(self):
        """Let go of what was recorded, however the window ended."""
        self._modules.unname()
        self._profile = None
        self._scopes.window_closed()

    def forget(self):
        """In a forked child: it is the parent's."""
        self._profile = self._annotation = None
        self._modules.unname()
        self._scopes.forget()

    def watch_users(self, told):
        """Call *told* before the script makes a profiler of its own."""
        legacy = self._torch.autograd.profiler.profile
        modern = self._torch.profiler.profile
        for owner in (legacy, modern):
            self._watch_constructor(owner, told)

    def _watch_constructor(self, owner, told):
        original, profiler = owner.__init__, self

        def __init__(self, *args, **kwargs):
            if not profiler._makes(owner):
                told()
            original(self, *args, **kwargs)

        __init__.__wrapped__ = original
        __init__.__doc__ = original.__doc__
        owner.__init__ = __init__
        self._session.undo.append(("window", lambda: setattr(owner, "__init__", original)))

    def _makes(self, owner):
        # torch.profiler.profile makes an autograd profile when it starts, which is not a second profiler.
        return self._ours or (self._profile is not None and owner is self._torch.autograd.profiler.profile)


class _InductorUnasked:
    """While a profiler starts: torch's asks ``hasattr(torch, "_inductor")``, and that import brings 800 modules with it (1 s, in
    a script that compiles nothing and has no optimizer, whose construction imports it anyway). It only wants to know about
    CUDA graphs of compiled code, of which there can be none.
    """

    def __init__(self, torch):
        self._torch = torch
        self._original = None if "torch._inductor" in sys.modules else torch.__dict__.get("__getattr__")

    def __enter__(self):
        original = self._original
        if original is not None:

            def __getattr__(name):
                if name == "_inductor" and sys._getframe(1).f_globals.get("__name__") == "torch.profiler.profiler":
                    raise AttributeError(name)
                return original(name)

            self._torch.__getattr__ = __getattr__

    def __exit__(self, *exc):
        if self._original is not None:
            self._torch.__getattr__ = self._original
